"""The language as JSON documents: each object to a dict, and back with every problem listed.

Reading is strict: a missing field, an unknown one, a wrong type or a number out of range is a
problem, and :class:`DataRefused` carries all of them. Reading proves form only; whether a plan
is safe is for :mod:`traffic_brain.model.rules` (except that a document's ``cycle_s``, which a
plan in memory does not have, must be the sum of its splits: rule ``cycle_sum``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from traffic_brain.model.findings import Bottleneck, Cause, CauseShare, Corridor
from traffic_brain.model.network import Crossing, Junction
from traffic_brain.model.reading import (
    Reader,
    as_list,
    as_text,
    as_texts,
    as_whole,
    as_wholes,
    from_json,
    read_document,
    to_json,
)
from traffic_brain.model.rules import JunctionRulesInput, cycle_sum
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.verdict import Decision, Interval95, Verdict

DAY_S = 86_400
MAX_GROUPS = 10_000


# --- plans --------------------------------------------------------------------------------


def plan_to_dict(plan: SignalPlan) -> dict[str, Any]:
    """A plan as JSON; ``cycle_s`` is written for the reader, and checked on reading."""
    return {
        "junction_id": plan.junction_id,
        "plan_id": plan.plan_id,
        "cycle_s": plan.cycle_s,
        "offset_s": plan.offset_s,
        "coordinated_stage_idx": plan.coordinated_stage_idx,
        "stages": [
            {
                "picture": stage.picture,
                "green_s": stage.green_s,
                "min_green_s": stage.min_green_s,
                "max_green_s": stage.max_green_s,
                "clearance": [
                    {"duration_s": i.duration_s, "picture": i.picture} for i in stage.clearance
                ],
            }
            for stage in plan.stages
        ],
    }


def plan_from_dict(document: object) -> SignalPlan:
    """A plan from JSON.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "plan", _plan)


def plans_to_json(plans: Iterable[SignalPlan], **remarks: object) -> str:
    """The text of a plans document; ``remarks`` stand beside the plans."""
    return to_json({**remarks, "plans": [plan_to_dict(plan) for plan in plans]})


def plans_from_json(text: str, what: str = "plans document") -> list[SignalPlan]:
    """All plans of a plans document.

    Raises:
        DataRefused: not JSON, a plan that is malformed, or one that comes twice.
    """
    return plans_from_dict(from_json(text, what), what)


def plans_from_dict(document: object, what: str = "plans document") -> list[SignalPlan]:
    """All plans of a plans document that was parsed already; refuses as `plans_from_json`."""
    return read_document(document, what, _plans)


