"""SUMO networks imported: a crossroads known by heart, real maps, and files that are no network."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from network_data.checks import problems
from network_data.city import load_city
from network_data.importers.sumo.network import import_network, read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import run_tool
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import available, find
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import NO_SIGNAL, RoadNetwork, Turn

ARMS = "nesw"
NODES = (
    '<nodes><node id="J" x="0" y="0" type="traffic_light"/><node id="n" x="0" y="200"/>'
    '<node id="e" x="200" y="0"/><node id="s" x="0" y="-200"/><node id="w" x="-200" y="0"/></nodes>'
)
HERE = {spec.name for spec in available()}


def crossroads(folder: Path, *options: str) -> Path:
    """Four arms of two lanes each way around the signal J; links like ``nJ`` and ``Jn``."""
    ways = [(a, b) for arm in ARMS for a, b in ((arm, "J"), ("J", arm))]
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2" speed="10"/>' for a, b in ways
    )
    (folder / "n.nod.xml").write_text(NODES)
    (folder / "n.edg.xml").write_text(f"<edges>{edges}</edges>")
    run_tool(
        "netconvert",
        ["-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "x.net.xml", "--no-turnarounds", *options],
        folder=folder,
    )
    return folder / "x.net.xml"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossroads(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def on_foot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foot")
    return crossroads(folder, "--sidewalks.guess", "--crossings.guess")


def read(net: Path, *additional: Path) -> RoadNetwork:
    return read_network(net, additional, LossReport())


def group_of(city: RoadNetwork, from_link: str, to_link: str) -> int:
    """The signal group of a movement's first lane."""
    return city.movements[f"{from_link}>{to_link}"].signal_group_idxs[0]


def pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


# --- a crossroads ----------------------------------------------------------------------------


def test_links_and_movements_of_a_crossroads(plain: Path) -> None:
    city = read(plain)
    assert list(city.links) == sorted(a + b for arm in ARMS for a, b in ((arm, "J"), ("J", arm)))
    link = city.links["nJ"]
    assert (link.from_node, link.to_node, link.junction_id) == ("n", "J", "J")
    assert (link.lane_count, link.car_lanes, link.free_flow_speed_mps) == (2, (0, 1), 10.0)
    assert 150 < link.length_m < 200
    assert city.links["Jn"].junction_id is None
    turns = Counter(m.turn for m in city.movements.values())
    assert turns == {Turn.THROUGH: 4, Turn.LEFT: 4, Turn.RIGHT: 4}
    assert city.movements["nJ>Jw"].turn is Turn.RIGHT
    assert city.movements["nJ>Js"].lanes == (0, 1)
    assert city.movements["nJ>Je"].lanes == (1,)
    assert city.movements["nJ>Js"].saturation_flow_vph == 2 * 1900.0
    assert set(city.successors["nJ"]) == {"Jw", "Js", "Je"}
    assert problems(city) == []


def test_conflicts_are_those_of_the_streets(plain: Path) -> None:
    city = read(plain)
    junction = city.junctions["J"]
    north, south = group_of(city, "nJ", "Js"), group_of(city, "sJ", "Jn")
    east, left = group_of(city, "eJ", "Jw"), group_of(city, "nJ", "Je")
    assert pair(north, south) not in junction.conflicts
    assert pair(north, east) in junction.conflicts
    assert pair(left, south) in junction.conflicts
    assert (left, south) in junction.yields
    assert (south, left) not in junction.yields
    right, other_right = group_of(city, "nJ", "Jw"), group_of(city, "sJ", "Je")
    assert pair(right, other_right) not in junction.conflicts
    assert pair(right, east) in junction.conflicts  # both enter Jw


def holds_together(city: RoadNetwork) -> None:
    """Conflicts are unordered pairs of different groups, and who yields does so to a conflict."""
    for junction in city.junctions.values():
        for a, b in junction.conflicts:
            assert 0 <= a < b < junction.signal_group_count
        assert {pair(a, b) for a, b in junction.yields} <= junction.conflicts
        plan = junction.plan_in_service
        assert plan is None or plan.signal_group_count == junction.signal_group_count


