"""The fused state under faults of whole sources: error, coverage, and what the health report named.

Run ``python -m benchmarks.degradation [--worlds NAME …] [--faults NAME …] [--seed N]``. Each fault
is applied to the raw feeds of a recorded day (20 % probes, 40 % of links with cameras, 10 % of
devices dead); then the day is fused as ever. ``three_hours`` is a generated city with a longer
day, for the hour in which everything is off; it has no projection, and so no faults of
coordinates. Ends with 1 where a bound of ``BOUNDS`` is broken.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq

from benchmarks.degradation.faults import FAULTS, NeedsLongerDay, NeedsProjection, Raw
from benchmarks.fusion.days import QUARTER, Day, read_day
from benchmarks.fusion.figures import coverage, flow_figures, travel_time_figures
from benchmarks.fusion.recordings import Recorded, recorded
from sim_scenarios.generated import GeneratedCity
from sim_scenarios.spec import ScenarioSpec, find
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.fuse import fuse

THREE_HOURS = ScenarioSpec(
    "three_hours",
    generated=GeneratedCity(demand_vph=2800.0, duration_s=3 * 3600),
    time_to_teleport_s=-1,
)
WORLDS = ("cologne8", THREE_HOURS.name)
SEED = 6
PROBE_RATIO = 0.2
REFUSED = "refused"

Figures = dict[str, float]


@dataclass(frozen=True)
class Bound:
    """What a fault may do at most. Shares, not per cent.

    error: of travel times per 15 min, weighted by vehicles. covered: of 95 % intervals of 5 min.
    flow, movement: link-hours and movement-hours with GEH < 5. unknown: share of driven cells of
    which nothing may be said, from … to. named: (feed, code) that the health report must have.
    """

    error: float
    covered: float = 0.90
    flow: float = 0.0
    movement: float = 0.0
    unknown: tuple[float, float] = (0.0, 0.0)
    named: tuple[tuple[str, str], ...] = ()


_CLOCK = ("checkpoint", "clock_drift")
_UNIT = ("internet", "unit_changed")
_OFF = {feed: (feed, "no_data") for feed in ("police", "checkpoint", "internet")}
BOUNDS: Mapping[str, Bound] = {
    "none": Bound(0.12, flow=0.85, movement=0.85),
    "police off": Bound(0.12, flow=0.55, movement=0.65, named=(_OFF["police"],)),
    "checkpoint off": Bound(0.13, flow=0.80, movement=0.80, named=(_OFF["checkpoint"],)),
    "internet off": Bound(0.20, flow=0.70, movement=0.70, named=(_OFF["internet"],)),
    "only police": Bound(
        0.20, flow=0.30, movement=0.60, named=(_OFF["checkpoint"], _OFF["internet"])
    ),
    "only checkpoint": Bound(
        0.20, flow=0.55, movement=0.60, named=(_OFF["police"], _OFF["internet"])
    ),
    # Speeds of some tell no flow: that is unknown, and the figures of flow are of nothing.
    "only internet": Bound(0.15, covered=0.85, named=(_OFF["police"], _OFF["checkpoint"])),
    "all off for an hour": Bound(
        0.12, flow=0.85, movement=0.80, unknown=(0.25, 0.45), named=tuple(_OFF.values())
    ),
    "30 % of rows lost": Bound(0.14, flow=0.75, movement=0.75, named=(("police", "rows_lost"),)),
    "police clocks 90 s": Bound(0.12, flow=0.85, movement=0.80, named=(_CLOCK,)),
    "all cameras 90 s": Bound(0.12, flow=0.85, movement=0.80, named=(_CLOCK,)),
    "a third of cameras 90 s": Bound(0.25, flow=0.80, movement=0.80, named=(_CLOCK,)),
    "provider 90 s": Bound(0.12, flow=0.85, movement=0.85, named=(("internet", "clock_drift"),)),
    "mph all day": Bound(0.12, flow=0.85, movement=0.85, named=(_UNIT,)),
    "mph from noon": Bound(0.12, flow=0.85, movement=0.85, named=(_UNIT,)),
    "places, right": Bound(0.12, flow=0.85, movement=0.80),
    "provider in GCJ-02": Bound(
        0.20, flow=0.70, movement=0.70, named=(("internet", "far_from_link"),)
    ),
}
"""Of all in GCJ-02 no state is made: no device is known to be on any link; it is refused."""


def measure(day: Recorded, fault: str, seed: int) -> tuple[Figures, list[str]]:
    """Figures of a day with a fault, and codes of the health report as ``feed code×number``.

    Raises DataRefused where no state is made.
    """
    with TemporaryDirectory() as folder:
        feeds, state = Path(folder) / day.feeds.name, Path(folder) / "state"
        shutil.copytree(day.feeds, feeds)
        state.mkdir()
        FAULTS[fault](Raw(feeds, day.city, seed))
        fuse(day.city, feeds, state)
        health = pq.read_table(state / "health.parquet", columns=["feed", "code"]).to_pandas()
        found = read_day(day, state)
        figures = _figures(found)
    numbers = health[health["code"] != "dead"].groupby(["feed", "code"]).size()
    return figures, [f"{feed} {code}×{n}" for (feed, code), n in numbers.items()]


def _figures(day: Day) -> Figures:
    # At the end of its way a vehicle leaves no link; yet it drove there.
    driven = np.where(np.isfinite(day.true_pace), day.traversed, 0.0)
    day = replace(day, true_flow=driven)
    times = travel_time_figures(day, QUARTER)
    return {**coverage(day), **flow_figures(day), "error": times["fused"]}


def broken(fault: str, figures: Figures, named: Sequence[str]) -> list[str]:
    """What of a fault's bound does not hold."""
    bound = BOUNDS[fault]
    codes = {text.split("×")[0] for text in named}
    said = []
    if not figures["error"] <= bound.error:
        said.append(f"error {figures['error']:.3f} > {bound.error}")
    for name, least in (
        ("coverage", bound.covered),
        ("link flow", bound.flow),
        ("movement flow", bound.movement),
    ):
        if least and not figures[name] >= least:
            said.append(f"{name} {figures[name]:.3f} < {least}")
    if not bound.unknown[0] <= figures["unknown"] <= bound.unknown[1]:
        said.append(f"unknown {figures['unknown']:.3f} not in {bound.unknown}")
    said += [f"{f} {c} not named" for f, c in bound.named if f"{f} {c}" not in codes]
    return said


