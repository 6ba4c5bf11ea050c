"""Generated cities: believable, safe, ready for SUMO, and the same from the same seed."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_data.checks import problems
from network_data.city import load_city
from network_data.generated_city import generate
from network_data.generated_city.blocks import contains
from network_data.generated_city.plans import fill
from network_data.generated_city.scale import Scale
from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import sumo_environment, sumo_program
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import find
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.network import DetectorKind, Link, RoadNetwork, Turn
from traffic_brain.model.rules import judge, rules_inputs
from traffic_brain.model.signals import SignalPlan

JUNCTIONS = 60
ROOT = Path(__file__).parents[3]
MAKE = "import sys; from pathlib import Path; from network_data.generated_city import generate; "
CHINESE = re.compile(r"^[\u4e00-\u9fff0-9]+$")
PINYIN = re.compile(r"^[A-Z][A-Za-z0-9 .&]+$")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated") / "city"


@pytest.fixture(scope="module")
def counts(folder: Path) -> dict[str, int]:
    told: list[float] = []
    counted = generate(
        folder, junctions=JUNCTIONS, seed=1, progress=lambda ratio, _: told.append(ratio)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    return counted


@pytest.fixture(scope="module")
def city(folder: Path, counts: dict[str, int]) -> RoadNetwork:
    assert counts["junctions"] == JUNCTIONS
    return load_city(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def road(link: Link) -> str:
    """The road that a link is one direction of."""
    return link.link_id[: -5 if link.link_id.endswith(".bay") else None].rstrip("ab")


def legs(city: RoadNetwork) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for link in city.links.values():
        for node in (link.from_node, link.to_node):
            if node in city.junctions:
                found[node].add(road(link))
    return found


# --- size and shape --------------------------------------------------------------------------


def test_as_many_junctions_as_asked_for_and_roads_in_proportion(
    city: RoadNetwork, counts: dict[str, int]
) -> None:
    assert len(city.junctions) == JUNCTIONS
    assert counts["roads"] == len({road(link) for link in city.links.values()})
    assert counts["roads"] == pytest.approx(JUNCTIONS * 3844 / 2380, rel=0.05)
    assert len(city.zones) == round(JUNCTIONS * 202 / 2380)
    assert problems(city) == []


def test_the_pattern_is_the_city_of_hefei() -> None:
    scale = Scale(2380)
    assert (scale.road_count, scale.zone_count, scale.river_count) == (3844, 202, 2)
    assert len(scale.ring_ratios) == 3


def test_junctions_have_three_to_five_legs(city: RoadNetwork) -> None:
    count = Counter(len(roads) for roads in legs(city).values())
    assert set(count) == {3, 4, 5}
    assert count[3] > count[4] > count[5]


def test_roads_meet_at_junctions_only(city: RoadNetwork) -> None:
    """No two roads cross: pieces of different roads have at most their ends in common."""
    shapes = {road(link): link.shape for link in city.links.values()}
    pieces = [(name, a, b) for name, shape in shapes.items() for a, b in pairwise(shape)]
    starts = np.array([a for _, a, _ in pieces])
    ways = np.array([b for _, _, b in pieces]) - starts
    gap = starts[None] - starts[:, None]
    cross = ways[:, None, 0] * ways[None, :, 1] - ways[:, None, 1] * ways[None, :, 0]
    safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
    t = (gap[..., 0] * ways[None, :, 1] - gap[..., 1] * ways[None, :, 0]) / safe
    u = (gap[..., 0] * ways[:, None, 1] - gap[..., 1] * ways[:, None, 0]) / safe
    inner = 1e-3
    crossing = (t > inner) & (t < 1 - inner) & (u > inner) & (u < 1 - inner)
    named = {pieces[i][0] + pieces[j][0] for i, j in np.argwhere(crossing) if i < j}
    assert not named


def test_few_bridges_lead_over_the_river(folder: Path, counts: dict[str, int]) -> None:
    water = json.loads((folder / "surroundings.json").read_text())["water"]
    assert water
    assert 1 <= counts["bridges"] <= 6


def test_every_place_can_be_reached_from_every_other(city: RoadNetwork) -> None:
    """Link to link, without turning back; roads out of town lead nowhere."""
    graph = nx.DiGraph((a, b) for a, after in city.successors.items() for b in after)
    out_of_town = {road(x) for x in city.links.values() if "G" in x.from_node[0] + x.to_node[0]}
    inside = [link_id for link_id, x in city.links.items() if road(x) not in out_of_town]
    assert nx.is_strongly_connected(graph.subgraph(inside))
    assert set(graph) == set(city.links)


def test_some_small_streets_are_one_way_and_most_are_not(city: RoadNetwork) -> None:
    directions = Counter(road(x) for x in city.links.values() if not x.link_id.endswith(".bay"))
    single = [name for name, n in directions.items() if n == 1]
    assert 1 <= len(single) <= 0.05 * len(directions)
    classes = {link.road_class for link in city.links.values() if road(link) in single}
    assert classes == {"highway.tertiary"}


def test_streets_have_classes_and_arterials_turn_bays(city: RoadNetwork) -> None:
    classes = Counter(link.road_class for link in city.links.values())
    assert set(classes) == {"highway.primary", "highway.secondary", "highway.tertiary"}
    bays = [link for link in city.links.values() if link.link_id.endswith(".bay")]
    assert bays
    for bay in bays:
        before = city.links[bay.link_id.removesuffix(".bay")]
        assert len(bay.car_lanes) == len(before.car_lanes) + 1
        assert 40 < bay.length_m < 120
        assert bay.junction_id in city.junctions
        assert bay.road_class == "highway.primary"


# --- names, zones, devices -------------------------------------------------------------------


def test_names_are_chinese_and_pinyin_and_unique(city: RoadNetwork) -> None:
    junctions = list(city.junctions.values())
    assert len({j.name for j in junctions}) == len({j.name_latin for j in junctions}) == JUNCTIONS
    for junction in junctions:
        assert junction.name.endswith("路口")
        assert CHINESE.match(junction.name)
        assert PINYIN.match(junction.name_latin)
    streets = {(link.name, link.name_latin) for link in city.links.values()}
    assert len({name for name, _ in streets}) == len(streets)
    assert len({latin for _, latin in streets}) == len(streets)
    zones = {(zone.name, zone.name_latin) for zone in city.zones.values()}
    assert len({name for name, _ in zones}) == len(city.zones)
    assert all(CHINESE.match(name) and PINYIN.match(latin) for name, latin in streets | zones)
    for junction_id, junction in list(city.junctions.items())[:10]:
        here = {x.name for x in city.links.values() if junction_id in (x.from_node, x.to_node)}
        assert any(name in junction.name for name in here)


def test_zones_cover_the_city_and_hold_their_junctions(city: RoadNetwork) -> None:
    assert {link.zone_id for link in city.links.values()} == set(city.zones)
    outlines = {zone_id: np.array(zone.shape) for zone_id, zone in city.zones.items()}
    for junction in city.junctions.values():
        assert junction.zone_id in city.zones
        around = [
            (junction.x + 30 * math.cos(a), junction.y + 30 * math.sin(a))
            for a in np.linspace(0, 6, 12)
        ]
        assert any(contains(outlines[junction.zone_id], point) for point in around)


def test_detectors_lie_on_lanes_and_checkpoints_watch_arterials(city: RoadNetwork) -> None:
    kinds = Counter(d.kind for d in city.detectors)
    assert set(kinds) == set(DetectorKind)
    assert len({d.detector_id for d in city.detectors}) == len(city.detectors)
    for detector in city.detectors:
        link = city.links[detector.link_id]
        assert 0 < detector.position_m < link.length_m
        assert detector.lane_idx == -1 or detector.lane_idx in link.car_lanes
    arterial = {i for i, link in city.links.items() if link.road_class == "highway.primary"}
    watched = {d.link_id for d in city.detectors if d.kind is DetectorKind.CHECKPOINT} & arterial
    assert 0.25 < len(watched) / len(arterial) < 0.55


# --- plans -----------------------------------------------------------------------------------


def test_every_plan_keeps_every_rule(city: RoadNetwork) -> None:
    inputs = rules_inputs(city)
    assert any(inputs[j].intergreen_s for j in city.junctions)
    broken = [
        str(violation)
        for junction_id, junction in city.junctions.items()
        for plan in junction.plans
        for violation in judge(plan, inputs[junction_id])
    ]
    assert broken == []
    assert all(
        len(j.plan_in_service.stages) > 1 for j in city.junctions.values() if j.plan_in_service
    )
    assert all(j.plan_in_service for j in city.junctions.values())


@pytest.mark.parametrize(("junctions", "seed"), [(9, 4), (16, 1), (24, 3)])
def test_small_cities_are_safe_too(junctions: int, seed: int, tmp_path: Path) -> None:
    counted = generate(tmp_path, junctions=junctions, seed=seed)
    city = load_city(tmp_path)
    assert counted["junctions"] == len(city.junctions) == junctions
    assert problems(city) == []
    inputs = rules_inputs(city)
    for junction_id, junction in city.junctions.items():
        assert [v for p in junction.plans for v in judge(p, inputs[junction_id])] == []


def test_people_on_foot_cross_most_streets(city: RoadNetwork) -> None:
    assert len(city.crossings) > 0.7 * sum(len(roads) for roads in legs(city).values())
    assert {lane for link in city.links.values() for lane in link.car_lanes} >= {1, 2, 3}
    assert not any(0 in link.car_lanes for link in city.links.values())


def test_left_turns_from_lanes_of_their_own_have_a_stage(city: RoadNetwork) -> None:
    protected = {
        junction.junction_id
        for junction in city.junctions.values()
        for m in city.movements_at[junction.junction_id]
        if m.turn is Turn.LEFT
        for stage in junction.plan_in_service.stages  # type: ignore[union-attr]
        if all(stage.picture[g] == "G" for g in m.signal_group_idxs)
    }
    assert len(protected) > 10


def test_plans_are_of_mixed_quality(city: RoadNetwork) -> None:
    def is_equal(plan: SignalPlan) -> bool:
        free = [s.green_s for s in plan.stages if s.green_s > s.min_green_s]
        return len(free) > 1 and max(free) - min(free) <= 1

    plans = [j.plan_in_service for j in city.junctions.values() if j.plan_in_service]
    equal = sum(map(is_equal, plans))
    assert 0.05 < equal / len(plans) < 0.6
    assert len({plan.offset_s for plan in plans}) > 20
    assert len({plan.cycle_s for plan in plans}) > 2


def test_windows_fill_every_day_of_the_week(city: RoadNetwork) -> None:
    several = [j for j in city.junctions.values() if j.other_plans]
    assert 0.4 < len(several) / JUNCTIONS < 1.0
    for junction in several:
        windows = city.windows_at[junction.junction_id]
        assert {w.plan_id for w in windows} == {p.plan_id for p in junction.plans}
        for weekday in range(1, 8):
            today = sorted((w.begin_s, w.end_s) for w in windows if weekday in w.weekdays)
            assert today[0][0] == 0
            assert today[-1][1] == 86_400
            assert all(a[1] == b[0] for a, b in pairwise(today))
        assert city.plan_at(junction.junction_id, 1, 8 * 3600) == junction.plan_in_service


@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.integers(5, 40)), min_size=1, max_size=6),
    st.integers(10, 400),
)
def test_greens_fill_the_cycle_within_their_limits(
    stages: list[tuple[float, int]], total: int
) -> None:
    shares, least = [s for s, _ in stages], [m for _, m in stages]
    greens = fill(total, shares, least, 120)
    assert all(b <= a <= 120 for a, b in zip(greens, least, strict=True))
    assert sum(greens) == min(max(total, sum(least)), 120 * len(least))


# --- as a world ------------------------------------------------------------------------------


def test_what_sumo_has_drawn_is_what_the_tables_say(folder: Path, city: RoadNetwork) -> None:
    """Read back from its own SUMO files, the city is the same in everything they can hold."""
    sumo = folder / "sumo"
    back = read_network(sumo / "net.xml.gz", [sumo / "signals.add.xml"], LossReport())
    assert back.connections == city.connections
    assert back.movements == city.movements
    assert back.crossings == city.crossings
    for link_id, link in city.links.items():
        other = back.links[link_id]
        assert (link.length_m, link.shape, link.name) == (other.length_m, other.shape, other.name)
    for junction_id, junction in city.junctions.items():
        there = back.junctions[junction_id]
        assert set(there.plans) == set(junction.plans)
        assert (there.conflicts, there.yields) == (junction.conflicts, junction.yields)
        assert there.name == junction.name


def test_sumo_runs_the_morning_without_a_word_and_without_a_jam(
    folder: Path, counts: dict[str, int], tmp_path: Path
) -> None:
    assert counts["trips"] > 1000
    summary = tmp_path / "summary.xml"
    options = ["--end", "25800", "--no-step-log", "--summary-output", str(summary)]
    done = subprocess.run(
        [str(sumo_program()), "-c", str(folder / "sumo/city.sumocfg"), *options],
        env=sumo_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stderr == ""
    last = list(ET.parse(summary).getroot())[-1]
    assert int(last.attrib["teleports"]) == int(last.attrib["collisions"]) == 0
    assert int(last.attrib["waiting"]) <= 2
    assert int(last.attrib["arrived"]) > 20
    assert float(last.attrib["meanSpeed"]) > 4.0


def test_the_city_is_a_world_with_a_morning_peak(
    folder: Path, counts: dict[str, int], tmp_path: Path
) -> None:
    world = prepare(find(folder / "sumo/city.sumocfg"), tmp_path)
    assert (world.begin_s, world.end_s) == (7 * 3600, 8 * 3600 + 1800)
    departures = np.array(world.demand.departures_veh)
    assert departures.sum() == counts["trips"]
    first, busy = departures[7 * 60 : 7 * 60 + 15].sum(), departures[7 * 60 + 45 : 8 * 60].sum()
    assert busy > 1.3 * first
    assert len(world.signal_files) == 1


def test_trips_drive_between_zones(folder: Path, city: RoadNetwork) -> None:
    text = gzip.decompress((folder / "sumo/demand.rou.xml.gz").read_bytes()).decode()
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    for match in re.finditer(r'edges="([^"]+)"', text):
        route = match[1].split()
        assert all(b in city.successors[a] for a, b in pairwise(route))
        pairs[city.links[route[0]].zone_id, city.links[route[-1]].zone_id] += 1
    assert len(pairs) > 2 * len(city.zones)
    assert sum(n for (a, b), n in pairs.items() if a != b) > sum(pairs.values()) / 2


# --- the same again --------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(
    folder: Path, city: RoadNetwork, tmp_path: Path
) -> None:
    """In another process, which hashes differently, and in another folder."""
    again = tmp_path / "somewhere else"
    call = f"generate(Path(sys.argv[1]), junctions={JUNCTIONS}, seed=1)"
    subprocess.run(
        [sys.executable, "-c", MAKE + call, str(again)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    one, other = files(folder), files(again)
    assert list(one) == list(other)
    assert {name for name in one if one[name] != other[name]} == set()


def test_another_seed_gives_another_city(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(tmp_path / str(seed), junctions=9, seed=seed)
    one, other = files(tmp_path / "1"), files(tmp_path / "2")
    same = {name for name in one if one[name] == other.get(name)}
    # A generated city has no signs, nor anything in the table of them.
    assert same <= {"sumo/city.sumocfg", "surroundings.json", "give_ways.parquet"}


@pytest.mark.parametrize(
    ("junctions", "seed"), [(8, 1), (0, 1), (-5, 1), (10**6, 1), (60, -1), (60, 2**32)]
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    junctions: int, seed: int, tmp_path: Path
) -> None:
    target = tmp_path / "city"
    with pytest.raises(ConfigurationError):
        generate(target, junctions=junctions, seed=seed)
    assert not target.exists()