def test_conflicts_have_no_order_and_nobody_is_his_own(plain: Path, on_foot: Path) -> None:
    holds_together(read(plain))
    holds_together(read(on_foot))


def test_groups_that_conflict_are_never_both_protected(plain: Path) -> None:
    city = read(plain)
    junction = city.junctions["J"]
    assert junction.plan_in_service is not None
    for picture in junction.plan_in_service.pictures():
        for a, b in junction.conflicts:
            assert picture[a] + picture[b] != "GG"


# --- people on foot --------------------------------------------------------------------------


def test_crossings_have_their_lamp_and_their_length(on_foot: Path) -> None:
    city = read(on_foot)
    junction = city.junctions["J"]
    assert len(city.crossings) == 4
    assert {c.junction_id for c in city.crossings} == {"J"}
    groups = [c.signal_group_idx for c in city.crossings]
    assert groups == [16, 17, 18, 19]
    assert junction.signal_group_count == 20
    # four lanes of 3.2 m
    assert [c.length_m for c in city.crossings] == pytest.approx([12.8] * 4)
    assert junction.plan_in_service is not None
    for group in groups:
        assert "G" in [s.picture[group] for s in junction.plan_in_service.stages]
        crossed = {a + b - group for a, b in junction.conflicts if group in (a, b)}
        assert crossed
        assert not crossed & set(groups)


def test_people_on_foot_cross_where_cars_drive(on_foot: Path) -> None:
    """The crossing of the north arm meets what enters from it and what leaves into it."""
    city = read(on_foot)
    junction = city.junctions["J"]
    meets = {
        c.signal_group_idx: {
            m.movement_id
            for m in city.movements.values()
            for g in m.signal_group_idxs
            if pair(g, c.signal_group_idx) in junction.conflicts
        }
        for c in city.crossings
    }
    arms = [
        {m.movement_id for m in city.movements.values() if arm in m.from_link + m.to_link}
        for arm in ARMS
    ]
    assert sorted(map(sorted, meets.values())) == sorted(map(sorted, arms))


def test_a_sidewalk_is_no_lane_for_cars(plain: Path, on_foot: Path) -> None:
    """The same cars' network as without: sidewalks add lane 0, crossings and walks no links."""
    city, bare = read(on_foot), read(plain)
    assert list(city.links) == list(bare.links)
    assert {link.car_lanes for link in city.links.values()} == {(1, 2)}
    assert list(city.movements) == list(bare.movements)
    assert [m.lanes for m in city.movements.values()] == [
        tuple(n + 1 for n in m.lanes) for m in bare.movements.values()
    ]
    cars = [c for c in city.connections if c.from_lane_idx in (1, 2)]
    assert len(cars) == len(bare.connections)


# --- programs --------------------------------------------------------------------------------


def additional(path: Path, kind: str, states: tuple[str, ...], program: str = "new") -> Path:
    phases = "".join(f'<phase duration="30" state="{state}"/>' for state in states)
    path.write_text(
        f'<additional><tlLogic id="J" type="{kind}" programID="{program}" offset="0">{phases}'
        '</tlLogic><vType id="car"/></additional>'
    )
    return path


GREEN = ("GGGgrrrrGGGgrrrr", "rrrrGGGgrrrrGGGg")


def losses_at(losses: LossReport, place: str) -> set[str]:
    return {row["what"] for row in losses.as_dict()["losses"] if place in row["places"]}


def to_fix_at(losses: LossReport, place: str) -> dict[str, float]:
    entries = losses.as_dict()["to_fix"]
    return {e["what"]: e["confidence"] for e in entries if e["place"] == place and e["remedy"]}


