"""Gaps bridged as was learnt elsewhere: better than a straight line, whatever is known."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.fusion.bridging import (
    STRAIGHT,
    Bridges,
    bridged,
    learned,
    least_absolute,
)
from traffic_brain.fusion.filling import fill

BINS, DAYS, PLACES = 96, 5, 10


def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, nearness, bin of day): a rush of four hours every day, stronger on some."""
    rng = np.random.default_rng(4)
    at = np.arange(BINS * DAYS) % BINS
    strength = np.repeat(rng.uniform(0.7, 1.3, DAYS), BINS)
    rush = 40.0 * strength * np.exp(-(((at - 36) / 8.0) ** 2))
    noise = rng.normal(0.0, 4.0, (PLACES, BINS * DAYS))
    near = np.exp(-np.abs(np.subtract.outer(np.arange(PLACES), np.arange(PLACES))) / 2.0)
    return 90.0 - rush[None] + noise, near, at


def hidden_for_hours() -> np.ndarray:
    """bool[bin]: blocks in which no place says anything, the rush of two days among them."""
    hidden = np.zeros(BINS * DAYS, dtype=bool)
    for start in (30, BINS + 60, 2 * BINS + 32, 3 * BINS + 8, 4 * BINS + 70):
        hidden[start : start + 12] = True
    return hidden


def line(values: np.ndarray) -> np.ndarray:
    bins = np.arange(values.shape[1])
    found = [np.interp(bins, bins[np.isfinite(v)], v[np.isfinite(v)]) for v in values]
    return np.array(found)


def bridged_as_learnt(rest: np.ndarray, near: np.ndarray, of_day: np.ndarray) -> np.ndarray:
    bridges = learned(rest, near, of_day, 0)
    return bridged(rest, near, of_day, bridges, np.full_like(rest, -1.0))


def test_hours_without_any_feed_are_bridged_better_than_by_a_straight_line() -> None:
    values, near, of_day = made()
    hidden = np.broadcast_to(hidden_for_hours(), values.shape)
    rest = np.where(hidden, np.nan, values)
    straight = np.abs(line(rest) - values)[hidden].mean()
    found = bridged_as_learnt(rest, near, of_day)
    assert (found[~hidden] == values[~hidden]).all()
    assert np.abs(found - values)[hidden].mean() < 0.7 * straight
    filled = fill(rest, near, BINS).series
    assert np.abs(filled - values)[hidden].mean() < 0.7 * straight


def test_the_beginning_and_the_end_are_bridged_from_one_side() -> None:
    values, near, of_day = made()
    rest = values.copy()
    rest[:, :6] = np.nan
    rest[:3, -20:] = np.nan
    found = bridged_as_learnt(rest, near, of_day)
    gone = np.isnan(rest)
    assert np.abs(found - values)[gone].mean() < 6.0


@pytest.mark.parametrize("days", [1, 2])
def test_few_days_and_silent_places_are_no_obstacle(days: int) -> None:
    values, near, of_day = (x[..., : days * BINS] for x in made())
    rest = values.copy()
    rest[2] = np.nan
    rest[:, 20:30] = np.nan
    near = made()[1]
    found = bridged_as_learnt(rest, near, of_day)
    assert (found[2] == -1.0).all(), "of a silent place others must tell"
    assert np.abs(found - values)[:2].mean() < 3.0


def test_what_was_not_learnt_is_a_straight_line_drawn_to_the_usual_day() -> None:
    values, near, of_day = (np.full((3, 8), 5.0), np.eye(3), np.arange(8) % 4)
    values[0] = [0.0, 0.0, 0.0, np.nan, 10.0, 10.0, 10.0, 10.0]
    found = bridged(values, near, of_day, Bridges({}), np.zeros_like(values))
    assert found[0, 3] == pytest.approx(STRAIGHT * 5.0 + (1 - STRAIGHT) * 10.0)


def test_errors_count_by_their_size_not_by_its_square() -> None:
    """The median of five values, one of them far off."""
    terms = np.stack([np.zeros(500), np.ones(500)], axis=1)
    off = np.tile([1.0, 2.0, 3.0, 4.0, 30.0], 100)
    assert least_absolute(terms, off)[1] == pytest.approx(3.0, rel=0.05)
    assert least_absolute(terms, np.zeros(500)) == pytest.approx([STRAIGHT, 0.0])
