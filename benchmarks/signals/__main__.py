"""Timings and saturation flows found from passes alone, against what SUMO ran and let through.

Run ``python -m benchmarks.signals [--worlds NAME …] [--seeds N …]``. Each world runs twice per
seed: with the plans on file, and with other cycles, splits and offsets that the engine is not told
of. Feeds have the usual defects and 10 % of dead detectors; the signal log is not opened.
Recordings are kept in ``--cache``. The figures that count are those of stages with 300 passes or
more, and of lanes whose queues showed 15 headways or more after the fourth vehicle. Seeds 21 and
31 to 34 were looked at while the method was made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.signals.recordings import DAY, Recorded, recorded
from benchmarks.signals.truth import LEAST_HEADWAYS, discharge, stage_passes, stage_starts
from network_data.city import load_city
from sim_scenarios.spec import find
from traffic_brain.errors import ConfigurationError
from traffic_brain.feeds import police
from traffic_brain.feeds.lights import Lights
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.fusion.signals.saturation import LaneDischarge
from traffic_brain.fusion.signals.tables import found_signals, timing_findings
from traffic_brain.fusion.signals.timing import FoundTiming
from traffic_brain.model.signals import SignalPlan

WORLDS = ("ingolstadt21", "ingolstadt7", "cologne8", "cologne3", "grid4x4", "small")
SEEDS = (41, 42)
MANY_PASSES = 300
TOLERANCE_S = 2
TOLERANCE_RATIO = 0.1


def measure(day: Recorded) -> Counter[str]:
    """Counts of one recorded day; see `ROWS` for what they mean."""
    network = load_city(day.city)
    passes = police.read(day.feeds / "police", network, DAY, Quarantine()).passes
    begin_s, end_s = int(passes["time_s"].min()), int(passes["time_s"].max()) + 1
    found = found_signals(passes, network, DAY, begin_s, end_s)
    lights = Lights(day.lamps.sort_values(["junction_id", "time_s"], kind="stable"), network)
    named = {f.device_id for f in timing_findings(found)}
    counts: Counter[str] = Counter()
    for junction_id, (timings, lanes) in found.items():
        ran = day.plans.get(junction_id)
        if ran is None or not timings:
            continue
        groups = {lane: of for lane, (at, of) in lights.groups.items() if at == junction_id}
        counts.update(_stage_counts(timings[0], ran, stage_passes(day, ran, groups)))
        on_file = network.junctions[junction_id].plan_in_service
        other = on_file is not None and not _same(on_file, ran)
        known = timings[0].cycle_s is not None
        counts[f"{'other' if other else 'same'} timing, found"] += known
        counts[f"{'other' if other else 'same'} timing, named"] += junction_id in named
        for lane in lanes:
            counts.update(_lane_counts(day, junction_id, groups[lane.lane], lane))
    return counts


def _same(one: SignalPlan, other: SignalPlan) -> bool:
    return one.cycle_s == other.cycle_s and stage_starts(one) == stage_starts(other)


def _stage_counts(found: FoundTiming, ran: SignalPlan, passes: Sequence[int]) -> Iterator[str]:
    if len(ran.stages) < 2:
        return  # a stage alone has neither start nor end
    cycle_right = found.cycle_s == ran.cycle_s
    starts = stage_starts(ran)
    for idx, (start, split, count) in enumerate(zip(starts, ran.splits_s, passes, strict=True)):
        kinds = ["stages", "stages of many passes"] if count >= MANY_PASSES else ["stages"]
        told_s = found.stages[idx].start_s if found.cycle_s else None
        split_s = found.splits_s[idx] if found.cycle_s else None
        for kind in kinds:
            yield kind
            if told_s is None:
                yield f"{kind}, unknown"
                continue
            off_s = (told_s - start + ran.cycle_s // 2) % ran.cycle_s - ran.cycle_s // 2
            near = cycle_right and abs(off_s) <= TOLERANCE_S
            if near and split_s is not None and abs(split_s - split) <= TOLERANCE_S:
                yield f"{kind}, right"
            stage = found.stages[idx]
            if cycle_right and -stage.late_s <= off_s <= stage.early_s:
                yield f"{kind}, within interval"


def _lane_counts(
    day: Recorded,
    junction_id: str,
    groups: frozenset[int],
    told: LaneDischarge,
) -> Mapping[str, float]:
    true = discharge(day, told.lane, junction_id, groups)
    if len(true.headways) < LEAST_HEADWAYS:
        return {"lanes without truth, told": not told.reason}
    kind = "permitted lanes" if told.permitted else "lanes"
    if told.reason:
        return {kind: 1, f"{kind}, unknown": 1}
    flow = 3600.0 / true.headway_s
    error = abs(told.saturation_flow_vph / flow - 1.0)
    of_all = abs(told.saturation_flow_vph * float(true.headways.mean()) / 3600.0 - 1.0)
    loss = abs(told.start_up_loss_s - true.start_up_loss_s)
    return {
        kind: 1,
        f"{kind}, right": error <= TOLERANCE_RATIO,
        f"{kind}, right of all headways": of_all <= TOLERANCE_RATIO,
        f"{kind}, error": error,
        f"{kind}, within interval": told.low_vph <= flow <= told.high_vph,
        f"{kind}, loss error": loss,
        f"{kind}, loss within interval": told.loss_low_s
        <= true.start_up_loss_s
        <= told.loss_high_s,
    }


Shares = tuple[str, str, str]
ROWS: Sequence[Shares] = (
    (
        "stages of ≥ 300 passes: cycle, split, start within 2 s, %",
        "stages of many passes, right",
        "stages of many passes",
    ),
    ("  … not known, %", "stages of many passes, unknown", "stages of many passes"),
    ("all stages: within 2 s, %", "stages, right", "stages"),
    ("  … not known, %", "stages, unknown", "stages"),
    ("  … start within its interval, % of known", "stages, within interval", "stages, known"),
    (
        "junctions with another timing, of those found: named, %",
        "other timing, named",
        "other timing, found",
    ),
    ("junctions as on file, of those found: named, %", "same timing, named", "same timing, found"),
    ("saturation flow: within 10 %, % of known", "lanes, right", "lanes, known"),
    (
        "  … with headways of blocked queues in the truth",
        "lanes, right of all headways",
        "lanes, known",
    ),
    ("  … mean error, %", "lanes, error", "lanes, known"),
    ("  … within its interval, %", "lanes, within interval", "lanes, known"),
    ("  … start-up loss, mean error, 0.01 s", "lanes, loss error", "lanes, known"),
    ("  … start-up loss within its interval, %", "lanes, loss within interval", "lanes, known"),
    ("  … not known, %", "lanes, unknown", "lanes"),
    (
        "permitted greens: within 10 %, % of known",
        "permitted lanes, right",
        "permitted lanes, known",
    ),
    (
        "  … with headways of blocked queues in the truth",
        "permitted lanes, right of all headways",
        "permitted lanes, known",
    ),
    ("  … not known, %", "permitted lanes, unknown", "permitted lanes"),
)
TOTALS = ("stages of many passes", "stages", "lanes", "permitted lanes")


def table(days: Mapping[str, Counter[str]]) -> str:
    """A column for each world and for all together, a row for each share."""
    columns = {**days, "all": sum(days.values(), Counter())}
    width = max(len(label) for label, _, _ in ROWS)
    lines = [" " * width + "".join(f"{name:>14}" for name in columns)]
    lines += [
        f"{f'number of {name}':<{width}}" + "".join(f"{c[name]:>14}" for c in columns.values())
        for name in TOTALS
    ]
    for label, part, whole in ROWS:
        cells = "".join(f"{_percent(c, part, whole):>14}" for c in columns.values())
        lines.append(f"{label:<{width}}{cells}")
    return "\n".join(lines)


def _percent(counts: Counter[str], part: str, whole: str) -> str:
    kind = whole.removesuffix(", known")
    number = counts[whole] if kind == whole else counts[kind] - counts[f"{kind}, unknown"]
    return f"{100 * counts[part] / number:.1f}" if number else "–"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--cache", type=Path, default=Path("build/benchmarks/signals"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(argv)
    days: dict[str, Counter[str]] = {}
    for name in chosen.worlds:
        try:
            world = find(name)
        except ConfigurationError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        for seed in chosen.seeds:
            for retimed in (True, False):
                print(f"{name} seed {seed} {'retimed' if retimed else 'on file'}", file=sys.stderr)
                counts = measure(recorded(world, seed, retimed, chosen.cache))
                days.setdefault(world.name, Counter()).update(counts)
    print(table(days))
    if chosen.json:
        chosen.json.write_text(json.dumps(days, indent=1, sort_keys=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