@pytest.mark.parametrize(
    ("kind", "states", "control", "loss", "question"),
    [
        ("static", GREEN, "fixed", "", ""),
        ("actuated", GREEN, "actuated", "actuated program: held, not", "actuated program: its nom"),
        ("static", ("o" * 16,), "off", "signal without a running pro", "signal that is switched"),
        (
            "static",
            ("r" * 16, "y" * 16),
            "off",
            "signal without a running",
            "signal that is switched",
        ),
        (
            "static",
            (GREEN[0][:8], GREEN[1][:8]),
            "fixed",
            "plan with too short a lamp picture",
            "running program is no plan: lamp picture shorter than the connections (8 of 16)",
        ),
        (
            "static",
            tuple(s + "rr" for s in GREEN),
            "fixed",
            "lamp picture longer than the",
            "18 lamps, of which the last 2 have no connection",
        ),
        ("static", (GREEN[0], "r" * 16), "fixed", "", "lamps 4, 5, 6, 7, 12, 13, 14, 15 are never"),
        ("static", (GREEN[0][:15] + "q", GREEN[1]), "fixed", "", "lamps 'q' of unknown meaning"),
    ],
)
def test_how_a_signal_runs(
    plain: Path,
    tmp_path: Path,
    kind: str,
    states: tuple[str, ...],
    control: str,
    loss: str,
    question: str,
) -> None:
    losses = LossReport()
    file = additional(tmp_path / "tls.add.xml", kind, states)
    junction = read_network(plain, [file], losses).junctions["J"]
    assert junction.control == control
    assert any(what.startswith(loss) for what in losses_at(losses, "J"))
    questions = to_fix_at(losses, "J")
    assert len(questions) == bool(question)
    assert all(what.startswith(question) for what in questions)
    plan = junction.plan_in_service
    if plan is None:
        assert questions
        nominal = {p.plan_id for p in junction.other_plans} - {"0"}
        assert nominal == ({"new"} if kind == "actuated" else set())
    else:
        assert plan.plan_id == "new"
        assert junction.signal_group_count == len(states[0])
    assert "0" in {p.plan_id for p in junction.other_plans}


def test_programs_with_more_and_fewer_lamps_get_the_same_number(
    plain: Path, tmp_path: Path
) -> None:
    longer = additional(tmp_path / "l.add.xml", "static", tuple(s + "GG" for s in GREEN), "long")
    short = additional(tmp_path / "s.add.xml", "static", GREEN, "short")
    losses = LossReport()
    city = read_network(plain, [longer, short], losses)
    plans = {p.plan_id: p for p in city.junctions["J"].plans}
    assert {p.signal_group_count for p in plans.values()} == {18}
    assert [s.picture[16:] for s in plans["long"].stages] == ["GG", "GG"]
    assert [s.picture[16:] for s in plans["short"].stages] == ["rr", "rr"]
    assert problems(city) == []
    assert "lamps that only some programs have: red in the others" in losses_at(losses, "J")


def test_a_least_green_of_nothing_is_asked_about(plain: Path, tmp_path: Path) -> None:
    file = additional(tmp_path / "tls.add.xml", "static", GREEN)
    file.write_text(file.read_text().replace('duration="30"', 'duration="30" minDur="0"', 1))
    losses = LossReport()
    plan = read_network(plain, [file], losses).junctions["J"].plan_in_service
    assert plan is not None
    assert [stage.min_green_s for stage in plan.stages] == [5, 5]
    assert to_fix_at(losses, "J") == {"least green told as 0 s": 0.5}


def test_signals_that_netconvert_made_up_are_told(plain: Path, tmp_path: Path) -> None:
    losses = LossReport()
    read_network(plain, [], losses)
    assert to_fix_at(losses, "J") == {"stages and times were guessed by netconvert": 0.2}
    known = LossReport()
    read_network(plain, [additional(tmp_path / "t.add.xml", "static", GREEN)], known)
    assert to_fix_at(known, "J") == {}


def test_several_programs_and_when_they_run(plain: Path, tmp_path: Path) -> None:
    files = [
        additional(tmp_path / f"{name}.add.xml", "static", GREEN, name) for name in ("day", "night")
    ]
    schedule = tmp_path / "waut.add.xml"
    schedule.write_text(
        '<additional><WAUT id="w" refTime="0" startProg="night">'
        '<wautSwitch time="6:00:00" to="day"/><wautSwitch time="22:30:00" to="night"/></WAUT>'
        '<wautJunction wautID="w" junctionID="J"/></additional>'
    )
    city = read(plain, *files, schedule)
    junction = city.junctions["J"]
    assert junction.plan_in_service is not None
    assert junction.plan_in_service.plan_id == "night"
    assert [p.plan_id for p in junction.other_plans] == ["0", "day"]
    assert [(w.plan_id, w.begin_s, w.end_s) for w in city.plan_windows] == [
        ("night", 0, 21600),
        ("day", 21600, 81000),
        ("night", 81000, 86400),
    ]
    assert {w.junction_id for w in city.plan_windows} == {"J"}


