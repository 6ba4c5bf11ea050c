"""Time plans of UTDF: sections ``[Timeplans]`` and ``[Phases]`` as plans of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from network_data.importers.nema import (
    LONGEST_CYCLE_S,
    GroupPhases,
    OffsetReference,
    Remark,
    RingOffset,
    RingPhase,
    RingPlan,
    plan_of_rings,
)
from network_data.importers.utdf.lanes import Cells, Place, number_of
from network_data.importers.utdf.tables import PlanTables, Records, node_id
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.signals import SignalPlan

_REFERENCES = (
    OffsetReference.LAST_GREEN,
    OffsetReference.FIRST_YELLOW,
    OffsetReference.FIRST_END,
    OffsetReference.FIRST_GREEN,
    OffsetReference.FIRST_DONT_WALK,
)
"""By the number in "Referenced To". 2, "begin of red", is the end of the phase with its all-red:
so it stands in the ``Start`` times of all 19 signals of the Tempe file that use it."""
_STANDARD_PLACES = {1: 111, 2: 112, 3: 211, 4: 212, 5: 121, 6: 122, 7: 221, 8: 222}
"""Barrier, ring and position of NEMA's eight phases where the file tells none."""
PRETIMED, FREE, HALF_FREE, COORDINATED = 0, 1, 2, 3
_MOST_NODES = 8
_CHECKED_TO_S = 0.75
"""Start times in the file are rounded to seconds; more apart is a contradiction."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A signal controller and the graph vertices that it runs."""

    junction_id: str
    nodes: tuple[str, ...]


def controllers_of(
    plan: PlanTables, signals: Sequence[str], losses: LossReport
) -> dict[str, Controller]:
    """The controllers by junction id; a signal that none names is its own controller."""
    signalised = set(signals)
    taken: dict[str, str] = {}
    found: dict[str, Controller] = {}
    for junction_id, records in plan.timeplans.items():
        if junction_id not in signalised:
            what = "[Timeplans] time plan of a node that is no signal"
            losses.note(Loss.DROPPED, what, f"node {junction_id}")
            continue
        listed = (node_id(records.get(f"node{i}", "0")) for i in range(_MOST_NODES))
        nodes = tuple(dict.fromkeys(node for node in listed if node in signalised))
        if junction_id not in nodes:
            nodes = (junction_id, *nodes)
        mine = tuple(node for node in nodes if taken.setdefault(node, junction_id) == junction_id)
        if mine != nodes:
            twice = ", ".join(node for node in nodes if node not in mine)
            told = f"node {twice} is also run by another controller"
            losses.to_fix(junction_id, told, 0.3, "name each node at one controller only")
        if junction_id in mine:
            found[junction_id] = Controller(junction_id, mine)
    for node in signals:
        owner = taken.get(node, node)
        if node not in taken or owner not in found:
            found.setdefault(node, Controller(node, (node,)))
    return {junction_id: found[junction_id] for junction_id in sorted(found, key=_by_number)}


def _by_number(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else 0, text)


def plan_of(
    tables: PlanTables,
    controller: Controller,
    groups: Sequence[GroupPhases],
    losses: LossReport,
) -> SignalPlan | None:
    """The time plan of a controller, if the file has one that makes a signal.

    What is contradictory goes to the to-fix list of ``losses``, what is rounded among the losses.
    """
    junction_id = controller.junction_id
    timing = tables.timeplans.get(junction_id)
    records = tables.phases.get(junction_id)
    if not timing or not records:
        missing = "[Phases]" if timing else "[Timeplans]"
        told = f"no {missing} of this signal: it has no plan"
        losses.to_fix(junction_id, told, 0.0, "give the controller's time plan")
        losses.note(Loss.DROPPED, f"signal without {missing}", f"node {junction_id}")
        return None
    phases = list(_ring_phases(records, junction_id, losses))
    cells, place = Cells("[Timeplans]", losses), Place(junction_id, "", junction_id)
    cycle_s = cells.number(timing, "cyclelength", place, 0.0, 1, LONGEST_CYCLE_S)
    if not cycle_s:
        told = "no cycle length: the sum of the splits is taken"
        losses.to_fix(junction_id, told, 0.5, "give Cycle Length")
    offset = _offset(timing, junction_id, losses)
    made = plan_of_rings(junction_id, tables.name, phases, groups, offset, cycle_s or None)
    _report(made, junction_id, losses)
    if made.plan is not None:
        _check_starts(made, records, junction_id, losses)
    return made.plan


def control_of(timing: Records | None, junction_id: str, losses: LossReport) -> str:
    """``Junction.control`` of a controller."""
    if timing is None:
        return "off"
    cells, place = Cells("[Timeplans]", losses), Place(junction_id, "", junction_id)
    kind = int(cells.number(timing, "controltype", place, PRETIMED, PRETIMED, COORDINATED))
    if "controltype" not in timing:
        losses.note(Loss.DEFAULTED, "[Timeplans] Control Type: taken as pretimed", str(place))
    if kind in (FREE, HALF_FREE):
        told = "runs free (actuated, not coordinated): cycle and splits are the file's assumption"
        remedy = "give the controller's plan, or hold the junction"
        losses.to_fix(junction_id, told, 0.5, remedy)
    if kind != PRETIMED:
        what = "[Timeplans] Control Type: an actuated signal as the fixed plan of its splits"
        losses.note(Loss.GUESSED, what, str(place))
    return "fixed" if kind == PRETIMED else "actuated"


# --- phases ---------------------------------------------------------------------------------


