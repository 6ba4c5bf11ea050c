"""Best offsets of a city: a search from above and a proof from below, in turns, until they meet.

Above: starts improved on random maximal forests of the whole city, then parts of it shaken and
improved (``kernels.offset_search``). Below: tables split among the loops of the network
(``kernels.offset_bounds``). Both work on whole numbers and count their work, not the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizers.city_offsets.arrays import CityArrays, Whole, city_arrays
from optimizers.city_offsets.params import CityOffsetsParams
from optimizers.city_offsets.result import CityOffsets, LoopBill, Moment
from optimizers.mathopt import SolveStatus
from optimizers.offsets import OffsetProblem
from traffic_brain.kernels.offset_bounds import raise_bound
from traffic_brain.kernels.offset_search import improve_city, improve_parts
from traffic_brain.kernels.offset_tables import OK, total_cost
from traffic_brain.progress import Progress, silent

FIRST_FORESTS = 20
"""Forests of the whole city for each plan that the search begins from."""
PART = (10, 120)
"""Signals of a part of the city that is shaken, fewest and most."""
PART_FORESTS = 8
TRIALS = 25
"""Parts shaken between two looks at the work done."""
SWEEPS_PER_ROUND = 2
LEAST_GAIN = 1e-8
"""A sweep that raises the bound by a smaller ratio is the proof's last."""
DEFAULT = CityOffsetsParams()


def best_city_offsets(
    problem: OffsetProblem,
    known: Sequence[Mapping[str, int]] = (),
    params: CityOffsetsParams = DEFAULT,
    progress: Progress = silent,
) -> CityOffsets:
    """Starts of all signals with a proven bound, never worse than any of the ``known`` ones.

    (Worse by what the tables are rounded by at most: ``resolution_veh_s`` of the result.)

    Args:
        known: starts worth beginning from (junction_id -> seconds); who is not named starts at 0.
    """
    began_s = time.process_time()
    arrays = city_arrays(problem)
    search, proof = Search(arrays, known, params), Proof(arrays)
    moments: list[Moment] = []
    idle = 0
    while True:
        now = Moment(
            work=search.work + proof.work,
            objective=search.objective,
            bound=proof.bound,
            cpu_s=time.process_time() - began_s,
        )
        better = not moments or (now.objective, now.bound) != (
            moments[-1].objective,
            moments[-1].bound,
        )
        idle = 0 if better else idle + 1
        moments.append(now)
        progress(min(now.work / max(params.work_limit, 1e-9), 1.0), f"gap {now.gap_ratio:.2%}")
        if search.cost == proof.cost or idle >= params.idle_rounds or _enough(now, params):
            break
        proof.go_on()
        search.go_on()
    return CityOffsets(
        status=SolveStatus.OPTIMAL if search.cost == proof.cost else SolveStatus.FEASIBLE,
        objective=search.objective,
        bound=min(proof.bound, search.objective),
        resolution_veh_s=arrays.unit_veh_s * len(arrays.pairs),
        seed=params.seed,
        cycle_s=arrays.period_s,
        junction_ids=arrays.junction_ids,
        starts_s=search.best_starts(),
        work=now.work,
        cpu_s=now.cpu_s,
        loops=loop_bills(arrays, search.starts),
        moments=tuple(moments),
    )


def same_proof(
    found: CityOffsets, problem: OffsetProblem, starts: Mapping[str, int]
) -> CityOffsets:
    """What was proved, for other starts of the same problem (junction_id -> seconds)."""
    arrays = city_arrays(problem)
    other = np.array([starts[j] % problem.cycle_s for j in problem.junction_ids], dtype=np.int64)
    other.flags.writeable = False
    objective = arrays.cost(other)
    meets = objective - found.bound <= found.resolution_veh_s
    return replace(
        found,
        status=SolveStatus.OPTIMAL if meets else SolveStatus.FEASIBLE,
        objective=objective,
        bound=min(found.bound, objective),
        starts_s=other,
        loops=loop_bills(arrays, other),
    )


def loop_bills(arrays: CityArrays, starts: Whole) -> tuple[LoopBill, ...]:
    """Who pays for the loops of the network, the dearest loop first."""
    offsets = (starts[arrays.pairs[:, 1]] - starts[arrays.pairs[:, 0]]) % arrays.period_s
    chosen = arrays.exact[np.arange(len(arrays.pairs)), offsets]
    paid = chosen - arrays.exact.min(axis=1, initial=np.inf)
    names = arrays.junction_ids
    bills = []
    for i, loop in enumerate(arrays.loops.signals):
        links = arrays.loops.link[arrays.loops.first[i] : arrays.loops.first[i + 1]]
        payer = int(links[np.argmax(paid[links])])
        a, b = arrays.pairs[payer].tolist()
        bills.append(
            LoopBill(
                junction_ids=tuple(names[s] for s in loop),
                payer=(names[a], names[b]),
                payer_veh_s=float(paid[payer]),
                paid_veh_s=float(paid[links].sum()),
            )
        )
    return tuple(sorted(bills, key=lambda bill: (-bill.paid_veh_s, bill.junction_ids)))


