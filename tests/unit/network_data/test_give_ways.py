"""Right of way where there are signs and no lamps: read, kept, and checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest

from network_data.checks import give_ways_are_of_turns
from network_data.city import load_city, save_city
from network_data.importers import import_any
from network_data.importers.gmns import read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import run_tool
from network_data.writers.gmns import write_gmns
from traffic_brain.model.network import GiveWay, RoadNetwork

NODES = """<nodes>
  <node id="w" x="-200" y="0"/><node id="e" x="200" y="0"/><node id="s" x="0" y="-200"/>
  <node id="m" x="0" y="0" type="{kind}"/>
</nodes>"""
EDGES = """<edges>
  <edge id="wm" from="w" to="m" priority="9" speed="14"/>
  <edge id="me" from="m" to="e" priority="9" speed="14"/>
  <edge id="em" from="e" to="m" priority="9" speed="14"/>
  <edge id="mw" from="m" to="w" priority="9" speed="14"/>
  <edge id="sm" from="s" to="m" priority="1" speed="8"/>
  <edge id="ms" from="m" to="s" priority="1" speed="8"/>
</edges>"""


def imported(folder: Path, kind: str) -> RoadNetwork:
    """A side street from the south meets a main road."""
    (folder / "n.nod.xml").write_text(NODES.format(kind=kind))
    (folder / "n.edg.xml").write_text(EDGES)
    files = ["-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "n.net.xml"]
    run_tool("netconvert", [*files, "--no-turnarounds", "true"], folder=folder)
    city = folder / "city"
    city.mkdir()
    import_any(folder / "n.net.xml", [], city)
    return load_city(city)


def test_the_side_street_gives_way_and_so_does_a_left_turn(tmp_path: Path) -> None:
    network = imported(tmp_path, "priority")
    assert {row.links for row in network.give_ways} == {
        ("sm", "me", "wm", "me"),  # right, into the stream from the west
        ("sm", "mw", "wm", "me"),  # left, across it
        ("sm", "mw", "em", "mw"),  # and into the stream from the east
        ("sm", "mw", "em", "ms"),
        ("em", "ms", "wm", "me"),  # left off the main road, across the other direction
        ("em", "ms", "wm", "ms"),
    }
    assert list(give_ways_are_of_turns(network)) == []


@pytest.mark.parametrize("kind", ["traffic_light", "right_before_left", "unregulated"])
def test_where_there_is_no_sign_nothing_is_told(tmp_path: Path, kind: str) -> None:
    assert imported(tmp_path, kind).give_ways == ()


def test_a_folder_from_before_has_none(tmp_path: Path) -> None:
    network = imported(tmp_path, "priority")
    (tmp_path / "city/give_ways.parquet").unlink()
    assert load_city(tmp_path / "city") == replace(network, give_ways=())


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GiveWay("sm", "me", "wm", "nowhere"), "needs turn wm → nowhere without a lamp, not there"),
        (GiveWay("sm", "me", "sm", "me"), "gives way to itself"),
    ],
)
def test_a_row_that_cannot_be_is_told(tmp_path: Path, row: GiveWay, said: str) -> None:
    network = replace(imported(tmp_path, "priority"), give_ways=(row,))
    assert list(give_ways_are_of_turns(network)) == [("turn sm → me", said)]
    gmns, losses = tmp_path / "gmns", LossReport()
    gmns.mkdir()
    write_gmns(network, gmns, losses)
    assert read_network(gmns, LossReport()).give_ways == ()


def test_turns_that_wait_for_each_other_in_a_ring_have_no_order(tmp_path: Path) -> None:
    options = ["--rand", "--rand.iterations", "60", "--default-junction-type", "priority"]
    run_tool("netgenerate", [*options, "--seed", "3", "-o", "n.net.xml"], folder=tmp_path)
    city = tmp_path / "city"
    city.mkdir()
    import_any(tmp_path / "n.net.xml", [], city)
    network = load_city(city)
    graph = nx.DiGraph((row.links[:2], row.links[2:]) for row in network.give_ways)
    assert graph.number_of_edges() > 50
    assert nx.is_directed_acyclic_graph(graph)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    network = imported(tmp_path, "priority")
    again = tmp_path / "again"
    again.mkdir()
    save_city(network, again)
    assert load_city(again).give_ways == network.give_ways
