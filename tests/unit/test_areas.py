"""A city that is checked area by area: cuts, what drives in them, and verdicts put together."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from network_data.city import NET_FILE, SIGNALS_FILE
from sim_scenarios.areas.candidates import (
    CITY,
    AreaVerdict,
    passed_candidate,
    write_candidates,
)
from sim_scenarios.areas.choose import (
    CheckedArea,
    Found,
    _parts,
    choose_areas,
    delays_veh_h,
    grown,
    savable_veh_h,
)
from sim_scenarios.areas.cut import Region, Whole, stretches, write_cut
from sim_scenarios.areas.sumo_net import read_net
from sim_scenarios.areas.trial import NOT_TONIGHT
from sim_scenarios.areas.verdict import write_city
from sim_scenarios.check import CheckParams, check
from sim_scenarios.gate.journal import Journal, keys
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import assemble
from tests.unit.short_night import ShortNight
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.fusion.state import load_state
from traffic_brain.fusion.window import Window
from traffic_brain.model.documents import plan_to_dict, verdict_from_dict
from traffic_brain.model.findings import Bottleneck, Cause, Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.verdict import Decision, Interval95, Verdict
from traffic_brain.nightly.folders import judged_plans
from traffic_brain.nightly.night import areas_told

BY_AREAS = CheckParams(most_junctions=5, area_size=6, screen_seeds=1)
NEVER_FITS = replace(BY_AREAS, least_good_geh_ratio=1.1)
"""Nothing is calibrated enough for this."""


@pytest.fixture(scope="module")
def whole(short_night: ShortNight) -> Whole:
    return Whole.read(short_night.city, [short_night.state])


@pytest.fixture(scope="module")
def corner(whole: Whole) -> Region:
    """A corner of the grid with its two neighbours."""
    return whole.region([min(whole.network.junctions)])


def corridor(name: str, junction_ids: tuple[str, ...]) -> Corridor:
    return Corridor(name, name, junction_ids, (), (), 0.0, 0.0)


# --- which junctions are checked together ----------------------------------------------------


def test_every_junction_is_in_one_area(whole: Whole) -> None:
    junctions = set(whole.network.junctions)
    areas = choose_areas(whole, junctions, Found(()), 5)
    assert sorted(j for area in areas for j in area.junction_ids) == sorted(junctions)
    assert max(len(area.junction_ids) for area in areas) <= 5
    assert [area.area_id for area in areas] == [f"A{i:03d}" for i in range(1, len(areas) + 1)]
    savable = [area.savable_veh_h for area in areas]
    assert savable == sorted(savable, reverse=True)
    lost = sum(delays_veh_h(whole).values())
    assert sum(area.delay_veh_h for area in areas) == pytest.approx(lost, abs=0.01)


def test_a_corridor_stays_whole_and_junctions_that_keep_their_plans_are_in_no_area(
    whole: Whole,
) -> None:
    row = tuple(sorted(whole.network.junctions)[:3])
    areas = choose_areas(whole, set(row), Found([corridor("C01", row)]), 3)
    assert [area.junction_ids for area in areas] == [row]
    kept = choose_areas(whole, {row[0], row[2]}, Found([corridor("C01", row)]), 2)
    assert [area.junction_ids for area in kept] == [(row[0], row[2])]


def test_a_corridor_longer_than_an_area_is_parted_where_fewest_drive_on() -> None:
    chain = list("abcdefgh")
    between = dict.fromkeys(pairwise(chain), 100) | {("d", "e"): 20, ("a", "b"): 1}
    assert _parts(chain, between, 5) == [list("abcd"), list("efgh")]
    assert [len(part) for part in _parts(chain, {}, 2)] == [2, 2, 2, 2]


def test_groups_grow_evenly_and_a_strong_pair_first() -> None:
    between = {("a", "b"): 10, ("b", "c"): 9, ("c", "d"): 8, ("d", "e"): 1}
    assert grown([[j] for j in "abcde"], between, 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert grown([["a"], ["b", "c"]], {("a", "b"): 1}, 2) == [["a"], ["b", "c"]]
    assert grown([[j] for j in "abcde"], between, 5) == [list("abcde")]


def test_what_can_be_saved_is_told_by_the_diagnosis_or_is_the_usual_share() -> None:
    queue = Bottleneck("B001", "k", "b", 0, 900, (), 20.0, Cause.SPLIT_IMBALANCE, 8.0, "")
    assert savable_veh_h({"a": 30.0, "b": 20.0}, [queue]) == {"a": 3.0, "b": 8.0}


# --- the cut ---------------------------------------------------------------------------------


def test_a_cut_holds_its_junctions_whole_and_ends_freely(
    whole: Whole, corner: Region, tmp_path: Path
) -> None:
    network = write_cut(whole, corner, tmp_path / "city", [tmp_path / "state"])
    assert len(corner.junction_ids) == 3
    assert network.junctions.keys() == set(corner.junction_ids)
    for junction_id in corner.junction_ids:
        assert network.movements_at[junction_id] == whole.network.movements_at[junction_id]
        assert network.junctions[junction_id] == whole.network.junctions[junction_id]
    ends = [k for k in network.links.values() if k.to_node not in corner.vertices]
    assert ends
    assert all(k.junction_id is None and not network.successors[k.link_id] for k in ends)
    city, part = read_net(short(whole)), read_net(tmp_path / "city" / NET_FILE)
    for vertex in corner.vertices:
        assert part.junctions[vertex] == city.junctions[vertex]
        assert part.connections[vertex] == city.connections[vertex]
    assert part.edges.keys() == network.links.keys()
    assert all(part.edges[k] == city.edges[k] for k in part.edges)


def short(whole: Whole) -> Path:
    return whole.city / NET_FILE


def turns(ways: list[tuple[str, ...]], network: RoadNetwork) -> Counter[tuple[str, str]]:
    known = {(m.from_link, m.to_link) for m in network.movements.values()}
    return Counter(turn for way in ways for turn in pairwise(way) if turn in known)


def test_vehicles_drive_in_the_cut_what_they_drive_in_the_city(
    whole: Whole, corner: Region, tmp_path: Path
) -> None:
    network = write_cut(whole, corner, tmp_path / "city", [tmp_path / "state"])
    cut, city = load_state(tmp_path / "state", network), whole.days[0].state
    hour_more = Window(city.window.begin_s, city.window.end_s + 3600)
    longer = replace(whole.days[0], state=replace(city, window=hour_more))
    ways = [way for _, _, way in stretches(longer, whole.network, corner)]
    assert turns(ways, network) == turns([way for _, way in city.trips], network)
    assert 0 <= len(ways) - len(cut.trips) < 10  # the last ones never came so far in the window
    begun = {(way[0], at) for at, way in city.trips if way[0] in network.links}
    assert begun <= {(way[0], at) for at, way in cut.trips}
    entered = [way[0] for at, way in cut.trips if (way[0], at) not in begun]
    assert all(network.links[k].from_node not in corner.vertices for k in entered)
    assert [at for at, _ in cut.trips] == sorted(at for at, _ in cut.trips)
    rows = [whole.network.link_idx[k] for k in network.links]
    assert np.array_equal(cut.flow_veh, city.flow_veh[rows])
    assert cut.running_plans.keys() == set(corner.junction_ids)


def test_sumo_drives_the_cut(whole: Whole, corner: Region, tmp_path: Path) -> None:
    write_cut(whole, corner, tmp_path / "city", [tmp_path / "state"])
    routes = tmp_path / "one.rou.xml"
    at, way = next(t for t in whole.days[0].state.trips if set(t[1][:3]) <= set(corner.links))
    routes.write_text(
        f'<routes><vehicle id="0" depart="{at:.1f}"><route edges="{" ".join(way[:3])}"/>'
        "</vehicle></routes>",
        encoding="utf-8",
    )
    scenario = assemble(
        "cut",
        tmp_path,
        net=tmp_path / "city" / NET_FILE,
        routes=(routes,),
        additional=(tmp_path / "city" / SIGNALS_FILE,),
        begin_s=int(at),
        end_s=int(at) + 600,
    )
    done = run(RunRequest(scenario, 1, tmp_path / "run"))
    assert 'arrival="-1' not in done.trips_file.read_text(encoding="utf-8")


# --- the check -------------------------------------------------------------------------------


def plans_folder(night: ShortNight, folder: Path) -> Path:
    """Every junction keeps its greens and starts its cycle ten seconds later."""
    later = [
        replace(plan.with_offset(plan.offset_s + 10), plan_id="later")
        for plan in night.known.running_plans.values()
    ]
    entry = {"candidate_id": "later", "description": "", "plans": [plan_to_dict(p) for p in later]}
    folder.mkdir(exist_ok=True)
    document = {"candidates": [entry]}
    (folder / "candidates.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def asked(night: ShortNight, root: Path, name: str, params: CheckParams, workers: int) -> Path:
    out = root / name
    out.mkdir()
    check(
        night.city,
        night.state,
        plans_folder(night, root / "plans"),
        out,
        seed=3,
        params=params,
        workers=workers,
        diagnosis=night.diagnosis,
        journal=root / "runs",
    )
    return out


def test_an_area_that_is_not_calibrated_stops_alone_and_no_run_is_done_twice(
    short_night: ShortNight, tmp_path: Path
) -> None:
    first = asked(short_night, tmp_path, "first", NEVER_FITS, 1)
    areas = json.loads((first / "areas.json").read_text(encoding="utf-8"))
    count = len(areas["areas"])
    assert count >= 2
    assert all(area["reason"].startswith("not calibrated: GEH") for area in areas["areas"])
    assert (areas["checked"], areas["checked_delay_ratio"]) == (0, 0.0)
    verdict = verdict_from_dict(json.loads((first / "verdict.json").read_text(encoding="utf-8")))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert f"delay; {count} could not be: not calibrated: GEH < 5 on" in verdict.reason
    assert not (first / "candidates.json").exists()
    known = keys(Journal(tmp_path / "runs"))
    assert len(known) == 2 * count  # no more is asked of an area that is not calibrated
    again = asked(short_night, tmp_path, "again", NEVER_FITS, 2)
    assert keys(Journal(tmp_path / "runs")) == known
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((first / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_when_the_budget_is_spent_the_plans_are_kept(
    short_night: ShortNight, tmp_path: Path
) -> None:
    out = asked(short_night, tmp_path, "late", replace(BY_AREAS, budget_s=1e-9), 1)
    verdict = verdict_from_dict(json.loads((out / "verdict.json").read_text(encoding="utf-8")))
    assert (verdict.decision, verdict.candidate_id) == (Decision.KEEP, "")
    assert "areas were checked, 0% of the city's delay" in verdict.reason
    areas = json.loads((out / "areas.json").read_text(encoding="utf-8"))["areas"]
    assert {area["reason"] for area in areas} == {NOT_TONIGHT}
    assert pq.read_table(out / "runs.parquet").num_rows == 0


def test_sumo_that_fails_everywhere_is_an_error(short_night: ShortNight, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="in no area the simulation failed"):
        asked(short_night, tmp_path, "dead", replace(BY_AREAS, timeout_s=1e-3), 1)


# --- verdicts put together -------------------------------------------------------------------


def judged(
    out: Path, number: int, decision: Decision, vehicles: int, delays: tuple[float, float]
) -> AreaVerdict:
    """An area with eight equal days."""
    area = CheckedArea(f"A00{number}", (f"j{number}",), 10.0, 1.0)
    folder = out / "areas" / area.area_id
    folder.mkdir(parents=True)
    (folder / "calibration.json").write_text(
        json.dumps({"time_ratio": 1.0 + number, "problems": []}), encoding="utf-8"
    )
    row = {"candidate_id": "in service", "vehicles": vehicles, "delay_s_per_veh": delays[0]}
    pq.write_table(pa.Table.from_pylist([row]), folder / "runs.parquet")
    before, after = ((d,) * 8 for d in delays)
    ratio = Interval95(-0.1, -0.1, -0.1)
    verdict = Verdict(decision, "told", "good", (), before, after, None, ratio)
    return AreaVerdict(area, verdict, 20, (), is_judged=True)


def test_the_city_s_figure_is_weighted_by_vehicles_and_only_what_passes_changes(
    tmp_path: Path,
) -> None:
    later = CheckedArea("A003", ("j3",), 20.0, 0.5)
    kept = Verdict(Decision.KEEP, NOT_TONIGHT, "", (), (), (), None, None)
    found = [
        judged(tmp_path, 1, Decision.DEPLOY, 300, (40.0, 30.0)),
        judged(tmp_path, 2, Decision.KEEP, 100, (20.0, 10.0)),
        AreaVerdict(later, kept, 0, (), is_judged=False),
    ]
    plans = [{"junction_id": f"j{i}"} for i in (1, 2, 3)]
    waves = [{"corridor_id": "C01"}, {"corridor_id": "C02"}]
    offered = [{"candidate_id": "good", "plans": plans, "corridors": waves}]
    streets = [corridor("C01", ("j1",)), corridor("C02", ("j1", "j2"))]
    passed = passed_candidate(offered, streets, found)
    assert passed is not None
    assert passed["plans"] == [{"junction_id": "j1"}]
    assert passed["corridors"] == [{"corridor_id": "C01"}]
    assert write_city(tmp_path, found, passed, 50.0, CheckParams()) == 40
    verdict = verdict_from_dict(json.loads((tmp_path / "verdict.json").read_text("utf-8")))
    assert (verdict.decision, verdict.candidate_id) == (Decision.DEPLOY, CITY)
    assert verdict.in_service_delay_s_per_veh == (35.0,) * 8
    assert verdict.proposed_delay_s_per_veh == (27.5,) * 8  # the area that keeps, keeps its 20 s
    assert verdict.change_ratio is not None
    assert verdict.change_ratio.mean == pytest.approx(-7.5 / 35)
    assert "2 of 3 areas were checked, 40% of the city's delay; 1 may change" in verdict.reason
    areas = json.loads((tmp_path / "areas.json").read_text("utf-8"))
    assert [area["proposed_delay_s_per_veh"] for area in areas["areas"]] == [30.0, 10.0, None]
    assert (areas["checked"], areas["passed"], areas["checked_delay_ratio"]) == (2, 1, 0.4)
    sheet = json.loads((tmp_path / "calibration.json").read_text("utf-8"))
    assert (sheet["time_ratio"], sheet["areas"]) == (2.5, 2)
    runs = pq.read_table(tmp_path / "runs.parquet")
    assert runs["area_id"].to_pylist() == ["A001", "A002"]


def test_what_passed_is_what_goes_out(tmp_path: Path) -> None:
    plans, verdict = tmp_path / "plans", tmp_path / "verdict"
    verdict.mkdir()
    assert judged_plans(plans, verdict) == plans
    (verdict / "candidates.json").write_text("{}", encoding="utf-8")
    assert judged_plans(plans, verdict) == verdict


def test_areas_are_told_in_a_line() -> None:
    told = {"areas": 40, "checked": 12, "passed": 5, "checked_delay_ratio": 0.337}
    assert areas_told(told) == "12 of 40 checked, with 34% of the delay; 5 change plans"


def test_an_area_is_screened_for_the_first_candidates_that_change_it(tmp_path: Path) -> None:
    area = CheckedArea("A001", ("j1",), 1.0, 0.1)
    offered = [
        {"candidate_id": f"c{i}", "plans": [{"junction_id": f"j{min(i, 1)}"}]} for i in range(8)
    ]
    write_candidates(offered, area, tmp_path / "plans")
    written = json.loads((tmp_path / "plans/candidates.json").read_text("utf-8"))["candidates"]
    assert [entry["candidate_id"] for entry in written] == ["c1", "c2", "c3", "c4"]


def test_no_area_passes_no_candidate() -> None:
    assert passed_candidate([], [], []) is None


@pytest.mark.parametrize("name", ["most_junctions", "area_size", "budget_s"])
def test_settings_out_of_range(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        CheckParams(**{name: -1})
