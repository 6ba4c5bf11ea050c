"""A night of a generated city, from raw feeds to package and page: seconds and memory by stage.

``traffic-brain bench night --junctions 2380`` makes the city, records a peak of its traffic in SUMO
(which is the city's own doing, and not counted), and runs the night on the feeds alone.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.feeds.process_tree import cpu_s, memory_bytes
from network_data.generated_city import generate
from sim_scenarios.spec import ScenarioSpec
from sim_scenarios.world import record
from traffic_brain.nightly.night import areas_told, run_night
from traffic_brain.nightly.settings import RECORDED_DAY, NightSettings
from traffic_brain.progress import Progress

SAMPLE_S = 0.5
BEGIN_S = 7 * 3600
HEFEI, GOAL_S = 2380, 3600.0


@dataclass
class Meter:
    """Watches a night: wall seconds, CPU seconds and peak memory of every stage."""

    progress: Progress
    laps: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Measure one stage, with all processes that it starts."""
        cpu, wall, ended, peak = cpu_s(), time.monotonic(), threading.Event(), [0]

        def sample() -> None:
            while not ended.wait(SAMPLE_S):
                peak[0] = max(peak[0], memory_bytes(os.getpid()))

        sampler = threading.Thread(target=sample, daemon=True)
        sampler.start()
        try:
            yield lambda ratio, message: self.progress(ratio, f"{name}: {message}")
        finally:
            ended.set()
            sampler.join()
        self.laps[name] = {
            "wall_s": round(time.monotonic() - wall, 1),
            "cpu_s": round(cpu_s() - cpu, 1),
            "peak_gb": round(max(peak[0], memory_bytes(os.getpid())) / 1e9, 2),
        }

    def unchanged(self, name: str) -> None:
        """Made by a night that was broken off."""
        self.laps[name] = {"wall_s": 0.0, "cpu_s": 0.0, "peak_gb": 0.0}


def measure(
    junctions: int, minutes: int, out: Path, *, seed: int, workers: int, progress: Progress
) -> dict[str, Any]:
    """Figures of the night; the city and its feeds in ``out`` are made once."""
    city, feeds = out / "city", out / "feeds"
    day = feeds / RECORDED_DAY.isoformat()
    if not (city / "junctions.json").is_file():
        city.mkdir(parents=True, exist_ok=True)
        generate(city, junctions=junctions, seed=seed, progress=progress)
    if not (out / "truth" / "summary.json").is_file():
        spec = ScenarioSpec("generated", sumocfg=city / "sumo" / "city.sumocfg")
        spec = replace(spec, begin_s=BEGIN_S, end_s=BEGIN_S + 60 * minutes, time_to_teleport_s=-1)
        record(spec, day, out / "truth", seed=seed, service_day=RECORDED_DAY, progress=progress)
    meter = Meter(progress)
    settings = NightSettings(city=city, feeds=feeds, out=out / "night", seed=seed, workers=workers)
    found = run_night(settings, meter).document()
    figures = {
        "junctions": junctions,
        "minutes": minutes,
        "seed": seed,
        "fused_rows": found["fused_rows"],
        "decision": found["verdict"]["decision"],
        "reason": found["verdict"]["reason"],
        "areas": found["areas"],
        "load": round(os.getloadavg()[0], 1),
        "stages": meter.laps,
    }
    (out / "night.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def lines(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was measured, for a person."""
    stages = figures["stages"]
    yield "city", f"{figures['junctions']:,} junctions, {figures['minutes']} minutes of feeds"
    yield "rows fused", f"{figures['fused_rows']:,}"
    for name, lap in stages.items():
        yield name, f"{lap['wall_s']:8.1f} s, CPU {lap['cpu_s']:8.1f} s, {lap['peak_gb']:.2f} GB"
    wall_s = sum(lap["wall_s"] for lap in stages.values())
    goal = f" (asked: at most {GOAL_S:.0f} s)" if figures["junctions"] >= HEFEI else ""
    yield "night", f"{wall_s:8.1f} s{goal}"
    cpu_s = sum(lap["cpu_s"] for lap in stages.values())
    yield "CPU", f"{cpu_s:8.1f} s; machine's load at the end {figures['load']}"
    yield "memory", f"{max(lap['peak_gb'] for lap in stages.values()):.2f} GB at the most"
    if figures["areas"] is not None:
        yield "areas", areas_told(figures["areas"])
    yield "decision", f"{figures['decision']}: {figures['reason']}"
