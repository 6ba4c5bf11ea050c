"""When within the hour vehicles drove on a link, as its probes tell: for those no device detects.

Vehicles come in platoons: out of a signal upstream, off a ferry, at the end of a shift. Where a
street gives way, it is the platoons that queue; spread evenly, the same vehicles hardly wait. The
metres that probes drove on a link in each slice of time are its traffic but for a factor. Whether
they vary more than they do elsewhere in the city is asked first (index of dispersion): what all
links have in common is the noise of samples, or the rhythm of signals, which a simulation makes
itself. Where they do, the intensity of each slice is drawn from what its few probes leave open
(gamma prior on a Poisson count, its spread by the method of moments: negative binomial, Cameron and
Trivedi 2013, ch. 3): its mean alone would be too even. Holds where the share of probes among all
vehicles is the same at all times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.expected_flows import Probed
from traffic_brain.fusion.window import DEMAND_BIN_S, Window
from traffic_brain.model.network import RoadNetwork

STREAM = 4711
LEAST_SLICE_S = 60
SIGMAS = 2.5
"""By so many standard errors the index of dispersion must exceed that of the city."""
ORDINARY_LINKS = 5
"""Links of dispersion 1, pure chance, that are thought to be there beside the city's own."""
LEAST_RATIO, LEAST_USUAL_VEH = 0.02, 1e-6


