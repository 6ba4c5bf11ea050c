"""How many vehicles want to make each movement of a junction, per 15 min, with intervals of 95 %.

An interval holds what the source may be off. A count errs at the borders of a bin; of lanes that
several movements share the sum is counted, and only how it splits up is chance (binomial), as is
what drove on lanes whose detector is dead; elsewhere the vehicles of a bin come by chance as a
whole (Poisson). To that comes the error over the whole window, of the balance and of how far the
trips differ from it. The upper end is one of demand: where an approach stood in queue, more want to
pass than do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from traffic_brain.fusion.counters import Counter
from traffic_brain.fusion.flow_balance import Balance
from traffic_brain.fusion.link_state import LinkState
from traffic_brain.fusion.trips import WeightedTrips, movement_flows
from traffic_brain.fusion.window import BIN_S, DEMAND_BIN_S, Window
from traffic_brain.model.network import RoadNetwork

SIGMAS_95 = 1.96
SATURATED_SPEED_RATIO = 0.3
"""Below this share of free flow an approach holds a standing queue: more want to pass than do."""
SATURATED_DEMAND_RATIO = 1.15
BORDER_S = 1.5
"""Who passes a detector so near to a bin's border may cross the line in the next bin."""
LEAST_SD_VEH = 0.45
"""Of a count in any bin; this and ``BORDER_S`` were measured on recorded worlds."""
UNKNOWN, COUNT, BOTH, TRIPS = "unknown", "count", "trips and counts", "trips"


def movement_demand(
    network: RoadNetwork,
    window: Window,
    weighted: WeightedTrips,
    counted: Sequence[Counter],
    balance: Balance,
    state: LinkState,
    uncounted: np.ndarray,
) -> pa.Table:
    """A row for each movement and demand bin, in veh/h; null where a bin is not known.

    Args:
        uncounted: bool[5-min bin], of which nothing is known.
    """
    starts = window.demand_bin_starts()
    length_s = np.minimum(DEMAND_BIN_S, window.end_s - starts)
    veh = _by_trips(network, weighted, window)
    variance = np.maximum(veh, 1.0) + _window_error_veh(network, balance, veh, length_s) ** 2
    source = np.full(veh.shape, TRIPS, dtype=object)
    _use_counters(network, counted, veh, variance, source)
    wanted = veh * np.where(_saturated(network, state), SATURATED_DEMAND_RATIO, 1.0)
    reach = SIGMAS_95 * np.sqrt(variance)
    bins_of = np.arange(0, window.bin_count, DEMAND_BIN_S // BIN_S)
    unknown = np.broadcast_to(np.logical_or.reduceat(uncounted, bins_of), veh.shape)
    source[unknown] = UNKNOWN
    movements = network.movements.values()

    def repeated(ids: list[str]) -> pa.Array:
        return pa.array(np.repeat(np.array(ids, dtype=object), len(starts)), pa.string())

    def told(values: np.ndarray) -> pa.Array:
        return pa.array(np.round(values * 3600 / length_s, 2).ravel(), mask=unknown.ravel())

    return pa.table(
        {
            "movement_id": repeated([m.movement_id for m in movements]),
            "junction_id": repeated([m.junction_id for m in movements]),
            "bin_start_s": pa.array(np.tile(starts, len(veh)), pa.int64()),
            "flow_vph": told(veh),
            "demand_vph": told(wanted),
            "demand_low_vph": told(np.maximum(veh - reach, 0.0)),
            "demand_high_vph": told(wanted + reach),
            "source": pa.array(source.ravel(), pa.string()),
        }
    )


def _by_trips(network: RoadNetwork, weighted: WeightedTrips, window: Window) -> np.ndarray:
    """float64[movement, demand bin]: vehicles."""
    known = {(m.from_link, m.to_link): m.movement_id for m in network.movements.values()}
    flows = movement_flows(weighted, window, lambda a, b: known.get((a, b)))
    nothing = np.zeros(len(window.demand_bin_starts()))
    found = [flows.get(movement_id, nothing) for movement_id in network.movements]
    return np.array(found).reshape(len(network.movements), len(nothing))


def _window_error_veh(
    network: RoadNetwork, balance: Balance, veh: np.ndarray, length_s: np.ndarray
) -> np.ndarray:
    """float64[movement, demand bin]: error of a bin that goes back to one over the whole window.

    In proportion to the bin's vehicles, or to its length where it has fewer than usual.
    """
    total = veh.sum(axis=1)
    pairs = [(m.from_link, m.to_link) for m in network.movements.values()]
    sd = np.array([balance.sd_veh.get(pair, 0.0) for pair in pairs])
    balanced = np.array([balance.veh.get(pair, n) for pair, n in zip(pairs, total, strict=True)])
    error = np.hypot(sd, balanced - total)[:, None]
    share = veh / np.maximum(total, 1.0)[:, None]
    return np.asarray(error * np.maximum(share, length_s / max(float(length_s.sum()), 1.0)))


def _use_counters(
    network: RoadNetwork,
    counted: Sequence[Counter],
    veh: np.ndarray,
    variance: np.ndarray,
    source: np.ndarray,
) -> None:
    """Put counts in, and take from the chance of a bin what was counted."""
    row = {(m.from_link, m.to_link): i for i, m in enumerate(network.movements.values())}
    of_link: dict[str, list[int]] = {}
    for (link_id, _), i in row.items():
        of_link.setdefault(link_id, []).append(i)
    for counter in counted:
        source[of_link.get(counter.link_id, [])] = BOTH
    for counter in counted:
        rows = [row[counter.link_id, to] for to in sorted(counter.to_links)]
        bins = np.flatnonzero(np.isfinite(counter.counted))
        if counter.complete and len(rows) == 1:
            n = counter.counted[bins]
            veh[rows[0], bins] = n
            variance[rows[0], bins] = LEAST_SD_VEH**2 + (2.0 * BORDER_S / DEMAND_BIN_S) * n
            source[rows[0], bins] = COUNT
            continue
        cells = np.ix_(np.array(rows, dtype=np.int64), bins)
        share = veh[cells] / np.maximum(veh[cells].sum(axis=0), 1.0)
        live = float(np.mean(np.isfinite(counter.lane_counts)))
        chance = veh[cells] * (1.0 - live * share) + LEAST_SD_VEH**2
        variance[cells] += chance - np.maximum(veh[cells], 1.0)


def _saturated(network: RoadNetwork, state: LinkState) -> np.ndarray:
    """bool[movement, demand bin]: whether the approach stood in queue for most of the bin."""
    bins_of = DEMAND_BIN_S // BIN_S
    free = np.array([link.free_flow_speed_mps for link in network.links.values()])[:, None]
    speed = [
        np.median(state.speed_mps[:, b : b + bins_of], axis=1)
        for b in range(0, state.window.bin_count, bins_of)
    ]
    stood = np.stack(speed, axis=1) < SATURATED_SPEED_RATIO * free
    links = [network.link_idx[m.from_link] for m in network.movements.values()]
    return np.asarray(stood[np.array(links, dtype=np.int64)])
