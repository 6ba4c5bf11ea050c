"""The corridor page: a two-way time–space diagram whose offsets a planner moves.

Lamps and bands are those of the report (`report.timespace`); the page moves lamps in the browser
and asks here, where bands, delay and rules are computed by the engine's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.proposals import Proposal
from traffic_brain.console.refusals import NotFound, Refusal
from traffic_brain.console.views import delay_tables
from traffic_brain.model.findings import Corridor
from traffic_brain.model.rules import Severity, Violation, judge, rules_inputs
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report import diagram, timespace
from traffic_brain.report.figures import junction_name
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, code_words, words
from traffic_brain.report.timespace import Bands, Direction

SETS = ("registered", "running", "proposed")
"""As registered with the city, as really run that day, as proposed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says against a plan."""

    junction_id: str
    junction: str
    rule: Words
    where: str
    detail: str
    is_new: bool
    """False: the plan in service has it too."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What offsets give, by the engine's own functions."""

    through_s: Mapping[str, float | None]
    """Width of the band through all junctions by direction; None: there is no way."""
    bands: Mapping[str, list[dict[str, Any]]]
    delay_veh_h_per_h: float | None
    findings: list[Finding]


Judged = Callable[[SignalPlan], tuple[Violation, ...]]
"""The findings of all rules on a plan, beside the one that runs."""
PLANS_JUDGED = 4096
"""A drag passes the same offsets again and again, and moves one junction of many."""


def rules_of(library: Library, folder: NightFolder) -> Judged:
    """The engine's rules for the junctions of a night; the last plans are not judged again."""

    def make() -> Judged:
        night = library.night(folder)
        sites, running = rules_inputs(night.network), night.running

        @lru_cache(maxsize=PLANS_JUDGED)
        def judged(plan: SignalPlan) -> tuple[Violation, ...]:
            return tuple(judge(plan, sites[plan.junction_id], running.get(plan.junction_id)))

        return judged

    found: Judged = library.kept(folder, "rules", make)
    return found


def find(night: Night, corridor_id: str) -> Corridor:
    """A corridor of the night.

    Raises:
        NotFound: there is none.
    """
    for corridor in night.corridors:
        if corridor.corridor_id == corridor_id:
            return corridor
    raise NotFound("there is no such corridor", "choose one of the list")


def plan_sets(night: Night) -> dict[str, dict[str, SignalPlan]]:
    """The plans that the page can show, by name; a set holds whole plans of all junctions."""
    registered = {
        j.junction_id: j.plan_in_service
        for j in night.network.junctions.values()
        if j.plan_in_service is not None
    }
    running = dict(night.running)
    found = {"registered": registered, "running": running}
    if night.proposed:
        found["proposed"] = {**running, **night.proposed}
    return found


def document(
    library: Library, proposal: Proposal, night: Night, corridor: Corridor
) -> dict[str, Any]:
    """All that the page needs to draw the diagram and to move its offsets by itself."""
    found: dict[str, Any] = library.kept(
        proposal.night,
        f"corridor {proposal.mark} {corridor.corridor_id}",
        lambda: _document(night, corridor, delay_tables.feeds_of(library, proposal.night)),
    )
    return found


def _document(night: Night, corridor: Corridor, flows: delay_tables.Feeds) -> dict[str, Any]:
    network = night.network
    saved = night.candidate.corridors.get(corridor.corridor_id) if night.candidate else None
    travel = diagram.travel_of(network, corridor, saved)
    sets = plan_sets(night)
    distances = timespace.distances_m(network, corridor)
    tables = {
        name: delay_tables.tables_of(network, corridor, plans, flows)
        for name, plans in sets.items()
    }
    return {
        "corridor_id": corridor.corridor_id,
        "name": corridor.name,
        "out_flow_vph": corridor.out_flow_vph,
        "back_flow_vph": corridor.back_flow_vph,
        "junctions": [
            {
                "id": junction_id,
                "name": junction_name(network, junction_id),
                "distance_m": round(distance, 1),
                "changes": junction_id in night.proposed,
            }
            for junction_id, distance in zip(corridor.junction_ids, distances, strict=True)
        ],
        "travel_s": {way: times and list(times) for way, times in travel.by_direction.items()},
        "travel_saved": travel.saved,
        "sets": {name: _lamps(night, corridor, plans) for name, plans in sets.items()},
        "delay": tables,
        "offsets": {
            name: {j: plans[j].offset_s for t in tables[name] for j in t.junction_ids}
            for name, plans in sets.items()
        },
    }