def candidates_from_dict(document: object) -> dict[str, list[SignalPlan]]:
    """Plans of each candidate of a ``candidates.json`` document, by candidate id.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "candidates document", _candidates)


def _candidates(value: object, where: str, problems: list[str]) -> dict[str, list[SignalPlan]]:
    listed = Reader(value, where, problems).objects("candidates", _candidate)
    names = Counter(name for name, _ in listed)
    problems.extend(f"{where}: candidate {n} comes twice" for n, k in names.items() if k > 1)
    return dict(listed)


def _candidate(value: object, where: str, problems: list[str]) -> tuple[str, list[SignalPlan]]:
    name = Reader(value, where, problems).text("candidate_id")
    return name, _plans(value, f"{where} {name}".rstrip(), problems) if name else []


def _plans(value: object, where: str, problems: list[str]) -> list[SignalPlan]:
    reader = Reader(value, where, problems)
    plans = reader.objects("plans", _plan)
    names = Counter((plan.junction_id, plan.plan_id) for plan in plans)
    for (junction_id, plan_id), count in names.items():
        if count > 1:
            problems.append(f"{where}: plan {plan_id} of junction {junction_id} comes twice")
    return plans


def _plan(value: object, where: str, problems: list[str]) -> SignalPlan:
    reader = Reader(value, where, problems)
    junction_id = reader.text("junction_id")
    if junction_id:
        reader.where = f"{where} (junction {junction_id})"
    before = len(problems)
    plan = SignalPlan(
        junction_id=junction_id,
        plan_id=reader.text("plan_id"),
        stages=tuple(reader.objects("stages", _stage)),
        offset_s=reader.whole("offset_s", -DAY_S, DAY_S),
        coordinated_stage_idx=reader.whole("coordinated_stage_idx", 0, MAX_GROUPS),
    )
    cycle_s = reader.whole("cycle_s", 0, DAY_S)
    reader.close()
    if len(problems) == before:
        broken = cycle_sum(plan.junction_id, plan.splits_s, cycle_s)
        problems.extend(f"{where}: {violation}" for violation in broken)
    return plan


def _stage(value: object, where: str, problems: list[str]) -> Stage:
    reader = Reader(value, where, problems)
    stage = Stage(
        picture=reader.text("picture"),
        green_s=reader.whole("green_s", 0, DAY_S),
        clearance=tuple(reader.objects("clearance", _interval)),
        min_green_s=reader.whole("min_green_s", 0, DAY_S),
        max_green_s=reader.whole("max_green_s", 0, DAY_S),
    )
    reader.close()
    return stage


def _interval(value: object, where: str, problems: list[str]) -> Interval:
    reader = Reader(value, where, problems)
    interval = Interval(reader.whole("duration_s", 0, DAY_S), reader.text("picture"))
    reader.close()
    return interval


# --- the network, as far as the rules need it ---------------------------------------------


def junction_to_dict(junction: Junction) -> dict[str, Any]:
    """A junction as JSON, with its conflicts sorted and its plans inside."""
    plan = junction.plan_in_service
    return {
        "junction_id": junction.junction_id,
        "name": junction.name,
        "x": junction.x,
        "y": junction.y,
        "node_ids": list(junction.node_ids),
        "signal_group_count": junction.signal_group_count,
        "conflicts": [list(pair) for pair in sorted(junction.conflicts)],
        "yields": [list(pair) for pair in sorted(junction.yields)],
        "plan_in_service": None if plan is None else plan_to_dict(plan),
        "other_plans": [plan_to_dict(other) for other in junction.other_plans],
        "control": junction.control,
        "problems": list(junction.problems),
        "name_latin": junction.name_latin,
        "zone_id": junction.zone_id,
    }


def junction_from_dict(document: object) -> Junction:
    """A junction from JSON; an older document may lack other plans, Latin name and zone.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "junction", _junction)


def _junction(value: object, where: str, problems: list[str]) -> Junction:
    reader = Reader(value, where, problems)
    junction_id = reader.text("junction_id")
    if junction_id:
        reader.where = f"{where} {junction_id}"
    count = reader.whole("signal_group_count", 0, MAX_GROUPS)
    junction = Junction(
        junction_id=junction_id,
        name=reader.text("name"),
        x=reader.number("x"),
        y=reader.number("y"),
        node_ids=reader.texts("node_ids"),
        signal_group_count=count,
        conflicts=frozenset((min(p), max(p)) for p in reader.pairs("conflicts", count)),
        yields=frozenset(reader.pairs("yields", count)),
        plan_in_service=reader.optional("plan_in_service", _plan),
        other_plans=tuple(reader.objects("other_plans", _plan))
        if reader.has("other_plans")
        else (),
        control=reader.text("control"),
        problems=reader.texts("problems"),
        name_latin=reader.text("name_latin") if reader.has("name_latin") else "",
        zone_id=reader.optional("zone_id", as_text) if reader.has("zone_id") else None,
    )
    reader.close()
    return junction


def rules_inputs_to_dict(sites: Iterable[JunctionRulesInput]) -> dict[str, Any]:
    """Junctions as the document that a city folder keeps in ``junctions.json``.

    ``{"junctions", "crossings", "movements": {junction_id: [[signal_group_idx, ...], ...]},
    "merges": {junction_id: [[a, b], ...]}, "intergreens": {junction_id: [[a, b, s], ...]}}``;
    the last two may be absent.
    """
    listed = list(sites)
    return {
        "junctions": [junction_to_dict(site.junction) for site in listed],
        "crossings": [
            {
                "junction_id": c.junction_id,
                "signal_group_idx": c.signal_group_idx,
                "length_m": c.length_m,
            }
            for site in listed
            for c in site.crossings
        ],
        "movements": {
            site.junction.junction_id: [list(groups) for groups in site.movements]
            for site in listed
            if site.movements is not None
        },
        "merges": {
            site.junction.junction_id: [list(pair) for pair in sorted(site.merges)]
            for site in listed
            if site.merges
        },
        "intergreens": {
            site.junction.junction_id: [
                [a, b, seconds] for (a, b), seconds in sorted(site.intergreen_s.items())
            ]
            for site in listed
            if site.intergreen_s
        },
    }


