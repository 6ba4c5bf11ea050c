"""Who gains and who loses: every link, movement, crossing, bus line and corridor.

A figure is compared pair by pair; its change is the median over the pairs, so that a day on which
the streets lock does not decide it. Vehicles that are still queueing at the end, or outside, count
with the time they have waited so far: a street that is never served shows.

A link's delay is the time on it beyond that of a free ride, and outside of it for a place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import stdtr, stdtrit

from sim_scenarios.compare import interval95
from sim_scenarios.gate.figures import Floats, Places, RunFigures, Ways
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import GREENS, SignalPlan
from traffic_brain.model.verdict import Interval95

LEAST_VEH_PER_H = 10.0
"""A link that hardly anybody drives has no mean to speak of."""
LEAST_ROOM_VEH = 5.0
"""A link for fewer cars is full at every red."""
MOST_PAIRS = 0.75
"""Share of the pairs in which a loss must show."""


@dataclass(frozen=True)
class Limits:
    """What nobody is asked to bear, however much others gain.

    approach_delay_s, approach_rise_s: a link whose delay per vehicle rises by more than the second
        to above the first is hurt. Level of service F of a signal begins at 80 s (HCM 2010,
        exhibit 18-4).
    full_rise_ratio: a link that is full for so much more of the time, back to its beginning, blocks
        what lies behind it.
    bus_rise_s, bus_rise_ratio: a bus line that loses more than both is hurt.
    """

    approach_delay_s: float = 80.0
    approach_rise_s: float = 30.0
    full_rise_ratio: float = 0.1
    bus_rise_s: float = 60.0
    bus_rise_ratio: float = 0.1


@dataclass(frozen=True)
class Evidence:
    """What the pairs of the confirmation show, beside the delay of all."""

    summary: Mapping[str, Any]
    hurt: tuple[str, ...]
    """One clause for each who loses more than the limits allow, the worst first."""
    movements: pa.Table
    links: pa.Table
    crossings: pa.Table

    def also(self, name: str, figures: Mapping[str, Any] | None) -> Evidence:
        """The same with further figures in the summary."""
        return replace(self, summary={**self.summary, name: figures})


@dataclass(frozen=True)
class Setting:
    """What stays the same over all pairs."""

    network: RoadNetwork
    ways: Ways
    corridors: Sequence[Corridor]
    in_service: Mapping[str, SignalPlan]
    length_s: float


def gather(
    pairs: Sequence[tuple[RunFigures, RunFigures]],
    plans: Sequence[SignalPlan],
    setting: Setting,
    limits: Limits,
) -> Evidence:
    """The evidence of pairs (in service, proposed) that were read with their places."""
    both = [(a.places, b.places) for a, b in pairs if a.places and b.places]
    links, hurt_links = _links(both, setting, limits)
    lines, hurt_lines = _lines(both, setting, limits)
    crossings = _crossings(plans, setting)
    summary = {
        "pairs": len(pairs),
        "delay_s_per_veh": measure(
            [(a.delay.delay_s_per_veh, b.delay.delay_s_per_veh) for a, b in pairs]
        ),
        "stops_per_veh": measure(
            [(a.delay.stops_per_veh, b.delay.stops_per_veh) for a, b in pairs]
        ),
        "arrived_veh": measure([(a.arrived, b.arrived) for a, b in pairs]),
        "not_inserted_veh": measure(
            [(a.delay.not_inserted, b.delay.not_inserted) for a, b in pairs]
        ),
        "co2_g_per_veh": measure(
            [
                (a.co2_g_per_veh, b.co2_g_per_veh)
                for a, b in pairs
                if a.co2_g_per_veh is not None and b.co2_g_per_veh is not None
            ]
        ),
        "corridors": _corridors(both, setting),
        "bus_lines": lines,
        "limits": {f.name: getattr(limits, f.name) for f in fields(Limits)},
        "hurt": [*hurt_links, *hurt_lines],
    }
    return Evidence(
        summary, (*hurt_links, *hurt_lines), _movements(both, setting), links, crossings
    )


def measure(pairs: Sequence[tuple[float, float]]) -> dict[str, Any] | None:
    """Means and the paired change with its 95 % interval by Student's t."""
    if not pairs:
        return None
    change = interval95([b - a for a, b in pairs])
    return {
        "in_service": round(float(np.mean([a for a, _ in pairs])), 4),
        "proposed": round(float(np.mean([b for _, b in pairs])), 4),
        "change": _rounded(change),
    }


def _rounded(change: Interval95 | None) -> dict[str, float] | None:
    if change is None:
        return None
    return {k: round(getattr(change, k), 4) for k in ("mean", "low", "high")}


Both = Sequence[tuple[Places, Places]]


@dataclass(frozen=True)
class _Change:
    """A figure under both plans, by place: medians over the pairs, NaN where there is none."""

    before: Floats
    after: Floats
    rise: Floats
    low: Floats
    high: Floats
    worse_share: Floats
    """Share of the pairs in which it rises."""


