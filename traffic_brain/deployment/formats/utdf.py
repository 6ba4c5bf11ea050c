"""UTDF: plans as ring-and-barrier phases on the roads at their junctions, for Synchro.

The sheet is that of ``network_data.writers.utdf``. It numbers junctions anew, has a lamp for each
movement and none for people on foot; what its phases show is read back second by second, and the
stages come from the mapping, else from a plan of the city that can show the same. A junction has
one plan in a file, and UTDF knows no day.
"""

from __future__ import annotations

import copy
import csv
import hashlib
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from network_data.importers.nema import LONGEST_CYCLE_S
from network_data.importers.utdf import read_network
from network_data.loss_report import Loss, LossReport
from network_data.writers.utdf import utdf_names, write_utdf
from traffic_brain.deployment.formats.lamp_runs import Cut, cut_seconds
from traffic_brain.deployment.formats.mapping import (
    KnownJunction,
    KnownPlan,
    Mapping,
    known_plan,
    read_mapping,
    write_mapping,
)
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, differences, stage_place
from traffic_brain.deployment.formats.reading import Reading, ToldPlan
from traffic_brain.deployment.formats.road_cut import roads_of, roads_with
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan, Stage

FORM = "utdf"
FILE = "network.csv"
FITTED = "splits fitted to the stated cycle"
"""What the importer says of rings that it had to stretch or shrink."""
_NOT_THERE = "only in mapping.json; UTDF has no place for it"
_LETTERS = {"u": "r", "Y": "y"}
_LOST = ("picture", "clearance", "min_green_s", "max_green_s")


def write(
    plans: PlanSet,
    folder: Path,
    context: Context,
    settings: Settings = DEFAULT_SETTINGS,  # noqa: ARG001 nothing to be decided
) -> LossReport:
    """Write ``network.csv`` and ``mapping.json`` into an existing folder.

    Raises:
        ConfigurationError: the context has no roads.
        DataRefused: several plans of one junction, a junction that has no movement of vehicles,
            or a sheet that cannot be read back.
    """
    losses = LossReport()
    network = roads_with(roads_of(context, "UTDF"), PlanSet(plans.plans))
    problems = [
        f"junction {junction_id}: {len(own)} plans, and UTDF has one"
        for junction_id, own in plans.by_junction.items()
        if len(own) > 1
    ]
    problems += [
        f"junction {plan.junction_id}: a cycle of {plan.cycle_s} s, {LONGEST_CYCLE_S} is the most"
        for plan in plans.plans
        if plan.cycle_s > LONGEST_CYCLE_S
    ]
    names = utdf_names(network)
    problems += [
        f"junction {plan.junction_id}: nobody drives through it, and UTDF knows no other"
        for plan in plans.plans
        if not names.groups.get(plan.junction_id)
    ]
    if not problems:
        problems = [p for plan in plans.plans for p in _untold(plan, names.groups)]
    if problems:
        raise DataRefused("UTDF cannot hold these plans", "leave them out", problems)
    write_utdf(network, folder / FILE, losses)
    junctions = []
    for plan in plans.plans:
        _note_losses(plan, losses)
        junctions.append(
            KnownJunction(
                plan.junction_id,
                names.junctions[plan.junction_id],
                (known_plan(plan, 1, range(len(plan.stages))),),
                names.groups[plan.junction_id],
            )
        )
    for attribute, place in differences(plans, PlanSet(plans.plans)):
        losses.note(Loss.DROPPED, f"{attribute}: UTDF knows no day", place)
    write_mapping(Mapping(FORM, tuple(junctions)), folder)
    _refuse_unshown(plans, read(folder, context))
    return losses


def _refuse_unshown(plans: PlanSet, back: Reading) -> None:
    """Refuse plans that rings and barriers do not show as they are, such as a dark stage."""
    touched = [place for _, place in differences(PlanSet(plans.plans), PlanSet(tuple(back.plans)))]
    found = [
        f"junction {plan.junction_id}, plan {plan.plan_id}: rings and barriers do not show it"
        for plan in plans.plans
        if any(place.startswith(f"{plan.junction_id} {plan.plan_id}") for place in touched)
    ]
    if found or back.problems:
        raise DataRefused("UTDF cannot hold these plans", "leave them out", found or back.problems)


