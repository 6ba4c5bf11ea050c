"""The time–space diagram of a corridor: lamps and green waves under one or two sets of plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, floor

from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report import timespace
from traffic_brain.report.figures import (
    GRID,
    INK,
    LINE,
    MUTED,
    PAPER,
    Figure,
    junction_name,
    layout,
    shortened,
    translucent,
)
from traffic_brain.report.saved import Row
from traffic_brain.report.seen import Seen, seen_trace
from traffic_brain.report.texts import Words, number, plain, words
from traffic_brain.report.timespace import Bands, Direction, Strip

RED, GREEN = "#a3202c", "#a8d8b4"
BAND_COLOURS = {Direction.OUT: "#1f6fb5", Direction.BACK: "#d98a00"}
BAND_INKS = {Direction.OUT: "#0f4f8a", Direction.BACK: "#8a5600"}

_STRIP_PX = 6
_SHOWN_CYCLES = 2.5
_LEAST_STEP_PX = 26
"""Between neighbouring junctions: room for two strips and for the name."""
_ROOM_PX = 18


@dataclass(frozen=True, slots=True)
class Travel:
    """Travel time of each section by direction; None: the way is not open in that direction."""

    by_direction: Mapping[Direction, tuple[float, ...] | None]
    saved: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One set of plans on a corridor: lamps and bands by direction."""

    title: Words
    strips: Mapping[Direction, tuple[Strip, ...]]
    bands: Mapping[Direction, Bands | None]

    @property
    def cycle_s(self) -> int:
        return max((s.cycle_s for way in self.strips.values() for s in way), default=0)


def travel_of(network: RoadNetwork, corridor: Corridor, saved: Row | None) -> Travel:
    """Travel times as saved with the plans; at free flow where none were saved."""
    paths = {Direction.OUT: corridor.out_paths, Direction.BACK: corridor.back_paths}
    free = {way: timespace.free_flow_travel_s(network, path) for way, path in paths.items()}
    if saved is None:
        return Travel(free, saved=False)
    found = {way: tuple(saved.get(f"{way}_travel_s") or ()) for way in Direction}
    return Travel(
        {way: found[way] if free[way] is not None and found[way] else None for way in Direction},
        saved=True,
    )


def panel(
    title: Words,
    network: RoadNetwork,
    corridor: Corridor,
    plans: Mapping[str, SignalPlan],
    travel: Travel,
    demand_vph: Mapping[str, float],
) -> Panel:
    """Lamps and bands of a corridor under one set of plans."""
    strips = {way: timespace.strips(network, corridor, plans, way, demand_vph) for way in Direction}
    bands: dict[Direction, Bands | None] = {}
    for way, times in travel.by_direction.items():
        on_way = strips[way] if way is Direction.OUT else strips[way][::-1]
        ordered = times if way is Direction.OUT or times is None else times[::-1]
        bands[way] = None if ordered is None else timespace.find_bands(on_way, ordered)
    return Panel(title, strips, bands)


def panel_title(shown: Panel) -> Words:
    """``In service · out 18 s · back no through band``."""
    return words(
        "corridor.panel",
        which=shown.title,
        out=_band_words(shown, Direction.OUT),
        back=_band_words(shown, Direction.BACK),
    )


def window_s(panels: Sequence[Panel]) -> int:
    """Seconds that the diagram of these panels shows."""
    return ceil(_SHOWN_CYCLES * max([*(p.cycle_s for p in panels), 60]))


