"""Green waves: bandwidth models for arterials, whole-second offsets for real corridors.

``maxband``, ``multiband`` and ``amband`` answer an ``ArterialProblem``; ``integer.best_offsets``
answers a ``CorridorProblem``; ``checker`` drives through the answers.
"""