COLUMNS = (
    ("error", "time error"),
    ("coverage", "covered"),
    ("median width", "width"),
    ("unknown", "unknown"),
    ("link flow", "flow GEH<5"),
    ("movement flow", "turns GEH<5"),
    ("movement coverage", "turns cov."),
)


def row(fault: str, figures: Figures, named: Sequence[str], problems: Sequence[str]) -> str:
    """One line of the table, per cent."""
    cells = "".join(f"{_percent(figures[name]):>12}" for name, _ in COLUMNS)
    return f"{fault:<24}{cells}  {', '.join(named) or '–'}{''.join(f'  ! {p}' for p in problems)}"


def _percent(value: float) -> str:
    return "–" if isnan(value) else f"{100 * value:.1f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each world; return 1 where a bound is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degradation", description=__doc__)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--cache", type=Path, default=Path("build/benchmarks/fusion"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(argv)
    found: dict[str, dict[str, Figures]] = {}
    failed = False
    for name in chosen.worlds:
        world = THREE_HOURS if name == THREE_HOURS.name else find(name)
        day = recorded(world, chosen.seed, PROBE_RATIO, chosen.cache)
        print(f"{world.name:<24}" + "".join(f"{title:>12}" for _, title in COLUMNS) + "  named")
        for fault in chosen.faults:
            try:
                figures, named = measure(day, fault, chosen.seed)
            except (NeedsProjection, NeedsLongerDay):
                continue
            except DataRefused as error:
                print(f"{fault:<24}  {REFUSED}: {error}", flush=True)
                failed |= fault in BOUNDS
                continue
            problems = broken(fault, figures, named) if fault in BOUNDS else [f"not {REFUSED}"]
            failed |= bool(problems)
            found.setdefault(world.name, {})[fault] = figures
            print(row(fault, figures, named, problems), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
