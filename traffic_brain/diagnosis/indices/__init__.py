"""Indices of links, junctions, corridors, road classes, zones and the city."""
