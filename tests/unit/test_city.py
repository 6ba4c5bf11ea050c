"""The city folder: what goes in comes out, and what cannot be read is refused."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from network_data.checks import problems
from network_data.city import load_city, save_city
from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from network_data.schema import PARQUET_TABLES, TABLES, Table
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import available, find
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import rules_inputs_from_dict
from traffic_brain.model.network import (
    EVERY_LANE,
    Crossing,
    Detector,
    DetectorKind,
    GiveWay,
    RoadNetwork,
    Turn,
    Zone,
)
from traffic_brain.model.reading import read_json
from traffic_brain.model.signals import PlanWindow

RESCO = ("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21")
RESCO += ("grid4x4", "arterial4x4")
PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.5), "c": (400.0, 1 / 3)}
HERE = {spec.name for spec in available()}


def hand_made() -> RoadNetwork:
    """A city with something in every table."""
    ways = through("a-b", "b-c") | {("a-b", "b-a"): (Turn.UTURN, (0,))}
    street = {"name": "黄山路", "name_latin": "Huangshan Lu", "zone_id": "z1"}
    roads = [
        road("a", "b", PLACES, junction_id="b", lane_count=2, car_lanes=(1,), **street),
        road("b", "c", PLACES, car_lanes=()),
        road("b", "a", PLACES),
    ]
    city = network(roads, ways, [two_stage_plan("b", offset_s=7)])
    evening = replace(two_stage_plan("b", greens_s=(40, 30)), plan_id="evening")
    junction = replace(
        city.junctions["b"],
        conflicts=frozenset({(0, 1)}),
        yields=frozenset({(1, 0)}),
        other_plans=(evening, replace(evening, plan_id="night", offset_s=3)),
        problems=("guessed",),
        name_latin="Huangshan Lu & Xiyou Lu",
        zone_id="z1",
    )
    return replace(
        city,
        junctions={"b": junction},
        crossings=(Crossing("b", 1, 12.5),),
        give_ways=(GiveWay("a-b", "b-a", "a-b", "b-c"),),
        detectors=(
            Detector("d2", "a-b", 1, 180.5, DetectorKind.STOP_LINE),
            Detector("d1", "a-b", EVERY_LANE, 10.0, DetectorKind.CHECKPOINT),
        ),
        zones={"z1": Zone("z1", "蜀山", ((0.0, 0.0), (500.0, 0.0), (0.0, 1 / 3)), "Shushan")},
        plan_windows=(
            PlanWindow("b", "evening", 61_200, 68_400, (1, 2, 3, 4, 5)),
            PlanWindow("b", "night", 0, 21_600),
        ),
        intergreens_s={"b": {(0, 1): 5, (1, 0): 4}},
        sources={"a.net.xml": "0" * 64},
    )


def saved(city: RoadNetwork, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_city(city, folder)
    return folder


def same(a: RoadNetwork, b: RoadNetwork) -> bool:
    """Equal, and in the same order, on which all arrays rest."""
    ordered = ("links", "movements", "junctions")
    return a == b and all(list(getattr(a, f)) == list(getattr(b, f)) for f in ordered)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_city_comes_back_as_it_was(tmp_path: Path) -> None:
    city = hand_made()
    assert same(load_city(saved(city, tmp_path)), city)
    bare = replace(
        city,
        movements={},
        connections=(),
        crossings=(),
        give_ways=(),
        detectors=(),
        zones={},
        plan_windows=(),
        intergreens_s={"b": {}},
    )
    assert same(load_city(saved(bare, tmp_path)), bare)


def test_the_hand_made_city_leaves_no_table_empty() -> None:
    assert [table.name for table in TABLES if not list(table.rows(hand_made()))] == []


@pytest.mark.parametrize("table", [t for t in PARQUET_TABLES if t.may_be_absent])
def test_a_folder_older_than_a_table_loads_without_it(tmp_path: Path, table: Table) -> None:
    (saved(hand_made(), tmp_path) / table.file).unlink()
    empty = {"zones": {}}.get(table.name, ())
    assert load_city(tmp_path) == replace(hand_made(), **{table.name: empty})


def test_a_folder_older_than_a_column_gets_the_default(tmp_path: Path) -> None:
    saved(hand_made(), tmp_path)
    without_column("name_latin", "zone_id")(tmp_path / "links.parquet")
    without_column("saturation_flow_source")(tmp_path / "movements.parquet")
    without_column("weekdays")(tmp_path / "plan_windows.parquet")
    document = read_json(tmp_path / "junctions.json")
    for junction in document["junctions"]:
        for name in ("other_plans", "name_latin", "zone_id"):
            del junction[name]
    del document["intergreens"]
    (tmp_path / "junctions.json").write_text(json.dumps(document), "utf-8")

    loaded = load_city(tmp_path)
    assert {(k.name_latin, k.zone_id) for k in loaded.links.values()} == {("", None)}
    assert {m.saturation_flow_source for m in loaded.movements.values()} == {"default by turn"}
    assert {w.weekdays for w in loaded.plan_windows} == {(1, 2, 3, 4, 5, 6, 7)}
    junction = loaded.junctions["b"]
    assert (junction.other_plans, junction.name_latin, junction.zone_id) == ((), "", None)
    assert loaded.intergreens_s == {}


def test_a_generated_city_comes_back_as_it_was(tmp_path: Path) -> None:
    build(GeneratedCity(rows=2, columns=3, duration_s=60), tmp_path / "made")
    city = read_network(tmp_path / "made/city.net.xml", [], LossReport())
    assert len(city.junctions) == 6
    assert same(load_city(saved(city, tmp_path / "city")), city)
    again = saved(load_city(tmp_path / "city"), tmp_path / "again")
    assert content(again) == content(tmp_path / "city")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.skipif(n not in HERE, reason="sumo-rl is absent"))
        for n in RESCO
    ],
)
def test_real_cities_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    sources = prepare(find(name), tmp_path / "world").network_sources()
    city = read_network(*sources, LossReport())
    assert len(city.links) > 5
    assert same(load_city(saved(city, tmp_path / "city")), city)
    for junction in city.junctions.values():
        assert all(0 <= a < b < junction.signal_group_count for a, b in junction.conflicts)
        assert all((min(p), max(p)) in junction.conflicts for p in junction.yields)


def test_what_is_no_city_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\(no city.json, junctions.json, links"):
        load_city(tmp_path)
    saved(hand_made(), tmp_path)
    (tmp_path / "movements.parquet").unlink()
    with pytest.raises(ConfigurationError, match=r"\(no movements.parquet\)"):
        load_city(tmp_path)


def without_column(*names: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        pq.write_table(pq.read_table(path).drop_columns(list(names)), path)

    return damage


def another_turn(path: Path) -> None:
    table = pq.read_table(path)
    idx = table.schema.get_field_index("turn")
    sideways = pa.array(["SIDEWAYS"] * table.num_rows)
    pq.write_table(table.set_column(idx, "turn", sideways), path)


def text_lengths(path: Path) -> None:
    table = pq.read_table(path)
    idx = table.schema.get_field_index("length_m")
    pq.write_table(table.set_column(idx, "length_m", pa.array(["far"] * table.num_rows)), path)


def twice(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)


def column_of(name: str, value: object) -> Callable[[Path], None]:
    """The column holds ``value`` in every row."""

    def damage(path: Path) -> None:
        table = pq.read_table(path)
        idx = table.schema.get_field_index(name)
        values = pa.array([value] * table.num_rows, type=table.schema.field(idx).type)
        pq.write_table(table.set_column(idx, name, values), path)

    return damage


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def holds(text: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return damage


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *itertools.product(("links.parquet", "city.json", "junctions.json"), (torn, holds(""))),
        ("city.json", holds("{}")),
        ("city.json", holds("[]")),
        ("city.json", holds('{"name": "x"}')),
        ("junctions.json", holds('{"junctions": 3}')),
        ("links.parquet", without_column("length_m")),
        ("links.parquet", without_column("junction_id")),
        ("links.parquet", text_lengths),
        ("movements.parquet", another_turn),
        ("connections.parquet", another_turn),
        ("crossings.parquet", without_column("length_m")),
        ("links.parquet", twice),
        ("movements.parquet", twice),
        ("zones.parquet", twice),
        ("zones.parquet", torn),
        ("detectors.parquet", column_of("kind", "balloon")),
        ("links.parquet", column_of("length_m", None)),
        ("links.parquet", column_of("shape", [[1.0, 2.0], [3.0]])),
        ("links.parquet", column_of("shape", [[1.0, None]])),
        ("links.parquet", column_of("shape", [None])),
        ("plan_windows.parquet", column_of("weekdays", [1, None])),
    ],
)
def test_a_damaged_city_is_refused_in_one_line(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(saved(hand_made(), tmp_path) / name)
    with pytest.raises(DataRefused) as refusal:
        load_city(tmp_path)
    assert "\n" not in str(refusal.value)
    assert refusal.value.remedy


def test_all_problems_of_a_folder_are_told_at_once(tmp_path: Path) -> None:
    saved(hand_made(), tmp_path)
    without_column("length_m", "name")(tmp_path / "links.parquet")
    another_turn(tmp_path / "movements.parquet")
    torn(tmp_path / "detectors.parquet")
    holds('{"junctions": 3}')(tmp_path / "junctions.json")
    holds("{}")(tmp_path / "city.json")
    with pytest.raises(DataRefused) as refusal:
        load_city(tmp_path)
    text = " | ".join(refusal.value.problems)
    for problem in ("length_m is not there", "name is not there", "SIDEWAYS", "detectors.parquet"):
        assert problem in text
    for problem in ("3 is not a list", "name is missing", "sources is missing"):
        assert problem in text


def test_intergreens_of_an_unknown_junction_are_refused(tmp_path: Path) -> None:
    path = saved(hand_made(), tmp_path) / "junctions.json"
    document = read_json(path)
    document["intergreens"]["nowhere"] = []
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(DataRefused, match="nowhere"):
        load_city(tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        replace(hand_made(), name="\ud800"),
        replace(hand_made(), detectors=(Detector("d", "a-b", 2**40, 1.0, DetectorKind.ADVANCE),)),
        replace(hand_made(), junctions={}),
        replace(hand_made(), intergreens_s={"nowhere": {(0, 1): 5}}),
        replace(hand_made(), junctions={"b": replace(hand_made().junctions["b"], x=math.nan)}),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, broken: RoadNetwork) -> None:
    with pytest.raises(DataRefused, match="cannot be written"):
        save_city(broken, tmp_path)


def test_damaged_files_are_loaded_or_refused_never_a_traceback(tmp_path: Path) -> None:
    saved(hand_made(), tmp_path)
    whole, random = content(tmp_path), Random(20261121)
    loaded = 0
    for _ in range(600):
        name = random.choice(sorted(whole))
        damaged = bytearray(whole[name])
        for _ in range(random.randrange(1, 3)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        if random.random() < 0.2:
            del damaged[random.randrange(len(damaged)) :]
        (tmp_path / name).write_bytes(damaged)
        try:
            problems(load_city(tmp_path))
            loaded += 1
        except DataRefused:
            pass
        (tmp_path / name).write_bytes(whole[name])
    assert 50 < loaded < 550


def test_further_columns_do_no_harm(tmp_path: Path) -> None:
    path = saved(hand_made(), tmp_path) / "links.parquet"
    table = pq.read_table(path)
    more = table.append_column("note", pa.array([""] * table.num_rows))
    pq.write_table(more.select(more.column_names[::-1]), path)
    assert same(load_city(tmp_path), hand_made())


def test_the_plans_in_the_folder_are_those_that_the_verifier_reads(tmp_path: Path) -> None:
    document = json.loads((saved(hand_made(), tmp_path) / "junctions.json").read_text("utf-8"))
    text = json.dumps(document)
    assert '"plan_in_service"' in text
    assert '"offset_s": 7' in text


def test_the_verifier_reads_the_intergreens_of_the_folder(tmp_path: Path) -> None:
    document = read_json(saved(hand_made(), tmp_path) / "junctions.json")
    assert rules_inputs_from_dict(document)["b"].intergreen_s == {(0, 1): 5, (1, 0): 4}


def test_a_folder_with_the_same_city_has_the_same_bytes(tmp_path: Path) -> None:
    one, two = saved(hand_made(), tmp_path / "1"), saved(hand_made(), tmp_path / "2")
    assert content(one) == content(two)
