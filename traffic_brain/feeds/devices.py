"""Detectors and cameras, each beside itself and its neighbours: which of them are unwell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.layout import CHECKPOINT, POLICE
from traffic_brain.feeds.lights import Lights
from traffic_brain.feeds.police import PoliceDay

BIN_S = 300
DAY_BINS = 288
MOST_PER_BIN = 240
"""A lane discharges 2,200 vehicles an hour at most, 183 in five minutes; the rest is margin."""
SAME_COUNTS, LEAST_SAME = 12, 3
"""An hour of the same count, of three vehicles or more."""
SAME_HEADWAYS = 30
LOW_RATIO, LOW_VEHICLES = 0.5, 100
SILENT_BINS, BUSY_PER_BIN, USUAL_RATIO = 6, 5.0, 0.7
SAME_STREAM_RATIO, SAME_STREAM_ROWS = 0.8, 30
OTHER_GREEN, OWN_GREEN, SWAPPED_PASSES = 0.85, 0.7, 50
FAR_M = 30.0

Streams = Mapping[str, np.ndarray]
"""Detector -> times of its passes in seconds of the day, in order."""


def streams_of(police: PoliceDay) -> Streams:
    """The passes of each detector."""
    times_s = police.passes["time_s"].to_numpy()
    groups = police.passes.groupby("detector_id", sort=True).indices
    return {str(detector): times_s[rows] for detector, rows in groups.items()}


def _count_series(police: PoliceDay) -> Iterator[tuple[str, np.ndarray]]:
    """Detector -> its counts, in order of time."""
    counts = police.counts.sort_values(["detector_id", "time_s"], kind="stable")
    for detector, rows in counts.groupby("detector_id", sort=True):
        yield str(detector), rows["count"].to_numpy(np.float64)


def _at(police: PoliceDay, detector: str) -> tuple[str, ...]:
    junction = police.detectors["junction_id"].get(detector)
    return (str(junction),) if isinstance(junction, str) else ()


def stuck_detectors(police: PoliceDay, streams: Streams) -> Iterator[Finding]:
    """Detectors that send what no traffic can be."""
    found: dict[str, str] = {}
    for detector, counts in _count_series(police):
        length = _longest_run(counts, counts >= LEAST_SAME)
        if length >= SAME_COUNTS:
            found[detector] = f"{length} counts in a row are the same"
    for detector, times_s in streams.items():
        fullest = int(np.bincount((times_s // BIN_S).astype(np.int64)).max(initial=0))
        headways_s = np.round(np.diff(times_s), 1)
        length = _longest_run(headways_s, np.full(len(headways_s), True)) + 1
        if fullest > MOST_PER_BIN:
            found[detector] = f"{fullest} passes in five minutes"
        elif length >= SAME_HEADWAYS:
            found[detector] = f"{length} passes in a row on one beat"
    for detector, detail in found.items():
        yield Finding(POLICE, "stuck", detector, _at(police, detector), detail)


def _longest_run(values: np.ndarray, counts: np.ndarray) -> int:
    """Length of the longest run of equal values among those that count."""
    if not len(values):
        return 0
    same = np.concatenate([[False], (values[1:] == values[:-1]) & counts[1:] & counts[:-1]])
    run = np.arange(len(values)) - np.maximum.accumulate(np.where(same, 0, np.arange(len(values))))
    return int(run.max()) + 1


def doubled_detectors(police: PoliceDay, streams: Streams) -> Iterator[Finding]:
    """Of detectors of a junction that send the same, all but the first in the register."""
    of_junction = police.detectors.groupby("junction_id", sort=True).groups
    streams = {k: np.round(t, 3) for k, t in streams.items()}
    counts = dict(_count_series(police)) if not streams else {}
    for junction, detectors in of_junction.items():
        ids = [d for d in detectors if d in streams or d in counts]
        copies: set[str] = set()
        for i, one in enumerate(ids):
            for other in ids[i + 1 :]:
                if other in copies or one in copies:
                    continue
                if _same_stream(one, other, streams, counts):
                    copies.add(other)
                    detail = f"sends what {one} sends"
                    yield Finding(POLICE, "duplicate_stream", other, (str(junction),), detail)


def _same_stream(
    one: str, other: str, streams: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]
) -> bool:
    if one in streams and other in streams:
        a, b = streams[one], streams[other]
        fewer, more = sorted((len(a), len(b)))
        if fewer < max(SAME_STREAM_ROWS, SAME_STREAM_RATIO * more):
            return False
        return len(np.intersect1d(a, b)) >= SAME_STREAM_RATIO * more
    if one in counts and other in counts:
        same = len(counts[one]) == len(counts[other]) and (counts[one] == counts[other]).all()
        return bool(same) and int((counts[one] >= LEAST_SAME).sum()) >= SAME_COUNTS
    return False


def detectors_with_low_hits(police: PoliceDay, streams: Streams) -> Iterator[Finding]:
    """Detectors whose passes are far fewer than their own counts, in the intervals of both."""
    for detector, rows in police.counts.groupby("detector_id", sort=True):
        times_s = streams.get(str(detector))
        if times_s is None:
            continue
        begin_s = rows["time_s"].to_numpy()
        end_s = begin_s + rows["interval_s"].to_numpy()
        passed = np.searchsorted(times_s, end_s) - np.searchsorted(times_s, begin_s)
        counted = rows["count"].to_numpy()
        heard = passed > 0
        told, seen = int(counted[heard].sum()), int(passed[heard].sum())
        if told >= LOW_VEHICLES and seen < LOW_RATIO * told:
            detail = f"{seen} passes where it counted {told}"
            yield Finding(POLICE, "low_hits", str(detector), _at(police, str(detector)), detail)


def silent_detectors(police: PoliceDay, streams: Streams) -> Iterator[Finding]:
    """Detectors that stopped for half an hour while the others of their junction went on."""
    per_bin = {
        detector: np.bincount((times_s // BIN_S).astype(np.int64), minlength=DAY_BINS)
        for detector, times_s in streams.items()
    }
    for junction, detectors in police.detectors.groupby("junction_id", sort=True).groups.items():
        heard = [d for d in detectors if d in per_bin]
        if len(heard) < 2:
            continue
        bins = np.array([per_bin[d] for d in heard])
        total = bins.sum(axis=0)
        for detector, own in zip(heard, bins, strict=True):
            others = total - own
            # What it should have seen, had it kept its share of the junction's traffic.
            expected = others * own[own > 0].sum() / max(others[own > 0].sum(), 1)
            as_usual = others >= USUAL_RATIO * np.median(others[own > 0])
            missing = (own == 0) & (expected >= BUSY_PER_BIN) & as_usual
            for first, last in _runs(missing, SILENT_BINS):
                detail = f"{first * BIN_S}-{(last + 1) * BIN_S} s of the day"
                yield Finding(POLICE, "silent", detector, (str(junction),), detail)


def _runs(marked: np.ndarray, least: int) -> Iterator[tuple[int, int]]:
    """(first, last) index of each run of True of at least some length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if after - first >= least:
            yield first, after - 1