def tried(
    night: Night,
    corridor: Corridor,
    set_name: str,
    offsets_s: Mapping[str, int],
    shown: Mapping[str, Any],
    judged: Judged,
) -> Tried:
    """Bands, delay and rules with other offsets.

    Args:
        shown: the corridor's `document`, whose tables tell the delay.
        judged: what the rules say, as `rules_of` gives it.

    Raises:
        NotFound: there is no such set of plans.
        Refusal: an offset of a junction without a plan, or outside the corridor.
    """
    sets = plan_sets(night)
    if set_name not in sets:
        raise NotFound("there is no such set of plans", f"choose among {', '.join(sets)}")
    plans = dict(sets[set_name])
    for junction_id, offset in offsets_s.items():
        if junction_id not in corridor.junction_ids or junction_id not in plans:
            raise Refusal("an offset is for no junction of this corridor with a plan")
        plans[junction_id] = plans[junction_id].with_offset(offset)
    ways = _bands(night, corridor, plans)
    starts = shown["offsets"][set_name] | {j: plans[j].offset_s for j in offsets_s}
    return Tried(
        through_s={way: found.through_s if found else None for way, found in ways.items()},
        bands={way: [asdict(b) for b in (f.bands if f else ())] for way, f in ways.items()},
        delay_veh_h_per_h=delay_tables.delay_veh_h_per_h(shown["delay"][set_name], starts),
        findings=_findings(night, corridor, plans, judged),
    )


def _bands(
    night: Night, corridor: Corridor, plans: Mapping[str, SignalPlan]
) -> dict[str, Bands | None]:
    saved = night.candidate.corridors.get(corridor.corridor_id) if night.candidate else None
    travel = diagram.travel_of(night.network, corridor, saved)
    shown = diagram.panel(
        words("corridor.proposed"), night.network, corridor, plans, travel, night.demand_vph
    )
    return {way.value: bands for way, bands in shown.bands.items()}


def _findings(
    night: Night, corridor: Corridor, plans: Mapping[str, SignalPlan], judged: Judged
) -> list[Finding]:
    return [
        Finding(
            junction_id=v.junction_id,
            junction=junction_name(night.network, v.junction_id),
            rule=code_words("rule", v.rule),
            where=v.where,
            detail=v.detail,
            is_new=v.severity is Severity.VIOLATION,
        )
        for j in corridor.junction_ids
        if j in plans
        for v in judged(plans[j])
    ]


def _lamps(
    night: Night, corridor: Corridor, plans: Mapping[str, SignalPlan]
) -> dict[str, dict[str, Any]]:
    """By junction: cycle, offset, and each direction's greens as they would be at offset 0."""
    still = {j: plan.with_offset(0) for j, plan in plans.items() if j in corridor.junction_ids}
    found: dict[str, dict[str, Any]] = {
        j: {"cycle_s": plans[j].cycle_s, "offset_s": plans[j].offset_s, "plan_id": plans[j].plan_id}
        for j in still
    }
    for way in Direction:
        strips = timespace.strips(night.network, corridor, still, way, night.demand_vph)
        for strip in strips:
            junction_id = corridor.junction_ids[strip.position]
            if junction_id in found:
                found[junction_id][way.value] = strip.greens
    return found
