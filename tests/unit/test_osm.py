"""OpenStreetMap extracts by way of netconvert: a hand-made map of two signals, and damage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.fuzz.osm import MAP
from network_data.checks import problems
from network_data.city import NET_FILE, load_city
from network_data.importers.osm import import_network, read_network
from network_data.loss_report import LossReport
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork


def map_file(folder: Path, text: str = MAP, name: str = "hefei.osm") -> Path:
    path = folder / name
    content = text.encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("osm")
    city = folder / "city"
    city.mkdir()
    import_network(map_file(folder), city)
    return city


@pytest.fixture(scope="module")
def city(imported: Path) -> RoadNetwork:
    return load_city(imported)


def test_roads_signals_and_plans(city: RoadNetwork) -> None:
    assert city.name == "hefei"
    assert list(city.sources) == ["hefei.osm"]
    assert set(city.junctions) == {"1", "6"}
    assert problems(city) == []
    for junction in city.junctions.values():
        assert junction.plan_in_service is not None
        assert len(junction.plan_in_service.stages) >= 2
        assert junction.conflicts
        assert city.intergreens_s[junction.junction_id]
    main = [link for link in city.links.values() if link.road_class == "highway.primary"]
    assert {round(link.free_flow_speed_mps * 3.6) for link in main} == {60}
    assert {len(link.car_lanes) for link in main} == {2}


def test_names_in_chinese_and_in_latin_letters(city: RoadNetwork) -> None:
    names = {(link.name, link.name_latin) for link in city.links.values()}
    assert ("科学大道", "Kexue Avenue") in names
    assert ("黄山路", "Huangshan Lu") in names
    named, unnamed = city.junctions["1"], city.junctions["6"]
    assert (named.name, named.name_latin) == ("黄山路与科学大道路口", "Huangshan / Kexue")
    assert (unnamed.name, unnamed.name_latin) == ("科学大道", "Kexue Avenue")


def test_every_guess_is_told(imported: Path) -> None:
    report = json.loads((imported / "loss_report.json").read_text())
    told = {row["what"]: row["count"] for row in report["losses"]}
    assert told["ways that are no roads, by their first tag"] == 1
    assert told["stages and times of a signal, by netconvert"] == 2
    assert told["position of a signal, from a map"] == 2
    assert told["name of a junction: its streets"] == 1
    assert told["number of lanes, by road class"] == 4  # the tertiary road
    assert told["turn lanes of an approach"] >= 3
    assert told["pedestrian crossing at a signal"] >= 1
    asked = {(e["place"], e["what"]): e["confidence"] for e in report["to_fix"]}
    assert asked["1", "stages and times were guessed by netconvert"] == 0.2
    assert asked["6", "position and lamps were guessed from a map"] == 0.5


def test_the_same_map_gives_the_same_bytes(imported: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    import_network(map_file(tmp_path), again)
    first, second = (
        {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
        for folder in (imported, again)
    )
    assert first == second
    assert b"generated on" not in gzip.decompress((again / NET_FILE).read_bytes())


def test_a_packed_map_is_the_same_city(city: RoadNetwork, tmp_path: Path) -> None:
    packed = read_network(map_file(tmp_path, name="hefei.osm.gz"), LossReport())
    assert packed.links == city.links
    assert packed.junctions == city.junctions
    assert packed.name == "hefei"


def test_a_signal_that_no_junction_got_is_asked_about(tmp_path: Path) -> None:
    """A signal in the middle of a road, where netconvert makes none."""
    far = '<node id="9" lat="31.8230" lon="117.2300"><tag k="highway" v="traffic_signals"/></node>'
    losses = LossReport()
    read_network(map_file(tmp_path, MAP.replace('<way id="10">', f'{far}<way id="10">')), losses)
    asked = [e for e in losses.as_dict()["to_fix"] if e["place"] == "9"]
    assert [e["what"] for e in asked] == ["a signal of the map that no junction of the network got"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MAP[:900], "not complete XML"),
        ("", "no OpenStreetMap file"),
        ("<net></net>", "no OpenStreetMap file"),
        (MAP.replace("<osm ", '<!DOCTYPE osm SYSTEM "http://x.example/y"><osm '), "no OpenStreet"),
        ("<osm></osm>", "holds no roads"),
        (MAP.replace('k="highway" v="', 'k="highway" v="not_'), "netconvert makes no road network"),
        (MAP.replace("<node ", "<knot ").replace("</node>", "</knot>"), "netconvert makes no road"),
    ],
)
def test_what_is_no_map_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    city = tmp_path / "city"
    city.mkdir()
    with pytest.raises(DataRefused, match=said) as refusal:
        import_network(map_file(tmp_path, text), city)
    assert "\n" not in str(refusal.value)
    assert refusal.value.remedy
    assert list(city.iterdir()) == []


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="there is no map file"):
        read_network(tmp_path / "none.osm", LossReport())