@pytest.mark.parametrize(
    ("schedule", "told", "windows"),
    [
        ('<wautSwitch time="9.5" to="day"/>', "between whole seconds", [("0", 9), ("day", 86400)]),
        ('<wautSwitch time="90000" to="day"/>', "not within the first day", [("0", 86400)]),
        ('<wautSwitch time="9" to="gone"/>', "a program that is no plan", [("0", 9)]),
        (
            '<wautSwitch time="20" to="0"/><wautSwitch time="9" to="day"/>',
            "out of order",
            [("0", 9), ("day", 20), ("0", 86400)],
        ),
    ],
)
def test_what_plan_windows_cannot_say_is_told(
    plain: Path, tmp_path: Path, schedule: str, told: str, windows: list[tuple[str, int]]
) -> None:
    day = additional(tmp_path / "day.add.xml", "static", GREEN, "day")
    waut = tmp_path / "waut.add.xml"
    waut.write_text(
        f'<additional><WAUT id="w" startProg="0">{schedule}</WAUT>'
        '<wautJunction wautID="w" junctionID="J"/></additional>'
    )
    losses = LossReport()
    city = read_network(plain, [day, waut], losses)
    assert [(w.plan_id, w.end_s) for w in city.plan_windows] == windows
    assert any(told in what for what in losses_at(losses, "w"))
    assert any(told in what for what in to_fix_at(losses, "J"))


# --- detectors -------------------------------------------------------------------------------


def test_detectors_of_additional_files(plain: Path, tmp_path: Path) -> None:
    file = tmp_path / "det.add.xml"
    file.write_text(
        "<additional>"
        '<inductionLoop id="bar" lane="nJ_0" pos="-5" freq="60" file="x.xml"/>'
        '<e1Detector id="far" lane="nJ_1" pos="20" freq="60" file="x.xml"/>'
        '<laneAreaDetector id="area" lane="eJ_0" pos="100" endPos="-1" freq="60" file="x.xml"/>'
        '<e2Detector id="long" lanes="wJ_0 Je_0" pos="3" freq="60" file="x.xml"/>'
        '<inductionLoop id="out" lane="Jn_0" pos="10" freq="60" file="x.xml"/>'
        '<inductionLoop id="lost" lane="zz_0" pos="10" freq="60" file="x.xml"/>'
        '<inductionLoop id="beyond" lane="nJ_0" pos="1000" freq="60" file="x.xml"/>'
        '<inductionLoop id="bar" lane="nJ_0" pos="3" freq="60" file="x.xml"/>'
        '<entryExitDetector id="e3" freq="60" file="x.xml"/>'
        '<busStop id="stop" lane="nJ_0" startPos="5" endPos="25"/></additional>'
    )
    losses = LossReport()
    city = read_network(plain, [file], losses)
    length_m = city.links["nJ"].length_m
    assert {d.detector_id: (d.link_id, d.lane_idx, d.kind.value) for d in city.detectors} == {
        "area": ("eJ", 0, "stop_line"),
        "bar": ("nJ", 0, "stop_line"),
        "far": ("nJ", 1, "advance"),
        "long": ("Je", 0, "advance"),
        "out": ("Jn", 0, "advance"),
    }
    positions_m = {d.detector_id: d.position_m for d in city.detectors}
    assert positions_m["bar"] == pytest.approx(length_m - 5)
    assert positions_m["far"] == 20
    assert positions_m["area"] == pytest.approx(length_m - 1)
    assert losses_at(losses, "lost") == {"detector that lies on a lane that is not there"}
    assert losses_at(losses, "beyond") == {"detector that lies beyond its lane"}
    assert "detector that comes twice" in losses_at(losses, "bar")
    assert losses_at(losses, "e3") == {"element <entryExitDetector>"}
    assert losses_at(losses, "stop") == {"element <busStop>"}
    assert "attribute freq of <inductionLoop>" in losses_at(losses, "bar")


