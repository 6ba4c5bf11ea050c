"""An approach that lets nobody through although the way on is free: something stands in the way."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.diagnosis.approaches import Approaches
from traffic_brain.diagnosis.causes.standstill import standstill

BINS = 12


def streets(flow: list[float], delay: list[float], ahead: list[float]) -> Approaches:
    """An approach, and the one that its vehicles go to."""
    delays = np.array([delay, ahead], dtype=np.float64)
    flows = np.array([flow, [60.0] * BINS], dtype=np.float64)
    return Approaches(
        links=(("a",), ("b",)),
        delay_s=delays,
        flow_veh=flows,
        lost_veh_h=delays * flows / 3600,
        places=np.array([40.0, 40.0]),
        signalled=np.array([True, True]),
        onward=((1,), ()),
    )


USUAL, HELD = [60.0] * 6, [3.0] * 4
QUEUE = [30.0] * 6 + [600.0] * 4 + [300.0] * 2


def test_discharge_that_ends_is_an_obstacle() -> None:
    found = standstill(streets([*USUAL, *HELD, 40.0, 50.0], QUEUE, [10.0] * BINS), 0, range(BINS))
    assert found == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("flow", "delay", "ahead"),
    [
        ([*USUAL, *HELD, 40.0, 50.0], QUEUE, [10.0] * 6 + [200.0] * 6),  # the street ahead is full
        ([*USUAL, *HELD, 40.0, 50.0], [30.0] * BINS, [10.0] * BINS),  # nobody comes, nobody waits
        ([60.0] * BINS, [300.0] * BINS, [10.0] * BINS),  # a queue that moves
        ([3.0] * BINS, QUEUE, [10.0] * BINS),  # a street that is never used much
        ([*USUAL, 60.0, 3.0, 60.0, 3.0, 60.0, 60.0], QUEUE, [10.0] * BINS),  # single bins
    ],
)
def test_what_is_no_obstacle(flow: list[float], delay: list[float], ahead: list[float]) -> None:
    assert standstill(streets(flow, delay, ahead), 0, range(BINS)) == []