def _ring_phases(
    records: Mapping[int, Records], junction_id: str, losses: LossReport
) -> Iterator[RingPhase]:
    cells = Cells("[Phases]", losses)
    for phase, cell in sorted(records.items()):
        place = Place(junction_id, f"D{phase}", junction_id)
        if "maxgreen" not in cell and "split" not in cell:
            continue  # a place in the rings (BRP) that no phase of this signal takes
        yellow_s = cells.number(cell, "yellow", place, 0.0, 0, 60)
        all_red_s = cells.number(cell, "allred", place, 0.0, 0, 60)
        if "yellow" not in cell:
            told = f"phase {phase} has no Yellow"
            losses.to_fix(junction_id, told, 0.2, "give the phase's Yellow and AllRed")
        green_s = cells.number(cell, "maxgreen", place, 0.0, 0, LONGEST_CYCLE_S)
        split_s = cells.number(
            cell, "split", place, green_s + yellow_s + all_red_s, 0, LONGEST_CYCLE_S
        )
        barrier, ring, position = _place_of(phase, cell, junction_id, losses)
        yield RingPhase(
            phase=phase,
            ring=ring,
            barrier=barrier,
            position=position,
            split_s=split_s,
            yellow_s=yellow_s,
            all_red_s=all_red_s,
            min_green_s=cells.number(cell, "mingreen", place, 0.0, 0, LONGEST_CYCLE_S),
            walk_s=cells.number(cell, "walk", place, 0.0, 0, 600),
            dont_walk_s=cells.number(cell, "dontwalk", place, 0.0, 0, 600),
        )


def _place_of(
    phase: int, cell: Records, junction_id: str, losses: LossReport
) -> tuple[int, int, int]:
    """(barrier, ring, position) of a phase."""
    brp = number_of(cell.get("brp", ""))
    if brp is None or brp != int(brp) or not 111 <= brp <= 999:
        told = f"phase {phase} has no place in the rings (BRP)"
        losses.to_fix(junction_id, told, 0.4, "give the phase's BRP")
        losses.note(
            Loss.GUESSED, "[Phases] BRP: NEMA's standard place", f"node {junction_id} D{phase}"
        )
        brp = _STANDARD_PLACES.get(phase, 900 + 10 + phase % 10)
    digits = int(brp)
    return digits // 100, digits // 10 % 10, digits % 10


def note_unknown_phases(
    groups: Sequence[GroupPhases],
    plans: Sequence[PlanTables],
    junction_id: str,
    losses: LossReport,
) -> None:
    """Ask for the phases that movements name and that run in none of the plans."""
    running = {
        phase
        for plan in plans
        for phase, cell in plan.phases.get(junction_id, {}).items()
        if "maxgreen" in cell or "split" in cell
    }
    named = {p for group in groups for p in group.protected | group.permitted}
    for phase in sorted(named - running if running else ()):
        told = f"movements name phase {phase}, which has no times"
        losses.to_fix(junction_id, told, 0.3, "give the phase's times, or the movements' phases")


# --- offset ---------------------------------------------------------------------------------


def _offset(timing: Records, junction_id: str, losses: LossReport) -> RingOffset:
    cells, place = Cells("[Timeplans]", losses), Place(junction_id, "", junction_id)
    offset_s = cells.number(timing, "offset", place, 0.0, -LONGEST_CYCLE_S, LONGEST_CYCLE_S)
    if "offset" not in timing:
        losses.note(Loss.DEFAULTED, "[Timeplans] Offset: 0", str(place))
        losses.to_fix(junction_id, "no offset: 0 is taken", 0.2, "give Offset")
    default = _REFERENCES.index(OffsetReference.FIRST_GREEN)
    code = int(cells.number(timing, "referencedto", place, default, 0, len(_REFERENCES) - 1))
    if "referencedto" not in timing:
        losses.note(Loss.GUESSED, "[Timeplans] Referenced To: first green", str(place))
        told = "no reference point of the offset: first green is taken"
        losses.to_fix(junction_id, told, 0.5, "give Referenced To")
    both = int(cells.number(timing, "referencephase", place, 0, 0, 9999))
    phases = tuple(phase for phase in divmod(both, 100) if phase)
    return RingOffset(offset_s, phases, _REFERENCES[code])


def _check_starts(
    made: RingPlan,
    records: Mapping[int, Records],
    junction_id: str,
    losses: LossReport,
) -> None:
    """Compare with ``Start`` in the file: each phase's begin on the master clock."""
    if made.plan is None or made.timeline is None:
        return
    cycle_s = made.timeline.cycle_s
    for phase, times in sorted(made.timeline.times.items()):
        stated_s = number_of(records[phase].get("start", ""))
        if stated_s is None:
            continue
        apart_s = (stated_s - made.begin_s - times.start_s + cycle_s / 2) % cycle_s - cycle_s / 2
        if abs(apart_s) > _CHECKED_TO_S:
            told = f"Start of phase {phase} is {stated_s:g} s, by offset and splits "
            told += f"{(made.begin_s + times.start_s) % cycle_s} s, which is taken"
            losses.to_fix(junction_id, told, 0.5, "compare with the controller's offset")
            return


def _report(made: RingPlan, junction_id: str, losses: LossReport) -> None:
    def place(remark: Remark) -> str:
        phase = "" if remark.phase is None else f" D{remark.phase}"
        return f"node {junction_id}{phase}" + (f" ({remark.detail})" if remark.detail else "")

    for remark in made.guesses:
        losses.note(Loss.GUESSED, f"[Phases] {remark.what}", place(remark))
    for remark in made.problems:
        confidence = 0.0 if made.plan is None else 0.4
        losses.to_fix(junction_id, str(remark), confidence, "compare with the controller's plan")