def _untold(plan: SignalPlan, groups: Table[str, Sequence[int]]) -> list[str]:
    """Whether the lamps that UTDF has leave open how long each stage is green."""
    own = groups[plan.junction_id]
    seconds = [_shown(picture, own) for picture in plan.pictures()]
    found = cut_seconds(seconds, plan.stages, lambda p: _shown(p, own))
    if found == Cut(plan.stages, 0):
        return []
    here = f"junction {plan.junction_id}, plan {plan.plan_id}"
    return [f"{here}: stages that differ only in lamps that UTDF does not have"]


def _shown(picture: str, groups: Sequence[int]) -> str:
    """A picture as rings and barriers show it: red and yellow together is red."""
    return "".join(_LETTERS.get(picture[group], picture[group]) for group in groups)


def _note_losses(plan: SignalPlan, losses: LossReport) -> None:
    """Rings hold phases, not stages: everything but green and offset is the mapping's."""
    place = f"{plan.junction_id} {plan.plan_id}"
    losses.note(Loss.DROPPED, f"SignalPlan.stages: {_NOT_THERE}", place)
    losses.note(Loss.DROPPED, f"SignalPlan.coordinated_stage_idx: {_NOT_THERE}", place)
    losses.note(Loss.DROPPED, "SignalPlan.offset_s: told of a phase, not of a stage", place)
    for idx in range(len(plan.stages)):
        for name in _LOST:
            losses.note(Loss.DROPPED, f"Stage.{name}: {_NOT_THERE}", stage_place(plan, idx))
        what = "Stage.green_s: told of phases, not of stages"
        losses.note(Loss.DROPPED, what, stage_place(plan, idx))


# --- reading ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stated:
    """Cycle and offset as the sheet states them, by junction number."""

    cycle_s: Table[str, float]
    offset_s: Table[str, float]


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:
    """Read a sheet, or ``network.csv`` of a folder.

    Without a mapping, junctions are known if the sheet holds the whole city of the context.

    Raises:
        DataRefused: the sheet cannot be read as UTDF.
    """
    mapping = read_mapping(source, FORM, ids_only=ids_only)
    if mapping is None and context.network is not None:
        mapping = _of_city(context)
    reading = Reading(FORM, context, mapping)
    path = source / FILE if source.is_dir() else source
    network, reading.losses = _parsed(path)
    reading.problems += _unfit_cycles(reading.losses)
    stated = _stated(path, reading)
    for name, junction in network.junctions.items():
        if not junction.plans:
            continue
        found = reading.junction(name)
        if found is not None:
            for plan in junction.plans:
                _add(plan, name, found, stated, reading)
    if not reading.plans and not reading.problems:
        reading.problems.append("no plan of a junction in the sheet")
    return reading


