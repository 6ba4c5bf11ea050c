"""A part of a SUMO network: whole junctions with all their lanes and lamps, and open ends around.

Nothing is computed anew, as netconvert would do it: what is inside stays as it is, byte for byte,
so that a junction behaves in the part as it does in the city, and its lamps mean the same.
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from network_data.importers.sumo.programs import describe_unreadable, open_xml
from traffic_brain.errors import DataRefused

_HEAD = ("location", "type")


@dataclass(eq=False)
class SumoNet:
    """A network file in pieces: the text of every element, by what it belongs to."""

    attributes: dict[str, str] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    edges: dict[str, str] = field(default_factory=dict)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Vertices at which each edge begins and ends."""
    lanes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Lanes that lead to each vertex."""
    inner_edges: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Edges inside of each vertex; crossings and walking areas too."""
    places: dict[str, dict[str, str]] = field(default_factory=dict)
    junctions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The junction of each vertex, and those inside of it."""
    connections: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Through each vertex."""
    controllers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Programs that switch the connections of each vertex."""
    programs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    roundabouts: list[tuple[frozenset[str], str]] = field(default_factory=list)

    def part(self, inside: Collection[str]) -> Iterator[str]:
        """The file of the vertices ``inside``, line by line: all edges that begin or end there.

        Edges end freely at the vertices outside: vehicles come from there and go there.
        """
        vertices = [v for v in self.places if v in inside]
        edges = {e: ends for e, ends in self.ends.items() if ends[0] in inside or ends[1] in inside}
        open_ends = {v for ends in edges.values() for v in ends} - set(inside)
        switching = {tl for v in vertices for tl in self.controllers[v]}
        told = " ".join(f"{name}={quoteattr(value)}" for name, value in self.attributes.items())
        yield f'<?xml version="1.0" encoding="UTF-8"?>\n<net {told}>\n'
        yield from self.head
        for vertex in vertices:
            yield from self.inner_edges[vertex]
        for edge in edges:
            yield self.edges[edge]
        for name, texts in self.programs.items():
            if name in switching:
                yield from texts
        for vertex in vertices:
            yield self.junctions[vertex][0]
        for vertex in sorted(open_ends & self.places.keys()):
            yield self._open_end(vertex, edges.keys())
        for vertex in vertices:
            yield from self.junctions[vertex][1:]
        for vertex in vertices:
            yield from self.connections[vertex]
        yield from (text for ring, text in self.roundabouts if ring <= edges.keys())
        yield "</net>\n"

    def _open_end(self, vertex: str, edges: Collection[str]) -> str:
        lanes = " ".join(k for k in self.lanes[vertex] if k.rpartition("_")[0] in edges)
        place = self.places[vertex]
        return (
            f'<junction id={quoteattr(vertex)} type="dead_end" x="{place["x"]}" y="{place["y"]}"'
            f' incLanes={quoteattr(lanes)} intLanes="" shape="{place.get("shape", "")}"/>\n'
        )


def write_part(net: SumoNet, inside: Collection[str], path: Path) -> None:
    """Write a part as a ``.net.xml.gz``; the same part gives the same bytes."""
    text = "".join(net.part(inside)).encode()
    path.write_bytes(gzip.compress(text, compresslevel=3, mtime=0))


def read_net(path: Path) -> SumoNet:
    """Read a network file.

    Raises:
        DataRefused: it cannot be read.
    """
    net = SumoNet()
    depth = 0
    try:
        with open_xml(path) as source:
            for event, element in ET.iterparse(source, events=("start", "end")):
                depth += 1 if event == "start" else -1
                if event == "start" and depth == 1:
                    net.attributes = {k: v for k, v in element.attrib.items() if "}" not in k}
                elif event == "end" and depth == 1:
                    _take(net, element)
                    element.clear()
    except (OSError, EOFError, ET.ParseError, KeyError) as error:
        raise DataRefused(f"{path}: {describe_unreadable(error)}", "repair the file") from error
    return net


def _take(net: SumoNet, element: ET.Element) -> None:
    element.tail = "\n"
    text = ET.tostring(element, encoding="unicode")
    name, tag = element.get("id", ""), element.tag
    if tag in _HEAD:
        net.head.append(text)
    elif tag == "edge" and name.startswith(":"):
        net.inner_edges[_vertex_of(name)].append(text)
    elif tag == "edge":
        net.edges[name] = text
        net.ends[name] = (element.attrib["from"], element.attrib["to"])
        net.lanes[element.attrib["to"]] += [k.attrib["id"] for k in element.iter("lane")]
    elif tag == "junction" and name.startswith(":"):
        net.junctions[_vertex_of(name.rpartition("_")[0])].append(text)
    elif tag == "junction":
        net.places[name] = dict(element.attrib)
        net.junctions[name].insert(0, text)
    elif tag == "tlLogic":
        net.programs[name].append(text)
    elif tag == "connection":
        _take_connection(net, element, text)
    elif tag == "roundabout":
        net.roundabouts.append((frozenset(element.attrib["edges"].split()), text))


def _take_connection(net: SumoNet, element: ET.Element, text: str) -> None:
    begin = element.attrib["from"]
    vertex = _vertex_of(begin) if begin.startswith(":") else net.ends[begin][1]
    net.connections[vertex].append(text)
    if "tl" in element.attrib:
        net.controllers[vertex].add(element.attrib["tl"])


def _vertex_of(inner: str) -> str:
    """The vertex of an edge inside of it: ``:J1_0``, ``:J1_c0`` and ``:J1_w0`` are J1's."""
    return inner[1:].rpartition("_")[0]