def swapped_lanes(police: PoliceDay, streams: Streams, lights: Lights) -> Iterator[tuple[str, int]]:
    """(detector, lane it is really on): pairs that pass on each other's green."""
    lanes: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for detector, link, lane in zip(
        police.detectors.index,
        police.detectors["link_id"],
        police.detectors["lane_idx"],
        strict=True,
    ):
        if len(streams.get(detector, ())) >= SWAPPED_PASSES and (link, int(lane)) in lights.groups:
            lanes[link].append((detector, int(lane)))
    for link, there in sorted(lanes.items()):
        for i, (one, a) in enumerate(there):
            for other, b in there[i + 1 :]:
                if lights.groups[link, a] == lights.groups[link, b]:
                    continue
                own = [
                    lights.green_share((link, a), streams[one]),
                    lights.green_share((link, b), streams[other]),
                ]
                swapped = [
                    lights.green_share((link, b), streams[one]),
                    lights.green_share((link, a), streams[other]),
                ]
                if min(swapped) > OTHER_GREEN and max(own) < OWN_GREEN:
                    yield one, b
                    yield other, a


def swapped_detectors(police: PoliceDay, lane_of: Mapping[str, int]) -> Iterator[Finding]:
    """What to tell of detectors that are on another lane than their register says."""
    for detector, lane in lane_of.items():
        detail = f"passes on the green of lane {lane}"
        yield Finding(POLICE, "swapped_lanes", detector, _at(police, detector), detail)


def far_detectors(police: PoliceDay) -> Iterator[Finding]:
    """Detectors that were located, but not near to their link."""
    if "residual_m" not in police.detectors:
        return
    residual_m = police.detectors["residual_m"]
    for detector, metres in residual_m[residual_m > FAR_M].items():
        detail = f"{metres:.0f} m from its link"
        yield Finding(POLICE, "far_from_link", str(detector), _at(police, str(detector)), detail)


def cameras_with_low_hits(police: PoliceDay, checkpoint: CheckpointDay) -> Iterator[Finding]:
    """Cameras that read far fewer plates than the detectors of their link count vehicles."""
    counted = police.passes["link_id"].value_counts()
    read = checkpoint.passes["link_id"].value_counts()
    junction_of = junction_of_links(police)
    for site, link in sorted(checkpoint.sites.items()):
        vehicles, plates = int(counted.get(link, 0)), int(read.get(link, 0))
        if vehicles >= LOW_VEHICLES and 0 < plates < LOW_RATIO * vehicles:
            junction = (junction_of[link],) if link in junction_of else ()
            detail = f"{plates} plates where detectors saw {vehicles} vehicles"
            yield Finding(CHECKPOINT, "low_hits", site, junction, detail)


def junction_of_links(police: PoliceDay) -> dict[str, str]:
    """Link -> the junction whose detectors are on it, where the register tells both."""
    table = police.detectors.dropna(subset=["link_id", "junction_id"])
    return dict(zip(table["link_id"].tolist(), table["junction_id"].tolist(), strict=True))
