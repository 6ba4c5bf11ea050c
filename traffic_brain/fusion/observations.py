"""What the sources saw of links, as sums from which any pace can be judged.

Every observation compares what was seen with what a supposed pace leads to expect. Means of single
paces would count slow vehicles more often than quick ones; sums of time and of distance do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork

FASTEST_RATIO = 1.4
"""No probe drives faster than this multiple of a link's free speed: such rows are nonsense."""


@dataclass(frozen=True)
class ProbeSums:
    """Samples of probes, which are equally spaced in time: a link's time and distance.

    samples, driven: float64[link, bin], number and Σ speed (m/s) of the samples.
    row_…: the single reports that both were added up from, for their scatter.
    interval_s: usual length of a report's interval; intervals: how many the window has.
    """

    samples: np.ndarray
    driven: np.ndarray
    row_link: np.ndarray
    row_bin: np.ndarray
    row_samples: np.ndarray
    row_speed_mps: np.ndarray
    interval_s: float
    intervals: float

    @property
    def seen(self) -> np.ndarray:
        """bool[link, bin]."""
        return np.asarray(self.samples > 0)

    @property
    def pace_s_per_m(self) -> np.ndarray:
        """float64[link, bin]: time over distance; NaN where nothing moved or nothing was seen."""
        moved = self.driven > 0
        pace = np.full_like(self.driven, np.nan)
        np.divide(self.samples, self.driven, out=pace, where=moved)
        return pace


def probe_sums(feed: InternetDay, network: RoadNetwork, window: Window) -> ProbeSums:
    """Add the reports up by link and bin; one that lies in two bins is shared out by time."""
    links, bins = len(network.links), window.bin_count
    speeds = feed.speeds
    link = np.array([network.link_idx[i] for i in speeds["link_id"]], dtype=np.int64)
    free = np.array([one.free_flow_speed_mps for one in network.links.values()])
    speed = speeds["speed_mps"].to_numpy(dtype=np.float64)
    samples = speeds["sample_count"].to_numpy(dtype=np.float64)
    start = speeds["time_s"].to_numpy(dtype=np.float64)
    length = speeds["interval_s"].to_numpy(dtype=np.float64)
    end_of_bin = (np.floor((start - window.begin_s) / BIN_S) + 1) * BIN_S + window.begin_s
    share = np.clip((end_of_bin - start) / length, 0.0, 1.0)
    believable = speed <= FASTEST_RATIO * free[link]
    total, driven = np.zeros(links * bins), np.zeros(links * bins)
    for part, at_s in ((share, start), (1.0 - share, end_of_bin)):
        use = believable & (part > 0) & (at_s >= window.begin_s) & (at_s < window.end_s)
        cell = link[use] * bins + window.bin_idx(at_s[use])
        total += np.bincount(cell, (samples * part)[use], links * bins)
        driven += np.bincount(cell, (samples * speed * part)[use], links * bins)
    middle = start + length / 2
    interval_s = float(np.median(length)) if len(length) else float(BIN_S)
    use = believable & (middle >= window.begin_s) & (middle < window.end_s)
    return ProbeSums(
        samples=total.reshape(links, bins),
        driven=driven.reshape(links, bins),
        row_link=link[use],
        row_bin=window.bin_idx(middle[use]),
        row_samples=samples[use],
        row_speed_mps=speed[use],
        interval_s=interval_s,
        intervals=window.bin_count * BIN_S / interval_s,
    )


@dataclass(frozen=True)
class Gaps:
    """Vehicles seen at two cameras, by path and bin: how long they took over the links between.

    took_s, vehicles: float64[gap], mean time without the crossing of junctions, and how many.
    crossings: float64[gap], junctions crossed.
    gap, link, bin: int64[entry], a gap's links and the bin in which they were left.
    """

    took_s: np.ndarray
    vehicles: np.ndarray
    crossings: np.ndarray
    gap: np.ndarray
    link: np.ndarray
    bin: np.ndarray

    @staticmethod
    def none() -> Gaps:
        """No vehicle was seen twice."""
        numbers, idx = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Gaps(numbers, numbers, numbers, idx, idx, idx)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """float64[gap]: sum over a gap's links of values [link, bin]."""
        return np.bincount(self.gap, values[self.link, self.bin], len(self.took_s))

    def pace_alone(self, usual_s: np.ndarray, length_m: np.ndarray) -> np.ndarray:
        """float64[link, bin]: mean pace if a path's time is shared out by usual times; or NaN.

        What checkpoints alone can say; ``usual_s`` float64[link, bin].
        """
        share = usual_s[self.link, self.bin] / self.sums(usual_s)[self.gap]
        weight = self.vehicles[self.gap]
        cell = self.link * usual_s.shape[1] + self.bin
        total = np.bincount(cell, weight, usual_s.size)
        took = np.bincount(cell, weight * share * self.took_s[self.gap], usual_s.size)
        mean = np.divide(took, total, out=np.full(usual_s.size, np.nan), where=total > 0)
        return np.asarray(mean.reshape(usual_s.shape) / length_m[:, None])
