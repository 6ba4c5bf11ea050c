"""How near the fused state of a recorded city comes to what really happened there.

Run ``python -m benchmarks.fusion``.
"""
