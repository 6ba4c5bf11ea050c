"""Causes on a crossing made by hand, of which it is known what is wrong.

What was observed there is made by the queue model itself, with a fault that diagnosis is not told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import SPEED_MPS, network, road, through, two_stage_plan
from traffic_brain.diagnosis.approaches import approaches
from traffic_brain.diagnosis.bottlenecks import heads_of
from traffic_brain.diagnosis.causes.areas import City, driven
from traffic_brain.diagnosis.causes.counterfactual import (
    Area,
    Change,
    as_it_is,
    lane_closed,
    slower,
)
from traffic_brain.diagnosis.causes.finding import (
    LEAST_PROMISED_RATIO,
    PREFERENCE_OUT_OF_STEP,
    Diagnosis,
    diagnose_head,
    shares_of,
)
from traffic_brain.diagnosis.causes.promise import replayed
from traffic_brain.diagnosis.causes.remedies import in_proportion
from traffic_brain.diagnosis.causes.witnesses import Witnesses, stuck_sources, witnesses
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.kernels.queues import NEVER
from traffic_brain.model.findings import Cause
from traffic_brain.model.network import GiveWay, Turn
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.phrases import translated

PLACES = {"w": (0.0, 0.0), "c": (400.0, 0.0), "e": (800.0, 0.0), "s": (400.0, -400.0)}
PLACES |= {"n": (400.0, 400.0)}
LANES = (0, 1)
IN = {"lane_count": 2, "car_lanes": LANES, "junction_id": "c"}
OUT = {"lane_count": 2, "car_lanes": LANES}
CITY = network(
    [
        road("w", "c", PLACES, **IN),
        road("s", "c", PLACES, **IN),
        road("c", "e", PLACES, **OUT),
        road("c", "n", PLACES, **OUT),
    ],
    {("w-c", "c-e"): (Turn.THROUGH, LANES), ("s-c", "c-n"): (Turn.THROUGH, LANES)},
)
HOUR = 3600
WINDOW = Window(0, HOUR)


def observed(plan: SignalPlan, change: Change = as_it_is, west_vph: int = 900) -> City:
    """An hour at the crossing under a plan, with something changed; 900 veh/h from the south."""
    rng = np.random.default_rng(3)
    trips = [
        *((float(t), ("w-c", "c-e")) for t in rng.uniform(0, HOUR, west_vph)),
        *((float(t), ("s-c", "c-n")) for t in rng.uniform(0, HOUR, 900)),
    ]
    trips.sort()
    length = np.array([k.length_m for k in CITY.links.values()])[:, None]
    free = np.broadcast_to(length / SPEED_MPS, (len(CITY.links), WINDOW.bin_count))
    state = State(
        service_day="2026-03-02",
        window=WINDOW,
        speed_mps=length / free,
        travel_time_s=free.copy(),
        flow_veh=np.zeros(free.shape),
        demand_vph=np.zeros((len(CITY.movements), 4)),
        demand_high_vph=np.zeros((len(CITY.movements), 4)),
        trips=tuple(trips),
        vehicle_classes=("car",) * len(trips),
        running_plans={"c": plan},
        summary={},
    )
    unseen = City(CITY, state, approaches(CITY, state), driven(CITY, state))
    area = Area(unseen, ("c",), (0, WINDOW.bin_count), 0)
    run = area.run(change=change)
    for link, i in CITY.link_idx.items():
        lost, out = area.link_delay_s(run, [link])
        state.travel_time_s[i] += lost
        state.flow_veh[i] = out
    return City(CITY, state, approaches(CITY, state), driven(CITY, state))


def found(city: City, told: Witnesses | None = None) -> dict[str, Diagnosis]:
    """The diagnosis of each head."""
    heads = heads_of(CITY, city.state, city.streets)
    return {h.link_id: diagnose_head(city, h, told or Witnesses()) for h in heads}


FAIR = two_stage_plan("c", greens_s=(35, 35))


def test_where_all_is_well_there_is_no_head() -> None:
    assert found(observed(FAIR)) == {}


def test_a_stolen_split_is_named_and_given_back() -> None:
    city = observed(two_stage_plan("c", greens_s=(15, 55)))
    (one,) = found(city).values()
    assert one.cause is Cause.SPLIT_IMBALANCE
    assert one.fit is not None
    assert one.fit.taken.cause is None
    assert one.fit.ratio == pytest.approx(1.0, abs=0.4)
    assert one.best_plan is not None
    assert one.best_plan.greens_s[0] > 0.3 * one.best_plan.cycle_s
    again = replayed(city, one.record)
    assert again.record == one.record["further"]
    assert one.savable_veh_h == pytest.approx(again.savable_veh_h, abs=1e-3)


def test_nothing_is_promised_where_no_plan_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic_brain.diagnosis.causes.finding.retimed", lambda _s, plan, _o: plan)
    (one,) = found(observed(two_stage_plan("c", greens_s=(15, 55)))).values()
    assert one.record["further"] is None
    assert one.savable_veh_h == 0.0
    assert one.savable_ratio == 0.0
    assert one.evidence.endswith("; no better timing was found")


def test_what_is_within_the_error_of_the_model_is_not_promised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    city = observed(two_stage_plan("c", greens_s=(15, 55)))
    (one,) = found(city).values()
    assert one.savable_ratio > LEAST_PROMISED_RATIO
    monkeypatch.setattr(
        "traffic_brain.diagnosis.causes.finding.LEAST_PROMISED_RATIO", one.savable_ratio + 0.01
    )
    (other,) = found(city).values()
    assert (other.savable_veh_h, other.savable_ratio) == (0.0, 0.0)
    assert other.record["further"] is None
    assert other.evidence.endswith("around it: less than the model can tell")


def test_nothing_is_promised_by_a_model_that_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("traffic_brain.diagnosis.causes.finding.BELIEVED", (50.0, 60.0))
    (one,) = found(observed(two_stage_plan("c", greens_s=(15, 55)))).values()
    assert one.record["further"] is None
    assert (one.savable_veh_h, one.savable_ratio) == (0.0, 0.0)
    assert one.evidence.endswith("; what a retiming gives back cannot be told from that")


def test_a_closed_lane_is_capacity_lost_and_an_incident_ends() -> None:
    """Lane 1 of the western approach, all the time, or from 900 to 2100 s."""
    for begin, end, cause in ((0.0, NEVER, Cause.CAPACITY_LOSS), (900.0, 2100.0, Cause.INCIDENT)):
        city = observed(FAIR, lane_closed(("w-c", 1), begin, end), west_vph=1100)
        one = found(city)["w-c"]
        assert one.cause is cause
        assert one.fit is not None
        assert one.fit.taken.told["link_id"] == "w-c"


def test_a_lane_that_nobody_ever_left_is_closed_and_one_that_many_left_is_not() -> None:
    """Lane 1 closed for good or from 300 to 3000 s."""
    for from_s, until_s, seen in ((0.0, NEVER, 0), (300.0, 3000.0, 15)):
        city = observed(FAIR, lane_closed(("w-c", 1), from_s, until_s), west_vph=1100)
        empty = frozenset([("w-c", 1)] if seen == 0 else [])
        told = Witnesses(headways={("w-c", 0): 120, ("w-c", 1): seen}, empty=empty)
        one = found(city, told)["w-c"]
        assert one.cause is (Cause.INCIDENT if seen else Cause.CAPACITY_LOSS)
        assert not (seen and one.savable_veh_h), "no plan meets the incident again"
        supposed = {n for n in one.record["hypotheses"] if n.startswith("lane 1 closed")}
        assert ("lane 1 closed" in supposed) == (seen == 0)
        assert any("-" in n for n in supposed) or not seen


@pytest.mark.parametrize("lane", [0, 1])
def test_a_dead_detector_makes_no_closed_lane_of_an_incident(lane: int) -> None:
    """Something stands in a lane for twenty minutes; lane 1's detector tells nothing all day."""
    city = observed(FAIR, lane_closed(("w-c", lane), 900.0, 2100.0), west_vph=1100)
    told = Witnesses(headways={("w-c", 0): 120}, empty=frozenset([("w-c", 1)]))
    assert found(city, told)["w-c"].cause is Cause.INCIDENT


