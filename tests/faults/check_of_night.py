"""A small check as a process of its own, to be killed: CITY STATE PLANS OUT JOURNAL."""

from __future__ import annotations

import sys
from pathlib import Path

from sim_scenarios.check import CheckParams, check

FEW = CheckParams(
    screen_seeds=1, more_seeds=0, last_seeds=0, stress_seeds=1, calm_seeds=1, transition_seeds=1
)

if __name__ == "__main__":
    city, state, plans, out = map(Path, sys.argv[1:])
    check(city, state, plans, out, seed=1, params=FEW, workers=1)