# --- what is left out ------------------------------------------------------------------------


def test_every_attribute_and_element_that_is_not_read_is_told(plain: Path, tmp_path: Path) -> None:
    """In a network with one strange attribute and element at each place, all are named."""
    root = ET.parse(plain).getroot()
    for element in list(root.iter()):
        element.set("strange", "1")
        ET.SubElement(element, "odd", id="o")
    for child in ("roundabout", "prohibition", "taz", "parkingArea"):
        ET.SubElement(root, child, id=child)
    net = tmp_path / "strange.net.xml"
    ET.ElementTree(root).write(net)
    losses = LossReport()
    bare = read_network(net, [], losses)
    assert bare.movements == read(plain).movements
    counts = {row["what"]: row["count"] for row in losses.as_dict()["losses"]}
    for what, count in {
        "attribute strange of <net>": 1,
        "attribute strange of <edge>": 8,
        "attribute strange of <lane>": 16,
        "attribute strange of <connection>": len(root.findall("connection")),
        "attribute strange of <tlLogic>": 1,
        "attribute strange of <phase>": 4,
        "attribute strange of <request>": 16,
        "element <odd> of <edge>": 8,
        "element <odd> of <lane>": 16,
        "element <odd> of <junction>": len(root.findall("junction")),
        "element <odd> of <tlLogic>": 1,
        "element <roundabout>": 1,
        "element <prohibition>": 1,
        "element <taz>": 1,
        "element <parkingArea>": 1,
    }.items():
        assert counts[what] == count, what


# --- odd signals -----------------------------------------------------------------------------


@pytest.mark.skipif("ingolstadt21" not in HERE, reason="sumo-rl is absent")
def test_lamps_without_a_connection_are_kept(tmp_path: Path) -> None:
    """A real map on which one signal has ten lamps and eight connections."""
    sources = prepare(find("ingolstadt21"), tmp_path / "world").network_sources()
    city = read(sources[0], *sources[1])
    holds_together(city)
    odd = "cluster_1427494838_273472399"
    used = {c.signal_group_idx for c in city.connections if c.junction_id == odd}
    assert used == set(range(2, 10))
    assert city.junctions[odd].signal_group_count == 10


def changed(net: Path, target: Path, change: Callable[[ET.Element], None]) -> Path:
    """A copy of a network with something done to its tree."""
    tree = ET.parse(net)
    change(tree.getroot())
    tree.write(target)
    return target


def test_gaps_in_link_indices_and_lamps_that_control_nothing(plain: Path, tmp_path: Path) -> None:
    def release(root: ET.Element) -> None:
        for c in root.findall("connection"):
            if c.get("linkIndex") in ("3", "7"):
                del c.attrib["tl"], c.attrib["linkIndex"]
            elif c.get("linkIndex") == "15":
                c.set("linkIndex", "-1")

    losses = LossReport()
    city = read_network(changed(plain, tmp_path / "gaps.net.xml", release), [], losses)
    holds_together(city)
    assert city.junctions["J"].signal_group_count == 16
    assert "connection at a signal that has no lamp for it" in losses_at(losses, "J")
    questions = to_fix_at(losses, "J")
    assert questions["lamps 3, 7 have no connection (gaps in linkIndex)"] == 0.9
    assert questions["16 lamps, of which the last 1 have no connection"] == 0.8
    assert city.movements["nJ>Js"].signal_group_idxs == (1, 2)


def test_rail_signals_are_left_out(plain: Path, tmp_path: Path) -> None:
    def lay_rails(root: ET.Element) -> None:
        for lane in root.iter("lane"):
            lane.set("allow", "rail tram")

    losses = LossReport()
    city = read_network(changed(plain, tmp_path / "rail.net.xml", lay_rails), [], losses)
    junction = city.junctions["J"]
    assert (junction.control, junction.plan_in_service) == ("rail", None)
    assert city.movements == {}
    assert to_fix_at(losses, "J") == {"rail signal, left out": 1.0}


