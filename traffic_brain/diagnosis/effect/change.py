"""The change at a group of junctions in percent, seconds and vehicle-hours, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from traffic_brain.diagnosis.effect.inference import (
    LEAST_CONTROLS,
    Estimate,
    Placebo,
    Sample,
    estimate,
    placebos,
)
from traffic_brain.diagnosis.effect.units import Units
from traffic_brain.model.verdict import Interval95

LEAST_DAYS = 3
"""On each side, before anything is claimed."""
SHAPE_WEIGHT = 0.5
"""Of vehicles and of the time of day, beside the mean delay, when controls are matched."""
CLAIM = 0.05


class Finding(StrEnum):
    """What can be said of a change."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "no effect shown"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True)
class Change:
    """The effect on a group of junctions; minus is less delay. None: it cannot be told."""

    name: str
    junctions: tuple[str, ...]
    controls: tuple[str, ...]
    finding: Finding
    why: str
    ratio: Interval95 | None = None
    s_per_veh: Interval95 | None = None
    veh_h_per_day: Interval95 | None = None
    p_value: float | None = None
    before_s_per_veh: float | None = None
    after_s_per_veh: float | None = None
    before_veh_h_per_day: float | None = None
    after_veh_h_per_day: float | None = None
    plain_ratio: float | None = None
    """After over before − 1, nothing adjusted."""
    contrasts: tuple[float, ...] = ()
    """By day: log of treated over controls, the mean of the days before being 0."""


@dataclass(frozen=True)
class Comparison:
    """Junctions on days before and after.

    is_after: bool[day]. stratum: int64[day], the kind of day. treated: indices into
    ``units.names``; changed: those whose plans differ, which are no controls either.
    """

    units: Units
    is_after: np.ndarray
    stratum: np.ndarray
    treated: frozenset[int]
    changed: frozenset[int] = frozenset()
    _by_size: dict[int, list[Placebo]] = field(default_factory=dict, compare=False)

    @cached_property
    def reached(self) -> frozenset[int]:
        """Neighbours of treated or changed junctions, that are neither."""
        apart = self.treated | self.changed
        return frozenset(n for i in apart for n in self.units.neighbours[i]) - apart

    @cached_property
    def pool(self) -> tuple[int, ...]:
        """Junctions that may be controls: usable, unchanged, out of reach.

        Where hardly any are left, neighbours are taken, too.
        """
        usable = set(np.flatnonzero(self.units.is_usable).tolist())
        free = usable - self.treated - self.changed
        far = free - self.reached
        return tuple(sorted(far if len(far) >= LEAST_CONTROLS else free))

    @property
    def has_days(self) -> bool:
        """Enough days on both sides for a claim."""
        return bool(min(self.is_after.sum(), (~self.is_after).sum()) >= LEAST_DAYS)

    @cached_property
    def sample(self) -> Sample:
        """What the inference sees of it."""
        units = self.units
        return Sample(
            loss=units.day_delay_veh_h,
            size=units.day_vehicles,
            features=_features(units, ~self.is_after),
            is_after=self.is_after,
            stratum=self.stratum,
            near=units.neighbours,
        )

    def change(self, name: str, members: Sequence[int]) -> Change:
        """The effect on ``members``, treated junctions that lose some time on every day."""
        units = self.units
        names = tuple(units.names[i] for i in members)
        usable = [i for i in members if units.is_usable[i]]
        if not usable:
            return Change(name, names, (), Finding.NOT_DECIDED, "too few vehicles were seen")
        loss, size = self.sample.loss[usable].sum(axis=0), self.sample.size[usable].sum(axis=0)
        before, after = ~self.is_after, self.is_after
        found = estimate(self.sample, usable, self.pool, self._untreated(len(usable)))
        lost_before, lost_after = loss[before].mean(), loss[after].mean()
        s_before = 3600.0 * loss[before].sum() / size[before].sum()
        s_after = 3600.0 * loss[after].sum() / size[after].sum()
        ratio = ratio_of(found)
        finding, why = self._finding(found)
        return Change(
            name=name,
            junctions=names,
            controls=tuple(units.names[i] for i in found.controls),
            finding=finding,
            why=why,
            ratio=ratio,
            s_per_veh=against_what_would_have_been(ratio, s_after),
            veh_h_per_day=against_what_would_have_been(ratio, lost_after),
            p_value=found.p_value,
            before_s_per_veh=float(s_before),
            after_s_per_veh=float(s_after),
            before_veh_h_per_day=float(lost_before),
            after_veh_h_per_day=float(lost_after),
            plain_ratio=float(s_after / s_before - 1.0),
            contrasts=found.contrasts,
        )

    def _untreated(self, size: int) -> list[Placebo]:
        if size not in self._by_size:
            self._by_size[size] = placebos(self.sample, self.pool, size)
        return self._by_size[size]

    def _finding(self, found: Estimate) -> tuple[Finding, str]:
        if len(found.controls) < LEAST_CONTROLS:
            return Finding.NOT_DECIDED, "there are too few junctions to compare with"
        if found.interval is None or found.p_value is None:
            return Finding.NOT_DECIDED, "no kind of day is on both sides"
        if not self.has_days:
            return Finding.NOT_DECIDED, f"fewer than {LEAST_DAYS} days on one side"
        return claimed(found.log_effect, found.p_value)


