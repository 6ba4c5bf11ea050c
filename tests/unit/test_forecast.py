"""Forecasts of days made by hand: what is usual, and what the day so far tells."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.diagnosis.forecast import Days, learn, profile

PLACES, BINS = 12, 96
KINDS = ("working", "working", "free", "working", "working")


def made(seed: int = 1, count: int = 5) -> Days:
    """Speeds with a morning jam on working days; each day is slower or faster for hours."""
    rng = np.random.default_rng(seed)
    at = np.arange(BINS)
    usual = 60.0 - 25.0 * np.exp(-(((at - 30) / 8.0) ** 2))
    values = []
    for d in range(count):
        level = usual if KINDS[d] == "working" else np.full(BINS, 60.0)
        drift = np.cumsum(rng.normal(0.0, 1.0, (1, BINS)), axis=1) * 0.5
        values.append(level + drift + rng.normal(0.0, 0.5, (PLACES, BINS)))
    near = np.full((PLACES, PLACES), 1.0 / PLACES)
    return Days(np.array(values), KINDS[:count], near)


def test_tomorrow_is_the_profile_of_its_kind() -> None:
    days = made()
    forecaster = learn(days)
    working, free = forecaster.tomorrow("working"), forecaster.tomorrow("free")
    assert working[:, 28:33].mean() < 45 < free[:, 28:33].mean()
    assert np.array_equal(working, profile(days, "working"))
    # A kind never seen is the middle of all days.
    assert profile(days, "holiday")[:, 30].mean() == pytest.approx(37, abs=6)


def test_the_next_hour_is_better_than_now_and_than_usual() -> None:
    days, today = made(), made(2, 1).values[0]
    forecaster = learn(days)
    usual, errors = profile(days, "working"), np.zeros((3, 0))
    for now in range(10, BINS - 12):
        ahead = forecaster.next_hour(today[:, : now + 1], "working")
        assert ahead.shape == (PLACES, 12)
        truth = today[:, now + 6]
        error = [ahead[:, 5] - truth, today[:, now] - truth, usual[:, now + 6] - truth]
        errors = np.hstack([errors, np.abs(error)])
    ours, same_as_now, profile_alone = errors.mean(axis=1)
    assert ours < 0.9 * min(same_as_now, profile_alone)


def test_one_day_is_the_same_as_now() -> None:
    days = made(count=1)
    ahead = learn(days).next_hour(days.values[0][:, :20], "working")
    assert np.array_equal(ahead, np.repeat(days.values[0][:, 19:20], 12, axis=1))


def test_nobody_is_warned_of_what_is_far() -> None:
    days = made()
    forecaster = learn(days)
    ahead = forecaster.next_hour(days.values[0][:, :60], "working")
    assert not forecaster.warned(ahead, np.full(PLACES, 20.0)).any()
    assert forecaster.warned(ahead, np.full(PLACES, 80.0)).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    days = made()
    with pytest.raises(ValueError, match="do not fit together"):
        learn(Days(days.values, KINDS[:2], days.near))
