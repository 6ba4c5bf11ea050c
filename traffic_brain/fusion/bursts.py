"""When within the hour vehicles drove on a link that nobody watches, as its probes tell.

Vehicles come in platoons: out of a signal upstream, off a ferry, at the end of a shift. Where a
street gives way, it is the platoons that queue; spread evenly, the same vehicles hardly wait. The
metres that probes drove on a link in each slice of time are its traffic but for a factor. Whether
they vary more than chance would let them is asked first (index of dispersion); where they do, the
intensity of a slice is drawn to the city's own by as much as its few probes leave open (gamma
prior on a Poisson count, its spread by the method of moments; negative binomial, e.g. Cameron and
Trivedi 2013, ch. 3). Holds where the share of probes among all vehicles is the same at all times.
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
SIGMAS = 2.5
"""By so many standard errors the index of dispersion must exceed that of chance."""


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
    """Links whose probes come in bursts; ``probes``: vehicles of each over the window.

    Slices are as long as the provider's intervals: nothing is known of what happens within one.
    """
    if feed.speeds.empty:
        return Bursts.unknown()
    slice_s = max(int(feed.speeds["interval_s"].median()), 1)
    rng = np.random.default_rng([seed, STREAM])
    metres = _metres(feed, network, window, slice_s)
    usual = _of_the_city(metres, slice_s)
    found = {}
    for i, link_id in enumerate(network.links):
        driven = metres[i].sum()
        if driven > 0 and link_id in probes:
            veh = probes[link_id].passes * metres[i] / driven
            ratio = _intensity(veh, veh.sum() * usual, rng)
            if ratio is not None:
                found[link_id] = ratio
    return Bursts(window.begin_s, slice_s, found)


def _metres(feed: InternetDay, network: RoadNetwork, window: Window, slice_s: int) -> np.ndarray:
    """float64[link, slice]: metres that probes drove, up to a factor common to all."""
    speeds = feed.speeds
    metres = np.zeros((len(network.links), -(-(window.end_s - window.begin_s) // slice_s)))
    at_s = (speeds["time_s"] + speeds["interval_s"] / 2.0).to_numpy()
    inside = (at_s >= window.begin_s) & (at_s < window.end_s)
    link = np.array([network.link_idx[k] for k in speeds["link_id"]], np.int64)
    k = ((at_s - window.begin_s) // slice_s).astype(np.int64)
    driven = (speeds["sample_count"] * speeds["speed_mps"]).to_numpy()
    np.add.at(metres, (link[inside], k[inside]), driven[inside])
    return metres


def _of_the_city(metres: np.ndarray, slice_s: int) -> np.ndarray:
    """float64[slice], sum 1: how the city's traffic is spread, in steps of a demand bin."""
    slices = metres.shape[1]
    step = np.arange(slices) // max(DEMAND_BIN_S // slice_s, 1)
    mean = np.bincount(step, metres.sum(axis=0)) / np.bincount(step)
    total = float(mean[step].sum())
    return np.asarray(mean[step] / total if total > 0 else np.full(slices, 1.0 / slices))


def _intensity(veh: np.ndarray, usual: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """float64[slice]: intensity over the usual one; None: no more than chance explains."""
    known = usual > 0
    count = int(known.sum())
    if count < 2:
        return None
    beyond = (veh[known] - usual[known]) ** 2
    dispersion = float((beyond / usual[known]).sum()) / (count - 1)
    spread = float((beyond - usual[known]).sum() / (usual[known] ** 2).sum())
    if dispersion < 1.0 + SIGMAS * np.sqrt(2.0 / count) or spread <= 0:
        return None
    return np.asarray(rng.gamma(veh + 1.0 / spread) / (usual + 1.0 / spread))
