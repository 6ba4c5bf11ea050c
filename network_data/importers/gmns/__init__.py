"""GMNS folders (General Modeling Network Specification 0.9x) as a road network."""

from network_data.importers.gmns.network import import_network, read_network, read_plain

__all__ = ["import_network", "read_network", "read_plain"]
