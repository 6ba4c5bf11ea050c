"""Saturation flows and running timings found from passes, against what SUMO shows."""
