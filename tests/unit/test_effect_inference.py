"""The interval of an effect: how often it is wrong, and what cancels."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.diagnosis.effect.inference import Estimate, Sample, estimate, placebos

PLACES, GROUP = 40, (10, 11, 12, 13, 14)
POOL = tuple(i for i in range(PLACES) if i not in {*GROUP, 9, 15})


def sample(
    rng: np.random.Generator,
    *,
    days: int = 5,
    day_sd: float = 0.08,
    place_drift_sd: float = 0.0,
    effect: float = 0.0,
) -> Sample:
    """A row of places; everybody shares the weather, each has its own days."""
    is_after = np.repeat([False, True], days)
    log_loss = rng.normal(0.0, 0.5, (PLACES, 1)) + rng.normal(0.0, 0.3, 2 * days)
    log_loss = log_loss + rng.normal(0.0, day_sd, log_loss.shape)
    log_loss += rng.normal(0.0, place_drift_sd, (PLACES, 1)) * is_after
    log_loss[list(GROUP)] += np.log1p(effect) * is_after
    near = tuple(frozenset({i - 1, i + 1} & set(range(PLACES))) for i in range(PLACES))
    features = log_loss[:, ~is_after].mean(axis=1, keepdims=True)
    size = np.full(log_loss.shape, 1000.0)
    return Sample(np.exp(log_loss), size, features, is_after, np.zeros(2 * days, int), near)


def found(one: Sample) -> Estimate:
    return estimate(one, GROUP, POOL, placebos(one, POOL, len(GROUP)))


@pytest.mark.parametrize(
    "changes",
    [{}, {"days": 3}, {"place_drift_sd": 0.08}, {"day_sd": 0.2}],
    ids=["five days", "three days", "places drift", "wild days"],
)
def test_a_change_that_is_none_is_hardly_ever_claimed(changes: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    p_values = [found(sample(rng, **changes)).p_value for _ in range(30)]  # type: ignore[arg-type]
    # 30 at 5 %: 6 or more would come by chance three times in a thousand.
    assert sum(p is not None and p < 0.05 for p in p_values) < 6


def test_ten_percent_less_are_found() -> None:
    rng = np.random.default_rng(2)
    estimates = [found(sample(rng, effect=-0.1, day_sd=0.06)) for _ in range(20)]
    intervals = [e.interval for e in estimates]
    assert np.mean([e.log_effect for e in estimates]) == pytest.approx(np.log(0.9), abs=0.03)
    assert sum(i is not None and i[1] < 0 for i in intervals) >= 16
    assert sum(i is not None and i[0] < np.log(0.9) < i[1] for i in intervals) >= 17


def test_what_everybody_shares_cancels_and_units_do_not_matter() -> None:
    one = sample(np.random.default_rng(3), effect=-0.1)
    snow = np.where(one.is_after, 3.0, 1.0)
    other = Sample(
        one.loss * snow * 60.0, one.size, one.features, one.is_after, one.stratum, one.near
    )
    assert found(other).log_effect == pytest.approx(found(one).log_effect)
    assert found(other).error == pytest.approx(found(one).error)


def test_without_noise_the_effect_is_exact() -> None:
    still = sample(np.random.default_rng(4), day_sd=0.0, effect=-0.1)
    assert found(still).log_effect == pytest.approx(np.log(0.9))


def test_only_days_of_one_kind_are_compared() -> None:
    one = sample(np.random.default_rng(5), day_sd=0.0, effect=-0.1)
    stratum = np.array([0, 0, 0, 1, 1] * 2)
    odd = one.loss.copy()
    odd[list(GROUP)] *= np.where(stratum == 1, 5.0, 1.0)
    parted = Sample(odd, one.size, one.features, one.is_after, stratum, one.near)
    assert found(parted).log_effect == pytest.approx(np.log(0.9))
    apart = Sample(
        one.loss, one.size, one.features, one.is_after, one.is_after.astype(int), one.near
    )
    assert found(apart).interval is None
    assert found(apart).p_value is None


def test_without_controls_nothing_is_told_of_the_error() -> None:
    one = sample(np.random.default_rng(6))
    assert estimate(one, GROUP, (), ()).interval is None
