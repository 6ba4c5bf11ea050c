"""Clocks that are wrong: devices that saw the same vehicles tell by how much they differ.

Three kinds of evidence, the sharpest first:

- A camera and the detectors at the end of one link see the same vehicles within two seconds. The
  differences of all their times within ``REACH_S`` heap up at the difference of their clocks.
- Two cameras along a way: the quickest vehicles need free-flow time, so their difference less that
  is the difference of the clocks, with the red lights on the way.
- Detectors and the lamps of their own controller: nobody passes on red.

Clocks are compared, so only a minority can be found wrong; where two whole feeds differ, that is
said, and which is right is not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.feeds.layout import CHECKPOINT, POLICE
from traffic_brain.feeds.lights import Lights
from traffic_brain.model.network import RoadNetwork

REACH_S = 300
WRONG_S = 10.0
"""Clocks that differ by less are as good as the sources need."""
TOO_QUICK_S, TOO_SLOW_S = -15.0, 150.0
"""Nobody drives so much quicker than free flow; but red lights and queues take their time."""
USUAL_S = 45.0
"""What a red light takes; more than that speaks neither for nor against a clock."""
MIN_VEHICLES = 30
PEAK_RATIO, PEAK_Z = 1.6, 6.0
"""How far a heap must stand out of the chance meetings around it."""
LONGEST_WAY_S = 180.0
MOST_TIMES = 20_000

Clock = tuple[str, str]
"""(feed, junction of the detectors or link of the cameras)."""


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """Clock ``first`` is ahead of clock ``second`` by ``ahead_s``."""

    first: Clock
    second: Clock
    ahead_s: float
    least_s: float = -WRONG_S
    most_s: float = WRONG_S
    """Between these the difference means nothing."""

    def seen_from_second(self, feeds_s: float) -> ClockDifference:
        """The same the other way round, and how far feeds differ as a whole taken off."""
        return ClockDifference(
            self.second, self.first, feeds_s - self.ahead_s, -self.most_s, -self.least_s
        )

    @property
    def contradicts(self) -> bool:
        return not self.least_s <= self.ahead_s <= self.most_s

    @property
    def confirms(self) -> bool:
        return not self.contradicts and abs(self.ahead_s) <= USUAL_S

    @property
    def is_sharp(self) -> bool:
        return self.most_s - self.least_s <= 2 * WRONG_S


@dataclass(frozen=True)
class ClockErrors:
    """What the comparisons come to."""

    ahead_s: Mapping[Clock, float]
    """Clocks that most others contradict, and by how much they are ahead of the others."""
    undecided: tuple[tuple[Clock, Clock, float], ...]
    """Clocks that only contradict each other: (first, second, by how much the first is ahead)."""
    between_feeds_s: float
    """By how much checkpoint clocks are ahead of police clocks, as a whole; 0: they agree."""


def at_one_stop_line(
    passes: pd.DataFrame, camera_passes: pd.DataFrame, junction_of: Mapping[str, str]
) -> list[ClockDifference]:
    """Cameras against the detectors of their link.

    Args:
        passes: link_id, time_s of the police feed.
        camera_passes: link_id, time_s.
        junction_of: link -> junction whose controller the link's detectors hang on.
    """
    seen = _times_by(passes, "link_id", set(camera_passes["link_id"]))
    found = []
    for link, rows in camera_passes.groupby("link_id", sort=True):
        times_s = seen.get(str(link))
        if times_s is None or str(link) not in junction_of:
            continue
        ahead_s = heap_of_differences_s(rows["time_s"].to_numpy(), times_s)
        if ahead_s is not None:
            clocks = (CHECKPOINT, str(link)), (POLICE, junction_of[str(link)])
            found.append(ClockDifference(*clocks, ahead_s))
    return found


def heap_of_differences_s(first_s: np.ndarray, second_s: np.ndarray) -> float | None:
    """Where the differences ``first - second`` heap up, to about a second; None: nowhere.

    Args:
        first_s, second_s: times in seconds, in any order.
    """
    first_s, second_s = np.sort(first_s)[:MOST_TIMES], np.sort(second_s)
    if min(len(first_s), len(second_s)) < MIN_VEHICLES:
        return None
    low = np.searchsorted(second_s, first_s - REACH_S)
    high = np.searchsorted(second_s, first_s + REACH_S)
    counts = high - low
    which = np.repeat(np.arange(len(first_s)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    differences = first_s[which] - second_s[low[which] + within]
    heap, _ = np.histogram(differences, np.arange(-REACH_S, REACH_S + 1))
    # Two bins together, so that a heap on the border of two is as high as any.
    smooth = np.convolve(heap, [1.0, 1.0], mode="valid")
    around = _background(smooth)
    height = (smooth - around) / np.sqrt(around + 1.0)
    peak = int(height.argmax())
    is_high = smooth[peak] > PEAK_RATIO * around[peak] and height[peak] > PEAK_Z
    if not is_high or smooth[peak] < MIN_VEHICLES / 2:
        return None
    return float(peak + 1 - REACH_S)


def _background(smooth: np.ndarray) -> np.ndarray:
    """What chance meetings come to nearby: platoons make them swell and ebb within a cycle."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(smooth, 8, mode="reflect"), 17)
    return np.asarray(np.median(windows, axis=1))