def test_a_closed_lane_that_explains_nothing_is_not_taken() -> None:
    """The green is short; that a detector is dead changes nothing of it."""
    city = observed(two_stage_plan("c", greens_s=(15, 55)))
    told = Witnesses(headways={("w-c", 0): 120}, empty=frozenset([("w-c", 1)]))
    assert found(city, told)["w-c"].cause is Cause.SPLIT_IMBALANCE


def test_no_lane_is_supposed_closed_that_cars_may_not_use() -> None:
    """Lane 0 is for buses: its detector sees no car on any day."""
    closed = lane_closed(("w-c", 1), 900.0, 2100.0)
    city = observed(FAIR, closed, west_vph=1100)
    links = dict(CITY.links)
    links["w-c"] = replace(links["w-c"], car_lanes=(1,))
    for_buses = replace(city, network=replace(CITY, links=links))
    told = Witnesses(headways={("w-c", 1): 120}, empty=frozenset([("w-c", 0)]))
    (head,) = [h for h in heads_of(CITY, city.state, city.streets) if h.link_id == "w-c"]
    supposed = diagnose_head(for_buses, head, told).record["hypotheses"]
    assert not [name for name in supposed if name.startswith("lane 0")]


def test_flow_that_was_filled_in_for_a_closed_lane_never_came() -> None:
    """Of the vehicles on file a sixth is what a detector that is not dead would have counted."""
    true = observed(FAIR, lane_closed(("w-c", 1), 0.0, NEVER), west_vph=1000)
    filled = [(at_s + 1.0, way) for at_s, way in true.state.trips if way[0] == "w-c"][::5]
    trips = tuple(sorted([*true.state.trips, *filled]))
    state = replace(true.state, trips=trips, vehicle_classes=("car",) * len(trips))
    city = City(CITY, state, approaches(CITY, state), driven(CITY, state))
    told = Witnesses(headways={("w-c", 0): 120}, empty=frozenset([("w-c", 1)]))
    one = found(city, told)["w-c"]
    assert one.cause is Cause.CAPACITY_LOSS
    assert one.fit is not None
    ratio = one.record["taken"]["flow_ratio"]
    assert ratio < 1.0
    assert one.fit.taken.name == f"lane 1 closed, flow {ratio:.0%}"
    all_of_them, believed = (
        sum(way[0] == "w-c" for _, way in area.ways)
        for area in (replace(one.fit.area, doubt=None), one.fit.area)
    )
    assert believed == pytest.approx(ratio * all_of_them, rel=0.04)
    assert one.record["vehicles"] == len(one.fit.area.ways)
    assert replayed(city, one.record).area.doubt == one.fit.area.doubt
    assert f"车道 1 被占，流量为估计值的 {ratio:.0%}" in translated(one.evidence).zh


