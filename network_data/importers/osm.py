"""OpenStreetMap extracts (``.osm``, ``.osm.xml``, also ``.gz``) by way of SUMO's netconvert.

netconvert guesses what a map does not tell: signals, their stages and times, lanes, turn lanes,
sidewalks. Every signal therefore stands on the to-fix list, and each guess in the loss report.
Names come from the map itself, in Chinese and in Latin letters where it has both.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from network_data.importers.sumo.network import Imported, note_unnamed, read_all, write_city
from network_data.importers.sumo.programs import (
    UNREADABLE,
    describe_unreadable,
    elements,
    open_xml,
)
from network_data.loss_report import Loss, LossReport
from network_data.sumo_tools import run_tool, sumo_home
from traffic_brain.errors import DataRefused, SimulationError
from traffic_brain.model.network import Junction, Link, RoadNetwork
from traffic_brain.progress import Progress, silent

TIMEOUT_S = 3600.0
NEAR_M = 60.0
"""A signal of the map belongs to a junction whose vertices are no further away."""
_COMMON = (
    *("--geometry.remove", "--output.street-names", "--osm.turn-lanes"),
    *("--keep-edges.by-vclass", "passenger,bus", "--no-turnarounds.tls"),
    *("--tls.discard-simple", "--tls.allred.time", "2"),
    *("--xml-validation", "never", "--no-warnings"),
)
_JOINED = (
    *("--tls.guess-signals", "--tls.join", "--junctions.join"),
    *("--ramps.guess", "--roundabouts.guess"),
)
_ON_FOOT = ("--sidewalks.guess", "--sidewalks.guess.max-speed", "17", "--crossings.guess")
"""Streets of up to 60 km/h have sidewalks, and crossings where these meet a signal."""
_TYPES = ("osmNetconvert.typ.xml", "osmNetconvertUrbanDe.typ.xml")
"""What a road class has where the map does not tell: in town, 50 km/h on main streets."""
_ATTEMPTS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("", (*_COMMON, *_JOINED, *_ON_FOOT)),
    ("sidewalks and crossings", (*_COMMON, *_JOINED)),
    ("joined junctions, sidewalks and crossings", _COMMON),
)
"""What is left out, and netconvert's options: it breaks down over some maps with the first."""
_LATIN_NAMES = ("name:en", "name:zh_pinyin", "name:zh-Latn-pinyin", "name:zh-Latn", "int_name")
_NATIVE_NAMES = ("name", "name:zh", "official_name", *_LATIN_NAMES)
_READ_OF_ROADS = frozenset(
    {*("highway", "lanes", "maxspeed", "oneway", "junction", "turn:lanes"), *_NATIVE_NAMES}
)
_NODE_ID = re.compile(r"-?\d+")
_HEAD_BYTES = 1 << 16
_COMMENT = re.compile(rb"<!--.*?-->\s*", re.DOTALL)

Tags = Mapping[str, str]
Point = tuple[float, float]


@dataclass
class _Map:
    """What of a map netconvert does not hand on."""

    roads: dict[str, Tags] = field(default_factory=dict)
    """Tags of every way that is a road, by the way's id."""
    signals: dict[str, Tags] = field(default_factory=dict)
    """Tags of every node that is a traffic signal, by the node's id."""
    places: dict[str, Point] = field(default_factory=dict)
    """Longitude and latitude of every node."""


def import_network(source: Path, out: Path, progress: Progress = silent) -> dict[str, int]:
    """Import an OpenStreetMap extract into the existing folder ``out``; returns row counts.

    Raises:
        DataRefused: the map is damaged, or netconvert makes no road network of it.
    """
    losses = LossReport()
    with tempfile.TemporaryDirectory(prefix="traffic-brain-osm-") as name:
        net = Path(name) / "map.net.xml"
        imported = _read(source, net, losses, progress)
        progress(0.8, "writing the city folder")
        return write_city(imported, net, losses, out, progress)


def read_network(source: Path, losses: LossReport) -> RoadNetwork:
    """Read an OpenStreetMap extract.

    Raises:
        DataRefused: the map is damaged, or netconvert makes no road network of it.
    """
    with tempfile.TemporaryDirectory(prefix="traffic-brain-osm-") as name:
        return _read(source, Path(name) / "map.net.xml", losses, silent).network


def _read(source: Path, net: Path, losses: LossReport, progress: Progress) -> Imported:
    progress(0.05, "reading the map")
    known = _read_map(source, losses)
    progress(0.2, "building the network (netconvert)")
    built = _build(source, net.with_name("built.net.xml"), losses)
    progress(0.5, "reading the network")
    imported = read_all(built, (), losses)
    _without_head_comment(built, net)
    named = _named(imported.network, known, losses)
    note_unnamed(named, losses)
    _note_guesses(named, known, losses)
    _note_signals_left_out(named, known, _vertices(built), losses)
    stem = re.sub(r"(\.osm)?(\.xml)?(\.gz)?$", "", source.name)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return replace(imported, network=replace(named, name=stem, sources={source.name: digest}))


