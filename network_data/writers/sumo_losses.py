"""What a SUMO additional file cannot hold of a city's signals."""

from __future__ import annotations

from network_data.loss_report import Loss, LossReport
from network_data.writers.sumo_signals import MONDAY
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import EVERY_DAY, PlanWindow, SignalPlan, Stage

_PLAIN = Stage("", 1)


def note_losses(network: RoadNetwork, losses: LossReport, weekday: int = MONDAY) -> None:
    """Note what `write_signals` leaves out of a network's plans; roads are no part of the file."""
    for junction in network.junctions.values():
        for plan in junction.plans:
            _note_plan(plan, losses)
    for junction_id, required in network.intergreens_s.items():
        if required:
            losses.note(Loss.DROPPED, "required intergreens", junction_id)
    for window in network.plan_windows:
        _note_window(window, losses, weekday)


def _note_plan(plan: SignalPlan, losses: LossReport) -> None:
    place = f"{plan.junction_id} {plan.plan_id}"
    if plan.coordinated_stage_idx:
        losses.note(Loss.DROPPED, "coordinated stage: the offset tells of stage 0", place)
    for i, stage in enumerate(plan.stages):
        limits = (stage.min_green_s, stage.max_green_s)
        if limits != (_PLAIN.min_green_s, _PLAIN.max_green_s):
            losses.note(Loss.DROPPED, "least and greatest green of a stage", f"{place} {i}")


def _note_window(window: PlanWindow, losses: LossReport, weekday: int) -> None:
    place = f"{window.junction_id} {window.plan_id} {window.begin_s}"
    if weekday not in window.weekdays:
        losses.note(Loss.DROPPED, "plan window of another day: SUMO has no week", place)
    elif set(window.weekdays) != set(EVERY_DAY):
        losses.note(Loss.GUESSED, "plan window of some days: runs every day in SUMO", place)
