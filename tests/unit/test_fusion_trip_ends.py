"""How readily trips begin and end is read from how often cameras meet a vehicle again."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.trip_ends import MARGIN_S, USUAL_SHARE, Reading, stay_share, unseen
from traffic_brain.fusion.window import Window

LINKS = 24
PLACES = {f"n{i}": (100.0 * i, 0.0) for i in range(LINKS + 1)}
NAMES = [f"n{i}-n{i + 1}" for i in range(LINKS)]
CITY = network([road(f"n{i}", f"n{i + 1}", PLACES) for i in range(LINKS)], through(*NAMES))
WINDOW = Window(0, 7200)
CAMERAS = frozenset(range(2, LINKS, 5))
MISSED = np.array([0.05 if i in CAMERAS else 1.0 for i in range(LINKS)])


def day(
    share: float, seed: int, cameras: frozenset[int] = CAMERAS
) -> tuple[dict[tuple[str, str], float], list[Reading]]:
    """Turns and readings of a street on whose every link a share of vehicles begins and ends."""
    rng = np.random.default_rng(seed)
    flows: dict[tuple[str, str], float] = defaultdict(float)
    readings: list[Reading] = []
    begins = np.array([1.0, *[share] * (LINKS - 1)])
    for start in rng.choice(LINKS, 3000, p=begins / begins.sum()):
        end = start
        while end + 1 < LINKS and rng.random() > share:
            end += 1
        for i in range(start, end):
            flows[NAMES[i], NAMES[i + 1]] += 1.0
        left = range(start, end + (end == LINKS - 1))  # who ends on a link does not leave it
        read = [i for i in left if i in cameras and rng.random() > 0.05]
        readings += [
            (NAMES[i], float(rng.uniform(1000, 6000)), i == read[0], i == read[-1]) for i in read
        ]
    return flows, readings


@pytest.mark.parametrize(("share", "rel"), [(0.004, 0.5), (0.015, 0.35), (0.06, 0.35)])
def test_the_share_that_was_comes_out(share: float, rel: float) -> None:
    """Shares are asked in steps of a third; one far from the usual is drawn to it a little."""
    flows, readings = day(share, 1)
    assert stay_share(CITY, flows, MISSED, readings, WINDOW) == pytest.approx(share, rel=rel)


def test_where_no_camera_tells_it_is_the_usual_one() -> None:
    flows, readings = day(0.06, 2)
    assert stay_share(CITY, flows, MISSED, [], WINDOW) == USUAL_SHARE
    only_before = [(link, 7200.0 - MARGIN_S / 2, False, last) for link, _, _, last in readings]
    found = stay_share(CITY, flows, MISSED, only_before, WINDOW)
    assert found == pytest.approx(USUAL_SHARE, rel=0.2)


def test_trips_cut_off_by_the_window_do_not_count_as_ended() -> None:
    """Who is read within the margin is never read again; taken for ends, they double the share."""
    flows, readings = day(0.015, 3)
    cut = [(link, 7000.0, first, True) for link, _, first, _ in readings[::2]]
    kept = stay_share(CITY, flows, MISSED, [*readings, *cut], WINDOW)
    assert kept == pytest.approx(0.015, rel=0.35)
    counted = [(link, 4000.0, first, True) for link, _, first, _ in readings[::2]]
    assert stay_share(CITY, flows, MISSED, [*readings, *counted], WINDOW) > 1.5 * kept


def test_a_camera_at_the_edge_of_the_map_reads_who_leaves_it() -> None:
    """There all are last readings, which tells nothing; those before it are met again there."""
    at_edge = frozenset({2, LINKS - 1})
    flows, readings = day(0.015, 5, at_edge)
    missed = np.array([0.05 if i in at_edge else 1.0 for i in range(LINKS)])
    assert stay_share(CITY, flows, missed, readings, WINDOW) == pytest.approx(0.015, rel=0.35)


def test_few_readings_leave_it_nearer_to_the_usual_one_than_many() -> None:
    """A quarter of a dozen may be chance; a quarter of a thousand is not."""
    flows, _ = day(0.03, 6)
    few = [(NAMES[7], 3000.0, False, k < 3) for k in range(12)]
    found, sure = (stay_share(CITY, flows, MISSED, few * n, WINDOW) for n in (1, 100))
    assert USUAL_SHARE < found < sure


@pytest.mark.parametrize("forward", [True, False])
def test_the_chain_is_that_of_vehicles_followed_one_by_one(forward: bool) -> None:
    flows, readings = day(0.03, 4)
    chain = unseen(CITY, flows, forward=forward)
    stay = chain.stay(0.03)
    beyond = chain.beyond(stay, chain.value(stay, MISSED))
    here = NAMES[7]
    ends = [last if forward else first for link, _, first, last in readings if link == here]
    assert beyond[CITY.link_idx[here]] == pytest.approx(np.mean(ends), abs=0.04)
