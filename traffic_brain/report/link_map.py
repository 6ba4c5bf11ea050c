"""The map of link states and bottlenecks.

The figure holds what never changes; the links of any bin are drawn by the page from
:func:`map_data`, so that a whole day of pictures costs one character per link and bin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from traffic_brain.fusion.levels import LEVELS
from traffic_brain.model.findings import Bottleneck
from traffic_brain.model.network import RoadNetwork
from traffic_brain.report.figures import (
    GROUND,
    INK,
    MODEBAR,
    MUTED,
    PAPER,
    Figure,
    junction_name,
    layout,
    link_name,
    wrapped,
)
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import LinkStates, Row
from traffic_brain.report.texts import Words, clock, code_words, number, plain, words

Point = tuple[float, float]

LEVEL_COLOURS = ("#a9cbe6", "#4f94cd", "#f3c242", "#e8702a", "#99102f")
"""One per level, free to severe: blue to yellow to dark red, safe for the colour-blind."""
LEVEL_WIDTHS_PX = (1.6, 2.0, 3.0, 3.8, 4.6)
NO_LEVEL_COLOUR = "#cfd4da"
HEIGHT_PX = 640
_LEGEND_PX = 50
NUMBERED = 15
"""Bottlenecks that carry their rank on the map; the others are small dots."""


def map_figure(
    network: RoadNetwork, bottlenecks: Sequence[Bottleneck], junctions: Mapping[str, Row]
) -> Figure:
    """The map without links: the page fills the first traces from :func:`map_data`.

    These are, in order: the chosen queue, links without data, one trace per level, and what the
    pointer finds of a link.

    Args:
        bottlenecks: ranked, the worst first.
        junctions: diagnosis row (saturation_ratio, …) of each junction.
    """
    empty = {"x": [None], "y": [None], "type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    lines = [
        empty
        | {"name": words("map.queue"), "showlegend": False}
        | {"line": {"color": "rgba(122, 42, 168, 0.45)", "width": 12}},
        empty | {"name": words("level.none"), "line": {"color": NO_LEVEL_COLOUR, "width": 1.2}},
        *(
            empty | {"name": code_words("level", name), "line": {"color": colour, "width": width}}
            for name, colour, width in zip(LEVELS, LEVEL_COLOURS, LEVEL_WIDTHS_PX, strict=True)
        ),
        empty | {"hoverinfo": "text", "showlegend": False, "line": {"width": 0}},
    ]
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    x_range, y_range = _extent(network)
    legend = {"orientation": "h", "x": 0.01, "y": 1, "yanchor": "bottom"}
    look = layout(HEIGHT_PX) | {
        "margin": {"l": 0, "r": 0, "t": _LEGEND_PX, "b": 0},
        "plot_bgcolor": GROUND,
        "xaxis": axis | {"range": x_range},
        "yaxis": axis | {"range": y_range, "scaleanchor": "x", "scaleratio": 1},
        "legend": legend,
        "dragmode": "pan",
        "hovermode": "closest",
        "uirevision": "map",
        "modebar": MODEBAR | {"orientation": "v"},
    }
    data = [*lines, _junction_dots(network, junctions)]
    data += _marker_traces(network, bottlenecks)
    return {"data": data, "layout": look | _scale_bar(x_range, y_range)}


def map_data(
    network: RoadNetwork, states: LinkStates, bottlenecks: Sequence[Bottleneck]
) -> dict[str, Any]:
    """What the page needs to draw any bin: shapes once, a level and a speed per link and bin."""
    links = [network.links[link_id] for link_id in states.link_ids]
    column_of = {link_id: i for i, link_id in enumerate(states.link_ids)}
    return {
        "bins": [clock(bin_s) for bin_s in states.bins_s],
        "first": worst_picture(states),
        "levels": list(states.levels),
        "speeds": [list(row) for row in states.speeds_kmh],
        "names": [plain(link.name or link.link_id) for link in links],
        "shapes": [[round(v, 1) for point in link.shape for v in point] for link in links],
        "level_names": {str(i): code_words("level", name) for i, name in enumerate(LEVELS)},
        "kmh": words("map.kmh"),
        "queues": [
            [column_of[i] for i in (b.link_id, *b.passive_links) if i in column_of]
            for b in bottlenecks
        ],
    }


def worst_picture(states: LinkStates) -> int:
    """The bin to open with: most severe links, then most of the next level, and so on."""
    worst_first = [str(i) for i in reversed(range(len(LEVELS)))]
    ranks = [[row.count(code) for code in worst_first] for row in states.levels]
    return max(range(len(ranks)), key=ranks.__getitem__, default=0)


def _junction_dots(network: RoadNetwork, rows: Mapping[str, Row]) -> Figure:
    junctions = list(network.junctions.values())
    return {
        "type": "scatter",
        "mode": "markers",
        "name": words("map.junctions"),
        "x": [round(j.x, 1) for j in junctions],
        "y": [round(j.y, 1) for j in junctions],
        "hovertext": [
            _junction_hover(junction_name(network, j.junction_id), rows.get(j.junction_id, {}))
            for j in junctions
        ],
        "hoverinfo": "text",
        "marker": {"size": 6, "color": PAPER, "line": {"color": INK, "width": 1.4}},
    }


def _junction_hover(name: str, row: Row) -> Words:
    return words(
        "hover.junction",
        name=plain(name),
        saturation=number(row.get("saturation_ratio"), 2),
        imbalance=number(row.get("imbalance_ratio"), 2),
        delay=number(row.get("delay_veh_h")),
    )


def _marker_traces(network: RoadNetwork, bottlenecks: Sequence[Bottleneck]) -> list[Figure]:
    """One marker per head of a queue: the worst with their rank, the others as small dots.

    The page moves numbers apart that would cover each other, on the threads of the first trace.
    """
    by_link: dict[str, list[int]] = {}
    for rank, found in enumerate(bottlenecks, start=1):
        by_link.setdefault(found.link_id, []).append(rank)
    heads = [
        (_toward_end(network.links[link_id].shape), ranks[0], _hover(network, ranks, bottlenecks))
        for link_id, ranks in by_link.items()
    ]
    threads: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [None],
        "y": [None],
        "line": {"color": INK, "width": 1.2},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    dots = _markers(heads[NUMBERED:]) | {
        "mode": "markers",
        "name": words("map.others"),
        "legendrank": 1001,
        "marker": {"size": 9, "color": INK, "line": {"color": PAPER, "width": 1}},
    }
    numbers = _markers(heads[:NUMBERED]) | {
        "mode": "markers+text",
        "name": words("map.bottlenecks"),
        "text": [str(rank) for _, rank, _ in heads[:NUMBERED]][::-1],
        "textfont": {"color": PAPER, "size": 11},
        "textposition": "middle center",
        "marker": {"size": 19, "color": INK, "line": {"color": PAPER, "width": 1.5}},
    }
    return [threads, dots, numbers]


def _markers(heads: Sequence[tuple[Point, int, Words]]) -> Figure:
    """(place, rank, hover) as a trace; the worst comes last, so that it lies on top."""
    return {
        "type": "scatter",
        "x": [round(x, 1) for (x, _), _, _ in heads][::-1] or [None],
        "y": [round(y, 1) for (_, y), _, _ in heads][::-1] or [None],
        "customdata": [rank for _, rank, _ in heads][::-1],
        "hovertext": [hover for _, _, hover in heads][::-1],
        "hoverinfo": "text",
        "showlegend": bool(heads),
    }


def _hover(network: RoadNetwork, ranks: Sequence[int], bottlenecks: Sequence[Bottleneck]) -> Words:
    found = bottlenecks[ranks[0] - 1]
    said = translated(found.evidence)
    hover = words(
        "hover.bottleneck",
        rank=ranks[0],
        place=plain(link_name(network, found.link_id)),
        time=f"{clock(found.start_s)}–{clock(found.end_s)}",
        cause=code_words("cause", found.cause.value),
        delay=number(found.delay_veh_h),
        savable=number(found.savable_veh_h),
        evidence=Words(*("<br>".join(wrapped(plain(text))) for text in (said.zh, said.en))),
    )
    if len(ranks) == 1:
        return hover
    again = ", ".join(f"#{rank}" for rank in ranks[1:])
    return words("hover.again", hover=hover, ranks=again)


def _toward_end(shape: Sequence[Point]) -> Point:
    """A point before the link's end, so that heads at one junction do not hide each other."""
    (ax, ay), (bx, by) = shape[-2:] if len(shape) > 1 else (shape[0], shape[0])
    return ax + 0.75 * (bx - ax), ay + 0.75 * (by - ay)