def holm(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes as found together: many are looked at, so each must be clearer (Holm 1979)."""
    told = [c for c in changes if c.p_value is not None and c.finding is not Finding.NOT_DECIDED]
    ranked = sorted(told, key=lambda c: c.p_value or 0.0)
    found: dict[str, Change] = {}
    highest = 0.0
    for rank, change in enumerate(ranked):
        assert change.p_value is not None
        assert change.ratio is not None
        highest = max(highest, min(1.0, change.p_value * (len(ranked) - rank)))
        finding, why = claimed(change.ratio.mean, highest)
        found[change.name] = replace(change, finding=finding, why=why)
    return tuple(found.get(c.name, c) for c in changes)


def claimed(effect: float, p_value: float) -> tuple[Finding, str]:
    """What an effect shows, and why."""
    if p_value >= CLAIM:
        return Finding.NOT_SHOWN, "what is seen could be chance"
    return (Finding.BETTER if effect < 0 else Finding.WORSE), "beyond chance"


def ratio_of(found: Estimate) -> Interval95 | None:
    """The effect as a ratio; None: it cannot be told."""
    if found.interval is None:
        return None
    low, high = np.expm1(found.interval)
    return Interval95(float(np.expm1(found.log_effect)), float(low), float(high))


def against_what_would_have_been(ratio: Interval95 | None, after: float) -> Interval95 | None:
    """After − after / (1 + ratio): the difference to the same days without the change."""
    if ratio is None:
        return None
    return Interval95(
        *(float(after - after / (1.0 + r)) for r in (ratio.mean, ratio.low, ratio.high))
    )


def _features(units: Units, before: np.ndarray) -> np.ndarray:
    """float64[unit, feature] of the days before: mean delay, vehicles, when the delay is lost."""
    loss = units.delay_veh_h[:, before].sum(axis=1)
    vehicles = np.maximum(units.vehicles[:, before].sum(axis=(1, 2)), 1.0)
    total = np.maximum(loss.sum(axis=1), 1e-9)
    bins = np.arange(loss.shape[1])
    middle = loss @ bins / total
    width = np.sqrt(np.maximum(loss @ bins**2 / total - middle**2, 0.0))
    columns = np.array([np.log(total / vehicles), np.log(vehicles), middle, width]).T
    weight = np.array([1.0, SHAPE_WEIGHT, SHAPE_WEIGHT, SHAPE_WEIGHT])
    usable = columns[units.is_usable] if units.is_usable.any() else columns
    scaled = (columns - usable.mean(axis=0)) / (usable.std(axis=0) + 1e-9)
    return np.asarray(scaled * weight)
