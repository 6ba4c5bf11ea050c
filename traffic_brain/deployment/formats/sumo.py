"""SUMO: plans as static programs of an additional file, which show the plan second by second.

Phases are intervals, from stage 0 on, and SUMO's offset is the start of stage 0. Which stage is
coordinated, and how short and long a green may become, has no place there. SUMO has no week: a
``<WAUT>`` switches between plans as on the day that the settings name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from network_data.importers.sumo.programs import (
    UNREADABLE,
    SumoPhase,
    SumoProgram,
    SumoSignals,
    plan_of,
    read_signals,
    sumo_time_s,
    windows_of,
)
from network_data.loss_report import Loss, LossReport
from network_data.writers.sumo_losses import note_losses as note_signal_losses
from network_data.writers.sumo_signals import write_signals
from sim_scenarios.programs import write_programs
from traffic_brain.deployment.formats.lamp_runs import Cut, cut_intervals
from traffic_brain.deployment.formats.mapping import (
    KnownJunction,
    KnownPlan,
    Mapping,
    known_plan,
    read_mapping,
    write_mapping,
)
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, differences
from traffic_brain.deployment.formats.reading import Reading, ToldPlan
from traffic_brain.deployment.formats.safe_xml import read_xml
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import EVERY_DAY, Interval, PlanWindow, SignalPlan, Stage

FORM = "sumo"
FILE = "signals.add.xml"
_NOT_THERE = "only in mapping.json; SUMO has no place for it"


def write(
    plans: PlanSet, folder: Path, context: Context, settings: Settings = DEFAULT_SETTINGS
) -> LossReport:
    """Write ``signals.add.xml`` and ``mapping.json`` into an existing folder."""
    losses = LossReport()
    by_junction = plans.by_junction
    if plans.windows:
        network = _signals_only(plans, context)
        write_signals(network, folder / FILE, weekday=settings.weekday)
        note_signal_losses(network, losses, settings.weekday)
        lost = differences(plans, PlanSet(plans.plans, tuple(_every_day(plans, settings.weekday))))
        for attribute, place in lost:
            losses.note(Loss.DROPPED, f"{attribute}: SUMO has no week", place)
    else:
        write_programs(plans.plans, folder / FILE)
    for plan in plans.plans:
        _note_losses(plan, context.sites[plan.junction_id], losses)
    junctions = tuple(
        KnownJunction(
            junction_id,
            junction_id,
            tuple(
                known_plan(plan, number, range(len(plan.stages)))
                for number, plan in enumerate(own, start=1)
            ),
        )
        for junction_id, own in by_junction.items()
    )
    write_mapping(Mapping(FORM, junctions), folder)
    return losses


def _signals_only(plans: PlanSet, context: Context) -> RoadNetwork:
    """A network of nothing but signals, which is all that the file holds."""
    junctions = {
        junction_id: replace(
            context.sites[junction_id].junction, plan_in_service=own[0], other_plans=tuple(own[1:])
        )
        for junction_id, own in plans.by_junction.items()
    }
    return RoadNetwork("signals", {}, (), {}, junctions, plan_windows=plans.windows)


def _every_day(plans: PlanSet, weekday: int) -> Iterator[PlanWindow]:
    """What runs on every day in SUMO: the windows of one, neighbours with one plan joined."""
    for junction_id in plans.by_junction:
        own = [w for w in plans.windows_of(junction_id) if weekday in w.weekdays]
        joined: list[PlanWindow] = []
        for window in sorted(own, key=lambda w: w.begin_s):
            last = joined[-1] if joined else None
            if last and (last.plan_id, last.end_s) == (window.plan_id, window.begin_s):
                joined[-1] = replace(last, end_s=window.end_s)
            else:
                joined.append(replace(window, weekdays=EVERY_DAY))
        yield from joined


def _note_losses(plan: SignalPlan, site: JunctionRulesInput, losses: LossReport) -> None:
    """Note how a program differs that is read by itself, or with the plans of the city."""
    phases = tuple(SumoPhase(float(i.duration_s), i.picture) for i in plan.intervals())
    offset = str(plan.first_stage_offset_s)
    program = SumoProgram(plan.junction_id, plan.plan_id, "static", offset, phases)
    plain = plan_of(program).plan
    in_city = Reading(FORM, Context({plan.junction_id: site}))
    _add(program, site, None, in_city)
    read = (PlanSet(() if plain is None else (plain,)), in_city.plan_set)
    found = dict.fromkeys(d for other in read for d in differences(PlanSet((plan,)), other))
    for attribute, place in found:
        losses.note(Loss.DROPPED, f"{attribute}: {_NOT_THERE}", place)


# --- reading ------------------------------------------------------------------------------


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:
    """Read an additional file (or ``signals.add.xml`` of a folder).

    Raises:
        DataRefused: the file is no XML that is read here, or SUMO would not accept it.
    """
    reading = Reading(FORM, context, read_mapping(source, FORM, ids_only=ids_only))
    path = source / FILE if source.is_dir() else source
    read_xml(path)
    try:
        signals = read_signals(path)
    except UNREADABLE as error:
        raise DataRefused(f"{path} cannot be read", "export it again", [str(error)]) from error
    reading.problems += [f"program {p} of junction {j} comes twice" for j, p in signals.repeated]
    if not signals.programs:
        reading.problems.append(f"{path.name}: no tlLogic")
    for junction_id, programs in signals.by_junction().items():
        found = reading.junction(junction_id)
        if found is not None:
            for program in programs:
                _add(program, found[0], found[1], reading)
            _add_windows(junction_id, signals, reading)
    return reading


def _add(
    program: SumoProgram,
    site: JunctionRulesInput,
    junction: KnownJunction | None,
    reading: Reading,
) -> None:
    problems = list(_problems(program))
    reading.problems += [
        f"junction {program.junction_id}, program {program.program_id}: {p}" for p in problems
    ]
    if problems:
        return
    known = None if junction is None else junction.plan(program.program_id)
    found, origin = _cut(program, site, known)
    cycle_s = sum(int(phase.duration_s) for phase in program.phases)
    told = ToldPlan(program.program_id, (), 0, None, None)
    first_s = int(sumo_time_s(program.offset))
    if not 0 <= first_s < cycle_s:
        reading.problems.append(
            f"rule offset_range, junction {program.junction_id}, plan: offset {first_s} s is not "
            f"in [0, {cycle_s}) s"
        )
    if found is None:
        converted = plan_of(program)
        assert converted.plan is not None
        start_s = converted.plan.first_stage_offset_s - first_s
        found = Cut(converted.plan.stages, start_s % cycle_s)
    reading.add_stages(told, site, found.stages, [origin] * len(found.stages), known)
    plan = reading.plans.pop()
    starts_s = first_s + found.start_s + plan.stage_start_s(plan.coordinated_stage_idx)
    reading.plans.append(plan.with_offset(starts_s))


def _cut(
    program: SumoProgram, site: JunctionRulesInput, known: KnownPlan | None
) -> tuple[Cut | None, Origin]:
    """The stages of a program: by the mapping, else by a plan of the city."""
    told = [Interval(int(phase.duration_s), phase.picture) for phase in program.phases]
    choices: list[tuple[Sequence[Stage], Origin]] = []
    if known is not None and known.stages:
        choices.append((known.stages, Origin.MAPPING))
    choices += [(plan.stages, Origin.CITY) for plan in site.junction.plans]
    for stages, origin in choices:
        found = cut_intervals(told, stages)
        if found is not None:
            return found, origin
    return None, Origin.FILE


def _problems(program: SumoProgram) -> list[str]:
    """Why a program is no plan here: SUMO reads more than a fixed plan in whole seconds."""
    found = [] if program.kind == "static" else [f"type {program.kind!r} is no fixed plan"]
    wrong = [i for i, p in enumerate(program.phases) if p.duration_s % 1 or p.duration_s < 1]
    if wrong:
        found.append(f"rule whole_seconds: phases {wrong} do not last whole seconds of 1 or more")
    converted = plan_of(program)
    return found if converted.plan is not None else [*found, *converted.problems]


def _add_windows(junction_id: str, signals: SumoSignals, reading: Reading) -> None:
    schedule = signals.schedule_of(junction_id)
    if schedule is None:
        return
    plan_ids = [p.plan_id for p in reading.plans if p.junction_id == junction_id]
    windows, remarks = windows_of(schedule, junction_id, plan_ids)
    reading.problems += [f"junction {junction_id}: {remark}" for remark in remarks]
    reading.windows += windows
