"""The delay beside the diagram: the optimiser's own tables, looked up."""

from __future__ import annotations

import pytest

from optimizers.offsets import cost_of, movement_feeds, offset_problem
from optimizers.params import OptimizeParams
from tests.unit.short_night import ShortNight
from traffic_brain.console.views import delay_tables
from traffic_brain.model.documents import corridor_from_dict
from traffic_brain.model.reading import read_json


def test_moved_offsets_cost_what_the_optimiser_says(short_night: ShortNight) -> None:
    network, known = short_night.network, short_night.known
    corridor = corridor_from_dict(read_json(short_night.diagnosis / "corridors.json")[0])
    params = OptimizeParams()
    feeds = tuple(movement_feeds(network, known, params.progression_ratio))
    demand = dict(zip(network.movements, known.demand_vph.mean(axis=1).tolist(), strict=True))
    plans = dict(known.running_plans)
    tables = delay_tables.tables_of(network, corridor, plans, delay_tables.Feeds(feeds, demand))
    offsets = {j: plan.offset_s for j, plan in plans.items()}
    for shift in (0, 13):
        moved = corridor.junction_ids[1]
        asked = offsets | {moved: (offsets[moved] + shift) % plans[moved].cycle_s}
        fresh = 0.0
        near = {j for t in tables for j in t.junction_ids}
        here = set(corridor.junction_ids)
        for cycle_s in {t.cycle_s for t in tables}:
            at = {j: plans[j].with_offset(asked[j]) for j in near if plans[j].cycle_s == cycle_s}
            touching = [f for f in feeds if here & set(delay_tables.ends_of(network, f))]
            problem = offset_problem(at, network, touching, demand, cycle_s)
            assert problem is not None
            starts = {j: at[j].first_stage_offset_s for j in problem.junction_ids}
            fresh += cost_of(problem, starts) / cycle_s
        told = delay_tables.delay_veh_h_per_h(tables, asked)
        assert told == pytest.approx(fresh, abs=0.05)
    assert delay_tables.delay_veh_h_per_h([], {}) is None
