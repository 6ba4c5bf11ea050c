"""The way of an emergency vehicle through the greens that are held for it, as SVG: it prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any

from markupsafe import Markup

from traffic_brain.report.figures import shortened

Place = Callable[[float], float]

WIDTH = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 14, 12, 30
_STRIP, _LEAST = 7, 38
_STEPS_S = (10, 20, 30, 60, 120, 300, 600)


def emergency_chart(document: Mapping[str, Any], label: str) -> Markup:
    """Distance upwards, time of day to the right; of each pair of strips the upper is as planned.

    Args:
        document: an emergency corridor as it is saved.
    """
    passages: Sequence[Mapping[str, Any]] = document["passages"]
    begin, end = map(int, document["drawn_s"])
    heights = _heights([p["distance_m"] for p in passages])
    height = round(_TOP + _BOTTOM + (heights[-1] if heights else 0) + 2 * _LEAST)

    def x(time_s: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (time_s - begin) / (end - begin), 1)

    def y(level: float) -> float:
        return round(height - _BOTTOM - _LEAST / 2 - level, 1)

    step = next((s for s in _STEPS_S if (end - begin) / s <= 12), _STEPS_S[-1])
    parts = [
        Markup(
            '<path class="grid" d="M{0} {1}V{2}"/>'
            '<text class="tick" x="{0}" y="{3}" text-anchor="middle">{4}</text>'
        ).format(x(t), _TOP, height - _BOTTOM, height - 10, seconds_clock(t))
        for t in range(ceil(begin / step) * step, end, step)
    ]
    for passage, level in zip(passages, heights, strict=True):
        parts.append(_name(shortened(passage["name"]), passage["distance_m"], y(level)))
        known = bool(passage["planned_greens_s"])
        was = _strip(passage["planned_greens_s"], y(level) - _STRIP - 1, x, known)
        parts.append(Markup('<g class="was">{}</g>').format(was))
        parts.append(_strip(passage["greens_s"], y(level) + 1, x, known))
    parts.append(Markup('<path class="vehicle" d="{}"/>').format(_way(document, heights, x, y)))
    return Markup(
        '<svg class="emergency-chart time-space" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        "{}</svg>"
    ).format(WIDTH, height, label, Markup("").join(parts))


def seconds_clock(time_s: float) -> str:
    """Seconds of the service day -> ``HH:MM:SS``."""
    whole = round(time_s)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _strip(greens: Sequence[Sequence[int]], top: float, x: Place, known: bool) -> Markup:
    path = "".join(f"M{x(a)} {top}H{x(b)}v{_STRIP}H{x(a)}z" for a, b in greens)
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/><path class="green" d="{}"/>'
    ).format("red" if known else "unknown", _LEFT, top, WIDTH - _LEFT - _RIGHT, _STRIP, path)


def _heights(distances: Sequence[float]) -> list[float]:
    """Levels to scale, but far enough from each other for the strips."""
    if not distances:
        return []
    scale = min(max(50 * len(distances), 160), 520) / max(distances[-1], 1.0)
    found = [max(scale * distances[0], _LEAST)]
    for before, here in pairwise(distances):
        found.append(found[-1] + max(scale * (here - before), _LEAST))
    return found


def _way(document: Mapping[str, Any], heights: Sequence[float], x: Place, y: Place) -> str:
    """From the departure past every stop line, with its waits, to the end of the route."""
    points = [(document["asked"]["depart_s"], 0.0)]
    for passage, level in zip(document["passages"], heights, strict=True):
        points.append((passage["arrival_s"], level))
        if passage["wait_s"]:
            points.append((passage["arrival_s"] + passage["wait_s"], level))
    top = (heights[-1] if heights else 0.0) + _LEAST
    points.append((document["arrive_s"], top))
    return "M" + "L".join(f"{x(t)} {y(level)}" for t, level in points)


def _name(name: str, distance_m: float, y: float) -> Markup:
    return Markup(
        '<text x="{0}" y="{1}" text-anchor="end">{2}</text>'
        '<text class="far" x="{0}" y="{3}" text-anchor="end">{4} m</text>'
    ).format(_LEFT - 8, y, name, y + 12, f"{distance_m:,.0f}")
