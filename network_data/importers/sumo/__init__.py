"""SUMO network files with their additional files as a road network."""

from network_data.importers.sumo.network import export_signals, import_network, read_network

__all__ = ["export_signals", "import_network", "read_network"]
