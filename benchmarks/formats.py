"""Every plan format: is the round trip the identity, and does no refused plan come back in?

    python -m benchmarks.formats [--plans N] [--seed S] [--format F ...] [--json FILE]

For each format, N random valid plans (10,000 unless told otherwise) are written, read back and
compared attribute by attribute, windows included; half of the junctions run the same stages with
other greens already, half have no plan the reader could look at. Two ways: with the mapping that
an export keeps beside its files, and by the format's own files at the city alone, where every
difference must stand in the loss report. UTDF and GMNS, which need roads, are tried on the maps
that are installed, the others on made-up junctions. A plan that a format cannot hold at all must
be refused; these are counted, with the reason, and made up for by others.

Then one violation of each kind that can be planted is planted into valid plans, and written by
the same writers: every file must be refused on import, or not be writable at all.

Exit code 1 if anything differs without a loss, or a violation comes through.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.reference.format_cases import Batch, made_batch, real_batch
from tests.reference.mutations import PLANTERS, Planted
from tests.reference.valid_plans import Case, real_case
from traffic_brain.deployment.formats.exporting import read_back
from traffic_brain.deployment.formats.importing import read_plans
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, differences
from traffic_brain.deployment.formats.registry import FORMATS, Format
from traffic_brain.deployment.formats.schedule import without_gaps
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS
from traffic_brain.errors import DataRefused
from traffic_brain.model.rules import judge, violations

BATCH = 50
SHOWN = 10
BY_COMPARISON = frozenset({"change_limits"})
"""A limit on a night's changes, which no file breaks by itself."""


@dataclass
class Tally:
    """What became of the plans of one format."""

    plans: int = 0
    identical: int = 0
    windows: int = 0
    windows_lost: int = 0
    identical_alone: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def round_trips(form: Format, wanted: int, seed: int) -> Tally:
    """Round trips of at least ``wanted`` plans that the format can hold."""
    tally, number = Tally(), 0
    while tally.plans < wanted:
        random = Random(f"{seed} {form.name} {number}")
        number += 1
        if form.needs_roads:
            batch = real_batch(random)
            if batch is None:
                tally.failures.append("no map is installed: pip install traffic-brain[demo]")
                break
        else:
            batch = made_batch(random, min(BATCH, wanted - tally.plans))
        with tempfile.TemporaryDirectory() as folder:
            _round_trip(form, batch, Path(folder), tally, f"seed {seed} batch {number - 1}")
    return tally


def _round_trip(form: Format, batch: Batch, folder: Path, tally: Tally, where: str) -> None:
    plans = without_gaps(batch.plans, losses_of_no_interest())
    out = folder / "all"
    out.mkdir()
    try:
        losses = form.write(plans, out, batch.context, DEFAULT_SETTINGS)
    except DataRefused as error:
        _one_by_one(form, batch, folder, tally, where, error)
        return
    tally.plans += len(plans.plans)
    tally.windows += len(plans.windows)
    try:
        back = read_back(plans, form, out, batch.context, losses)
    except DataRefused as error:
        tally.failures += [f"{where}: {problem}" for problem in error.problems]
        return
    tally.identical += _identical(plans, back.with_mapping)
    tally.windows_lost += sum(name == "PlanWindow" for name, _ in back.with_mapping)
    if not form.needs_mapping:
        tally.identical_alone += _identical(plans, back.alone)


def _one_by_one(
    form: Format, batch: Batch, folder: Path, tally: Tally, where: str, error: DataRefused
) -> None:
    """A batch was refused: find out which of its junctions' plans the format cannot hold."""
    by_junction = batch.plans.by_junction
    if len(by_junction) == 1:
        reason = re.sub(r"junction [^:,]*[:,] |plan [^:,]*[:,] |\d+", "", error.problems[0])
        tally.refused[reason] += len(batch.plans.plans)
        return
    for number, own in enumerate(by_junction.values()):
        junction_id = own[0].junction_id
        windows = tuple(batch.plans.windows_of(junction_id))
        part = Batch(PlanSet(tuple(own), windows), batch.context)
        inner = folder / str(number)
        inner.mkdir()
        _round_trip(form, part, inner, tally, f"{where}, {junction_id}")