def test_a_street_that_was_seen_to_discharge_is_not_supposed_to_be_slower() -> None:
    """Every lane of the street slower by 45 %: named, unless its passes say otherwise."""
    lanes = [("w-c", 0), ("w-c", 1)]
    city = observed(FAIR, slower(lanes, 1.45), west_vph=1300)
    usual = Witnesses(discharge_vph={("w-c", 1): 1700.0})
    lost = Witnesses(discharge_vph={("w-c", 1): 1250.0})
    for told, expected in ((lost, True), (usual, False)):
        one = found(city, told)["w-c"]
        assert (one.cause is Cause.CAPACITY_LOSS) == expected
        assert any(name == "discharge 69%" for name in one.record["hypotheses"]) == expected


def test_nobody_enters_a_closed_lane() -> None:
    city = observed(FAIR)
    area = Area(city, ("c",), (0, WINDOW.bin_count), 0)
    closed = area.run(change=lane_closed(("w-c", 0), 600.0, 1200.0))
    assert closed.measures.vehicle_arrived.sum() >= 0.9 * len(area.ways)
    open_s = area.run().measures.vehicle_delay_s.sum()
    assert closed.measures.vehicle_delay_s.sum() > open_s
    both = area.run(change=lane_closed(("w-c", 0), -1.0, 0.0))
    assert both.measures.vehicle_delay_s.sum() == open_s


def test_where_a_street_without_lamps_gives_way_or_narrows_too_many_come() -> None:
    """a-b leads over b into one lane; what neither gives way nor narrows stays unknown.

    So do a turn that gives way but nobody takes, those who go first but do not come, and a lane
    less of which cars may not use it.
    """
    places = {name: (200.0 * i, 0.0) for i, name in enumerate("abc")} | {"n": (200.0, 200.0)}
    row, other = GiveWay("a-b", "b-c", "n-b", "b-c"), GiveWay("a-b", "b-n", "n-b", "b-c")
    for lanes, row_of, first_veh, cause, said in (
        ((0,), row, 30.0, Cause.DEMAND_ABOVE_CAPACITY, "gives way to n-b"),
        ((0, 1), None, 30.0, Cause.DEMAND_ABOVE_CAPACITY, "2 lanes become 1"),
        ((0,), None, 30.0, Cause.UNKNOWN, "no fixed signal plan"),
        ((0,), row, 2.0, Cause.UNKNOWN, "no fixed signal plan"),
        ((0,), other, 30.0, Cause.UNKNOWN, "no fixed signal plan"),
        ((1,), None, 30.0, Cause.UNKNOWN, "no fixed signal plan"),
    ):
        roads = [
            road("a", "b", places, lane_count=2, car_lanes=lanes),
            road("b", "c", places),
            road("n", "b", places),
            road("b", "n", places),
        ]
        ways = {("n-b", "b-c"): (Turn.LEFT, (0,)), ("a-b", "b-n"): (Turn.LEFT, (0,))}
        streets = network(roads, {**through("a-b", "b-c"), **ways})
        streets = replace(streets, give_ways=(row_of,) if row_of else ())
        shape = (len(roads), WINDOW.bin_count)
        length = np.array([k.length_m for k in streets.links.values()])[:, None]
        time_s = np.broadcast_to(length / SPEED_MPS, shape).copy()
        time_s[streets.link_idx["a-b"]] += 90.0
        flow_veh = np.full(shape, 30.0)
        flow_veh[streets.link_idx["n-b"]] = first_veh
        state = State(
            service_day="2026-03-02",
            window=WINDOW,
            speed_mps=length / time_s,
            travel_time_s=time_s,
            flow_veh=flow_veh,
            demand_vph=np.zeros((0, 4)),
            demand_high_vph=np.zeros((0, 4)),
            trips=((60.0, ("a-b", "b-c")),),
            vehicle_classes=("car",),
            running_plans={},
            summary={},
        )
        city = City(streets, state, approaches(streets, state), driven(streets, state))
        (head,) = heads_of(streets, state, city.streets)
        one = diagnose_head(city, head, Witnesses())
        assert head.link_id == "a-b"
        assert one.cause is cause
        assert said in one.evidence
        assert one.savable_veh_h == 0.0
        assert translated(one.evidence).zh != one.evidence


