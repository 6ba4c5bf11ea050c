"""The decision, from the delays of paired runs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sim_scenarios.compare import median_interval
from traffic_brain.model.verdict import Decision, Interval95

Delays = tuple[float, ...]
Pairs = tuple[Delays, Delays]
"""Delay per seed under the plans in service, and under the candidate's."""


class Demands(Protocol):
    """What the decision asks for; see ``CheckParams``."""

    @property
    def least_gain_ratio(self) -> float: ...
    @property
    def sure_gain_ratio(self) -> float: ...
    @property
    def worse_days_ratio(self) -> float: ...
    @property
    def breakdown_factor(self) -> float: ...
    @property
    def interval_level(self) -> float: ...


def decide(
    confirmed: Pairs, others: Pairs, params: Demands
) -> tuple[Decision, str, Interval95 | None]:
    """The decision, its reason, and the median change of the confirmation with its interval.

    DEPLOY only what is better beyond doubt on the ordinary day, by enough, better on nearly all
    days and in their mean, and breaks down at most once more than the plans in service.
    """
    ratio = median_interval(
        [(b - a) / a if a > 0 else 0.0 for a, b in zip(*confirmed, strict=True)],
        params.interval_level,
    )
    if ratio is None:
        return Decision.INCONCLUSIVE, "too few pairs for an interval", None
    shown = told(ratio)
    if ratio.low > 0:
        return Decision.KEEP, f"worse than the plans in service: {shown}", ratio
    if ratio.high >= 0:
        return Decision.INCONCLUSIVE, f"not shown to be better: {shown}", ratio
    if -ratio.mean < params.least_gain_ratio:
        return Decision.KEEP, f"the gain is too small to change plans for: {shown}", ratio
    veto = _not_sure(ratio, confirmed, params) or _veto(confirmed, others, params)
    if veto:
        return Decision.INCONCLUSIVE, f"{veto}: {shown}", ratio
    return Decision.DEPLOY, f"delay changes by {shown}", ratio


def told(ratio: Interval95) -> str:
    """A change with its interval, in per cent."""
    return f"{ratio.mean:+.1%} [{ratio.low:+.1%}, {ratio.high:+.1%}]"


def _not_sure(ratio: Interval95, confirmed: Pairs, params: Demands) -> str:
    """Why a median that promises enough does not do alone; or nothing.

    The days differ in what is not known of the demand as well: a plan that some of them make worse
    than it was may be worse on all that come.
    """
    if -ratio.high < params.sure_gain_ratio:
        return f"not sure to be better by {params.sure_gain_ratio:.0%}"
    worse = sum(b > a for a, b in zip(*confirmed, strict=True))
    if worse > params.worse_days_ratio * len(confirmed[0]):
        return f"worse on {worse} of {len(confirmed[0])} days"
    return ""


def _veto(confirmed: Pairs, others: Pairs, params: Demands) -> str:
    """Why a plan that is better on the ordinary day must not go out all the same; or nothing."""
    days = len(confirmed[0]) + len(others[0])
    locked = [breakdowns(pairs, params) for pairs in (confirmed, others)]
    before, after = (sum(side) for side in zip(*locked, strict=True))
    if after > before + 1:
        return f"breaks down on {after} of {days} days, in service on {before}"
    everything = joined(confirmed, others)
    if np.mean(everything[1]) >= np.mean(everything[0]):
        return f"not better in the mean of {days} days"
    return ""


def breakdowns(pairs: Pairs, params: Demands) -> tuple[int, int]:
    """Days on which the streets locked, under the plans in service and under the candidate's."""
    usual = float(np.median(pairs[0]))
    before, after = (sum(d > params.breakdown_factor * usual for d in side) for side in pairs)
    return before, after


def is_open(decision: Decision, ratio: Interval95 | None) -> bool:
    """Whether more pairs may still show what the median promises."""
    return decision is Decision.INCONCLUSIVE and ratio is not None and ratio.mean < 0


def joined(a: Pairs, b: Pairs) -> Pairs:
    """The pairs of two phases as one."""
    return a[0] + b[0], a[1] + b[1]