def along_ways(camera_passes: pd.DataFrame, network: RoadNetwork) -> list[ClockDifference]:
    """Cameras against the next cameras down their ways.

    Args:
        camera_passes: token, link_id, time_s; ordered by token and time.
    """
    links = sorted(set(camera_passes["link_id"]))
    if len(links) < 2:
        return []
    way_s = _free_way_s(network, links)
    link = pd.Index(links).get_indexer(camera_passes["link_id"])
    token, time_s = camera_passes["token"].to_numpy(), camera_passes["time_s"].to_numpy()
    step = np.flatnonzero((token[1:] == token[:-1]) & (link[1:] != link[:-1]))
    a, b = step, step + 1
    forward = way_s[link[a], link[b]] <= way_s[link[b], link[a]]
    a, b = np.where(forward, a, b), np.where(forward, b, a)
    driven_s, free_s = time_s[b] - time_s[a], way_s[link[a], link[b]]
    near = np.isfinite(free_s) & (np.abs(driven_s) <= REACH_S)
    table = pd.DataFrame(
        {"a": link[a[near]], "b": link[b[near]], "late_s": (driven_s - free_s)[near]}
    )
    found = []
    for (first, second), rows in table.groupby(["a", "b"], sort=True):
        if len(rows) >= MIN_VEHICLES:
            clocks = (CHECKPOINT, links[second]), (CHECKPOINT, links[first])
            quickest_s = float(rows["late_s"].quantile(0.15))
            found.append(ClockDifference(*clocks, quickest_s, TOO_QUICK_S, TOO_SLOW_S))
    return found


