"""Damaged networks of every format: each is refused, or imported with a report.

Bytes, elements, rows and cells of small sound files are damaged at random, reproducibly: case 17
of a format and a seed is the same on every machine. ``python -m benchmarks.fuzz`` runs them.
"""