def _parsed(path: Path) -> tuple[RoadNetwork, LossReport]:
    """The sheet as a network, and what the importer has to say of it."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataRefused(f"{path} cannot be read", "check the path", [str(error)]) from error
    network, losses = _parsed_once(path, digest)
    return network, copy.deepcopy(losses)


@lru_cache(maxsize=1)
def _parsed_once(path: Path, digest: str) -> tuple[RoadNetwork, LossReport]:  # noqa: ARG001
    """An export is read three times in a row; ``digest`` tells when it is another one."""
    losses = LossReport()
    return read_network(path, losses), losses


def _unfit_cycles(losses: LossReport) -> list[str]:
    """Rings that do not sum to the cycle that the sheet states: the importer makes them fit."""
    return [
        f"rule cycle_sum, {place}: the splits of a ring do not sum to the cycle"
        for row in losses.as_dict()["losses"]
        if row["what"] == f"[Phases] {FITTED}"
        for place in row["places"]
    ]


def _of_city(context: Context) -> Mapping:
    """The ids that the whole city has in UTDF."""
    assert context.network is not None
    names = utdf_names(context.network)
    return Mapping(
        FORM,
        tuple(
            KnownJunction(junction_id, name, (), names.groups[junction_id])
            for junction_id, name in names.junctions.items()
        ),
    )


def _add(
    told: SignalPlan,
    name: str,
    found: tuple[JunctionRulesInput, KnownJunction | None],
    stated: _Stated,
    reading: Reading,
) -> None:
    site, junction = found
    known = junction.plans[0] if junction is not None and junction.plans else None
    groups = junction.groups if junction is not None else ()
    here = f"junction {site.junction.junction_id}"
    count = site.junction.signal_group_count
    if len(groups) != told.signal_group_count or any(group >= count for group in groups):
        reading.problems.append(f"{here}: its movements are not those of the sheet")
        return
    plan_id = told.plan_id if known is None else known.plan_id
    cut, origin = _cut(told, site, groups, known)
    if cut is None:
        cut, origin = _in_own_groups(told, count, groups), Origin.USUAL
    row = ToldPlan(plan_id, (), 0, None, _whole(stated.cycle_s.get(name)))
    reading.add_stages(row, site, cut.stages, [origin] * len(cut.stages), known)
    plan = reading.plans.pop()
    starts_s = told.first_stage_offset_s + cut.start_s
    starts_s += plan.stage_start_s(plan.coordinated_stage_idx)
    reading.plans.append(plan.with_offset(starts_s))
    offset_s = stated.offset_s.get(name, 0.0)
    if not 0 <= offset_s < told.cycle_s:
        reading.problems.append(
            f"rule offset_range, {here}, plan: offset {offset_s:g} s is not in [0, {told.cycle_s})"
        )


def _cut(
    told: SignalPlan, site: JunctionRulesInput, groups: Sequence[int], known: KnownPlan | None
) -> tuple[Cut | None, Origin]:
    """The stages that show what the phases show: the mapping's, else a plan's of the city."""
    choices: list[tuple[Sequence[Stage], Origin]] = []
    if known is not None and known.stages:
        choices.append((known.stages, Origin.MAPPING))
    choices += [(plan.stages, Origin.CITY) for plan in site.junction.plans]
    seconds = told.pictures()
    for stages, origin in choices:
        if all(len(stage.picture) == site.junction.signal_group_count for stage in stages):
            found = cut_seconds(seconds, stages, lambda p: _shown(p, groups))
            if found is not None:
                return found, origin
    return None, Origin.USUAL


def _in_own_groups(told: SignalPlan, count: int, groups: Sequence[int]) -> Cut:
    """The told stages in the junction's own signal groups; who has no movement keeps red."""

    def own(picture: str) -> str:
        lamps = ["r"] * count
        for place, group in enumerate(groups):
            lamps[group] = picture[place]
        return "".join(lamps)

    stages = tuple(
        Stage(
            own(stage.picture),
            stage.green_s,
            tuple(type(i)(i.duration_s, own(i.picture)) for i in stage.clearance),
            stage.min_green_s,
            stage.max_green_s,
        )
        for stage in told.stages
    )
    return Cut(stages, 0)


def _whole(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    return int(seconds) if seconds.is_integer() else -1


def _stated(path: Path, reading: Reading) -> _Stated:
    """The first cycle and offset of each junction in the section of timing plans."""
    found: dict[str, dict[str, float]] = {"Cycle Length": {}, "Offset": {}}
    section = ""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        for cells in csv.reader(file):
            if cells and cells[0].startswith("["):
                section = cells[0].strip("[] \t").lower()
            if section == "timeplans" and len(cells) >= 3 and cells[0].strip() in found:
                try:
                    value = float(cells[2])
                except ValueError:
                    reading.problems.append(f"{path.name}: {cells[0]} {cells[2]!r} is no number")
                    continue
                found[cells[0].strip()].setdefault(cells[1].strip(), value)
    return _Stated(found["Cycle Length"], found["Offset"])
