"""Early warning for a city: tomorrow's and the next hour's speeds, with their measured skill.

Made by ``forecast`` from the states of past days. How good it is, is measured on the latest of
them, forecast from those before it, beside "same as now" and "same as the last day of its kind": a
forecast without that figure cannot be weighed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from traffic_brain.clock import parse_service_day
from traffic_brain.diagnosis.forecast import Days, learn, profile
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.day_types import Calendar, DayType
from traffic_brain.fusion.levels import LEVELS, LIMITS_KMH, class_of
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.progress import Progress, silent

MOST_DAYS = 5
"""Of the latest days; more cost memory and change little."""
AHEAD_BINS = (3, 6, 12)
EVERY_BINS = 6
"""Times of the day at which the skill of the next hour is measured."""
FIRST_BINS = 6
CONGESTED = LEVELS.index("moderate")
TOMORROW, NEXT_HOUR, SKILL = "tomorrow.parquet", "next_hour.parquet", "skill.json"


@dataclass(frozen=True)
class History:
    """Past days of one window from ``begin_s`` on, the latest last.

    kmh: float64[day, link, bin]. near: float64[link, link], rows of weights with sum 1 or 0.
    """

    begin_s: int
    days: tuple[str, ...]
    kinds: tuple[DayType, ...]
    kmh: np.ndarray
    near: csr_array

    def until(self, day: int) -> Days:
        """The days before one."""
        return Days(self.kmh[:day], self.kinds[:day], self.near)


def history_of(network: RoadNetwork, states: Sequence[State], calendar: Calendar) -> History:
    """The latest days with the window of the last one.

    Raises:
        DataRefused: a day tells twice, or there is none.
    """
    ordered = sorted(states, key=lambda state: state.service_day)
    names = [state.service_day for state in ordered]
    if not names or len(set(names)) < len(names):
        raise DataRefused("there is no past day, or one comes twice", "give each past day once")
    alike = [state for state in ordered if state.window == ordered[-1].window][-MOST_DAYS:]
    return History(
        begin_s=ordered[-1].window.begin_s,
        days=tuple(state.service_day for state in alike),
        kinds=tuple(calendar.type_of(parse_service_day(state.service_day)) for state in alike),
        kmh=np.array([state.speed_mps * 3.6 for state in alike]),
        near=_next_to(network),
    )


def write_warning(
    network: RoadNetwork,
    known: History,
    tomorrow: DayType,
    out: Path,
    so_far: State | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Write ``tomorrow.parquet``, ``skill.json`` and, with a day so far, ``next_hour.parquet``.

    A link is warned of where its speed may well fall to level moderate or severe.

    Args:
        so_far: today's state until now; its last bin is the present.

    Raises:
        DataRefused: today is one of the past days, or does not begin as they do.
    """
    progress(0.1, "learning from the days so far")
    learnt = learn(known.until(len(known.days)))
    limit = _limits_kmh(network)
    starts = known.begin_s + BIN_S * np.arange(known.kmh.shape[2])
    ahead = profile(learnt.days, tomorrow)
    pq.write_table(_table(network, starts, ahead, ahead <= limit[:, None]), out / TOMORROW)
    rows = {"days": len(known.days), "links": len(limit)}
    if so_far is not None:
        now = _bins_so_far(known, so_far)
        kmh = learnt.next_hour(so_far.speed_mps * 3.6, tomorrow)
        bins = known.begin_s + BIN_S * (now + np.arange(kmh.shape[1]))
        warned = learnt.warned(kmh, limit)
        pq.write_table(_table(network, bins, kmh, warned), out / NEXT_HOUR)
        calm = so_far.speed_mps[:, -1] * 3.6 > limit
        rows["links_warned_of"] = int((warned.any(axis=1) & calm).sum())
    progress(0.6, "measuring the skill on the latest day")
    document = {
        "days": dict(zip(known.days, map(str, known.kinds), strict=True)),
        "tomorrow": str(tomorrow),
        "skill": skill(known),
    }
    (out / SKILL).write_text(to_json(document), encoding="utf-8")
    return rows