def _enough(now: Moment, params: CityOffsetsParams) -> bool:
    return (
        now.gap_ratio <= params.gap_limit
        or now.work >= params.work_limit
        or (params.cpu_limit_s is not None and now.cpu_s >= params.cpu_limit_s)
    )


class Search:
    """The best starts so far; ``cost`` in the unit of the tables."""

    def __init__(
        self, arrays: CityArrays, known: Sequence[Mapping[str, int]], params: CityOffsetsParams
    ) -> None:
        self.arrays = arrays
        self._state = np.array([params.seed], dtype=np.uint64)
        self._work = np.zeros(1, dtype=np.int64)
        rng = np.random.default_rng(params.seed)
        names, period = arrays.junction_ids, arrays.period_s
        begun = [np.array([k.get(j, 0) % period for j in names], dtype=np.int64) for k in known]
        begun += [rng.integers(0, period, len(names)) for _ in range(params.restarts)]
        begun = begun or [np.zeros(len(names), dtype=np.int64)]
        for starts in begun:
            self._whole_city(starts, FIRST_FORESTS)
        self.starts: Whole = min(begun, key=self._cost)

    @property
    def cost(self) -> int:
        return self._cost(self.starts)

    @property
    def objective(self) -> float:
        return self.arrays.cost(self.starts)

    @property
    def work(self) -> float:
        return _work(self._work, self.arrays)

    def best_starts(self) -> Whole:
        """The starts, read-only."""
        starts = self.starts.copy()
        starts.flags.writeable = False
        return starts

    def go_on(self) -> None:
        """Shake parts, for about as much work as the proof's rounds take."""
        size = len(self.starts)
        until = self._work[0] + SWEEPS_PER_ROUND * 3 * len(self.arrays.loops.link) + size
        smallest, largest = (min(limit, size) for limit in PART)
        self._whole_city(self.starts, 1)
        while self._work[0] < until and len(self.arrays.pairs):
            improve_parts(
                self.starts,
                *self._links,
                self.arrays.tables,
                TRIALS,
                smallest,
                largest,
                PART_FORESTS,
                self._state,
                self._work,
            )

    def _whole_city(self, starts: Whole, forests: int) -> None:
        improve_city(starts, *self._links, self.arrays.tables, forests, self._state, self._work)

    @property
    def _links(self) -> tuple[Whole, Whole, Whole, Whole]:
        n = self.arrays.neighbours
        return n.first, n.other, n.link, n.sign

    def _cost(self, starts: Whole) -> int:
        arrays = self.arrays
        return int(total_cost(starts, arrays.pairs, arrays.tables)) + arrays.base


class Proof:
    """The best bound so far; ``cost`` in the unit of the tables."""

    def __init__(self, arrays: CityArrays) -> None:
        self.arrays = arrays
        loops = arrays.loops
        self._work = np.zeros(1, dtype=np.int64)
        self._bound = np.zeros(1, dtype=np.int64)
        self._parts = np.zeros((len(loops.link), arrays.period_s), dtype=np.int32)
        # Links on no loop stay here untouched: their least entry is 0, and can be chosen.
        self._shared = arrays.tables.copy()
        order = np.arange(len(loops.signals), dtype=np.int64)
        is_first, is_last = _ends(loops.link)
        self._ways = [(order, ~is_last, ~is_first), (order[::-1].copy(), ~is_first, ~is_last)]
        self._sweeps = 0
        self.is_resting = not len(order)

    @property
    def cost(self) -> int:
        return int(self._bound[0]) + self.arrays.base

    @property
    def bound(self) -> float:
        return self.cost * self.arrays.unit_veh_s

    @property
    def work(self) -> float:
        return _work(self._work, self.arrays)

    def go_on(self) -> None:
        """Some sweeps, there and back in turn, unless they raise the bound no more."""
        for _ in range(SWEEPS_PER_ROUND):
            if self.is_resting:
                return
            loops, before = self.arrays.loops, self.cost
            order, is_later, is_earlier = self._ways[self._sweeps % 2]
            status = raise_bound(
                order,
                loops.first,
                loops.link,
                loops.sign,
                is_later,
                is_earlier,
                self._parts,
                self._shared,
                self._bound,
                self._work,
            )
            self._sweeps += 1
            gain = self.cost - before
            self.is_resting = status != OK or (
                self._sweeps > len(self._ways) and gain <= LEAST_GAIN * abs(self.cost)
            )


def _ends(link: Whole) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Entries of the first and of the last loop that a link lies on."""
    is_first, is_last = np.zeros((2, len(link)), dtype=np.bool_)
    seen: dict[int, int] = {}
    for e, k in enumerate(link.tolist()):
        is_first[e] = k not in seen
        seen[k] = e
    is_last[list(seen.values())] = True
    return is_first, is_last


def _work(convolutions: NDArray[np.int64], arrays: CityArrays) -> float:
    return float(convolutions[0]) * arrays.period_s**2 / 1e9
