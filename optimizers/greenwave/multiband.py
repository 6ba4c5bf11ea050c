"""MULTIBAND: a band of its own width on every link, centred on one line per direction.

Source: N. H. Gartner, S. F. Assmann, F. Lasaga, D. L. Hou, A multi-band approach to arterial
traffic signal optimization, Transportation Research B 25, 1991.
"""

from __future__ import annotations

from optimizers.greenwave.params import BandwidthParams
from optimizers.greenwave.problem import ArterialProblem
from optimizers.greenwave.progression import (
    Line,
    LinkBand,
    LinkBands,
    Progression,
    balance,
    keep_in_green,
    progression,
)
from optimizers.greenwave.reading import read_result
from optimizers.greenwave.result import ArterialResult, BandwidthModel
from optimizers.mathopt import Expression, Model, Variable, solve

DEFAULT = BandwidthParams()


def multiband(problem: ArterialProblem, params: BandwidthParams = DEFAULT) -> ArterialResult:
    """Cycle, speeds, left-turn orders and offsets with the largest mean weighted link band.

    Raises:
        SolverError: the solver failed.
    """
    return link_band_plan(problem, params, BandwidthModel.MULTIBAND, symmetric=True)


def link_band_plan(
    problem: ArterialProblem, params: BandwidthParams, model: BandwidthModel, *, symmetric: bool
) -> ArterialResult:
    """A plan with one band per link, ``symmetric`` about its line or not.

    Raises:
        SolverError: the solver failed.
    """
    built = progression(problem, model.value, open_loops=params.bands_may_end)
    out = _link_bands(built, built.out, symmetric=symmetric)
    back = _link_bands(built, built.back, symmetric=symmetric)
    total: Expression = 0.0
    for i in range(problem.link_count):
        balance(built, out[i].width, back[i].width)
        if params.bands_may_end:
            _let_bands_end(built, i, out[i], back[i])
        total += problem.out.link_weights[i] * out[i].width
        total += problem.back.link_weights[i] * back[i].width
    built.model.maximize(total / max(problem.link_count, 1))
    answer = solve(built.model, params.limits)
    return read_result(built, model, answer, params.limits.seed, (out, back))


def _link_bands(built: Progression, line: Line, *, symmetric: bool) -> LinkBands:
    bands = []
    for i in range(built.problem.link_count):
        band = _link_band(built.model, symmetric=symmetric)
        keep_in_green(built.model, line, i, band)
        keep_in_green(built.model, line, i + 1, band)
        bands.append(band)
    return tuple(bands)


def _link_band(model: Model, *, symmetric: bool) -> LinkBand:
    before: Variable = model.add_variable(lb=0.0, ub=1.0)
    after: Variable = before if symmetric else model.add_variable(lb=0.0, ub=1.0)
    band = LinkBand(before, after)
    model.add_linear_constraint(band.width <= 1.0)
    return band


def _let_bands_end(built: Progression, i: int, out: LinkBand, back: LinkBand) -> None:
    """A loop closes only where both directions have a band: with one band there is no loop."""
    runs_out, runs_back = (built.model.add_binary_variable() for _ in range(2))
    built.model.add_linear_constraint(out.width <= runs_out)
    built.model.add_linear_constraint(back.width <= runs_back)
    widest_gap = 0.5 * (2 - runs_out - runs_back)
    built.model.add_linear_constraint(built.loop_gaps[i] <= widest_gap)
    built.model.add_linear_constraint(built.loop_gaps[i] >= -widest_gap)
