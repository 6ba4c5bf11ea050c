"""Vehicles of each link before any balance: what was counted, else what probes lead to expect.

A probe vehicle that passes leaves a sample with a chance that follows from its time on the link
and the time between samples. So the probes of a link are a Poisson count of vehicles × share of
probes × chance; with an exponential prior (nothing but the mean is known) the posterior is a gamma
distribution (Gelman et al. 2013, section 2.6). The share of probes, and by how much more than by
chance probes stray from it, are found where vehicles are counted as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from traffic_brain.fusion.counters import Counter
from traffic_brain.model.network import RoadNetwork

KNOWN_RELATIVE_SD = 0.1
"""Of links that are counted: the counts themselves stand in the balance with their own errors."""
PARTLY_RELATIVE_SD = 0.5
"""Of links of which some lanes are counted."""
COVERED_RATIO = 0.9
"""Where so many of the known vehicles drive where probes do, probes are looked for everywhere."""
USUAL_STRAY = 0.2
"""Relative error of probes beside chance, where no link is counted that has any."""
STRAY_LINKS = 10.0
"""So many counted links are believed as much as ``USUAL_STRAY``."""
SHAPE = 0.5
"""Of the gamma distribution of flows over links: a few carry most, many next to nothing."""
ENDS_M = 3.0
"""So far the ends of a provider's link may lie from ours."""
USUAL_SAMPLES = 0.5
"""So many samples a link needs until its own speed counts as much as the city's. With more of them
short links on which all wait look quick, and busier than they are."""


@dataclass(frozen=True)
class Probed:
    """Probe vehicles on one link over the window."""

    passes: float
    """Of vehicles that left a sample."""
    chance: float
    """Of a passing probe vehicle to leave a sample, 0 … 1."""
    stray: float = 0.0
    """Relative error of the chance, as it is not known where exactly the provider's link ends."""


@dataclass(frozen=True)
class Expected:
    """Vehicles of each link, and by how many that may be wrong."""

    veh: Mapping[str, float]
    sd_veh: Mapping[str, float]

    def most(self, link_id: str) -> float:
        """What errors that are ratios of the flow are ratios of."""
        return self.veh[link_id] + self.sd_veh[link_id]


def probed(
    network: RoadNetwork, samples: Mapping[str, float], driven: Mapping[str, float], period_s: float
) -> dict[str, Probed]:
    """What samples tell of probe vehicles, for every link; empty where there is none at all.

    Args:
        samples, driven: by link, number and Σ speed (m/s) of the samples.
        period_s: between two samples of one vehicle.
    """
    links = network.links.values()
    free = sum(samples.get(one.link_id, 0.0) * one.free_flow_speed_mps for one in links)
    if free <= 0:
        return {}
    ratio = sum(driven.values()) / free
    found = {}
    for link in links:
        count = samples.get(link.link_id, 0.0)
        usual_mps = max(ratio, 1e-3) * link.free_flow_speed_mps
        metres = driven.get(link.link_id, 0.0) + USUAL_SAMPLES * usual_mps
        took_s = link.length_m * (count + USUAL_SAMPLES) / metres
        each = took_s / period_s
        found[link.link_id] = Probed(
            count / max(each, 1.0), min(each, 1.0), ENDS_M / max(link.length_m, 1e-3)
        )
    return found


def expected_flows(
    network: RoadNetwork,
    counters: Iterable[Counter],
    cameras: Mapping[str, float],
    probes: Mapping[str, Probed],
) -> Expected:
    """What each link carries: counted, else by its probes, else as usual.

    Where no link is counted whole, those that are counted in part tell what is usual. Where probes
    drive all over the city, a link that none drove is likely empty, or closed to them.
    """
    whole, partly = _known_veh(network, counters, cameras)
    known = whole or partly
    error = KNOWN_RELATIVE_SD if whole else PARTLY_RELATIVE_SD
    usual = float(np.mean(list(known.values()))) if known else 0.0
    veh = dict.fromkeys(network.links, usual) | known
    sd = {k: error * n if k in known else n for k, n in veh.items()}
    both = {k: probes[k] for k in known if k in probes}
    driven = {k: p for k, p in both.items() if p.passes > 0}
    covered = _chances(known, driven) >= COVERED_RATIO * _chances(known, both)
    both = both if covered else driven
    chances = _chances(known, both)
    share = sum(p.passes for p in both.values()) / chances if chances > 0 else 0.0
    if share == 0:
        return Expected(veh, sd)
    others = {k: p for k, p in probes.items() if k not in known and (covered or p.passes > 0)}
    usual = _usual(known, others, share)
    stray = _stray(known, both, share)
    for link_id in network.links:
        if link_id in others:
            veh[link_id], sd[link_id] = _posterior(others[link_id], share, usual, stray)
        elif link_id not in known:
            veh[link_id] = sd[link_id] = usual
    return Expected(veh, sd)


def _chances(known: Mapping[str, float], probes: Mapping[str, Probed]) -> float:
    """Vehicles that would leave a sample if all were probes."""
    return float(sum(known[k] * p.chance for k, p in probes.items()))


def _posterior(seen: Probed, share: float, usual: float, stray: float) -> tuple[float, float]:
    exposure = seen.chance * share + SHAPE / max(usual, 1.0)
    veh = (seen.passes + SHAPE) / exposure
    of_chance = (seen.passes + SHAPE) ** 0.5 / exposure
    # Of a link of a metre or two they tell next to nothing: then the prior holds, and its error.
    told = 1.0 / (1.0 + SHAPE * seen.stray**2)
    veh = told * veh + (1.0 - told) * usual
    of_ends = seen.stray * told**0.5
    return veh, float(np.hypot(told * of_chance, np.hypot(stray, of_ends) * veh))


def _usual(known: Mapping[str, float], others: Mapping[str, Probed], share: float) -> float:
    """Mean vehicles of a link: of those that are counted, and of the others by their probes."""
    chance = share * sum(p.chance for p in others.values())
    mean = sum(p.passes for p in others.values()) / chance if chance > 0 else 0.0
    total = sum(known.values()) + len(others) * mean
    return float(total / (len(known) + len(others)))


def _stray(known: Mapping[str, float], probes: Mapping[str, Probed], share: float) -> float:
    """By how much probes stray from their share more than by chance; by moments."""
    mean = np.array([share * known[k] * p.chance for k, p in probes.items()])
    more = (np.array([p.passes for p in probes.values()]) - mean) ** 2 - mean
    size = float((mean**2).mean())
    square = max(float(more.sum()), 0.0) + STRAY_LINKS * USUAL_STRAY**2 * size
    return float((square / ((len(mean) + STRAY_LINKS) * size)) ** 0.5)


def _known_veh(
    network: RoadNetwork, counters: Iterable[Counter], cameras: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Vehicles of the links that cameras or detectors on every lane count, or on some lanes."""
    counted: dict[str, float] = defaultdict(float)
    partly: dict[str, float] = defaultdict(float)
    whole: dict[str, set[int]] = defaultdict(set)
    for counter in counters:
        partly[counter.link_id] += float(np.nanmean(counter.lane_counts)) * len(counter.lanes)
        if counter.complete:
            counted[counter.link_id] += sum(counter.lane_counts)
            whole[counter.link_id] |= set(counter.lanes)
    known = {
        link_id: n
        for link_id, n in counted.items()
        if whole[link_id] >= set(network.links[link_id].car_lanes)
    } | dict(cameras)
    return known, dict(partly)
