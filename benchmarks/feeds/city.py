"""A plain city of Hefei's size: 7,688 directed links on a torus, with devices on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

COLUMNS, ROWS = 31, 62
"""Nodes of the torus; each has four links that leave it."""
SIDES = 4
DETECTORS = 28_560
"""Twelve at each of 2,380 junctions."""
SITE_RATIO = 0.4
"""Share of links that end at a camera."""
BUSES = 5_000
SERVICE_DAY = date(2026, 11, 20)
FULL_ROWS = {
    "police": 50_000_000,
    "checkpoint": 10_000_000,
    "internet": 150_000_000,
    "transit": 15_000_000,
}
MINUTES = 1440


@dataclass(frozen=True)
class City:
    """Links, devices, and how fast each link is in each 5 minutes.

    A link's index is 4 × its first node + its side.
    """

    rows: dict[str, int]
    """Source -> rows to make, before repeats."""
    length_m: np.ndarray
    speed_mps: np.ndarray
    """float32[bin, link]."""
    link_of_provider: np.ndarray
    link_of_detector: np.ndarray
    link_of_site: np.ndarray

    @property
    def links(self) -> int:
        return len(self.length_m)

    @property
    def site_of_link(self) -> np.ndarray:
        """int32[link]: the camera at its end, −1 for none."""
        sites = np.full(self.links, -1, dtype=np.int32)
        sites[self.link_of_site] = np.arange(len(self.link_of_site))
        return sites

    def names(self) -> dict[str, list[str]]:
        """Kind of thing -> ids."""
        return {
            "link": [f"L{i:05d}" for i in range(self.links)],
            "provider": [f"P{i:06d}" for i in range(len(self.link_of_provider))],
            "detector": [f"D{i:05d}" for i in range(len(self.link_of_detector))],
            "site": [f"S{i:04d}" for i in range(len(self.link_of_site))],
            "bus": [f"B{i:04d}" for i in range(BUSES)],
        }


def city(scale: float, seed: int) -> City:
    """The city; ``scale`` 1 gives a whole day of rows, 0.1 a tenth of them and of provider links.

    The same seed gives the same city.
    """
    rng = np.random.default_rng([seed, 0])
    links = COLUMNS * ROWS * SIDES
    free_mps = rng.uniform(9.0, 17.0, links)
    crowded = rng.uniform(0.1, 0.75, links)
    slow = 1.0 - crowded * np.repeat(profile(), 12)[:, None]
    providers = max(1, round(FULL_ROWS["internet"] * scale / MINUTES))
    return City(
        rows={source: round(rows * scale) for source, rows in FULL_ROWS.items()},
        length_m=np.round(rng.uniform(120.0, 600.0, links), 1),
        speed_mps=(free_mps * slow).astype(np.float32),
        link_of_provider=(rng.permutation(providers) % links).astype(np.int32),
        link_of_detector=(np.arange(DETECTORS) % links).astype(np.int32),
        link_of_site=np.sort(rng.permutation(links)[: round(SITE_RATIO * links)]).astype(np.int32),
    )


def profile() -> np.ndarray:
    """float64[hour] in [0, 1]: how full the streets are."""
    hours = np.arange(24)
    peaks = np.exp(-((hours - 8.0) ** 2) / 5.0) + np.exp(-((hours - 18.0) ** 2) / 6.0)
    day = 0.45 * np.exp(-((hours - 13.0) ** 2) / 30.0)
    return np.asarray(np.minimum(0.06 + 0.8 * peaks + day, 1.0))


def next_links(link: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """The link after each link: ``turn`` 0 straight on, 1 to the right, 3 to the left."""
    node, side = link // SIDES, link % SIDES
    row, column = node // COLUMNS, node % COLUMNS
    step_row = np.array([1, 0, -1, 0])[side]
    step_column = np.array([0, 1, 0, -1])[side]
    reached = (row + step_row) % ROWS * COLUMNS + (column + step_column) % COLUMNS
    return np.asarray(reached * SIDES + (side + turn) % SIDES)
