"""A small chart of one quantity over the day, as SVG: no script, and it prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log10

from markupsafe import Markup

from traffic_brain.report.texts import clock, number

WIDTH, HEIGHT = 640, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 10, 24
_TICKS = 8
_STEPS_S = (300, 600, 900, 1800, 3600, 7200, 10_800, 14_400)


def day_chart(points: Sequence[tuple[int, float | None]], label: str) -> Markup:
    """A line through (second of the day, value); gaps where there is no value.

    Args:
        label: what is shown, with its unit, for those who cannot see it.
    """
    seen = [(t, v) for t, v in points if v is not None]
    if not seen:
        return Markup("")
    begin, end = points[0][0], max(points[-1][0], points[0][0] + 1)
    top = _round_up(max(v for _, v in seen))

    def place(t: float, v: float) -> tuple[float, float]:
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * (t - begin) / (end - begin)
        return round(x, 1), round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * v / top, 1)

    parts = [_level(place(begin, top * k / 2)[1], number(top * k / 2, 0)) for k in range(3)]
    step = next((s for s in _STEPS_S if (end - begin) / s <= _TICKS), _STEPS_S[-1])
    times = range(-(-begin // step) * step, end + 1, step)
    parts += [_time(place(t, 0)[0], clock(t)) for t in times]
    parts.append(Markup('<path class="line" d="{}"/>').format(_path(points, place)))
    return Markup(
        '<svg class="day-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, Markup("").join(parts))


def _path(
    points: Sequence[tuple[int, float | None]], place: Callable[[float, float], tuple[float, float]]
) -> str:
    found, pen_up = [], True
    for t, v in points:
        if v is None:
            pen_up = True
            continue
        x, y = place(t, v)
        found.append(f"{'M' if pen_up else 'L'}{x} {y}")
        if pen_up:
            found.append("h0.01")
        pen_up = False
    return "".join(found)


def _level(y: float, text: str) -> Markup:
    return Markup(
        '<path class="grid" d="M{} {}H{}"/>'
        '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
    ).format(_LEFT, y, WIDTH - _RIGHT, _LEFT - 6, y + 4, text)


def _time(x: float, text: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
        min(max(x, _LEFT), WIDTH - _RIGHT - 14), HEIGHT - 6, text
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 × 10ⁿ."""
    if value <= 0:
        return 1.0
    power = 10.0 ** (ceil(log10(value)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
