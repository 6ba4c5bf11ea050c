"""traffic-brain: signal timing for whole cities, from data the city already has.

Importing this package costs nothing: whatever is heavy is imported where it is used.
"""

__version__ = "0.1.0"
