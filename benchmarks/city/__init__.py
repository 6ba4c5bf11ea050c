"""Offsets of a generated city: how near to the best that is possible, and how soon."""
