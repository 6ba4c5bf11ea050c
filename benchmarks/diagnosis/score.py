"""What came out beside what was planted, and what the world itself shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.diagnosis.cases import Case, Recorded, felt
from benchmarks.diagnosis.faults import (
    BAY,
    BY_OBSTACLE,
    CYCLE_LONG,
    CYCLE_SHORT,
    DEAD,
    DEMAND,
    INCIDENT,
    LANE,
    NOTHING,
    OFFSET,
    SPLIT,
    STUCK,
)
from benchmarks.diagnosis.truth import STANDING_S, TrueHead, Truth, true_heads
from network_data.city import load_city
from traffic_brain.model.findings import Cause
from traffic_brain.model.network import RoadNetwork

Found = Mapping[str, Any]
TOLERANCE_S = 600
CLEARLY = (0.75, 1.25)
"""Of the standing that makes a jam: below is clearly none, above clearly one. Five minutes are two
or three cycles, in which the truth itself strays by as much."""
CAUSE_OF: Mapping[str, Cause | None] = {
    SPLIT: Cause.SPLIT_IMBALANCE,
    OFFSET: Cause.OFFSET,
    CYCLE_SHORT: Cause.CYCLE,
    CYCLE_LONG: Cause.CYCLE,
    LANE: Cause.CAPACITY_LOSS,
    BAY: Cause.TURN_BAY_OR_LANE_USE,
    DEMAND: Cause.DEMAND_ABOVE_CAPACITY,
    INCIDENT: Cause.INCIDENT,
    STUCK: Cause.BROKEN_SENSOR,
    DEAD: None,
    NOTHING: None,
}
"""None: nothing is to be called there."""
NONE_CALLED = "none called"
_SENSOR_NAMED: Found = {"cause": Cause.BROKEN_SENSOR.value, "shares": [], "evidence": "named"}
"""A device told to be stuck where it makes no queue."""
_WHOLE_JUNCTION = (SPLIT, OFFSET, CYCLE_SHORT, CYCLE_LONG)


@dataclass
class Score:
    """Counts over cases."""

    cases: int = 0
    hits: int = 0
    hits_whole: int = 0
    """Of the hits, those whose end is right as well."""
    clear_hits: int = 0
    clear_false: int = 0
    clear_missed: int = 0
    """As hits, false alarms and missed, where no border decides (``CLEARLY``)."""
    false_alarms: int = 0
    missed: int = 0
    passive: int = 0
    passive_blamed: int = 0
    junction_hours: float = 0.0
    calm_junction_hours: float = 0.0
    calm_calls: int = 0
    unfelt: int = 0
    right_first: int = 0
    right_second: int = 0
    asked: int = 0
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """What was called where each kind was planted, and how often."""
    savings: list[tuple[float, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def take(score: Score, case: Case, day: Recorded, outcome: Mapping[str, Any]) -> None:
    """Add one case."""
    about = day.about
    network = load_city(day.city)
    parked = [
        {"begin_s": about["begin_s"], "end_s": about["end_s"], **p}
        for p in about["places"]
        if p["kind"] in BY_OBSTACLE
    ]
    truth = day.folder / "truth"
    true = true_heads(network, truth, parked)
    least, most = (true_heads(network, truth, parked, STANDING_S * c).heads for c in CLEARLY)
    found = outcome["bottlenecks"]
    hours = outcome["junctions"] * (about["end_s"] - about["begin_s"]) / 3600
    score.cases += 1
    score.junction_hours += hours
    queues = [b for b in found if b["cause"] != Cause.BROKEN_SENSOR.value]
    _heads(score, network, true, queues, case.name)
    _clear_heads(score, network, least, most, queues)
    if case.kinds == (NOTHING,):
        score.calm_junction_hours += hours
        score.calm_calls += len({(b["junction_id"] or b["link_id"]) for b in found})
        _answer(score, case, NOTHING, found[:1])
    for place in about["places"]:
        kind = place["kind"]
        here = _at(place, found, true, network)
        named = {row["link_id"] for row in outcome["sensors"]}
        if kind == STUCK and not here and place["link_id"] in named:
            here = [_SENSOR_NAMED]
        if kind in (DEAD, STUCK) or felt(place, true, network):
            _answer(score, case, kind, here)
        else:
            score.unfelt += 1
    saving = outcome.get("saving")
    if saving:
        score.savings.append((saving["predicted_veh_h"], saving["true_veh_h"]))


def near(a: str, b: str, network: RoadNetwork) -> bool:
    """Whether two links are the same or follow one another."""
    return a == b or b in network.successors[a] or a in network.successors[b]


def _heads(
    score: Score, network: RoadNetwork, true: Truth, found: Sequence[Found], name: str
) -> None:
    left = list(true.heads)
    for b in found:
        fits = [
            h
            for h in left
            if near(h.link_id, b["link_id"], network)
            and abs(h.begin_s - b["start_s"]) <= TOLERANCE_S
        ]
        if fits:
            best = min(fits, key=lambda h: (h.link_id != b["link_id"], abs(h.end_s - b["end_s"])))
            left.remove(best)
            score.hits += 1
            score.hits_whole += abs(best.end_s - b["end_s"]) <= TOLERANCE_S
            continue
        score.false_alarms += 1
        score.wrong.append(f"{name}: {b['link_id']} {b['start_s']}-{b['end_s']} is no true head")
        score.passive_blamed += any(
            b["link_id"] in h.queue_links and _overlap(h, b) for h in true.passive
        )
    score.passive += len(true.passive)
    score.missed += len(left)
    score.wrong += [f"{name}: missed {h.link_id} {h.begin_s}-{h.end_s}" for h in left]


def _clear_heads(
    score: Score,
    network: RoadNetwork,
    possible: Sequence[TrueHead],
    certain: Sequence[TrueHead],
    found: Sequence[Found],
) -> None:
    """Jams that are beyond doubt, to be found; calls where there is none beyond doubt."""
    left = list(certain)
    for b in found:
        here = [h for h in possible if near(h.link_id, b["link_id"], network)]
        here = [h for h in here if h.begin_s - TOLERANCE_S <= b["start_s"] < h.end_s]
        fits = [
            h
            for h in left
            if near(h.link_id, b["link_id"], network)
            and b["start_s"] <= h.begin_s + TOLERANCE_S
            and any(p.begin_s <= h.begin_s < p.end_s for p in here)
        ]
        if fits:
            left.remove(min(fits, key=lambda h: (h.link_id != b["link_id"], h.begin_s)))
            score.clear_hits += 1
        else:
            score.clear_false += not here
    score.clear_missed += len(left)


def _overlap(head: TrueHead, b: Found) -> bool:
    return bool(head.begin_s < b["end_s"] and b["start_s"] < head.end_s)


def _at(
    place: Mapping[str, Any], found: Sequence[Found], true: Truth, network: RoadNetwork
) -> list[Found]:
    """Bottlenecks that speak of a place, the costliest first."""
    kind = place["kind"]
    if kind == DEMAND:
        heads = {h.link_id for h in true.heads}
        return [b for b in found if any(near(b["link_id"], h, network) for h in heads)]
    if kind in _WHOLE_JUNCTION:
        return [b for b in found if b["junction_id"] == place["junction_id"]]
    here = [b for b in found if near(b["link_id"], place["link_id"], network)]
    if kind == STUCK:
        # A stuck device hides nothing: where a queue stands as well, it is told beside it.
        here.sort(key=lambda b: b["cause"] != Cause.BROKEN_SENSOR.value)
    if kind == INCIDENT:
        here = [b for b in here if b["start_s"] < place["end_s"] + TOLERANCE_S]
    return here


def _answer(score: Score, case: Case, kind: str, here: Sequence[Found]) -> None:
    wanted = CAUSE_OF[kind]
    called = here[0]["cause"] if here else NONE_CALLED
    row = score.confusion.setdefault(kind, {})
    row[called] = row.get(called, 0) + 1
    score.asked += 1
    if wanted is None:
        right = called in (NONE_CALLED, Cause.BROKEN_SENSOR.value)
        score.right_first += right
        score.right_second += right
    else:
        shares = [s["cause"] for s in here[0]["shares"][:2]] if here else []
        score.right_first += called == wanted.value
        score.right_second += wanted.value in (called, *shares)
        right = called == wanted.value
    if not right:
        told = here[0]["evidence"] if here else "nothing called"
        score.wrong.append(f"{case.name}: {kind}: {told}")


def table(score: Score) -> Iterator[str]:
    """The figures that diagnosis is held to, and the confusion matrix."""
    calls, true = score.hits + score.false_alarms, score.hits + score.missed
    f1 = 2 * score.hits / max(calls + true, 1)
    yield f"cases {score.cases}, true heads {true}, called {calls}"
    yield (
        f"heads: F1 {f1:.3f} (asked 0.90); precision {score.hits / max(calls, 1):.3f}, "
        f"recall {score.hits / max(true, 1):.3f}; end within 10 min too: "
        f"{score.hits_whole} of {score.hits}"
    )
    clear = 2 * score.clear_hits + score.clear_false + score.clear_missed
    yield (
        f"  leaving out what is within a quarter of the limit: F1 "
        f"{2 * score.clear_hits / max(clear, 1):.3f} ({score.clear_hits} found, "
        f"{score.clear_missed} missed, {score.clear_false} called in vain)"
    )
    yield f"passive queues called heads: {score.passive_blamed} of {score.passive} (asked 5 %)"
    yield (
        f"false alarms per junction-hour: {score.false_alarms / max(score.junction_hours, 1):.4f}; "
        f"where nothing is planted, junctions called: {score.calm_calls} in "
        f"{score.calm_junction_hours:.0f} junction-hours (asked 2 %)"
    )
    yield (
        f"cause: first {score.right_first} of {score.asked} "
        f"({score.right_first / max(score.asked, 1):.1%}, asked 85 %), among the first two "
        f"{score.right_second} ({score.right_second / max(score.asked, 1):.1%}, asked 95 %); "
        f"planted, but no jam in the world: {score.unfelt}"
    )
    if len(score.savings) > 2:
        predicted, shown = np.array(score.savings).T
        rank = stats.spearmanr(predicted, shown).statistic
        ratio = float(np.median(predicted / np.where(np.abs(shown) > 0.01, shown, np.nan)))
        yield (
            f"saving of a retiming, {len(predicted)} driven: rank correlation {rank:.2f} "
            f"(asked 0.8), median of predicted over true {ratio:.2f} (asked 0.8 to 1.25)"
        )
    columns = [*(c.value for c in Cause), NONE_CALLED]
    columns = [c for c in columns if any(c in row for row in score.confusion.values())]
    yield ""
    yield f"{'planted':15}" + "".join(f"{_short(c):>12}" for c in columns)
    for kind in CAUSE_OF:
        if kind in score.confusion:
            row = score.confusion[kind]
            yield f"{kind:15}" + "".join(f"{row.get(c, '.'):>12}" for c in columns)


def _short(cause: str) -> str:
    return cause.replace("_FROM_ELSEWHERE", "").replace("_ABOVE_CAPACITY", "")[:11].lower()
