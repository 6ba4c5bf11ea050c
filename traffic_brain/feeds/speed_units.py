"""Speeds of a provider: whether they are in the unit they say, and whether they move at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.internet import InternetDay
from traffic_brain.feeds.layout import INTERNET
from traffic_brain.feeds.tables import DAY_S
from traffic_brain.model.network import RoadNetwork

SAME_SPEEDS_S, SAME_RECORDS, FLOWING_RATIO = 3600.0, 12, 0.7
"""Providers fill gaps with a link's free speed; a constant jam is no filling."""
UNIT_BLOCK_S = 900.0
UNIT_LINKS = 20
UNITS = {1.609344: "mph", 3.6: "m/s", 1 / 1.609344: "1.6 times too fast", 1.852: "knots"}
UNIT_TOLERANCE = 0.12
FASTEST_QUANTILE, UPPER_QUANTILE = 0.8, 0.95
"""The free moments of the free links: even a jammed city has some at its free-flow speed."""


@dataclass(frozen=True)
class SpeedUnit:
    """A stretch of the day in which a provider's speeds need a factor."""

    begin_s: float
    end_s: float
    factor: float


def speed_units(internet: InternetDay, network: RoadNetwork) -> Iterator[SpeedUnit]:
    """Stretches in which even the freest links run at a known unit's fraction of free flow."""
    speeds = internet.speeds
    if speeds.empty:
        return
    free_mps = speeds["link_id"].map({k: v.free_flow_speed_mps for k, v in network.links.items()})
    block = (speeds["time_s"] // UNIT_BLOCK_S).astype(np.int64)
    table = pd.DataFrame(
        {"link": speeds["link_id"], "block": block, "ratio": speeds["speed_mps"] / free_mps}
    )
    fastest = table.groupby(["block", "link"])["ratio"].quantile(FASTEST_QUANTILE)
    by_block = fastest.groupby("block")
    upper = by_block.quantile(UPPER_QUANTILE)[by_block.size() >= UNIT_LINKS]
    factors = {int(b): _unit_factor(float(ratio)) for b, ratio in upper.items()}
    blocks = sorted(factors)
    if len(set(factors.values())) == 1 and factors[blocks[0]] != 1.0:
        # The hours in which hardly a probe drove are no better.
        yield SpeedUnit(0.0, DAY_S, factors[blocks[0]])
        return
    start = 0
    for i in range(1, len(blocks) + 1):
        if i < len(blocks) and factors[blocks[i]] == factors[blocks[start]]:
            continue
        factor = factors[blocks[start]]
        if factor != 1.0 and i - start >= 2:
            last_s = (blocks[i - 1] + 1) * UNIT_BLOCK_S
            yield SpeedUnit(blocks[start] * UNIT_BLOCK_S, last_s, factor)
        start = i


def _unit_factor(ratio: float) -> float:
    """The factor that brings the freest links to free flow; 1.0 where none of a unit does."""
    if 0.8 < ratio < 1.4:
        return 1.0
    return next((f for f in UNITS if abs(ratio * f - 1.0) <= UNIT_TOLERANCE), 1.0)


def unit_findings(units: Sequence[SpeedUnit]) -> Iterator[Finding]:
    """What to tell of stretches in another unit."""
    for unit in units:
        detail = (
            f"{unit.begin_s:.0f}-{unit.end_s:.0f} s of the day: {UNITS[unit.factor]} against free "
            f"flow; speeds taken times {unit.factor:.3f}"
        )
        yield Finding(INTERNET, "unit_changed", "*", (), detail)


def stuck_links(internet: InternetDay, network: RoadNetwork) -> Iterator[Finding]:
    """Links with one and the same slow speed for an hour or more."""
    speeds = internet.speeds.sort_values(["link_id", "time_s"], kind="stable")
    for link_id, rows in speeds.groupby("link_id", sort=True):
        values, times_s = rows["speed_mps"].to_numpy(), rows["time_s"].to_numpy()
        new = np.concatenate([[True], values[1:] != values[:-1]])
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(values)) - 1
        lasted_s = times_s[ends] - times_s[starts]
        slow = values[starts] < FLOWING_RATIO * network.links[str(link_id)].free_flow_speed_mps
        long = slow & (lasted_s >= SAME_SPEEDS_S) & (ends - starts >= SAME_RECORDS)
        if long.any():
            at = starts[long][0]
            at_end = network.links[str(link_id)].junction_id
            junctions = () if at_end is None else (at_end,)
            detail = f"{values[at] * 3.6:.1f} km/h for {lasted_s[long][0] / 3600:.1f} h"
            yield Finding(INTERNET, "stuck", str(link_id), junctions, detail)