def losses_of_no_interest() -> Any:
    """A report that nobody reads."""
    from network_data.loss_report import LossReport

    return LossReport()


def _identical(plans: PlanSet, different: Sequence[tuple[str, str]]) -> int:
    """Plans with no difference at any of their places, windows apart."""
    touched = [place for name, place in different if not name.startswith("PlanWindow")]
    return sum(
        not any(place.startswith(f"{p.junction_id} {p.plan_id}") for place in touched)
        for p in plans.plans
    )


# --- plans that must be refused -----------------------------------------------------------


def planted(form: Format, trials: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How planted violations ended, and those that came through."""
    ends: Counter[str] = Counter()
    through: list[str] = []
    for number in range(trials):
        random = Random(f"{seed} {number}")
        case = _case(form, random)
        if case is None:
            break
        batch, valid = case
        for plant in PLANTERS:
            found = plant(valid, random)
            if found is None or found.rule in BY_COMPARISON or not _breaks(found):
                continue
            end = _try(form, found, batch.context)
            ends[end] += 1
            if end == "taken":
                through.append(f"seed {seed} trial {number}: {plant.__name__} ({found.rule})")
    return ends, through


def _case(form: Format, random: Random) -> tuple[Batch, Case] | None:
    if not form.needs_roads:
        valid = real_case(random)
        sites = {valid.plan.junction_id: valid.site}
        return Batch(PlanSet((valid.plan,)), Context(sites)), valid
    batch = real_batch(random)
    if batch is None:
        return None
    plan = random.choice(batch.plans.plans)
    site = batch.context.sites[plan.junction_id]
    return batch, Case(site, plan)


def _breaks(found: Planted) -> bool:
    """Whether the rules refuse it at its junction: a plan in service may have the same fault."""
    running = found.site.junction.plan_in_service
    return bool(violations(judge(found.plan, found.site, running)))


def _try(form: Format, found: Planted, context: Context) -> str:
    """``refused`` on import, ``not writable``, ``mended`` by the format itself, or ``taken``."""
    sites = {**context.sites, found.site.junction.junction_id: found.site}
    city = replace(context, sites=sites)
    with tempfile.TemporaryDirectory() as folder:
        try:
            form.write(PlanSet((found.plan,)), Path(folder), city, DEFAULT_SETTINGS)
        except Exception:  # noqa: BLE001 writers are for plans that are plans
            return "not writable"
        try:
            reading = read_plans(Path(folder), city, form.name)
        except DataRefused:
            return "refused"
        # What came in is valid: then it is not the plan that was to go out.
        changed = list(differences(PlanSet((found.plan,)), reading.plan_set))
        return "mended" if changed else "taken"


def main(arguments: Sequence[str]) -> int:
    """Measure all formats; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.formats", description=__doc__)
    parser.add_argument("--plans", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=100, help="of planted violations")
    parser.add_argument("--format", dest="forms", action="append", choices=list(FORMATS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    results: dict[str, object] = {}
    failed = False
    for name in options.forms or list(FORMATS):
        form, start = FORMATS[name], time.process_time()
        tally = round_trips(form, options.plans, options.seed)
        middle = time.process_time()
        ends, through = planted(form, options.trials, options.seed)
        failures = [*tally.failures, *through]
        failed |= bool(failures) or tally.identical < tally.plans
        for failure in failures[:SHOWN]:
            print(f"{name}: {failure}")
        results[name] = {
            "plans": tally.plans,
            "windows": tally.windows,
            "windows_lost_as_the_loss_report_says": tally.windows_lost,
            "identical": tally.identical,
            "identical_without_mapping": None if form.needs_mapping else tally.identical_alone,
            "plans_that_the_format_refuses": dict(tally.refused),
            "failures": len(tally.failures),
            "planted_violations": dict(sorted(ends.items())),
            "violations_taken": len(through),
            "round_trips_cpu_s": round(middle - start, 1),
            "cpu_s": round(time.process_time() - start, 1),
        }
        print(json.dumps({name: results[name]}, ensure_ascii=False))
    document = {"seed": options.seed, "formats": results}
    if options.json:
        options.json.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
