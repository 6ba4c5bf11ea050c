"""The importer of a source is found by what the source is, and every signal is accounted for."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from network_data.checks import missing_at
from network_data.city import load_city
from network_data.importers import GMNS, OSM, SUMO, UTDF, format_of, import_any
from network_data.summary import summary_of
from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.errors import ConfigurationError, DataRefused


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.net.xml", SUMO),
        ("A.NET.XML", SUMO),
        ("a.net.xml.gz", SUMO),
        ("a.osm", OSM),
        ("a.osm.gz", OSM),
        ("a.osm.xml", OSM),
        ("a.csv", UTDF),
    ],
)
def test_the_ending_tells_the_format(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / name).write_text("")
    assert format_of(tmp_path / name) == form


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"<net version='1'>", SUMO),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <osm> no -->\n<net>", SUMO),
        (b"<?xml version='1.0'?><osm version='0.6'>", OSM),
        (gzip.compress(b"<osm>", mtime=0), OSM),
    ],
)
def test_the_first_element_tells_it_where_the_ending_does_not(
    tmp_path: Path, content: bytes, form: str
) -> None:
    path = tmp_path / "network.xml"
    path.write_bytes(content)
    assert format_of(path) == form


def test_a_folder_is_gmns(tmp_path: Path) -> None:
    assert format_of(tmp_path) == GMNS


@pytest.mark.parametrize(
    "content", [b"", b"<additional>", b"\x1f\x8b\x08rest", b"PK\x03\x04", b"<"]
)
def test_an_unknown_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "network.dat"
    path.write_bytes(content)
    with pytest.raises(DataRefused, match="no known format"):
        format_of(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="there is no"):
        format_of(tmp_path / "a.csv")


def test_additional_files_belong_to_sumo(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("")
    with pytest.raises(ConfigurationError, match="UTDF"):
        import_any(source, [tmp_path / "tls.add.xml"], tmp_path)


def test_every_signal_is_complete_or_to_be_fixed(tmp_path: Path) -> None:
    build(GeneratedCity(rows=2, columns=2, duration_s=60), tmp_path / "made")
    net = tmp_path / "made/city.net.xml"
    tree = ET.parse(net)
    for phase in tree.getroot().findall("tlLogic")[-1]:
        phase.set("state", "r" * len(phase.attrib["state"]))  # SUMO calls that "off"
    tree.write(net)
    city = tmp_path / "city"
    city.mkdir()
    rows = import_any(net, [], city)
    assert rows["junctions"] == 4
    network = load_city(city)
    report = json.loads((city / "loss_report.json").read_text("utf-8"))
    asked = {entry["place"] for entry in report["to_fix"]}
    incomplete = {j for j, junction in network.junctions.items() if missing_at(network, junction)}
    assert len(incomplete) == 1
    assert incomplete <= asked
    assert all(0 <= entry["confidence"] <= 1 and entry["remedy"] for entry in report["to_fix"])
    summary = summary_of(city)
    assert (summary["junctions"], summary["complete_junctions"]) == (4, 3)
    assert summary["to_fix"] == len(report["to_fix"])
    assert summary["movements"] == len(network.movements)