def _change(before: Floats, after: Floats) -> _Change:
    """Of float64[pair, place]; the interval is Student's t over the pairs, for the reader."""
    rise = after - before
    n = len(rise)
    known = np.isfinite(rise).all(axis=0)
    before, after = (np.where(known, side, 0.0) for side in (before, after))
    rise = np.where(known, rise, 0.0)
    half = np.full(rise.shape[1], np.nan)
    if n > 1:
        half = stdtrit(n - 1, 0.975) * rise.std(axis=0, ddof=1) / math.sqrt(n)
    hidden = np.where(known, 0.0, np.nan)
    mean = rise.mean(axis=0)
    return _Change(
        np.median(before, axis=0) + hidden,
        np.median(after, axis=0) + hidden,
        np.median(rise, axis=0) + hidden,
        mean - half + hidden,
        mean + half + hidden,
        (rise > 0).mean(axis=0) + hidden,
    )


def _free_s(setting: Setting) -> Floats:
    """float64[link]: seconds of a free ride."""
    links = setting.network.links.values()
    return np.array([link.length_m / link.free_flow_speed_mps for link in links])


def _delay_of_links(places: Places, setting: Setting) -> Floats:
    """float64[link]: delay per vehicle; NaN where hardly anybody came."""
    of, links = setting.ways.link_of_turn, len(setting.network.links)
    came = np.bincount(of, places.came_veh, links)
    spent = np.bincount(of, places.spent_s + places.waited_s, links)
    enough = came >= LEAST_VEH_PER_H * setting.length_s / 3600
    mean_s = np.divide(spent, came, out=np.full(links, np.nan), where=enough)
    return np.asarray(mean_s - _free_s(setting))


def _links(both: Both, setting: Setting, limits: Limits) -> tuple[pa.Table, list[str]]:
    """Every link with its delay, longest queue and time full; and those that are hurt."""
    names = list(setting.network.links)
    room = setting.ways.room_veh
    delay = _change(*(np.array([_delay_of_links(p[i], setting) for p in both]) for i in (0, 1)))
    most = _change(*(np.array([p[i].most_veh for p in both]) for i in (0, 1)))
    full = _change(*(np.array([p[i].full_s / setting.length_s for p in both]) for i in (0, 1)))
    starved = (
        (delay.rise > limits.approach_rise_s)
        & (delay.after > limits.approach_delay_s)
        & (delay.worse_share >= MOST_PAIRS)
    )
    behind = np.array([bool(setting.network.predecessors[name]) for name in names])
    blocked = (
        (full.rise > limits.full_rise_ratio)
        & (full.worse_share >= MOST_PAIRS)
        & (room >= LEAST_ROOM_VEH)
        & behind
    )
    hurt = [
        (
            float(delay.rise[i]),
            f"delay on {names[i]} rises from {delay.before[i]:.0f} to {delay.after[i]:.0f} s",
        )
        for i in np.flatnonzero(starved)
    ] + [
        (
            float(full.rise[i]) * limits.approach_rise_s / limits.full_rise_ratio,
            _filled(names[i], float(full.before[i]), float(full.after[i])),
        )
        for i in np.flatnonzero(blocked)
    ]
    seen = np.flatnonzero(most.before + most.after > 0)
    table = pa.table(
        {
            "link_id": pa.array([names[i] for i in seen], pa.string()),
            "delay_before_s": _column(delay.before, seen),
            "delay_after_s": _column(delay.after, seen),
            "delay_change_s": _column(delay.rise, seen),
            "room_veh": _column(room, seen),
            "most_before_veh": _column(most.before, seen),
            "most_after_veh": _column(most.after, seen),
            "full_before_ratio": _column(full.before, seen),
            "full_after_ratio": _column(full.after, seen),
            "hurt": pa.array((starved | blocked)[seen].tolist(), pa.bool_()),
        }
    )
    return table, [clause for _, clause in sorted(hurt, reverse=True)]


def _filled(name: str, before_ratio: float, after_ratio: float) -> str:
    return f"{name} is full for {after_ratio:.0%} of the time, in service {before_ratio:.0%}"


def _column(values: Floats, chosen: np.ndarray) -> pa.Array:
    return pa.array(
        [None if math.isnan(v) else round(v, 3) for v in values[chosen].tolist()], pa.float64()
    )


def _movements(both: Both, setting: Setting) -> pa.Table:
    """Delay per vehicle of every movement that is driven."""
    known = {(m.from_link, m.to_link): m for m in setting.network.movements.values()}
    free = _free_s(setting)[setting.ways.link_of_turn]

    def delay(p: Places) -> Floats:
        came = np.where(p.came_veh > 0, p.came_veh, np.nan)
        return np.asarray((p.spent_s + p.waited_s) / came - free)

    change = _change(*(np.array([delay(p[i]) for p in both]) for i in (0, 1)))
    vehicles = np.mean([p[0].came_veh for p in both], axis=0)
    chosen = np.array([i for i, turn in enumerate(setting.ways.turns) if turn in known], dtype=int)
    movements = [known[setting.ways.turns[i]] for i in chosen]
    return pa.table(
        {
            "movement_id": pa.array([m.movement_id for m in movements], pa.string()),
            "junction_id": pa.array([m.junction_id for m in movements], pa.string()),
            "from_link": pa.array([m.from_link for m in movements], pa.string()),
            "to_link": pa.array([m.to_link for m in movements], pa.string()),
            "turn": pa.array([m.turn.value for m in movements], pa.string()),
            "vehicles": _column(vehicles, chosen),
            "delay_before_s": _column(change.before, chosen),
            "delay_after_s": _column(change.after, chosen),
            "delay_change_s": _column(change.rise, chosen),
            "change_low_s": _column(change.low, chosen),
            "change_high_s": _column(change.high, chosen),
        }
    )