def corridor_figure(
    network: RoadNetwork, corridor: Corridor, panels: Sequence[Panel], seen: Seen | None = None
) -> Figure:
    """Distance upwards, time to the right; panels side by side on one scale.

    What was ``seen`` lies over the first panel, whose plans are those that ran; a click in the
    legend takes it away.

    The y axis counts pixels, so that junctions a few metres apart can be told from each other:
    sections too short for two strips are stretched.
    """
    distances = timespace.distances_m(network, corridor)
    levels = _levels_px(distances)
    end_s = window_s(panels)
    names = [junction_name(network, j) for j in corridor.junction_ids]
    data: list[Figure] = []
    for i, shown in enumerate(panels):
        axes = {"xaxis": "x" if i == 0 else f"x{i + 1}", "yaxis": "y" if i == 0 else f"y{i + 1}"}
        drawn = [
            *(_band_trace(shown, way, levels, end_s) for way in Direction),
            _band_labels(shown, levels, end_s),
            *_strip_traces(shown, levels, names, end_s),
        ]
        named = i == 0
        if named and seen is not None:
            drawn += [seen_trace(seen, way, levels, end_s) for way in Direction]
        data += [trace | axes | {"showlegend": named and bool(trace["name"])} for trace in drawn]
    height = round(levels[-1]) + 2 * _ROOM_PX
    margin = {"l": 186, "r": 16, "t": 34, "b": 78}
    look = layout(height + margin["t"] + margin["b"]) | {
        "margin": margin,
        "plot_bgcolor": PAPER,
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -44 / height, "yanchor": "top"},
        "annotations": [_panel_heading(p, i, len(panels)) for i, p in enumerate(panels)],
        "uirevision": "corridor",
    }
    for i in range(len(panels)):
        look |= _panel_axes(i, len(panels), end_s, [-_ROOM_PX, height - _ROOM_PX])
    look["yaxis"] |= {
        "tickmode": "array",
        "tickvals": list(levels),
        "ticktext": [_tick(name, d) for name, d in zip(names, distances, strict=True)],
    }
    return {"data": data, "layout": look}


def _tick(name: str, distance_m: float) -> str:
    small = f"<span style='font-size:10px;color:{MUTED}'>{distance_m:,.0f} m</span>"
    return f"{plain(shortened(name))} {small}"


def _band_words(shown: Panel, way: Direction) -> Words:
    bands = shown.bands[way]
    if bands is None:
        return words("corridor.one_way")
    if bands.through_s:
        return words("corridor.band", seconds=number(bands.through_s, 0))
    cycles = {strip.cycle_s for strip in shown.strips[way]}
    return words("corridor.cycles" if len(cycles) > 1 else "corridor.broken")


def _levels_px(distances: Sequence[float]) -> tuple[float, ...]:
    """Height of each junction above the first, to scale but for very short sections."""
    total = max(distances[-1], 1.0)
    scale = min(max(46 * len(distances), 190), 500) / total
    steps = (max(scale * (b - a), _LEAST_STEP_PX) for a, b in pairwise(distances))
    return tuple(round(level, 1) for level in accumulate(steps, initial=0.0))


def _band_trace(shown: Panel, way: Direction, levels: Sequence[float], end_s: int) -> Figure:
    x: list[float | None] = []
    y: list[float | None] = []
    bands = shown.bands[way]
    for band in bands.bands if bands else ():
        heights = [levels[p] for p in band.positions]
        for shift in _repeats(band.arrivals_s[0], band.arrivals_s[-1], bands, end_s):
            first = [t + shift for t in band.arrivals_s]
            last = [t + band.width_s for t in reversed(first)]
            x += [round(t, 2) for t in (*first, *last, first[0])] + [None]
            y += [*heights, *reversed(heights), heights[0], None]
    colour = BAND_COLOURS[way]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": words(f"corridor.band_{way}"),
        "legendgroup": f"band_{way}",
        "x": x[:-1] or [None],
        "y": y[:-1] or [None],
        "fill": "toself",
        "fillcolor": translucent(colour, 0.26),
        "line": {"color": translucent(colour, 0.7), "width": 1},
        "hoverinfo": "skip",
    }


def _repeats(first_s: float, last_s: float, bands: Bands | None, end_s: int) -> list[float]:
    """Shifts by whole cycles under which a band is seen between 0 and ``end_s``."""
    if bands is None or not bands.cycle_s:
        return []
    lowest = floor(-last_s / bands.cycle_s) - 1
    highest = ceil((end_s - first_s) / bands.cycle_s)
    return [float(k * bands.cycle_s) for k in range(lowest, highest + 1)]


def _band_labels(shown: Panel, levels: Sequence[float], end_s: int) -> Figure:
    """The width of each band, written once: the way out early in the picture, back late."""
    x, y, text, colours = [], [], [], []
    for way, bands in shown.bands.items():
        for band in bands.bands if bands else ():
            k = (len(band.positions) - 2) // 2
            middle = (band.arrivals_s[k] + band.arrivals_s[k + 1] + band.width_s) / 2
            shifts = _repeats(band.arrivals_s[0], band.arrivals_s[-1], bands, end_s)
            seen = [middle + s for s in shifts if 0.06 * end_s < middle + s < 0.94 * end_s]
            if seen:
                x.append(round(seen[0] if way is Direction.OUT else seen[-1], 2))
                y.append((levels[band.positions[k]] + levels[band.positions[k + 1]]) / 2)
                text.append(words("corridor.band", seconds=number(band.width_s, 0)))
                colours.append(BAND_INKS[way])
    halo = ", ".join(["0 0 3px #fff"] * 3)
    return {
        "type": "scatter",
        "mode": "text",
        "name": "",
        "x": x or [None],
        "y": y or [None],
        "text": text,
        "textfont": {"size": 12, "color": colours or INK, "weight": 700, "shadow": halo},
        "hoverinfo": "skip",
    }


