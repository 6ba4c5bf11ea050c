"""AM-BAND: link bands that need not lie symmetrically about their line.

Source: C. Zhang, Y. Xie, N. H. Gartner, C. Stamatiadis, T. Arsava, AM-Band: an asymmetrical
multi-band model for arterial traffic signal coordination, Transportation Research C 58, 2015.
"""

from __future__ import annotations

from optimizers.greenwave.multiband import link_band_plan
from optimizers.greenwave.params import BandwidthParams
from optimizers.greenwave.problem import ArterialProblem
from optimizers.greenwave.result import ArterialResult, BandwidthModel

DEFAULT = BandwidthParams()


def amband(problem: ArterialProblem, params: BandwidthParams = DEFAULT) -> ArterialResult:
    """Cycle, speeds, left-turn orders and offsets with the largest mean weighted link band.

    Raises:
        SolverError: the solver failed.
    """
    return link_band_plan(problem, params, BandwidthModel.AM_BAND, symmetric=False)