def test_a_device_that_is_stuck_makes_no_queue() -> None:
    city = observed(two_stage_plan("c", greens_s=(15, 55)))
    pace = {"internet": {"w-c": dict.fromkeys(range(12), 0.9)}}
    one = found(city, Witnesses(pace))["w-c"]
    assert one.cause is Cause.BROKEN_SENSOR
    assert "stuck" in one.evidence
    moving = {b: 0.9 + 0.03 * (b % 4) for b in range(12)}
    assert Witnesses({"internet": {"w-c": moving}}).false_delay(["w-c"], range(12)) is None


def test_stuck_sources_are_found_where_they_do_harm(tmp_path: Path) -> None:
    """Slow and even: stuck; slow and moving, or even at free flow: not."""
    pace = {"w-c": [0.9] * 8, "s-c": [0.9 + 0.05 * (b % 3) for b in range(8)], "c-e": [0.1] * 8}
    rows = [
        {"source": "internet", "link_id": k, "bin_start_s": 300 * b, "pace_s_per_m": p}
        for k, paces in pace.items()
        for b, p in enumerate(paces)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "link_sources.parquet")
    (stuck,) = stuck_sources(tmp_path, CITY)
    assert stuck == {"link_id": "w-c", "source": "internet", "speed_kmh": 4.0, "bins": 8}
    told = witnesses(tmp_path, WINDOW, {"w-c", "s-c"})
    assert told.false_delay(["w-c"], range(2, 4)) is not None
    assert told.false_delay(["s-c"], range(8)) is None
    assert stuck_sources(tmp_path / "elsewhere", CITY) == []


def test_shares_add_up_and_have_their_interval() -> None:
    split, demand = np.array([3.0, 5.0]), np.array([1.0, 1.0])
    shares = shares_of({Cause.SPLIT_IMBALANCE: split, Cause.DEMAND_ABOVE_CAPACITY: demand})
    assert [s.cause for s in shares] == [Cause.SPLIT_IMBALANCE, Cause.DEMAND_ABOVE_CAPACITY]
    assert sum(s.share_ratio for s in shares) == pytest.approx(1.0)
    assert (shares[0].low_ratio, shares[0].high_ratio) == (0.75, 0.833)
    close = {Cause.SPLIT_IMBALANCE: np.array([1.0]), Cause.CYCLE: np.array([0.95])}
    assert shares_of(close)[0].cause is Cause.SPLIT_IMBALANCE
    assert shares_of(close, PREFERENCE_OUT_OF_STEP)[0].cause is Cause.CYCLE
    nothing = shares_of({Cause.OFFSET: np.array([-1.0, 0.0])})
    assert [s.cause for s in nothing] == [Cause.UNKNOWN]


def test_other_cycles_keep_proportions_and_limits() -> None:
    plan = two_stage_plan("c", greens_s=(40, 20))
    for cycle_s in (35, 50, 100, 140):
        other = in_proportion(plan, cycle_s)
        assert other.cycle_s == cycle_s
        assert other.greens_s[0] == pytest.approx(2 * other.greens_s[1], abs=3)
    tight = replace(plan, stages=tuple(replace(s, min_green_s=18) for s in plan.stages))
    assert in_proportion(tight, 30).greens_s == (18, 18)
