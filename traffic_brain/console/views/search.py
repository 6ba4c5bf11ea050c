"""Finding junctions, roads, corridors and bottlenecks by name, id or pinyin.

Pinyin is the network's own where it has any, else pypinyin's reading: ``huangshanlu`` and ``hsl``
both find 黄山路.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.saved import Night

MOST = 20
LONGEST_QUERY = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found."""

    kind: str
    """``junction``, ``corridor``, ``bottleneck`` or ``link``."""
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """Every name of a night's city, with the texts by which it is found."""

    entries: tuple[tuple[Hit, str], ...]
    """Each hit with its texts as lines of one string: one look tells whether a text is in it."""

    def find(self, query: str) -> list[Hit]:
        """Hits, those that begin with the query first."""
        wanted = _plain(query[:LONGEST_QUERY])
        if not wanted:
            return []
        starts: list[Hit] = []
        inside: list[Hit] = []
        beginning = f"\n{wanted}"
        for hit, lines in self.entries:
            if wanted in lines:
                (starts if beginning in lines else inside).append(hit)
        return (starts + inside)[:MOST]


def index_of(library: Library, folder: NightFolder) -> Index:
    """The index of a night."""
    found: Index = library.kept(folder, "index", lambda: _index(library.night(folder)))
    return found


def links_of(library: Library, folder: NightFolder) -> Index:
    """Every link for cars by its own id, told from others of its road by its ends."""
    night = library.night(folder)
    found: Index = library.kept(folder, "links", lambda: _links(night))
    return found


def _links(night: Night) -> Index:
    network = night.network
    at = {node: j.junction_id for j in network.junctions.values() for node in j.node_ids}
    entries = []
    for link in network.links.values():
        if not link.car_lanes:
            continue
        ends = " → ".join(
            junction_name(network, at[node]) if node in at else "…"
            for node in (link.from_node, link.to_node)
        )
        name = link_name(network, link.link_id)
        keys = _keys(Hit("link", link.link_id, name), link.name_latin)
        entries.append((Hit("link", link.link_id, f"{name} · {ends}"), "\n" + "\n".join(keys)))
    return Index(tuple(entries))


def _index(night: Night) -> Index:
    return Index(tuple((hit, "\n" + "\n".join(_keys(hit, latin))) for hit, latin in _hits(night)))


def _hits(night: Night) -> Iterator[tuple[Hit, str]]:
    network = night.network
    for corridor in night.corridors:
        yield Hit("corridor", corridor.corridor_id, corridor.name), ""
    for found in night.bottlenecks:
        link = network.links[found.link_id]
        name = link_name(network, found.link_id)
        yield Hit("bottleneck", found.bottleneck_id, name), link.name_latin
    for junction in network.junctions.values():
        name = junction_name(network, junction.junction_id)
        yield Hit("junction", junction.junction_id, name), junction.name_latin
    roads: dict[str, Hit] = {}
    for link in network.links.values():
        if link.name and link.car_lanes and link.name not in roads:
            roads[link.name] = Hit("link", link.link_id, link.name)
            yield roads[link.name], link.name_latin


def _keys(hit: Hit, latin: str) -> tuple[str, ...]:
    full, initials = (_plain(latin), _initials(latin)) if latin else _pinyin(hit.name)
    return tuple(dict.fromkeys(k for k in (_plain(hit.name), _plain(hit.id), full, initials) if k))


def _initials(latin: str) -> str:
    return "".join(word[0] for word in latin.lower().split() if word)


@lru_cache(maxsize=4096)
def _pinyin(name: str) -> tuple[str, str]:
    if name.isascii():
        return "", ""
    from pypinyin import lazy_pinyin

    syllables = [s.lower() for s in lazy_pinyin(name)]
    return _plain("".join(syllables)), "".join(s[0] for s in syllables if s)


def _plain(text: str) -> str:
    """Small letters, without blanks and signs that people leave out."""
    return "".join(c for c in text.lower() if c.isalnum() or c in "_#-")
