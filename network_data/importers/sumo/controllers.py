"""SUMO's signal programs as the plans of our junctions, and what a person should look at there.

Every signal is complete (a fixed plan in service that serves all its movements and crossings,
with conflicts known), or stands on the to-fix list with what is missing and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import (
    OFF_PROGRAM,
    SumoProgram,
    SumoSignals,
    plan_of,
    windows_of,
)
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.lamps import LETTERS, OPEN_KINDS
from traffic_brain.model.signals import GREENS, PlanWindow, SignalPlan

FIXED, ACTUATED, OFF, RAIL = "fixed", "actuated", "off", "rail"
GIVE_PLAN = "give the plan that runs there in an additional file (tlLogic)"
_READ_PROGRAM = frozenset({"id", "type", "programID", "offset"})
_READ_PHASE = frozenset({"duration", "state", "minDur", "maxDur", "next"})


@dataclass(frozen=True, slots=True)
class ControllerSite:
    """What is known of a signal without its programs.

    ``used``: lamps with a connection; ``served``: those at which cars or people on foot wait.
    """

    junction_id: str
    used: frozenset[int]
    served: frozenset[int]
    on_rails: bool
    second_lamps: frozenset[int] = frozenset()
    """At which the second half of an indirect turn waits."""

    @property
    def group_count(self) -> int:
        return max(self.used) + 1


@dataclass(frozen=True, slots=True)
class Controller:
    """How a signal runs today, in our terms."""

    plan: SignalPlan | None
    control: str
    group_count: int
    others: tuple[SignalPlan, ...] = ()
    windows: tuple[PlanWindow, ...] = ()
    problems: tuple[str, ...] = ()
    carried: tuple[ET.Element, ...] = field(default=(), compare=False)
    """Programs and schedules that plans cannot hold, as SUMO has them; the running one last."""


def controller_of(
    site: ControllerSite,
    programs: Sequence[SumoProgram],
    signals: SumoSignals,
    losses: LossReport,
) -> Controller:
    """Plans, windows and open questions of one signal; losses and to-fix entries are noted.

    ``programs``: those of this signal, in loading order.
    """
    name = site.junction_id
    for program in programs:
        _note_unread(program, losses)
    if site.on_rails:
        losses.note(Loss.DROPPED, "rail signal: not planned", name)
        losses.to_fix(
            name, "rail signal, left out", 1.0, "nothing to do; it is not for traffic lights"
        )
        kept = _carried(site, programs, signals, (), False)
        return Controller(None, RAIL, site.group_count, carried=kept)
    plans = {p.program_id: _plan(p, site, losses) for p in programs}
    running = signals.running(name)
    plan, control, problems = _service(site, running, plans, losses)
    others = tuple(p for k, p in plans.items() if p is not None and p is not plan)
    windows, all_told = _windows(site, signals, plans, losses)
    smooth = name in signals.scheduled and signals.scheduled[name].smooth
    held = set() if smooth else {p.plan_id for p in (plan, *others) if p is not None}
    held -= {p.program_id for p in programs if p.kind != "static"}
    _note_repeated(name, signals, losses)
    carried = _carried(site, programs, signals, held, all_told and not smooth)
    if carried:
        losses.note(
            Loss.DROPPED, "programs that are no plans: kept as they are for SUMO only", name
        )
    _judge(site, plan, losses)
    lamps = [p.signal_group_count for p in (plan, *others) if p is not None]
    count = max([site.group_count, *lamps])
    if min(lamps, default=count) < count:
        losses.note(Loss.GUESSED, "lamps that only some programs have: red in the others", name)
    return Controller(
        None if plan is None else _with_lamps(plan, count),
        control,
        count,
        tuple(_with_lamps(p, count) for p in others),
        windows,
        problems,
        carried,
    )


def _with_lamps(plan: SignalPlan, count: int) -> SignalPlan:
    """The plan with red lamps behind its own, so that it has ``count``."""

    def longer(picture: str) -> str:
        return picture.ljust(count, "r")

    stages = (
        replace(
            stage,
            picture=longer(stage.picture),
            clearance=tuple(replace(i, picture=longer(i.picture)) for i in stage.clearance),
        )
        for stage in plan.stages
    )
    return replace(plan, stages=tuple(stages))


# --- the plan in service --------------------------------------------------------------------


def _service(
    site: ControllerSite,
    running: SumoProgram | None,
    plans: dict[str, SignalPlan | None],
    losses: LossReport,
) -> tuple[SignalPlan | None, str, tuple[str, ...]]:
    """(plan in service, control, problems) of a signal."""
    name = site.junction_id
    if running is None or not _lights(running):
        what = "signal without a program" if running is None else "signal that is switched off"
        losses.note(Loss.DROPPED, "signal without a running program", name)
        losses.to_fix(name, what, 0.0, GIVE_PLAN)
        return None, OFF, ("no running program",)
    if running.kind != "static":
        losses.note(Loss.DROPPED, f"{running.kind} program: held, not retimed", name)
        losses.to_fix(
            name,
            f"{running.kind} program: its nominal plan is only a guess of what it does",
            0.5 if plans[running.program_id] else 0.0,
            "leave it as it is, or give the plan of fixed times that it falls back to",
        )
        return None, ACTUATED, ()
    plan = plans[running.program_id]
    if plan is not None:
        return plan, FIXED, ()
    losses.note(Loss.DROPPED, "program that is no fixed plan", name)
    problems = _why_not(running, site)
    losses.to_fix(name, f"running program is no plan: {'; '.join(problems)}", 0.0, GIVE_PLAN)
    return None, FIXED, problems


def _lights(program: SumoProgram) -> bool:
    """Whether a program shows green at all: off and all-flashing programs do not."""
    return any(lamp in GREENS for phase in program.phases for lamp in phase.picture)


def _plan(program: SumoProgram, site: ControllerSite, losses: LossReport) -> SignalPlan | None:
    """The plan of a program; None where there is none, or where it has too few lamps."""
    name = site.junction_id
    plan = plan_of(program).plan
    if plan is None:
        return None
    lamps = plan.signal_group_count
    if lamps < site.group_count:
        losses.note(Loss.DROPPED, "plan with too short a lamp picture", name)
        return None
    if lamps > site.group_count:
        losses.note(Loss.GUESSED, "lamp picture longer than the connections: rest unused", name)
    if any(phase.min_duration_s == 0 and _serves(phase.picture) for phase in program.phases):
        losses.note(Loss.DEFAULTED, "least green of 0 s (minDur)", name)
        losses.to_fix(
            name, "least green told as 0 s", 0.5, "give minDur, or check min_green_s of its stages"
        )
    return plan


def _serves(picture: str) -> bool:
    return bool(set(picture) & GREENS)


def _why_not(program: SumoProgram, site: ControllerSite) -> tuple[str, ...]:
    problems = plan_of(program).problems
    lamps = len(program.phases[0].picture) if program.phases else 0
    if plan_of(program).plan is not None and lamps < site.group_count:
        return (f"lamp picture shorter than the connections ({lamps} of {site.group_count})",)
    return problems


def _windows(
    site: ControllerSite,
    signals: SumoSignals,
    plans: dict[str, SignalPlan | None],
    losses: LossReport,
) -> tuple[tuple[PlanWindow, ...], bool]:
    """When each plan runs, and whether that is all that the schedule says."""
    schedule = signals.schedule_of(site.junction_id)
    if schedule is None:
        return (), site.junction_id not in signals.scheduled
    known = {k for k, plan in plans.items() if plan is not None and _is_static(k, site, signals)}
    windows, remarks = windows_of(schedule, site.junction_id, known)
    for remark in remarks:
        losses.note(Loss.GUESSED, f"schedule (WAUT) with {remark}", schedule.schedule_id)
        losses.to_fix(
            site.junction_id,
            f"schedule with {remark}",
            0.6,
            "compare the plan windows with the controller's day plan",
        )
    if signals.scheduled[site.junction_id].smooth:
        losses.note(Loss.DROPPED, "how a schedule changes programs", site.junction_id)
    return windows, not remarks


def _is_static(program_id: str, site: ControllerSite, signals: SumoSignals) -> bool:
    return signals.programs[site.junction_id, program_id].kind == "static"


# --- what plans cannot hold -----------------------------------------------------------------


def _carried(
    site: ControllerSite,
    programs: Sequence[SumoProgram],
    signals: SumoSignals,
    held: Collection[str],
    schedule_held: bool,
) -> tuple[ET.Element, ...]:
    """Programs that are not ``held`` as plans, the running one last, and their schedule."""
    running = signals.running(site.junction_id)
    rest = sorted((p for p in programs if p.program_id not in held), key=lambda p: p is running)
    schedules = () if schedule_held else _schedule_elements(site.junction_id, signals)
    return (*(p.element for p in rest if p.element is not None), *schedules)


def _schedule_elements(junction_id: str, signals: SumoSignals) -> tuple[ET.Element, ...]:
    schedule = signals.schedule_of(junction_id)
    entry = signals.scheduled.get(junction_id)
    if schedule is None or entry is None or schedule.element is None or entry.element is None:
        return ()
    return (schedule.element, entry.element)


def _note_repeated(junction_id: str, signals: SumoSignals, losses: LossReport) -> None:
    for program_id in (p for j, p in signals.repeated if j == junction_id):
        losses.note(Loss.DROPPED, "program with the id of another", junction_id)
        losses.to_fix(
            junction_id,
            f"program {program_id!r} comes twice: the last one is taken",
            0.5,
            "leave one of them, or give them different ids; SUMO does not load both",
        )


def _note_unread(program: SumoProgram, losses: LossReport) -> None:
    element = program.element
    if element is None:
        return
    name = program.junction_id
    for attribute in element.attrib.keys() - _READ_PROGRAM:
        losses.note(Loss.DROPPED, f"attribute {attribute} of <tlLogic>", name)
    for child in element:
        if child.tag != "phase":
            key = f" {child.get('key', '')}" if child.tag == "param" else ""
            losses.note(Loss.DROPPED, f"element <{child.tag}>{key} of <tlLogic>", name)
            continue
        for attribute in child.attrib.keys() - _READ_PHASE:
            losses.note(Loss.DROPPED, f"attribute {attribute} of <phase>", name)
    if program.program_id != OFF_PROGRAM and any(
        phase.min_duration_s is None for phase in program.phases if _serves(phase.picture)
    ):
        losses.note(Loss.DEFAULTED, "least and greatest green of a stage", name)


# --- what a person should look at -----------------------------------------------------------


def _judge(site: ControllerSite, plan: SignalPlan | None, losses: LossReport) -> None:
    for what, confidence, remedy in _questions(site, plan):
        losses.to_fix(site.junction_id, what, confidence, remedy)


def _questions(site: ControllerSite, plan: SignalPlan | None) -> Iterator[tuple[str, float, str]]:
    gaps = sorted(set(range(site.group_count)) - site.used)
    if gaps:
        yield (
            f"lamps {_listed(gaps)} have no connection (gaps in linkIndex)",
            0.9,
            "look whether these lamps still stand in the street",
        )
    if site.second_lamps:
        yield (
            f"indirect turns wait once more at lamps {_listed(sorted(site.second_lamps))}",
            0.7,
            "look that both lamps are green in turn; only the first is planned",
        )
    if plan is None:
        return
    lamps = plan.signal_group_count
    if lamps > site.group_count:
        yield (
            f"{lamps} lamps, of which the last {lamps - site.group_count} have no connection",
            0.8,
            "look whether a connection or a crossing is missing in the network",
        )
    pictures = [interval.picture for interval in plan.intervals()]
    dark = [g for g in sorted(site.served) if not any(p[g] in OPEN_KINDS for p in pictures)]
    if dark:
        yield (
            f"lamps {_listed(dark)} are never green",
            0.2,
            "correct the program, or take the connections out of the network",
        )
    strange = sorted(set("".join(pictures)) - LETTERS)
    if strange:
        yield f"lamps {''.join(strange)!r} of unknown meaning", 0.3, "use the letters that SUMO has"


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} …" if len(numbers) > 8 else shown