# --- the map --------------------------------------------------------------------------------


def _read_map(source: Path, losses: LossReport) -> _Map:
    """Roads and signals of a map, once it has proved to be one.

    Raises DataRefused where it is damaged, or no map.
    """
    _refuse_strangers(source)
    known = _Map()
    for element in elements(source):
        if element.tag == "node":
            _take_node(element, known)
        elif element.tag == "way":
            _take_way(element, known, losses)
        elif element.tag == "relation":
            kind = _tags(element).get("type", "")
            if kind != "restriction":  # turn restrictions are netconvert's business
                losses.note(Loss.DROPPED, f"relation of type {kind!r}", element.get("id", ""))
    if not known.roads:
        raise DataRefused(
            f"{source} holds no roads (ways with the tag highway)",
            "export the map again, with all ways and their nodes",
        )
    return known


def _refuse_strangers(source: Path) -> None:
    """Raise DataRefused unless the file begins as a map does."""
    if not source.is_file():
        raise DataRefused(f"there is no map file {source}", "check the path")
    try:
        with open_xml(source) as file:
            head = file.read(_HEAD_BYTES)
    except UNREADABLE as error:
        raise DataRefused(
            f"{source}: {describe_unreadable(error)}", "export or copy the map again"
        ) from error
    if b"<!DOCTYPE" in head or not re.search(rb"<osm[\s>]", _COMMENT.sub(b"", head)):
        raise DataRefused(
            f"{source} is no OpenStreetMap file", "give the .osm that a map export wrote"
        )


def _tags(element: ET.Element) -> dict[str, str]:
    return {e.get("k", ""): e.get("v", "") for e in element.iter("tag")}


def _take_node(element: ET.Element, known: _Map) -> None:
    name = element.get("id", "")
    try:
        place = (float(element.get("lon", "")), float(element.get("lat", "")))
    except ValueError:
        return  # netconvert leaves it out as well
    known.places[name] = place
    tags = _tags(element) if len(element) else {}
    if tags.get("highway") == "traffic_signals":
        known.signals[name] = tags


def _take_way(element: ET.Element, known: _Map, losses: LossReport) -> None:
    tags = _tags(element)
    if "highway" not in tags:
        kind = next(iter(sorted(tags)), "untagged")
        losses.note(Loss.DROPPED, "ways that are no roads, by their first tag", kind)
        return
    name = element.get("id", "")
    known.roads[name] = tags
    for tag in tags.keys() - _READ_OF_ROADS:
        losses.note(Loss.DROPPED, f"tag {tag} of a road", name)


# --- netconvert -----------------------------------------------------------------------------


def _build(source: Path, net: Path, losses: LossReport) -> Path:
    """The network that netconvert makes of a map, without what it breaks down over.

    Raises DataRefused with netconvert's own words where it makes none at all.
    """
    plain = net.with_name("map.osm")
    with open_xml(source) as packed, plain.open("wb") as target:
        shutil.copyfileobj(packed, target)
    types = sumo_home() / "data/typemap"
    fixed = (
        *("--osm-files", plain.name, "--output-file", net.name),
        *("--type-files", ",".join(str(types / name) for name in _TYPES)),
    )
    failures = []
    for left_out, options in _ATTEMPTS:
        try:
            run_tool("netconvert", [*fixed, *options], folder=net.parent, timeout_s=TIMEOUT_S)
        except SimulationError as error:
            failures.append(error.what)
            continue
        if left_out:
            losses.note(Loss.DROPPED, f"{left_out}: netconvert failed with them", source.name)
        return net
    raise DataRefused(
        f"netconvert makes no road network of {source}",
        "export the map again, with all ways and their nodes",
        list(dict.fromkeys(failures)),
    )


def _without_head_comment(built: Path, net: Path) -> None:
    """The same network without the comment that holds the time of day and this machine's paths."""
    with built.open("rb") as source, net.open("wb") as target:
        target.write(_COMMENT.sub(b"", source.read(_HEAD_BYTES), count=1))
        shutil.copyfileobj(source, target)


# --- names ----------------------------------------------------------------------------------


def _named(network: RoadNetwork, known: _Map, losses: LossReport) -> RoadNetwork:
    links = {}
    for link_id, link in network.links.items():
        name, latin = _names(known.roads.get(_way_of(link_id, known), {}))
        links[link_id] = replace(link, name=name or link.name, name_latin=latin)
    streets: dict[str, list[Link]] = {j: [] for j in network.junctions}
    for link in links.values():
        if link.junction_id is not None:
            streets[link.junction_id].append(link)
    junctions = {
        j: _named_junction(junction, streets[j], known, losses)
        for j, junction in network.junctions.items()
    }
    return replace(network, links=links, junctions=junctions)


def _way_of(link_id: str, known: _Map) -> str:
    """The way of a link: netconvert puts ``-`` before backward links, and ``#n`` behind parts."""
    way = link_id.split("#", maxsplit=1)[0].split("-Added", maxsplit=1)[0]
    return way if way in known.roads else way.removeprefix("-")


