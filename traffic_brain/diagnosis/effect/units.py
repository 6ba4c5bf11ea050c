"""What is compared before and after: junctions, as vehicle-hours and vehicles per day and bin.

A junction's delay is that of its *catchment*: its approaches, and the links behind them that lead
nowhere else. What cannot be used on one day is left out on all days, so that every day is judged by
the same hours of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from traffic_brain.diagnosis.effect.days import Day
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import RoadNetwork

MIN_USABLE = 0.5
"""A day of which less can be used is left out itself, rather than its hours on all days."""
MIN_VEHICLES = 30.0
"""Per day: of fewer vehicles the mean delay tells nothing."""
MAX_BACK_M = 400.0
"""So far a catchment reaches behind its approach."""


@dataclass(frozen=True)
class Units:
    """Junctions by day and bin of the day.

    delay_veh_h: float64[unit, day, bin], of the catchment; vehicles: of the approaches alone, so
        that each is counted once; both 0 where left out. used: bool[unit, bin].
    """

    names: tuple[str, ...]
    delay_veh_h: np.ndarray
    vehicles: np.ndarray
    used: np.ndarray
    neighbours: tuple[frozenset[int], ...]

    @property
    def day_delay_veh_h(self) -> np.ndarray:
        """float64[unit, day]."""
        return np.asarray(self.delay_veh_h.sum(axis=2))

    @property
    def day_vehicles(self) -> np.ndarray:
        """float64[unit, day]."""
        return np.asarray(self.vehicles.sum(axis=2))

    @property
    def is_usable(self) -> np.ndarray:
        """bool[unit]: enough vehicles, and some delay, on every day."""
        enough = (self.day_vehicles >= MIN_VEHICLES).all(axis=1)
        return np.asarray(enough & (self.day_delay_veh_h > 0).all(axis=1))


def catchments(network: RoadNetwork) -> dict[str, tuple[str, ...]]:
    """Junction -> the links whose delay is its own, approaches first."""
    found: dict[str, list[str]] = {j: [] for j in network.junctions}
    for link_id, link in network.links.items():
        if link.junction_id in found:
            found[link.junction_id].append(link_id)
    for links in found.values():
        for approach in tuple(links):
            links += [k for k in _behind(approach, network) if k not in links]
    return {j: tuple(links) for j, links in found.items()}


def neighbours(network: RoadNetwork) -> dict[str, frozenset[str]]:
    """Junctions that one drives to, or comes from, without passing another signal."""
    found: dict[str, set[str]] = {j: set() for j in network.junctions}
    for link_id, link in network.links.items():
        if link.junction_id is None:
            continue
        for after in _next_signals(link_id, network):
            if after != link.junction_id:
                found[link.junction_id].add(after)
                found[after].add(link.junction_id)
    return {j: frozenset(others) for j, others in found.items()}


def common_bins(days: Sequence[Day]) -> np.ndarray:
    """int64[bin]: starts of the bins that every day has."""
    common = set(days[0].bin_starts_s.tolist())
    for day in days[1:]:
        common &= set(day.bin_starts_s.tolist())
    return np.array(sorted(common), dtype=np.int64)


def usable_days(days: Sequence[Day], watched: Iterable[str]) -> np.ndarray:
    """bool[day]: enough is known, and the junctions ``watched`` mostly ran their plan."""
    bins = common_bins(days)
    watched = set(watched)
    kept = []
    for day in days:
        known = _known(day, bins).any(axis=0)
        for odd in day.odd_hours:
            if odd.junction_id in watched:
                known &= ~_inside(bins, odd.begin_s, odd.end_s)
        kept.append(known.mean() >= MIN_USABLE if len(bins) else False)
    return np.array(kept, dtype=bool)


def junction_units(network: RoadNetwork, days: Sequence[Day]) -> Units:
    """The junctions of ``network`` on the given days."""
    bins = common_bins(days)
    links_of = catchments(network)
    names = tuple(j for j, links in links_of.items() if links)
    free = np.array([k.length_m / k.free_flow_speed_mps for k in network.links.values()])
    catchment = _member(names, links_of, network)
    approaches = {
        name: [k for k in links_of[name] if network.links[k].junction_id == name] for name in names
    }
    approach = _member(names, approaches, network)
    delay = np.zeros((len(names), len(days), len(bins)))
    vehicles = np.zeros_like(delay)
    used = np.ones((len(names), len(bins)), dtype=bool)
    for d, day in enumerate(days):
        here = np.searchsorted(day.bin_starts_s, bins)
        known = _known(day, bins)
        veh = np.where(known, day.vehicles[:, here], 0.0)
        lost_s = np.maximum(day.travel_time_s[:, here] - free[:, None], 0.0)
        delay[:, d] = catchment @ np.where(known, veh * lost_s / 3600.0, 0.0)
        vehicles[:, d] = approach @ veh
        used &= (catchment @ (~known).astype(np.float64)) == 0
        used &= ~_odd(names, day, bins)
    near = neighbours(network)
    number = {name: i for i, name in enumerate(names)}
    return Units(
        names,
        delay * used[:, None, :],
        vehicles * used[:, None, :],
        used,
        tuple(frozenset(number[n] for n in near[name] if n in number) for name in names),
    )


def _member(
    names: Sequence[str], links_of: Mapping[str, Sequence[str]], network: RoadNetwork
) -> csr_array:
    """Sparse [unit, link]: 1 for the links of each unit."""
    rows = [i for i, name in enumerate(names) for _ in links_of[name]]
    columns = [network.link_idx[k] for name in names for k in links_of[name]]
    shape = (len(names), len(network.links))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def odd_bins(days: Sequence[Day], watched: Iterable[str]) -> Mapping[str, int]:
    """Bins of the watched junctions that are left out, by reason."""
    bins, count = common_bins(days), {"hand_run": 0, "transition": 0}
    watched = set(watched)
    for day in days:
        for odd in day.odd_hours:
            if odd.junction_id in watched:
                count[odd.why] += int(_inside(bins, odd.begin_s, odd.end_s).sum())
    return count


def _known(day: Day, bins: np.ndarray) -> np.ndarray:
    """bool[link, bin]."""
    here = np.searchsorted(day.bin_starts_s, bins)
    both = np.isfinite(day.travel_time_s[:, here]) & np.isfinite(day.vehicles[:, here])
    return np.asarray(both)


def _odd(names: Sequence[str], day: Day, bins: np.ndarray) -> np.ndarray:
    """bool[unit, bin]."""
    number = {name: i for i, name in enumerate(names)}
    odd = np.zeros((len(names), len(bins)), dtype=bool)
    for one in day.odd_hours:
        if one.junction_id in number:
            odd[number[one.junction_id]] |= _inside(bins, one.begin_s, one.end_s)
    return odd


def _inside(bins: np.ndarray, begin_s: float, end_s: float) -> np.ndarray:
    return np.asarray((bins < end_s) & (bins + BIN_S > begin_s))


def _behind(approach: str, network: RoadNetwork) -> list[str]:
    """Links that lead to an approach and nowhere else, up to ``MAX_BACK_M`` behind it."""
    found, link_id, metres = [], approach, 0.0
    while metres < MAX_BACK_M:
        before = [
            k
            for k in network.predecessors[link_id]
            if network.links[k].junction_id is None
            and _onward(k, network) == {link_id}
            and k not in found
        ]
        if len(before) != 1:
            break
        link_id = before[0]
        metres += network.links[link_id].length_m
        found.append(link_id)
    return found


def _onward(link_id: str, network: RoadNetwork) -> set[str]:
    """Successors but for turning back."""
    link = network.links[link_id]
    return {k for k in network.successors[link_id] if network.links[k].to_node != link.from_node}


def _next_signals(link_id: str, network: RoadNetwork) -> set[str]:
    """Junctions at the ends of the ways on from a link."""
    found: set[str] = set()
    seen, frontier = {link_id}, list(network.successors[link_id])
    while frontier:
        here = frontier.pop()
        if here in seen:
            continue
        seen.add(here)
        junction_id = network.links[here].junction_id
        if junction_id is None:
            frontier += network.successors[here]
        else:
            found.add(junction_id)
    return found