def _extent(network: RoadNetwork) -> tuple[list[float], list[float]]:
    """The box round all drawn links, a little wider: x from–to, y from–to, in metres."""
    points = [p for link in network.links.values() if link.car_lanes for p in link.shape]
    sides = []
    for values in ([x for x, _ in points], [y for _, y in points]):
        low, high = min(values, default=0.0), max(values, default=1000.0)
        room = 0.03 * max(high - low, 100.0)
        sides.append([round(low - room, 1), round(high + room, 1)])
    return sides[0], sides[1]


def _scale_bar(x_range: Sequence[float], y_range: Sequence[float]) -> Figure:
    """A bar of a round length at the lower left, in the map's own metres."""
    length = _round_length((x_range[1] - x_range[0]) / 4)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    left = x_range[0] + length / 10
    low = y_range[0] + 0.015 * (y_range[1] - y_range[0])
    bar = {"type": "line", "x0": left, "x1": left + length, "y0": low, "y1": low}
    label = {"text": text, "x": left + length / 2, "y": low, "yshift": 11, "showarrow": False}
    return {
        "shapes": [bar | {"line": {"color": MUTED, "width": 3}}],
        "annotations": [label | {"font": {"size": 11, "color": MUTED}}],
    }


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is not above ``length``."""
    power = 10.0 ** floor(log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length)
