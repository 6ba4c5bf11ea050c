"""How many plans a day, and when each runs.

``clusters`` cuts a day exactly into stretches of even demand, ``transitions`` tells what a
controller does between two plans, ``switching`` what that costs, ``timetable`` finds the sequence
of plans that costs least, and ``solve`` is the recipe.
"""
