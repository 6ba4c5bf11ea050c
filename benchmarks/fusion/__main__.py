"""The fused state of recorded worlds against their truth, in one table.

Run ``python -m benchmarks.fusion [--worlds NAME …] [--seeds N …] [--probes RATIO …]``. Worlds are
names from ``traffic-brain scenarios`` or .sumocfg files; those that are not here are skipped.
Recordings (40 % of links with cameras, 10 % of devices dead) are kept in ``--cache`` under a hash
of how they were made. All figures are per cent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from benchmarks.fusion.days import QUARTER, read_day
from benchmarks.fusion.figures import (
    coverage,
    delay_figures,
    flow_figures,
    sampling_figures,
    travel_time_figures,
)
from benchmarks.fusion.recordings import Recorded, recorded
from benchmarks.fusion.table import table
from sim_scenarios.spec import ScenarioSpec, find
from traffic_brain.errors import ConfigurationError
from traffic_brain.fusion.fuse import fuse

BOLOGNA = Path(__file__).parents[3] / "shared/data/bologna_acosta/run.sumocfg"
WORLDS = ("ingolstadt21", "cologne8", str(BOLOGNA))
SEEDS = (11, 12)
PROBE_RATIOS = (0.2, 0.05)


def measure(
    world: ScenarioSpec, seed: int, probe_ratio: float, cache: Path
) -> dict[str, dict[str, float]]:
    """Record, fuse, and compare with the truth."""
    day = recorded(world, seed, probe_ratio, cache)
    with TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir()
        start_s = time.process_time()
        fuse(day.city, day.feeds, state)
        cpu_s = time.process_time() - start_s
        return {**compare(day, state, probe_ratio, seed), "cost": {"fuse_cpu_s": round(cpu_s, 1)}}


def compare(
    recording: Recorded, state: Path, probe_ratio: float, seed: int
) -> dict[str, dict[str, float]]:
    """All figures of one fused day."""
    day = read_day(recording, state)
    seeing = pq.read_table(recording.feeds / "checkpoint/passes.parquet")["link_id"]
    cameras = frozenset(seeing.to_pylist())
    figures = {"day": {**coverage(day), **delay_figures(day), **flow_figures(day)}}
    for name, size in (("15 min", QUARTER), ("5 min", 1)):
        sampling = sampling_figures(day, probe_ratio, cameras, size, seed)
        figures[name] = {**travel_time_figures(day, size), **sampling}
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusion", description=__doc__)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--probes", nargs="+", type=float, default=PROBE_RATIOS)
    parser.add_argument("--cache", type=Path, default=Path("build/benchmarks/fusion"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(argv)
    days: dict[str, dict[str, dict[str, float]]] = {}
    for name in chosen.worlds:
        try:
            world = find(name)
        except ConfigurationError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        for probe_ratio in chosen.probes:
            for seed in chosen.seeds:
                title = f"{world.name[:12]} {probe_ratio:.0%} seed={seed}"
                print(title, file=sys.stderr)
                days[title] = measure(world, seed, probe_ratio, chosen.cache)
    print(table(days))
    if chosen.json:
        chosen.json.write_text(json.dumps(days, indent=1, sort_keys=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