def _names(tags: Tags) -> tuple[str, str]:
    """The name, and the name in Latin letters where the first is in others."""
    name = next((tags[key] for key in _NATIVE_NAMES if tags.get(key)), "")
    if not name or _is_latin(name):
        return name, ""
    latin = (tags[key] for key in _LATIN_NAMES if tags.get(key))
    return name, next((text for text in latin if _is_latin(text)), "")


def _is_latin(text: str) -> bool:
    return all("LATIN" in unicodedata.name(c, "LATIN") for c in text if c.isalpha())


def _named_junction(
    junction: Junction, streets: Sequence[Link], known: _Map, losses: LossReport
) -> Junction:
    """The name that the map gives to one of its signals, else those of its two main streets."""
    for node in _nodes_of(junction):
        name, latin = _names(known.signals.get(node, {}))
        if name:
            return replace(junction, name=name, name_latin=latin)
    named = Counter((s.name, s.name_latin) for s in streets if s.name != s.link_id)
    pair = [names for names, _ in sorted(named.items(), key=lambda item: (-item[1], item[0]))][:2]
    if not pair:
        return junction
    losses.note(Loss.GUESSED, "name of a junction: its streets", junction.junction_id)
    latin = " / ".join(latin or name for name, latin in pair)
    return replace(
        junction,
        name=" / ".join(name for name, _ in pair),
        name_latin=latin if any(latin for _, latin in pair) else "",
    )


def _nodes_of(junction: Junction) -> list[str]:
    """Ids of the map's nodes that were joined into a junction."""
    return [n for node in junction.node_ids for n in (node, *_NODE_ID.findall(node))]


# --- what was guessed -----------------------------------------------------------------------


def _note_guesses(network: RoadNetwork, known: _Map, losses: LossReport) -> None:
    for link_id, link in network.links.items():
        tags = known.roads.get(_way_of(link_id, known), {})
        if "lanes" not in tags:
            losses.note(Loss.DEFAULTED, "number of lanes, by road class", link_id)
        if "maxspeed" not in tags:
            losses.note(Loss.DEFAULTED, "speed limit, by road class", link_id)
        if link.junction_id is not None and not any(k.startswith("turn:lanes") for k in tags):
            losses.note(Loss.GUESSED, "turn lanes of an approach", link_id)
    for crossing in network.crossings:
        losses.note(Loss.GUESSED, "pedestrian crossing at a signal", crossing.junction_id)


def _note_signals_left_out(
    network: RoadNetwork, known: _Map, vertices: Mapping[str, Point], losses: LossReport
) -> None:
    """Signals of the map that are near no junction of the network."""
    used = {node for junction in network.junctions.values() for node in _nodes_of(junction)}
    rest = [name for name in sorted(known.signals) if name not in used]
    signalled = [vertices[n] for j in network.junctions.values() for n in j.node_ids]
    if not rest:
        return
    gaps_m = _gaps_m(_on_plane([known.places[n] for n in rest], known, vertices), signalled)
    for name, gap_m in zip(rest, gaps_m, strict=True):
        if gap_m > NEAR_M:
            losses.note(Loss.DROPPED, "signal of the map", name)
            losses.to_fix(
                name,
                "a signal of the map that no junction of the network got",
                0.2,
                "look whether it stands at a junction; correct the map, and import it again",
            )


def _vertices(net: Path) -> dict[str, Point]:
    """Every vertex of a network with its place on the plane."""
    nodes = elements(net, ends_of=frozenset({"junction"}))
    return {n.attrib["id"]: (float(n.attrib["x"]), float(n.attrib["y"])) for n in nodes}


def _on_plane(
    places: Sequence[Point], known: _Map, vertices: Mapping[str, Point]
) -> npt.NDArray[np.float64]:
    """Longitudes and latitudes as x and y, shape (place, 2).

    By the affine map that fits the vertices which are nodes of the map as well: a city is small
    enough for that to be right within metres.
    """
    both = sorted(vertices.keys() & known.places.keys())
    if not both:
        return np.full((len(places), 2), np.nan)
    lonlat = np.array([known.places[n] for n in both])
    middle = lonlat.mean(axis=0)
    there = np.column_stack([lonlat - middle, np.ones(len(both))])
    fit, *_ = np.linalg.lstsq(there, np.array([vertices[n] for n in both]), rcond=None)
    asked = np.column_stack([np.array(places) - middle, np.ones(len(places))])
    return np.asarray(asked @ fit, dtype=np.float64)


def _gaps_m(points: npt.NDArray[np.float64], others: Sequence[Point]) -> list[float]:
    """From each point to the nearest of the others; infinite where there is none."""
    if not others:
        return [np.inf] * len(points)
    gaps = np.hypot(*(points[:, None, :] - np.array(others)[None, :, :]).transpose(2, 0, 1))
    return [float(gap) for gap in np.where(np.isnan(gaps), np.inf, gaps).min(axis=1)]
