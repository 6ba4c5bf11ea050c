"""Loops of a network of signals: short ones, so many that all others are made of them.

Where the network can be drawn without crossings, the faces of the drawing (blocks of the city);
elsewhere, with bridges over other streets, a basis of the cycle space made of short loops. Links
that lie on no loop are left out: their offsets can be chosen freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import networkx as nx

Loop = tuple[int, ...]
"""Signals in the order of driving; the last leads to the first."""


def short_loops(links: Iterable[tuple[int, int]]) -> tuple[Loop, ...]:
    """Loops that cover every link that lies on one and span all loops of the network.

    Args:
        links: pairs of signals, each pair once.

    Neighbouring loops follow each other as far as possible, which lets a sweep carry far.
    """
    graph: nx.Graph[int] = nx.Graph()
    graph.add_edges_from(sorted(links))
    found: list[Loop] = []
    for part in sorted(map(sorted, nx.biconnected_component_edges(graph))):
        if len(part) > 2:
            found += _loops_of(nx.Graph(part))
    return tuple(_in_order(found))


def _loops_of(block: nx.Graph[int]) -> list[Loop]:
    """Loops of a part that no single signal cuts in two."""
    planar, drawing = nx.check_planarity(block)
    if not planar:
        return _basis(block)
    seen: set[tuple[int, int]] = set()
    # Walking round a face marks its half-edges as seen.
    faces = [
        tuple(drawing.traverse_face(*half_edge, seen))
        for half_edge in drawing.edges()
        if half_edge not in seen
    ]
    # The longest, mostly the outer one, is made of all others.
    faces.sort(key=len)
    return faces[:-1]


def _basis(block: nx.Graph[int]) -> list[Loop]:
    """A basis of the cycle space: the shortest loops that are no sums of shorter ones."""
    number = {frozenset(link): k for k, link in enumerate(block.edges())}
    wanted = block.number_of_edges() - block.number_of_nodes() + 1
    leading: dict[int, int] = {}
    basis: list[Loop] = []
    for loops in (_round_corners(block), _round_chords(block)):
        for loop in loops:
            rest = sum(1 << number[frozenset(link)] for link in _links(loop))
            while rest and (top := rest.bit_length()) in leading:
                rest ^= leading[top]
            if rest:
                leading[rest.bit_length()] = rest
                basis.append(loop)
            if len(basis) == wanted:
                return basis
    raise AssertionError("the loops of a tree's chords span the cycle space")


def _round_corners(block: nx.Graph[int]) -> list[Loop]:
    """For every two links that meet, the shortest loop through both; the shortest loops first."""
    found: dict[frozenset[frozenset[int]], Loop] = {}
    for corner in sorted(block):
        ends = sorted(block[corner])
        around = nx.restricted_view(block, [corner], [])
        for i, a in enumerate(ends):
            for b in ends[i + 1 :]:
                # A part that no single signal cuts in two has a way round every corner.
                way = nx.bidirectional_shortest_path(around, a, b)
                loop = (corner, *way)
                found.setdefault(frozenset(map(frozenset, _links(loop))), loop)
    return sorted(found.values(), key=lambda loop: (len(loop), loop))


def _round_chords(block: nx.Graph[int]) -> list[Loop]:
    """Of every link outside a tree of shortest ways: the loop it closes."""
    root = min(block)
    ways = nx.single_source_shortest_path(block, root)
    found = []
    for a, b in sorted(block.edges()):
        left, right = ways[a], ways[b]
        same = sum(1 for x, y in zip(left, right, strict=False) if x == y)
        loop = (*left[same - 1 :], *reversed(right[same:]))
        if len(loop) > 2:
            found.append(loop)
    return sorted(found, key=lambda loop: (len(loop), loop))


def _links(loop: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(loop, (*loop[1:], loop[0]), strict=True))


def _in_order(loops: Sequence[Loop]) -> list[Loop]:
    """By the number of loops between a loop and the first of its part."""
    of_link: dict[frozenset[int], list[int]] = {}
    for i, loop in enumerate(loops):
        for link in _links(loop):
            of_link.setdefault(frozenset(link), []).append(i)
    order: dict[int, None] = {}
    for start in range(len(loops)):
        queue = [start] if start not in order else []
        order.setdefault(start)
        for i in queue:
            for link in _links(loops[i]):
                for j in of_link[frozenset(link)]:
                    if j not in order:
                        order[j] = None
                        queue.append(j)
    return [loops[i] for i in order]