@dataclass(frozen=True)
class Bursts:
    """Intensity of traffic over the usual one of its time of day, on links where it varies."""

    begin_s: int
    slice_s: int
    ratio: Mapping[str, np.ndarray]
    """float64[slice] by link; links whose traffic is even are absent."""

    @staticmethod
    def unknown() -> Bursts:
        """Nothing is known of any link."""
        return Bursts(0, 1, {})

    def at(self, link_id: str, time_s: float) -> float:
        """Intensity of a link at a second of the service day; 1 where nothing is known."""
        ratio = self.ratio.get(link_id)
        if ratio is None:
            return 1.0
        k = int((time_s - self.begin_s) // self.slice_s)
        return float(ratio[min(max(k, 0), len(ratio) - 1)])

    def of(self, link_id: str, times_s: np.ndarray) -> np.ndarray:
        """float64[time]: as `at`, of many times."""
        ratio = self.ratio.get(link_id)
        if ratio is None:
            return np.ones(len(times_s))
        k = ((times_s - self.begin_s) // self.slice_s).astype(np.int64)
        return np.asarray(ratio[np.clip(k, 0, len(ratio) - 1)])


def bursts(
    feed: InternetDay,
    network: RoadNetwork,
    probes: Mapping[str, Probed],
    window: Window,
    seed: int = 0,
) -> Bursts:
    """Links whose probes come in bursts; ``probes``: vehicles of each in the feed.

    Slices are as long as most of the provider's intervals: nothing is known of what happens within
    one. Links that are reported more rarely tell nothing.
    """
    slices = _slices(feed, window)
    if slices is None:
        return Bursts.unknown()
    metres = _metres(feed, network, slices)
    usual = _of_the_city(metres, slices.length_s)
    rare = feed.speeds.groupby("link_id")["interval_s"].median() > slices.length_s
    told = {}
    for i, link_id in enumerate(network.links):
        driven = metres[i].sum()
        if driven > 0 and link_id in probes and not rare.get(link_id, True):
            veh = probes[link_id].passes * metres[i] / driven
            told[link_id] = veh, veh.sum() * usual
    spread = _spreads(told)
    rng = np.random.default_rng([seed, STREAM])
    ratio = {link_id: _drawn(*told[link_id], spread[link_id], rng) for link_id in spread}
    return Bursts(slices.begin_s, slices.length_s, ratio)


@dataclass(frozen=True)
class _Slices:
    """Stretches of time as the provider cuts it; the first one holds the window's begin."""

    begin_s: int
    length_s: int
    count: int


def _slices(feed: InternetDay, window: Window) -> _Slices | None:
    """None where there are fewer than two."""
    if feed.speeds.empty:
        return None
    length_s = max(int(feed.speeds["interval_s"].mode().iloc[0]), LEAST_SLICE_S)
    phase_s = int((feed.speeds["time_s"].round().astype(np.int64) % length_s).mode().iloc[0])
    begin_s = window.begin_s - (window.begin_s - phase_s) % length_s
    count = -(-(window.end_s - begin_s) // length_s)
    return _Slices(begin_s, length_s, count) if count > 1 else None


def _metres(feed: InternetDay, network: RoadNetwork, slices: _Slices) -> np.ndarray:
    """float64[link, slice]: metres that probes drove, up to a factor common to all.

    A report that reaches over several slices is shared out by how long it lies in each.
    """
    speeds = feed.speeds
    begin = (speeds["time_s"].to_numpy(np.float64) - slices.begin_s) / slices.length_s
    end = begin + speeds["interval_s"].to_numpy(np.float64) / slices.length_s
    first = np.floor(begin).astype(np.int64)
    parts = np.maximum(np.ceil(end).astype(np.int64) - first, 1)
    row = np.repeat(np.arange(len(speeds)), parts)
    k = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    inside = np.minimum(end[row], k + 1) - np.maximum(begin[row], k)
    share = inside / np.maximum(end - begin, 1e-9)[row]
    driven = (speeds["sample_count"] * speeds["speed_mps"]).to_numpy(np.float64)[row] * share
    link = np.array([network.link_idx[name] for name in speeds["link_id"]], np.int64)[row]
    known = (k >= 0) & (k < slices.count)
    cell = link[known] * slices.count + k[known]
    cells = len(network.links) * slices.count
    return np.bincount(cell, driven[known], cells).reshape(-1, slices.count)


def _of_the_city(metres: np.ndarray, length_s: int) -> np.ndarray:
    """float64[slice], sum 1: how the city's traffic is spread, in steps of a demand bin."""
    slices = metres.shape[1]
    step = np.arange(slices) // max(DEMAND_BIN_S // length_s, 1)
    mean = np.bincount(step, metres.sum(axis=0)) / np.bincount(step)
    total = float(mean[step].sum())
    return np.asarray(mean[step] / total if total > 0 else np.full(slices, 1.0 / slices))


Told = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By link (float64[slice] probes, those that there usually are)."""


def _spreads(told: Told) -> dict[str, float]:
    """Relative variance of the intensity of links on which it is beyond that of the city."""
    index = {link_id: _dispersion(*counts) for link_id, counts in told.items()}
    city = float(np.median([1.0] * ORDINARY_LINKS + [found for found, _ in index.values()]))
    level = max(city, 1.0)
    found = {}
    for link_id, (veh, usual) in told.items():
        dispersion, error = index[link_id]
        beyond = float(((veh - usual) ** 2 - level * usual).sum() / (usual**2).sum())
        if dispersion > level * (1.0 + SIGMAS * error) and beyond > 0:
            found[link_id] = beyond
    return found


def _dispersion(veh: np.ndarray, usual: np.ndarray) -> tuple[float, float]:
    """Index of dispersion, and its standard error were it all chance.

    Of a multinomial sample of N over k cells of shares p (Haldane 1937): the variance of chi-square
    is 2 (k - 1) + (sum 1/p - k² - 2k + 2) / N.
    """
    known = usual > LEAST_USUAL_VEH
    cells, total = int(known.sum()), float(usual[known].sum())
    if cells < 2:
        return 1.0, np.inf
    square = float(((veh[known] - usual[known]) ** 2 / usual[known]).sum())
    shares = usual[known] / total
    variance = 2.0 * (cells - 1) + (float((1.0 / shares).sum()) - cells**2 - 2 * cells + 2) / total
    return square / (cells - 1), float(np.sqrt(max(variance, 0.0))) / (cells - 1)


def _drawn(
    veh: np.ndarray, usual: np.ndarray, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """float64[slice]: intensity over the usual one, drawn; 1 where nobody in the city drove."""
    ratio = rng.gamma(veh + 1.0 / spread) / (usual + 1.0 / spread)
    return np.where(usual > LEAST_USUAL_VEH, np.maximum(ratio, LEAST_RATIO), 1.0)
