"""UTDF (Synchro's Universal Traffic Data Format) as a road network."""

from network_data.importers.utdf.network import import_network, read_network

__all__ = ["import_network", "read_network"]