def rules_inputs_from_dict(document: object) -> dict[str, JunctionRulesInput]:
    """What the rules need of every junction of a ``junctions.json`` document, by junction id.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "city", _rules_inputs)


def _rules_inputs(value: object, where: str, problems: list[str]) -> dict[str, JunctionRulesInput]:
    reader = Reader(value, where, problems)
    junctions = reader.objects("junctions", _junction)
    crossings: dict[str, list[Crossing]] = defaultdict(list)
    for crossing in reader.objects("crossings", _crossing):
        crossings[crossing.junction_id].append(crossing)
    movements = reader.mapping("movements", _groups_of_movements)
    merges = reader.mapping("merges", _merges) if reader.has("merges") else {}
    intergreens = reader.mapping("intergreens", _intergreens) if reader.has("intergreens") else {}
    sites: dict[str, JunctionRulesInput] = {}
    for junction in junctions:
        name = junction.junction_id
        here = f"{where}, junction {name}"
        if name in sites:
            problems.append(f"{here}: comes twice")
        site = JunctionRulesInput(
            junction,
            tuple(crossings[name]),
            movements.get(name),
            merges.get(name, frozenset()),
            intergreens.get(name, {}),
        )
        count = junction.signal_group_count
        strange = [group for group in site.served_groups if not 0 <= group < count]
        problems.extend(f"{here}: signal group {group} of {count}" for group in strange)
        sites[name] = site
    return sites


def _crossing(value: object, where: str, problems: list[str]) -> Crossing:
    reader = Reader(value, where, problems)
    crossing = Crossing(
        reader.text("junction_id"),
        reader.whole("signal_group_idx", 0, MAX_GROUPS),
        reader.number("length_m"),
    )
    reader.close()
    return crossing


def _groups_of_movements(
    value: object, where: str, problems: list[str]
) -> tuple[tuple[int, ...], ...]:
    rows = as_list(value, where, problems)
    return tuple(tuple(as_wholes(row, where, problems)) for row in rows)


def _merges(value: object, where: str, problems: list[str]) -> frozenset[tuple[int, int]]:
    return frozenset((row[0], row[1]) for row in _table(value, 2, where, problems))


def _intergreens(value: object, where: str, problems: list[str]) -> dict[tuple[int, int], int]:
    return {(row[0], row[1]): row[2] for row in _table(value, 3, where, problems)}


def _table(value: object, columns: int, where: str, problems: list[str]) -> list[list[int]]:
    rows = [as_wholes(row, where, problems) for row in as_list(value, where, problems)]
    problems.extend(f"{where}: {r} is not {columns} numbers" for r in rows if len(r) != columns)
    return [row for row in rows if len(row) == columns]


# --- findings and verdict -----------------------------------------------------------------


def bottleneck_to_dict(bottleneck: Bottleneck) -> dict[str, Any]:
    """A bottleneck as JSON."""
    return {
        "bottleneck_id": bottleneck.bottleneck_id,
        "link_id": bottleneck.link_id,
        "junction_id": bottleneck.junction_id,
        "start_s": bottleneck.start_s,
        "end_s": bottleneck.end_s,
        "passive_links": list(bottleneck.passive_links),
        "delay_veh_h": bottleneck.delay_veh_h,
        "cause": bottleneck.cause.value,
        "savable_veh_h": bottleneck.savable_veh_h,
        "evidence": bottleneck.evidence,
        "shares": [
            {
                "cause": share.cause.value,
                "share_ratio": share.share_ratio,
                "low_ratio": share.low_ratio,
                "high_ratio": share.high_ratio,
            }
            for share in bottleneck.shares
        ],
        "tail_link": bottleneck.tail_link,
        "extent_m": bottleneck.extent_m,
        "treatments": list(bottleneck.treatments),
    }


def bottleneck_from_dict(document: object) -> Bottleneck:
    """A bottleneck from JSON.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "bottleneck", _bottleneck)


