"""Stages in words: who has green in them, road by road."""

from __future__ import annotations

from traffic_brain.model.network import RoadNetwork, Turn
from traffic_brain.model.signals import GREENS, SignalPlan, Stage
from traffic_brain.report.figures import link_name

ARROWS = {Turn.UTURN: "↶", Turn.LEFT: "←", Turn.THROUGH: "↑", Turn.RIGHT: "→"}


def stage_words(network: RoadNetwork, junction_id: str, stage: Stage) -> str:
    """Roads with the turns that are let go, as ``中山路 ↑(←)``; who gives way in brackets.

    A stage for people on foot alone has no words.
    """
    turns: dict[str, dict[Turn, bool]] = {}
    for movement in network.movements_at[junction_id]:
        lamps = {stage.picture[group] for group in movement.signal_group_idxs}
        if lamps & GREENS:
            road = turns.setdefault(link_name(network, movement.from_link), {})
            road[movement.turn] = road.get(movement.turn, False) or "G" in lamps
    return ", ".join(
        f"{road} "
        + "".join(
            arrow if here[turn] else f"({arrow})" for turn, arrow in ARROWS.items() if turn in here
        )
        for road, here in turns.items()
    )


def stages_gone_and_come(
    network: RoadNetwork, old: SignalPlan | None, new: SignalPlan
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Stages that only the old plan shows, and those that only the new one shows, in words."""
    if old is None:
        return (), ()
    had, has = ({stage.picture for stage in plan.stages} for plan in (old, new))
    gone = [stage for stage in old.stages if stage.picture not in has]
    come = [stage for stage in new.stages if stage.picture not in had]

    def told(stages: list[Stage]) -> tuple[str, ...]:
        return tuple(stage_words(network, new.junction_id, stage) or "–" for stage in stages)

    return told(gone), told(come)