def _strip_traces(
    shown: Panel,
    levels: Sequence[float],
    names: Sequence[str],
    end_s: int,
) -> list[Figure]:
    """Green below red, so that a pixel of rounding never hides a red."""
    greens, reds = _Bars(), _Bars()
    unknown = _Bars()
    for way, strips in shown.strips.items():
        if shown.bands[way] is None:
            continue
        lift = (_STRIP_PX / 2 + 1) * (-1 if way is Direction.OUT else 1)
        for strip in strips:
            y = round(levels[strip.position] + lift, 1)
            name = plain(names[strip.position])
            if strip.greens is None:
                label = words("corridor.no_plan")
                unknown.add(0, end_s, y, Words(f"{name}<br>{label.zh}", f"{name}<br>{label.en}"))
                continue
            for start, end in _over_time(strip.greens, strip.cycle_s, end_s):
                greens.add(start, end, y, None)
            for start, end in _over_time(timespace.red_spans(strip), strip.cycle_s, end_s):
                hover = words(
                    "hover.red",
                    name=name,
                    direction=words(f"corridor.{way}"),
                    start=number(start, 0),
                    end=number(end, 0),
                )
                reds.add(start, end, y, hover)
    found = [
        greens.trace(words("corridor.green"), GREEN, "skip"),
        reds.trace(words("corridor.red"), RED, "text"),
    ]
    return found + ([unknown.trace(words("corridor.no_plan"), MUTED, "text")] if unknown.x else [])


class _Bars:
    """Collects horizontal bars for one trace."""

    def __init__(self) -> None:
        self.x: list[float | None] = []
        self.y: list[float | None] = []
        self.hover: list[Words | None] = []

    def add(self, start: float, end: float, y: float, hover: Words | None) -> None:
        self.x += [round(start, 2), round(end, 2), None]
        self.y += [y, y, None]
        self.hover += [hover, hover, None]

    def trace(self, name: Words, colour: str, hoverinfo: str) -> Figure:
        found: Figure = {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "legendgroup": colour,
            "x": self.x or [None],
            "y": self.y or [None],
            "line": {"color": colour, "width": _STRIP_PX},
            "hoverinfo": hoverinfo,
        }
        return found | ({"hovertext": self.hover} if hoverinfo == "text" else {})


def _over_time(
    spans: Sequence[tuple[float, float]], cycle_s: int, end_s: int
) -> list[tuple[float, float]]:
    """Spans of one cycle repeated from 0 to ``end_s``, pieces that touch joined."""
    found: list[tuple[float, float]] = []
    for k in range(ceil(end_s / cycle_s)):
        for a, b in spans:
            start, end = a + k * cycle_s, min(b + k * cycle_s, end_s)
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], end)
            elif start < end_s:
                found.append((start, end))
    return found


def _panel_axes(i: int, count: int, end_s: int, spread: list[float]) -> Figure:
    gap = 0.025 if count > 1 else 0.0
    number_of = "" if i == 0 else str(i + 1)
    line = {"showline": True, "linecolor": LINE, "mirror": True, "zeroline": False}
    x = line | {
        "domain": [
            i / count + (gap if i else 0.0),
            (i + 1) / count - (gap if i < count - 1 else 0.0),
        ],
        "range": [0, end_s],
        "title": {"text": words("corridor.time"), "standoff": 6, "font": {"size": 12}},
        "gridcolor": GRID,
        "anchor": f"y{number_of}",
    }
    y = line | {"range": spread, "showgrid": False, "anchor": f"x{number_of}"}
    if i:
        y |= {"matches": "y", "showticklabels": False}
    return {f"xaxis{number_of}": x, f"yaxis{number_of}": y}


def _panel_heading(shown: Panel, i: int, count: int) -> Figure:
    return {
        "text": panel_title(shown),
        "xref": "paper",
        "yref": "paper",
        "x": i / count + (0.025 if i else 0.0),
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 6,
        "showarrow": False,
        "font": {"size": 13, "color": INK},
    }
