"""SUMO networks imported: a crossroads known by heart, real maps, and files that are no network."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from network_data.checks import problems
from network_data.city import load_city
from network_data.importers.sumo_net import import_network, read_network
from network_data.loss_report import LossReport
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.run import run_tool
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


@pytest.mark.parametrize(
    ("kind", "states", "control", "loss"),
    [
        ("static", GREEN, "fixed", None),
        ("actuated", GREEN, "actuated", "actuated program: held, not retimed"),
        ("static", ("o" * 16,), "off", "signal without a running program"),
        ("static", (GREEN[0][:8], GREEN[1][:8]), "fixed", "plan with too short a lamp picture"),
        ("static", tuple(s + "rr" for s in GREEN), "fixed", "lamp picture longer than the"),
    ],
)
def test_how_a_signal_runs(
    plain: Path, tmp_path: Path, kind: str, states: tuple[str, ...], control: str, loss: str | None
) -> None:
    losses = LossReport()
    file = additional(tmp_path / "tls.add.xml", kind, states)
    junction = read_network(plain, [file], losses).junctions["J"]
    assert junction.control == control
    told = [row["what"] for row in losses.as_dict()["losses"] if row["places"] == ["J"]]
    assert len(told) == (loss is not None)
    assert loss is None or told[0].startswith(loss)
    plan = junction.plan_in_service
    fits = loss is None or loss.startswith("lamp picture longer")
    assert (plan is not None) == fits
    if plan is not None:
        assert plan.plan_id == "new"
        assert junction.signal_group_count == len(states[0])


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
    }
    assert load_city(out) == read(plain, signals)
    assert set(load_city(out).sources) == {"x.net.xml", "tls.add.xml"}
    assert gzip.decompress((out / "sumo/net.xml.gz").read_bytes()) == plain.read_bytes()
    kept = (out / "sumo/signals.add.xml").read_text()
    assert "tlLogic" in kept
    assert "vType" not in kept
    report = json.loads((out / "loss_report.json").read_text())
    assert {row["what"] for row in report["losses"]} == {
        "road class of a link without type: unclassified",
        "saturation flow of a movement, by its turn",
    }


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
