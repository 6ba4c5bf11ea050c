"""Offsets of a whole city of signals: a plan, a proven bound, and which links pay for the loops."""