def _lines(both: Both, setting: Setting, limits: Limits) -> tuple[list[dict[str, Any]], list[str]]:
    """Travel time of every bus line, and the lines that are hurt."""
    rows, hurt = [], []
    for i, way in enumerate(setting.ways.lines):
        pairs = [
            (a.line_s[i] / a.line_veh[i], b.line_s[i] / b.line_veh[i])
            for a, b in both
            if a.line_veh[i] and b.line_veh[i]
        ]
        measured = measure(pairs)
        if measured is None:
            continue
        rows.append({"from_link": way[0], "to_link": way[-1], "links": len(way), **measured})
        rise_s = float(np.median([b - a for a, b in pairs]))
        usual_s = float(np.median([a for a, _ in pairs]))
        worse = float(np.mean([b > a for a, b in pairs]))
        if rise_s > max(limits.bus_rise_s, limits.bus_rise_ratio * usual_s) and worse >= MOST_PAIRS:
            hurt.append(f"buses from {way[0]} to {way[-1]} lose {rise_s:.0f} of {usual_s:.0f} s")
    return rows, hurt


def _corridors(both: Both, setting: Setting) -> list[dict[str, Any]]:
    """Travel time of each corridor and direction; p-values corrected by Holm over all of them.

    The sum over its links of the mean time of those who drive on along it; directions that nobody
    drives in a run are left out.
    """
    idx = {turn: i for i, turn in enumerate(setting.ways.turns)}
    rows: list[dict[str, Any]] = []
    for corridor in setting.corridors:
        for direction, paths in (("out", corridor.out_paths), ("back", corridor.back_paths)):
            links = [link for path in paths for link in path]
            turns = [idx.get(pair) for pair in pairwise(links)]
            if not turns or None in turns:
                continue
            chosen = np.array(turns, dtype=np.int64)
            if any(p[i].came_veh[chosen].min() == 0 for p in both for i in (0, 1)):
                continue
            pairs = [
                tuple(float((p.spent_s[chosen] / p.came_veh[chosen]).sum()) for p in pair)
                for pair in both
            ]
            measured = measure([(a, b) for a, b in pairs])
            rows.append(
                {
                    "corridor_id": corridor.corridor_id,
                    "direction": direction,
                    "travel_s": measured,
                    "p": _p_value([b - a for a, b in pairs]),
                }
            )
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = round(p, 6)
        row["p"] = round(row["p"], 6)
    return rows


def _p_value(changes: Sequence[float]) -> float:
    """Two-sided, of Student's t-test that the mean change is zero."""
    n = len(changes)
    sd = float(np.std(changes, ddof=1)) if n > 1 else 0.0
    if sd == 0.0:
        return 1.0 if n < 2 or not any(changes) else 0.0
    t = abs(float(np.mean(changes))) / (sd / math.sqrt(n))
    return 2.0 * float(stdtr(n - 1, -t))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step from the smallest (Holm 1979)."""
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected


def _crossings(plans: Sequence[SignalPlan], setting: Setting) -> pa.Table:
    """Mean wait and longest red at every crossing of a retimed junction, from the plans alone."""
    rows = []
    for plan in plans:
        before = setting.in_service.get(plan.junction_id)
        groups = {c.signal_group_idx for c in setting.network.crossings_at[plan.junction_id]}
        for group in sorted(groups):
            old = (None, None) if before is None else waits(before, group)
            rows.append((plan.junction_id, group, *old, *waits(plan, group)))
    names = ("junction_id", "signal_group_idx", "wait_before_s", "red_before_s")
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    kinds = (pa.string(), pa.int64(), pa.float64(), pa.int64(), pa.float64(), pa.int64())
    return pa.table(
        {
            name: pa.array(list(column), kind)
            for name, column, kind in zip(
                (*names, "wait_after_s", "red_after_s"), columns, kinds, strict=True
            )
        }
    )


def waits(plan: SignalPlan, group: int) -> tuple[float, int]:
    """Mean wait of people who come at random, Σ red² / (2 cycle), and the longest red, seconds."""
    green = [picture[group] in GREENS for picture in plan.pictures()]
    if not any(green):
        return plan.cycle_s / 2, plan.cycle_s
    first = green.index(True)
    reds, run = [], 0
    for is_green in (*green[first:], *green[:first], True):
        if is_green and run:
            reds.append(run)
        run = 0 if is_green else run + 1
    return round(sum(r * r for r in reds) / (2 * plan.cycle_s), 2), max(reds, default=0)
