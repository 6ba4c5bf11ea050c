"""Indices of links, junctions, corridors, road classes, zones and the city, from a day's state.

What each means stands in ``index_definitions``. Where nothing was heard of the streets an index is
null: it is not drawn from the bins around.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from traffic_brain.diagnosis.indices.definitions import (
    CITY,
    CORRIDOR,
    INDICES,
    JUNCTION,
    LINK,
    ROAD_CLASS,
    ZONE,
)
from traffic_brain.diagnosis.indices.signals import COLUMNS as SIGNAL_COLUMNS
from traffic_brain.diagnosis.indices.signals import signal_indices
from traffic_brain.fusion.levels import LEVELS, LIMITS_KMH, class_of
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import VEHICLE_SPACING_M, RoadNetwork
from traffic_brain.model.reading import to_json

HOUR_S = 3600
CONGESTED = LEVELS.index("moderate")
FULL_RATIO = 0.6
LINKS_FILE, INDICES_FILE, DEFINITIONS_FILE = (
    "link_indices.parquet",
    "indices.parquet",
    "index_definitions.json",
)


@dataclass(frozen=True)
class Periods:
    """Stretches of the window: begin_s, end_s [period]; member: float64[bin, period], 0 or 1."""

    begin_s: np.ndarray
    end_s: np.ndarray
    member: np.ndarray


def write_indices(
    network: RoadNetwork, state: State, out: Path, corridors: Sequence[Corridor] = ()
) -> dict[str, int]:
    """Write all indices of a day into the existing folder ``out``; rows written, by file.

    ``link_indices.parquet``: every link and bin of 5 min. ``indices.parquet``: every scope by hour
    and over the window (``period`` is ``5min``, ``hour`` or ``window``); zones and city also by
    5 min. ``index_definitions.json``: what the columns mean.
    """
    links = _links_by_bin(network, state)
    pq.write_table(links, out / LINKS_FILE)
    groups = _groups(network, corridors)
    wide = {scope: groups[scope] for scope in (ZONE, CITY)}
    day = _Day(network, state)
    together = pa.concat_tables(
        [
            day.table(groups, "hour", _hours(state)),
            day.table(groups, "window", _window(state)),
            day.table(wide, "5min", _bins(state)),
        ]
    )
    pq.write_table(together, out / INDICES_FILE)
    rows = [{name: getattr(index, name) for name in type(index).__slots__} for index in INDICES]
    (out / DEFINITIONS_FILE).write_text(to_json(rows), encoding="utf-8")
    return {"link_index_rows": links.num_rows, "index_rows": together.num_rows}


def known_bins(state: State) -> np.ndarray:
    """bool[bin]: some feed spoke."""
    known = np.ones(state.window.bin_count, dtype=bool)
    for begin_s, end_s in state.summary.get("unheard_s", ()):
        starts = state.window.bin_starts
        known &= ~((starts < end_s) & (starts + BIN_S > begin_s))
    return known


def hourly_speed_ratio(network: RoadNetwork, state: State) -> Iterator[tuple[int, np.ndarray]]:
    """(begin_s, float64[link]) of every hour in which some feed spoke; harmonic over its bins."""
    known = known_bins(state)
    hours = _hours(state)
    for begin_s, member in zip(hours.begin_s, hours.member.T, strict=True):
        bins = known & (member > 0)
        if bins.any():
            mean_s = state.travel_time_s[:, bins].mean(axis=1)
            yield int(begin_s), _free_s(network)[:, 0] / np.maximum(mean_s, 1e-6)


def _free_s(network: RoadNetwork) -> np.ndarray:
    links = network.links.values()
    return np.array([k.length_m / k.free_flow_speed_mps for k in links])[:, None]


def _is_congested(network: RoadNetwork, state: State) -> np.ndarray:
    """bool[link, bin]: level moderate or severe."""
    limits = [LIMITS_KMH[class_of(k)][CONGESTED - 1] for k in network.links.values()]
    return np.asarray(state.speed_mps * 3.6 <= np.array(limits)[:, None])


def _room_ratio(network: RoadNetwork, state: State) -> np.ndarray:
    """float64[link, bin]: vehicles on a link (Little 1961), by those that find room standing."""
    lanes = [max(len(k.car_lanes), 1) for k in network.links.values()]
    room = _length_m(network) * np.array(lanes)[:, None] / VEHICLE_SPACING_M
    vehicles = state.flow_veh * state.travel_time_s / BIN_S
    return np.asarray(vehicles / np.maximum(room, 1.0))


def _links_by_bin(network: RoadNetwork, state: State) -> pa.Table:
    free = _free_s(network)
    unknown = np.tile(~known_bins(state), len(network.links))
    index = np.maximum(state.travel_time_s / free, 1e-6)
    lost_h = state.flow_veh * np.maximum(state.travel_time_s - free, 0.0) / HOUR_S

    def told(values: np.ndarray, digits: int = 4) -> pa.Array:
        return pa.array(np.round(values, digits).ravel(), mask=unknown)

    ids = pa.array(list(network.links), pa.string())
    bins = state.window.bin_count
    return pa.table(
        {
            "link_id": ids.take(pa.array(np.repeat(np.arange(len(network.links)), bins))),
            "bin_start_s": np.tile(state.window.bin_starts, len(network.links)),
            "speed_ratio": told(1.0 / index),
            "delay_index": told(index),
            "is_congested": pa.array(_is_congested(network, state).ravel(), mask=unknown),
            "delay_veh_h": told(lost_h, 5),
            "room_ratio": told(_room_ratio(network, state)),
        }
    )


Groups = Mapping[str, Mapping[str, Sequence[int]]]
"""Scope -> id -> indices of its links."""


def _groups(network: RoadNetwork, corridors: Sequence[Corridor]) -> Groups:
    found: dict[str, dict[str, list[int]]] = {JUNCTION: {j: [] for j in network.junctions}}
    for scope in (LINK, CORRIDOR, ROAD_CLASS, ZONE, CITY):
        found[scope] = {}
    for i, (link_id, link) in enumerate(network.links.items()):
        found[LINK][link_id] = [i]
        found[CITY].setdefault(network.name, []).append(i)
        found[ROAD_CLASS].setdefault(class_of(link), []).append(i)
        if link.zone_id is not None:
            found[ZONE].setdefault(link.zone_id, []).append(i)
        if link.junction_id in found[JUNCTION]:
            found[JUNCTION][link.junction_id].append(i)
    for corridor in corridors:
        paths = (*corridor.out_paths, *corridor.back_paths)
        links = dict.fromkeys(k for path in paths for k in path)
        found[CORRIDOR][corridor.corridor_id] = [network.link_idx[k] for k in links]
    return found


def _bins(state: State) -> Periods:
    starts = state.window.bin_starts
    return Periods(starts, starts + BIN_S, np.eye(len(starts)))


def _hours(state: State) -> Periods:
    starts = state.window.bin_starts
    hours = np.unique(starts // HOUR_S)
    member = (starts[:, None] // HOUR_S == hours[None]).astype(np.float64)
    begin_s = np.maximum(hours * HOUR_S, state.window.begin_s)
    end_s = np.minimum((hours + 1) * HOUR_S, state.window.end_s)
    return Periods(begin_s, end_s, member)


def _window(state: State) -> Periods:
    window = state.window
    member = np.ones((window.bin_count, 1))
    return Periods(np.array([window.begin_s]), np.array([window.end_s]), member)


class _Day:
    """Sums over links and bins, by which every index of several links is made."""

    def __init__(self, network: RoadNetwork, state: State) -> None:
        known = known_bins(state)[None]
        free, length = _free_s(network), _length_m(network)
        veh = state.flow_veh * known
        lost = np.maximum(state.travel_time_s - free, 0.0)
        self._network, self._state = network, state
        self._parts = {
            "vehicles": veh,
            "spent": veh * state.travel_time_s,
            "free": veh * free,
            "lost_h": veh * lost / HOUR_S,
            "length": length * known,
            "congested": length * known * _is_congested(network, state),
            "full": length * known * (_room_ratio(network, state) >= FULL_RATIO),
        }

    def table(self, groups: Groups, period: str, periods: Periods) -> pa.Table:
        """Rows of all groups and periods."""
        over = {name: part @ periods.member for name, part in self._parts.items()}
        tables = [
            self._scope(scope, members, period, periods, over)
            for scope, members in groups.items()
            if members
        ]
        return pa.concat_tables(tables)

    def _scope(
        self,
        scope: str,
        members: Mapping[str, Sequence[int]],
        period: str,
        periods: Periods,
        over: Mapping[str, np.ndarray],
    ) -> pa.Table:
        size = (len(members), len(periods.begin_s))
        sums = {name: _summed(list(members.values()), part) for name, part in over.items()}
        columns = {
            "speed_ratio": _ratio(sums["free"], sums["spent"]),
            "delay_index": _ratio(sums["spent"], sums["free"]),
            "congested_ratio": _ratio(sums["congested"], sums["length"]),
            "delay_veh_h": np.where(sums["length"] > 0, sums["lost_h"], np.nan),
            "spillback_ratio": _ratio(sums["full"], sums["length"]),
        }
        nothing = np.full(size, np.nan)
        columns |= dict.fromkeys(("control_delay_s_per_veh", *SIGNAL_COLUMNS), nothing)
        if scope == JUNCTION:
            columns |= self._junctions(list(members), periods, sums, over)
        names = pa.array(list(members), pa.string())
        return pa.table(
            {
                "scope": pa.array([scope] * size[0] * size[1], pa.string()),
                "id": names.take(pa.array(np.repeat(np.arange(size[0]), size[1]))),
                "period": pa.array([period] * size[0] * size[1], pa.string()),
                "begin_s": np.tile(periods.begin_s, size[0]),
                "end_s": np.tile(periods.end_s, size[0]),
                **{c: _nullable(columns[c]) for c in INDEX_COLUMNS},
            }
        )

    def _junctions(
        self,
        junctions: Sequence[str],
        periods: Periods,
        sums: Mapping[str, np.ndarray],
        over: Mapping[str, np.ndarray],
    ) -> dict[str, np.ndarray]:
        """What only junctions have; spillback is that of the links that leave them."""
        exits: dict[str, dict[int, None]] = {j: {} for j in junctions}
        for movement in self._network.movements.values():
            exits[movement.junction_id][self._network.link_idx[movement.to_link]] = None
        leaving = [list(found) for found in exits.values()]
        heard = (known_bins(self._state) @ periods.member) > 0
        of_signals = signal_indices(self._network, self._state, periods.begin_s, periods.end_s)
        return {
            "control_delay_s_per_veh": HOUR_S * _ratio(sums["lost_h"], sums["vehicles"]),
            "spillback_ratio": _ratio(
                _summed(leaving, over["full"]), _summed(leaving, over["length"])
            ),
            **{c: np.where(heard, values, np.nan) for c, values in of_signals.items()},
        }


INDEX_COLUMNS = tuple(index.column for index in INDICES if index.scopes)


def _length_m(network: RoadNetwork) -> np.ndarray:
    return np.array([k.length_m for k in network.links.values()])[:, None]


def _summed(members: Sequence[Sequence[int]], part: np.ndarray) -> np.ndarray:
    """float64[group, period] of float64[link, period]."""
    rows = np.repeat(np.arange(len(members)), [len(m) for m in members])
    columns = np.array([i for m in members for i in m], dtype=np.int64)
    shape = (len(members), len(part))
    return np.asarray(csr_array((np.ones(len(rows)), (rows, columns)), shape=shape) @ part)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    nothing = np.full(whole.shape, np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=whole > 0))


def _nullable(values: np.ndarray) -> pa.Array:
    flat = np.round(values.ravel(), 5)
    return pa.array(flat, pa.float64(), mask=~np.isfinite(flat))