def test_conflicts_are_drawn_where_the_vertex_does_not_tell(plain: Path, tmp_path: Path) -> None:
    def forget(root: ET.Element) -> None:
        for junction in root.findall("junction"):
            if junction.get("id") == "J":
                junction.remove(junction.findall("request")[3])

    losses = LossReport()
    city = read_network(changed(plain, tmp_path / "forgot.net.xml", forget), [], losses)
    drawn, told = city.junctions["J"].conflicts, read(plain).junctions["J"].conflicts
    assert len(drawn & told) > 0.8 * len(told)
    assert any("drawn from geometry" in what for what in to_fix_at(losses, "J"))


def test_required_intergreens_come_from_the_ways_through(on_foot: Path) -> None:
    city = read(on_foot)
    junction = city.junctions["J"]
    needs_s = city.intergreens_s["J"]
    assert {pair(a, b) for a, b in needs_s} == junction.conflicts
    through = group_of(city, "nJ", "Js"), group_of(city, "eJ", "Jw")
    assert 3 <= needs_s[through] <= 8
    # who walks over four lanes of 3.2 m must be across before the cars that come first get there
    crossing = next(c.signal_group_idx for c in city.crossings)
    assert max(s for (a, _), s in needs_s.items() if a == crossing) >= 12.8 / 1.5


def test_names_lie_where_the_network_has_them(plain: Path, tmp_path: Path) -> None:
    def name(root: ET.Element) -> None:
        for element in (*root.findall("edge"), *root.findall("junction")):
            if element.get("id") in ("nJ", "J"):
                element.set("name", "黄山路")

    city = read(changed(plain, tmp_path / "names.net.xml", name))
    assert (city.links["nJ"].name, city.links["Jn"].name) == ("黄山路", "Jn")
    assert city.junctions["J"].name == "黄山路"


