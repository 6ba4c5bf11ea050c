"""From a solved model to the plan that it means: seconds, offsets, bands."""

from __future__ import annotations

from optimizers.greenwave.problem import LeftPattern
from optimizers.greenwave.progression import Line, LinkBands, Progression, reds_between
from optimizers.greenwave.result import (
    ArterialPlan,
    ArterialResult,
    BandwidthModel,
    DirectionBands,
)
from optimizers.mathopt import Expression, MipAnswer

_PATTERNS = {(p.out_lags, p.back_lags): p for p in LeftPattern}


def read_result(
    built: Progression,
    model: BandwidthModel,
    answer: MipAnswer,
    seed: int,
    bands: tuple[LinkBands, LinkBands],
    widths: tuple[Expression, Expression] | None = None,
) -> ArterialResult:
    """An answer with the plan that it holds.

    ``bands`` are the link bands out and back; ``widths`` those of the bands through all signals
    where the model has such.
    """
    plan = _plan(built, answer, bands, widths) if answer.status.has_solution else None
    return ArterialResult(model, answer.status, answer.objective, answer.bound, seed, plan)


def _plan(
    built: Progression,
    answer: MipAnswer,
    bands: tuple[LinkBands, LinkBands],
    widths: tuple[Expression, Expression] | None,
) -> ArterialPlan:
    problem = built.problem
    cycle_s = _seconds(1.0 / answer.value(built.frequency))
    lags = [(round(answer.value(a)), round(answer.value(b))) for a, b in built.lags]
    reds = [
        float(reds_between(problem, i, *(lags[i] if lags else (0, 0))))
        for i in range(problem.signal_count)
    ]
    offsets = _offsets(built, answer, bands, reds)
    if widths is None:
        out_width, back_width = (_through(answer, side) for side in bands)
    else:
        out_width, back_width = (answer.value(width) for width in widths)
    out_fronts, back_fronts = _fronts(built, answer, bands, offsets, reds)
    return ArterialPlan(
        cycle_s=cycle_s,
        offsets_s=tuple(_clock(x, cycle_s) for x in offsets),
        back_green_starts_s=tuple(
            _clock(red - between, cycle_s)
            for red, between in zip(problem.back.red_ratios, reds, strict=True)
        ),
        out=_bands(built.out, answer, cycle_s, out_width, bands[0], out_fronts),
        back=_bands(built.back, answer, cycle_s, back_width, bands[1], back_fronts),
        left_patterns=tuple(_PATTERNS[lag] for lag in lags),
    )


def _offsets(
    built: Progression,
    answer: MipAnswer,
    bands: tuple[LinkBands, LinkBands],
    reds: list[float],
) -> list[float]:
    """Start of each out green after that of the first signal, in cycles."""
    problem, value = built.problem, answer.value
    out_after, back_after = built.out.after_red, built.back.after_red
    offsets = [0.0]
    for i in range(problem.link_count):
        j = i + 1
        out_step = (
            value(out_after[i] - out_after[j] + built.out.travel[i]) - problem.out.queue_ratios[j]
        )
        back_step = (
            value(back_after[j] - back_after[i] - built.back.travel[i])
            + (reds[j] - reds[i])
            + problem.back.queue_ratios[i]
        )
        # The steps differ only where a loop is open: there the direction with a band counts.
        follows_back = value(bands[1][i].width) > value(bands[0][i].width)
        offsets.append(offsets[i] + (back_step if follows_back else out_step))
    return offsets


def _fronts(
    built: Progression,
    answer: MipAnswer,
    bands: tuple[LinkBands, LinkBands],
    offsets: list[float],
    reds: list[float],
) -> tuple[list[float], list[float]]:
    """When the first vehicle of each link's band leaves the upstream signal, in cycles."""
    value = answer.value
    out = [
        offsets[i] + value(built.out.after_red[i]) - value(band.before)
        for i, band in enumerate(bands[0])
    ]
    # The back line counts from the start of red, backwards: "after" it is earlier on the clock.
    back = [
        offsets[j] - reds[j] - value(built.back.after_red[j]) - value(band.after)
        for j, band in enumerate(bands[1], start=1)
    ]
    return out, back


def _through(answer: MipAnswer, bands: LinkBands) -> float:
    """Width of what all link bands of a direction have in common around their line."""
    before = min((answer.value(band.before) for band in bands), default=0.0)
    after = min((answer.value(band.after) for band in bands), default=0.0)
    return before + after


def _bands(
    line: Line,
    answer: MipAnswer,
    cycle_s: float,
    through: float,
    bands: LinkBands,
    fronts: list[float],
) -> DirectionBands:
    travel_s = [answer.value(t) * cycle_s for t in line.travel]
    return DirectionBands(
        bandwidth_s=_seconds(cycle_s * max(through, 0.0)),
        link_bandwidths_s=tuple(
            _seconds(cycle_s * max(answer.value(band.width), 0.0)) for band in bands
        ),
        link_band_starts_s=tuple(_clock(front, cycle_s) for front in fronts),
        travel_s=tuple(_seconds(t) for t in travel_s),
        speeds_mps=tuple(
            length / t for length, t in zip(line.direction.lengths_m, travel_s, strict=True)
        ),
    )


def _clock(cycles: float, cycle_s: float) -> float:
    """Seconds in [0, cycle)."""
    seconds = _seconds(cycles * cycle_s % cycle_s)
    return seconds if seconds < cycle_s else 0.0


def _seconds(seconds: float) -> float:
    """To the microsecond: solvers are not more exact, and 65 s shall not read 64.9999999999."""
    return round(seconds, 6)
