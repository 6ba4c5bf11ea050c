"""The corridors of a night as the report shows them: a diagram and the sentences around it."""

from __future__ import annotations

from dataclasses import dataclass

from traffic_brain.model.findings import Corridor
from traffic_brain.report import diagram, timespace
from traffic_brain.report.figures import Figure
from traffic_brain.report.saved import Night, Row
from traffic_brain.report.seen import seen_in_busiest_hour
from traffic_brain.report.texts import Words, number, words


@dataclass(frozen=True, slots=True)
class CorridorView:
    """A corridor's diagram and the sentences around it."""

    figure_id: str
    corridor: Corridor
    heading: Words
    facts: Words
    notes: tuple[Words, ...]


def corridor_views(night: Night) -> tuple[list[CorridorView], dict[str, Figure]]:
    """The corridors in their order, and their figures by the id that each view names."""
    views, figures = [], {}
    for i, corridor in enumerate(night.corridors, start=1):
        figure_id = f"figure-corridor-{i}"
        saved = night.candidate.corridors.get(corridor.corridor_id) if night.candidate else None
        view, figure = _corridor(night, corridor, saved, figure_id)
        views.append(view)
        figures[figure_id] = figure
    return views, figures


def _corridor(
    night: Night, corridor: Corridor, saved: Row | None, figure_id: str
) -> tuple[CorridorView, Figure]:
    network = night.network
    travel = diagram.travel_of(network, corridor, saved)
    sets = [(words("corridor.in_service"), night.running)]
    changed = any(j in night.proposed for j in corridor.junction_ids)
    if changed:
        sets.append((words("corridor.proposed"), {**night.running, **night.proposed}))
    panels = [
        diagram.panel(name, network, corridor, plans, travel, night.demand_vph)
        for name, plans in sets
    ]
    notes = [words("corridor.travel_saved" if travel.saved else "corridor.travel_free")]
    if saved is not None:
        notes.insert(0, _saved_bands(saved))
    if not changed:
        notes.insert(0, words("corridor.unchanged"))
    seen, told = seen_in_busiest_hour(night, corridor, diagram.window_s(panels))
    notes.append(told)
    view = CorridorView(
        figure_id,
        corridor,
        words("corridor.name", name=corridor.name),
        words(
            "corridor.facts",
            junctions=len(corridor.junction_ids),
            length=f"{timespace.distances_m(network, corridor)[-1] / 1000:.1f} km",
            out=number(corridor.out_flow_vph, 0),
            back=number(corridor.back_flow_vph, 0),
        ),
        tuple(notes),
    )
    return view, diagram.corridor_figure(network, corridor, panels, seen)


def _saved_bands(saved: Row) -> Words:
    return words(
        "corridor.saved_bands",
        out=number(saved["out_bandwidth_s"], 0),
        back=number(saved["back_bandwidth_s"], 0),
        cycle=number(saved["cycle_s"], 0),
    )