def _bottleneck(value: object, where: str, problems: list[str]) -> Bottleneck:
    reader = Reader(value, where, problems)
    bottleneck = Bottleneck(
        bottleneck_id=reader.text("bottleneck_id"),
        link_id=reader.text("link_id"),
        junction_id=reader.optional("junction_id", as_text),
        start_s=reader.whole("start_s", -DAY_S, 2 * DAY_S),
        end_s=reader.whole("end_s", -DAY_S, 2 * DAY_S),
        passive_links=reader.texts("passive_links"),
        delay_veh_h=reader.number("delay_veh_h"),
        cause=reader.choice("cause", Cause),
        savable_veh_h=reader.number("savable_veh_h"),
        evidence=reader.text("evidence"),
        # Nights of before tell nothing of these.
        shares=tuple(reader.objects("shares", _cause_share)) if reader.has("shares") else (),
        tail_link=reader.optional("tail_link", as_text) if reader.has("tail_link") else None,
        extent_m=reader.number("extent_m") if reader.has("extent_m") else 0.0,
        treatments=reader.texts("treatments") if reader.has("treatments") else (),
    )
    reader.close()
    return bottleneck


def _cause_share(value: object, where: str, problems: list[str]) -> CauseShare:
    reader = Reader(value, where, problems)
    share = CauseShare(
        cause=reader.choice("cause", Cause),
        share_ratio=reader.number("share_ratio"),
        low_ratio=reader.number("low_ratio"),
        high_ratio=reader.number("high_ratio"),
    )
    reader.close()
    return share


def corridor_to_dict(corridor: Corridor) -> dict[str, Any]:
    """A corridor as JSON."""
    return {
        "corridor_id": corridor.corridor_id,
        "name": corridor.name,
        "junction_ids": list(corridor.junction_ids),
        "out_paths": [list(path) for path in corridor.out_paths],
        "back_paths": [list(path) for path in corridor.back_paths],
        "out_flow_vph": corridor.out_flow_vph,
        "back_flow_vph": corridor.back_flow_vph,
    }


def corridor_from_dict(document: object) -> Corridor:
    """A corridor from JSON.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "corridor", _corridor)


def _corridor(value: object, where: str, problems: list[str]) -> Corridor:
    reader = Reader(value, where, problems)
    corridor = Corridor(
        corridor_id=reader.text("corridor_id"),
        name=reader.text("name"),
        junction_ids=reader.texts("junction_ids"),
        out_paths=tuple(reader.objects("out_paths", as_texts)),
        back_paths=tuple(reader.objects("back_paths", as_texts)),
        out_flow_vph=reader.number("out_flow_vph"),
        back_flow_vph=reader.number("back_flow_vph"),
    )
    reader.close()
    return corridor


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON."""
    return {
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "candidate_id": verdict.candidate_id,
        "seeds": list(verdict.seeds),
        "in_service_delay_s_per_veh": list(verdict.in_service_delay_s_per_veh),
        "proposed_delay_s_per_veh": list(verdict.proposed_delay_s_per_veh),
        "change_s_per_veh": _interval95_to_dict(verdict.change_s_per_veh),
        "change_ratio": _interval95_to_dict(verdict.change_ratio),
    }


def verdict_from_dict(document: object) -> Verdict:
    """A verdict from JSON.

    Raises:
        DataRefused: with every problem of the document.
    """
    return read_document(document, "verdict", _verdict)


def _verdict(value: object, where: str, problems: list[str]) -> Verdict:
    reader = Reader(value, where, problems)
    verdict = Verdict(
        decision=reader.choice("decision", Decision),
        reason=reader.text("reason"),
        candidate_id=reader.text("candidate_id"),
        seeds=tuple(reader.objects("seeds", as_whole)),
        in_service_delay_s_per_veh=reader.numbers("in_service_delay_s_per_veh"),
        proposed_delay_s_per_veh=reader.numbers("proposed_delay_s_per_veh"),
        change_s_per_veh=reader.optional("change_s_per_veh", _interval95),
        change_ratio=reader.optional("change_ratio", _interval95),
    )
    reader.close()
    return verdict


def _interval95_to_dict(interval: Interval95 | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _interval95(value: object, where: str, problems: list[str]) -> Interval95:
    reader = Reader(value, where, problems)
    interval = Interval95(reader.number("mean"), reader.number("low"), reader.number("high"))
    reader.close()
    return interval