def skill(known: History) -> list[dict[str, Any]]:
    """Mean absolute errors in km/h on the latest day; empty with fewer than two days.

    ``skill``: 1 − error ÷ that of the better simple way.
    """
    last = len(known.days) - 1
    if last < 1:
        return []
    days, kind, today = known.until(last), known.kinds[last], known.kmh[last]
    learnt = learn(days)
    usual = profile(days, kind)
    same = [d for d in range(last) if known.kinds[d] == kind]
    before = known.kmh[same[-1] if same else last - 1]
    told = [_skill("tomorrow", today, {"ours": usual, "same_as_last": before})]
    at = range(FIRST_BINS, today.shape[1] - max(AHEAD_BINS), EVERY_BINS)
    found = {now: learnt.next_hour(today[:, : now + 1], kind) for now in at}
    for ahead in AHEAD_BINS if found else ():
        ways = {
            "ours": np.stack([found[now][:, ahead - 1] for now in at]),
            "same_as_now": np.stack([today[:, now] for now in at]),
            "same_as_last": np.stack([before[:, now + ahead] for now in at]),
        }
        truth = np.stack([today[:, now + ahead] for now in at])
        told.append(_skill(f"{ahead * BIN_S // 60} min ahead", truth, ways))
    return told


def _skill(what: str, truth: np.ndarray, ways: Mapping[str, np.ndarray]) -> dict[str, Any]:
    errors = {name: float(np.abs(told - truth).mean()) for name, told in ways.items()}
    simple = min(error for name, error in errors.items() if name != "ours")
    ratio = 1.0 - errors["ours"] / simple if simple > 0 else 0.0
    rounded = {f"{name}_error_kmh": round(error, 3) for name, error in errors.items()}
    return {"what": what, **rounded, "skill": round(ratio, 4)}


def _bins_so_far(known: History, so_far: State) -> int:
    window = so_far.window
    if so_far.service_day in known.days:
        raise DataRefused(
            f"{so_far.service_day} is the day so far, and among the past days",
            "give past days that are over",
        )
    if window.begin_s != known.begin_s or window.bin_count > known.kmh.shape[2]:
        raise DataRefused(
            "the day so far and the past days are of other hours",
            "give states that begin at the same time of the day, today's until now",
        )
    return window.bin_count


def _next_to(network: RoadNetwork) -> csr_array:
    """float64[link, link]: the links that lead into one and out of it, rows with sum 1 or 0."""
    pairs = {
        (network.link_idx[c.from_link], network.link_idx[c.to_link]) for c in network.connections
    }
    both = np.array(sorted(pairs | {(b, a) for a, b in pairs}), dtype=np.int64).reshape(-1, 2)
    count = np.bincount(both[:, 0], minlength=len(network.links))
    weights = 1.0 / count[both[:, 0]]
    shape = (len(network.links),) * 2
    return csr_array((weights, (both[:, 0], both[:, 1])), shape=shape)


def _limits_kmh(network: RoadNetwork) -> np.ndarray:
    """float64[link]: the speed from which on a link is at level moderate."""
    limits = [LIMITS_KMH[class_of(link)][CONGESTED - 1] for link in network.links.values()]
    return np.array(limits)


def _table(
    network: RoadNetwork, starts: np.ndarray, kmh: np.ndarray, warned: np.ndarray
) -> pa.Table:
    ids = np.repeat(np.array(list(network.links), dtype=object), len(starts))
    return pa.table(
        {
            "link_id": pa.array(ids, pa.string()),
            "bin_start_s": np.tile(starts, len(network.links)),
            "speed_kmh": np.round(kmh, 2).ravel(),
            "is_warned": warned.ravel(),
        }
    )