def _free_way_s(network: RoadNetwork, links: Sequence[str]) -> np.ndarray:
    """float64[from, to]: free-flow seconds from the end of a link to the end of another."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    idx = network.link_idx
    steps = [(idx[a], idx[b]) for a, after in network.successors.items() for b in after]
    free_s = np.array([link.length_m / link.free_flow_speed_mps for link in network.links.values()])
    tail, head = np.array(steps, np.int64).reshape(-1, 2).T
    graph = csr_array((free_s[head], (tail, head)), shape=(len(free_s), len(free_s)))
    own = [idx[link] for link in links]
    ways_s: np.ndarray = dijkstra(graph, indices=own, limit=LONGEST_WAY_S)[:, own]
    return ways_s


def clock_errors(differences: Sequence[ClockDifference]) -> ClockErrors:
    """Which clocks most of their comparisons contradict.

    One by one, the clock with the most contradictions beyond confirmations is taken for wrong, and
    set right by the median of what it is told. Of two that contradict each other alone, either may
    be wrong.
    """
    between_s = _between_feeds_s(differences)
    left: dict[Clock, dict[Clock, ClockDifference]] = defaultdict(dict)
    for d in differences:
        back = d.seen_from_second(between_s if d.first[0] != d.second[0] else 0.0)
        left[d.second][d.first] = back
        left[d.first][d.second] = back.seen_from_second(0.0)
    ahead_s: dict[Clock, float] = {}
    undecided: list[tuple[Clock, Clock, float]] = []
    while True:
        worst = max(left, key=lambda clock: (_contradictions(left[clock]), clock), default=None)
        if worst is None or _contradictions(left[worst]) <= 0:
            return ClockErrors(ahead_s, tuple(undecided), between_s)
        told = {c: d for c, d in left[worst].items() if d.contradicts}
        rivals = [c for c in told if _contradictions(left[c]) == _contradictions(left[worst])]
        if len(told) == 1 and rivals:
            undecided.append((worst, rivals[0], told[rivals[0]].ahead_s))
        else:
            sharp = [d.ahead_s for d in told.values() if d.is_sharp]
            ahead_s[worst] = float(np.median(sharp or [d.ahead_s for d in told.values()]))
        for other in left.pop(worst):
            left[other].pop(worst, None)


def _contradictions(told: Mapping[Clock, ClockDifference]) -> int:
    """Comparisons that contradict a clock, less those that confirm it."""
    return sum(d.contradicts - d.confirms for d in told.values())


def _between_feeds_s(differences: Sequence[ClockDifference]) -> float:
    told = [d.ahead_s for d in differences if d.first[0] == CHECKPOINT and d.second[0] == POLICE]
    if len(told) < 2:
        return 0.0
    median_s = float(np.median(told))
    agree = np.abs(np.array(told) - median_s) <= WRONG_S
    return median_s if abs(median_s) > WRONG_S and agree.mean() > 0.5 else 0.0


# --- against the lamps --------------------------------------------------------------------------

ON_GREEN_SHARE, WELL_ON_GREEN_SHARE = 0.6, 0.85
MOST_PASSES = 400


def against_lamps(
    lanes: Mapping[tuple[str, int], np.ndarray], lights: Lights
) -> tuple[float, float, float] | None:
    """(shift in s, share on green as told, and when shifted) of detectors that pass on red.

    Args:
        lanes: (link, lane) -> times of the passes of detectors that share a clock.

    The smallest shift that puts nearly all passes on green; it is known but for whole cycles.
    None: they pass on green as they should, or no shift puts them there.
    """
    thin = {lane: t[:: len(t) // MOST_PASSES + 1] for lane, t in lanes.items() if len(t)}
    told = _share(thin, lights, 0.0)
    if not told < ON_GREEN_SHARE:
        return None
    tried = {s: _share(thin, lights, float(s)) for s in range(-120, 121, 5)}
    shares = {s: share for s, share in tried.items() if np.isfinite(share)}
    best = max(shares.values(), default=0.0)
    if best < WELL_ON_GREEN_SHARE:
        return None
    shift_s = min((s for s, share in shares.items() if share > best - 0.03), key=abs)
    return float(shift_s), told, shares[shift_s]


def _share(lanes: Mapping[tuple[str, int], np.ndarray], lights: Lights, shift_s: float) -> float:
    """Share of passes on green, of all lanes that have lamps."""
    shares = [(lights.green_share(lane, t - shift_s), len(t)) for lane, t in lanes.items()]
    known = [(share, n) for share, n in shares if np.isfinite(share)]
    total = sum(n for _, n in known)
    return sum(share * n for share, n in known) / total if total >= MIN_VEHICLES else np.nan


def _times_by(table: pd.DataFrame, column: str, wanted: set[str]) -> dict[str, np.ndarray]:
    rows = table[table[column].isin(wanted)]
    times_s = rows["time_s"].to_numpy()
    return {str(k): times_s[i] for k, i in rows.groupby(column, sort=False).indices.items()}
