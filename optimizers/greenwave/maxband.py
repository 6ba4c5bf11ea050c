"""MAXBAND: the widest pair of bands of uniform width through all signals.

Sources: J. D. C. Little, The synchronization of traffic signals by mixed-integer linear
programming, Operations Research 14, 1966; J. D. C. Little, M. D. Kelson, N. H. Gartner, MAXBAND,
Transportation Research Record 795, 1981.
"""

from __future__ import annotations

from optimizers.greenwave.params import BandwidthParams
from optimizers.greenwave.problem import ArterialProblem
from optimizers.greenwave.progression import (
    LinkBand,
    balance,
    centre,
    keep_in_green,
    progression,
)
from optimizers.greenwave.reading import read_result
from optimizers.greenwave.result import ArterialResult, BandwidthModel
from optimizers.mathopt import solve

DEFAULT = BandwidthParams()


def maxband(problem: ArterialProblem, params: BandwidthParams = DEFAULT) -> ArterialResult:
    """Cycle, speeds, left-turn orders and offsets with the largest weighted sum of both bands.

    The lines of both directions must pass every signal, so a long arterial may be INFEASIBLE:
    ``multiband`` with ``bands_may_end`` then still has a plan.

    Raises:
        SolverError: the solver failed.
    """
    built = progression(problem, "MAXBAND")
    widths = []
    for line in (built.out, built.back):
        width = built.model.add_variable(lb=0.0, ub=1.0)
        # The line is the band's edge next to red: all of the band lies after it.
        band = LinkBand(before=0.0, after=width)
        for signal in range(problem.signal_count):
            keep_in_green(built.model, line, signal, band)
        widths.append(width)
    out_width, back_width = widths
    balance(built, out_width, back_width)
    built.model.maximize(problem.out.weight * out_width + problem.back.weight * back_width)
    answer = solve(built.model, params.limits)
    if answer.status.has_solution:
        answer = centre(built, answer, (out_width, back_width), params.limits)
    bands = tuple((LinkBand(0.0, width),) * problem.link_count for width in widths)
    return read_result(
        built,
        BandwidthModel.MAXBAND,
        answer,
        params.limits.seed,
        (bands[0], bands[1]),
        widths=(out_width, back_width),
    )
