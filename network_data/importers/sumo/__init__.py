"""SUMO network files with their additional files as a road network."""
