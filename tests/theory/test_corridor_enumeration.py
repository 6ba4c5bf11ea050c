"""Green waves against enumeration of all offsets, and forty signals proved; samples of a benchmark.

``python -m benchmarks.corridors`` does the same on a thousand corridors and twenty arterials.
"""

from __future__ import annotations

import pytest

from benchmarks.corridors.long import measure
from benchmarks.corridors.small import SmallCorridor, disagreements
from optimizers.greenwave.maxband import maxband
from tests.reference.greenwave import widest_pair


def test_sixty_small_corridors() -> None:
    """MAXBAND by MILP, the whole-second solver, and every offset tried, agree."""
    assert disagreements(60, seed=1) == []


def test_a_corridor_by_hand() -> None:
    """Greens of half a cycle 5 s apart each way: both bands lose what the loop is too short."""
    corridor = SmallCorridor(12, ((6, 0, 6), (6, 0, 6)), (5,), (5,))
    # Offset 6: the out platoon comes 1 s early, the back platoon too: 5 s each way.
    assert widest_pair(corridor.cycle_s, corridor.greens, (5,), (5,)) == 10
    assert maxband(corridor.arterial).objective * 12 == pytest.approx(10.0)


def test_forty_signals_are_proved_and_checked() -> None:
    figures = measure(seed=1)
    assert figures["status"] == "OPTIMAL"
    assert figures["gap_ratio"] <= 1e-6
    assert figures["wrong"] == []
