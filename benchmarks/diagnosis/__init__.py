"""Diagnosis against planted faults: recorded worlds of which it is known what is wrong."""