def test_one_controller_may_have_several_vertices(tmp_path: Path) -> None:
    """Two crossings of one street with side streets, 60 m apart, on one controller."""
    places = {
        "w": (-200, 0),
        "J": (0, 0),
        "K": (60, 0),
        "e": (260, 0),
        "n": (0, 200),
        "s": (60, -200),
    }
    nodes = "".join(
        f'<node id="{name}" x="{x}" y="{y}"'
        + (' type="traffic_light" tl="T"/>' if name in "JK" else "/>")
        for name, (x, y) in places.items()
    )
    pairs = [("w", "J"), ("J", "K"), ("K", "e"), ("J", "n"), ("K", "s")]
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="1" speed="10"/>'
        for pair in pairs
        for a, b in (pair, pair[::-1])
    )
    (tmp_path / "n.nod.xml").write_text(f"<nodes>{nodes}</nodes>")
    (tmp_path / "n.edg.xml").write_text(f"<edges>{edges}</edges>")
    run_tool(
        "netconvert", ["-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "x.net.xml"], folder=tmp_path
    )
    city = read(tmp_path / "x.net.xml")
    (junction,) = city.junctions.values()
    assert (junction.junction_id, junction.node_ids) == ("T", ("J", "K"))
    assert (junction.x, junction.y) == pytest.approx((230.0, 200.0))
    holds_together(city)
    at = {
        c.signal_group_idx: city.links[c.from_link].to_node
        for c in city.connections
        if c.junction_id
    }
    assert len(at) == junction.signal_group_count
    assert all(at[a] == at[b] for a, b in junction.conflicts)
    assert {city.links[name].junction_id for name in ("wJ", "JK", "KJ", "sK")} == {"T"}


# --- the folder ------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_an_import_writes_the_city_and_keeps_what_sumo_needs(plain: Path, tmp_path: Path) -> None:
    signals = additional(tmp_path / "tls.add.xml", "static", GREEN)
    out = tmp_path / "city"
    out.mkdir()
    rows = import_network(plain, [signals], out)
    assert rows == {
        "links": 8,
        "connections": 16,
        "movements": 12,
        "junctions": 1,
        "retimable_junctions": 1,
        "to_fix": 0,
    }
    assert load_city(out) == read(plain, signals)
    assert set(load_city(out).sources) == {"x.net.xml", "tls.add.xml"}
    assert gzip.decompress((out / "sumo/net.xml.gz").read_bytes()) == plain.read_bytes()
    kept = (out / "sumo/signals.add.xml").read_text()
    assert "tlLogic" in kept
    assert "vType" not in kept
    report = json.loads((out / "loss_report.json").read_text())
    told = {row["what"]: row["count"] for row in report["losses"]}
    assert told["road class of a link without type: unclassified"] == 8
    assert told["saturation flow of a movement, by its turn"] == 12
    assert told["element <vType>"] == 1


def test_a_zipped_network_is_the_same_city(plain: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "x.net.xml.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    folders = []
    for net in (plain, plain, zipped):
        folders.append(tmp_path / f"city {len(folders)}")
        folders[-1].mkdir()
        import_network(net, [], folders[-1])
    first, again, unzipped = map(files, folders)
    assert first == again
    assert {k for k in first if first[k] != unzipped[k]} == {"city.json"}  # the source's name
    assert load_city(folders[2]).name == load_city(folders[0]).name == "x"


def test_links_without_signal_have_no_lamp(tmp_path: Path) -> None:
    build(GeneratedCity(rows=2, columns=2, duration_s=60), tmp_path)
    city = read(tmp_path / "city.net.xml")
    assert len(city.junctions) == 4
    for c in city.connections:
        assert (c.junction_id is None) == (c.signal_group_idx == NO_SIGNAL)
        assert c.junction_id == city.links[c.from_link].junction_id
    holds_together(city)
    assert problems(city) == []


# --- what is no network ----------------------------------------------------------------------


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda whole: whole[: int(len(whole) * share)]


def flipped(share: float) -> Callable[[bytes], bytes]:
    """Forty bytes somewhere turned into others."""

    def damage(whole: bytes) -> bytes:
        start = int(len(whole) * share)
        end = start + 40
        return whole[:start] + bytes(b ^ 0x55 for b in whole[start:end]) + whole[end:]

    return damage


DAMAGES = [
    *(cut(share) for share in (0.0, 0.001, 0.3, 0.9, 0.999)),
    *(flipped(share) for share in (0.2, 0.35, 0.5, 0.65, 0.8)),
]


@pytest.mark.parametrize("suffix", [".net.xml", ".net.xml.gz"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_network_is_refused_in_one_line(
    plain: Path, tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    whole = plain.read_bytes()
    whole = gzip.compress(whole) if suffix.endswith("gz") else whole
    net = tmp_path / f"torn{suffix}"
    net.write_bytes(damage(whole))
    out = tmp_path / "city"
    out.mkdir()
    with pytest.raises(DataRefused) as refusal:
        import_network(net, [], out)
    assert "\n" not in str(refusal.value)
    assert str(net) in str(refusal.value)
    assert refusal.value.remedy
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "<routes/>",
        "<net/>",
        "<net><edge/></net>",
        '<net><edge id="a" from="x" to="y"><lane id="a_0"/></edge></net>',
        '<net><location netOffset="0,0"/><connection from="q" to="p" fromLane="0"/></net>',
        "no XML at all",
    ],
)
def test_what_is_no_network_is_refused(tmp_path: Path, text: str) -> None:
    net = tmp_path / "some.xml"
    net.write_text(text)
    with pytest.raises(DataRefused) as refusal:
        read(net)
    assert "\n" not in str(refusal.value)


def test_missing_and_damaged_files_beside_the_network(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="there is no network file"):
        read(tmp_path / "none.net.xml")
    with pytest.raises(DataRefused, match=r"none\.add\.xml: no such file"):
        read(plain, tmp_path / "none.add.xml")
    broken = additional(tmp_path / "tls.add.xml", "static", GREEN)
    broken.write_text(broken.read_text()[:90])
    with pytest.raises(DataRefused, match="not complete XML"):
        read(plain, broken)
