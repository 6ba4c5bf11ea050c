"""A city that is too large for one simulation, checked area by area."""
