"""The city folder: what goes in comes out, and what cannot be read is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from network_data.city import SCHEMAS, load_city, save_city
from network_data.importers.sumo_net import read_network
from network_data.loss_report import PLACES_SHOWN, Loss, LossReport
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import available, find
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.network import Crossing, RoadNetwork, Turn

RESCO = ("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21")
RESCO += ("grid4x4", "arterial4x4")
PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.5), "c": (400.0, 1 / 3)}
HERE = {spec.name for spec in available()}


def hand_made() -> RoadNetwork:
    ways = through("a-b", "b-c") | {("a-b", "b-a"): (Turn.UTURN, (0,))}
    roads = [
        road("a", "b", PLACES, junction_id="b", name="黄山路", lane_count=2, car_lanes=(1,)),
        road("b", "c", PLACES, car_lanes=()),
        road("b", "a", PLACES),
    ]
    city = network(roads, ways, [two_stage_plan("b", offset_s=7)])
    junction = replace(
        city.junctions["b"],
        conflicts=frozenset({(0, 1)}),
        yields=frozenset({(1, 0)}),
        problems=("guessed",),
    )
    return replace(
        city,
        junctions={"b": junction},
        crossings=(Crossing("b", 1, 12.5),),
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
    crossing_only = replace(city, movements={}, connections=(), crossings=())
    assert same(load_city(saved(crossing_only, tmp_path)), crossing_only)


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


def without_column(name: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        pq.write_table(pq.read_table(path).drop_columns(name), path)

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


def test_further_columns_do_no_harm(tmp_path: Path) -> None:
    path = saved(hand_made(), tmp_path) / "links.parquet"
    table = pq.read_table(path)
    more = table.append_column("note", pa.array([""] * table.num_rows))
    pq.write_table(more.select(more.column_names[::-1]), path)
    assert same(load_city(tmp_path), hand_made())


def test_every_table_has_a_column_per_field() -> None:
    for kind, schema in SCHEMAS.items():
        assert list(schema.names) == list(kind.__slots__)


def test_the_plans_in_the_folder_are_those_that_the_verifier_reads(tmp_path: Path) -> None:
    document = json.loads((saved(hand_made(), tmp_path) / "junctions.json").read_text("utf-8"))
    text = json.dumps(document)
    assert '"plan_in_service"' in text
    assert '"offset_s": 7' in text


def test_losses_are_counted_and_their_first_places_shown() -> None:
    losses = LossReport()
    for i in reversed(range(PLACES_SHOWN + 5)):
        losses.note(Loss.GUESSED, "width", f"{i:03d}")
    losses.note(Loss.DROPPED, "tram", "t")
    assert losses.as_dict() == {
        "losses": [
            {"loss": "dropped", "what": "tram", "count": 1, "places": ["t"]},
            {
                "loss": "guessed",
                "what": "width",
                "count": PLACES_SHOWN + 5,
                "places": [f"{i:03d}" for i in range(PLACES_SHOWN)],
            },
        ]
    }
    assert LossReport().as_dict() == {"losses": []}


def test_a_folder_with_the_same_city_has_the_same_bytes(tmp_path: Path) -> None:
    one, two = saved(hand_made(), tmp_path / "1"), saved(hand_made(), tmp_path / "2")
    assert content(one) == content(two)
