"""Gaps in series: filled better than by any one simple way, days of a kind told apart."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.fusion.filling import _between, _edges, fill

BINS = 48
DAYS = 6
PLACES = 12


def made(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(values, nearness): places along a road, five days alike, a rush that moves along it."""
    rng = np.random.default_rng(seed)
    at = np.arange(BINS * DAYS) % BINS
    place = np.arange(PLACES)[:, None]
    rush = 40.0 * np.exp(-(((at[None] - 16 - 0.3 * place) / 4.0) ** 2))
    rush[:, -BINS:] = 0.0
    common = np.repeat(rng.normal(0.0, 4.0, BINS * DAYS // 4), 4)
    near = np.exp(-np.abs(place - place.T) / 3.0)
    return 100.0 - rush + common + rng.normal(0.0, 0.5, rush.shape), near


def line(values: np.ndarray) -> np.ndarray:
    bins = np.arange(values.shape[1])
    found = [np.interp(bins, bins[np.isfinite(v)], v[np.isfinite(v)]) for v in values]
    return np.array(found)


def test_what_is_known_stays_and_no_gap_is_left() -> None:
    values, near = made()
    values[2, 30:40] = np.nan
    values[5] = np.nan
    found = fill(values, near, BINS).series
    known = np.isfinite(values)
    assert np.isfinite(found).all()
    assert (found[known] == values[known]).all()
    assert (fill(values, near, BINS).series == found).all(), "the same seed, the same answer"


def test_blocks_are_filled_better_than_by_a_straight_line() -> None:
    values, near = made()
    rng = np.random.default_rng(0)
    hidden = np.zeros(values.shape, dtype=bool)
    for place in range(PLACES):
        for start in rng.choice(BINS * DAYS - 10, 4, replace=False):
            hidden[place, start : start + 10] = True
    rest = np.where(hidden, np.nan, values)
    off = np.abs(fill(rest, near, BINS).series - values)[hidden].mean()
    assert off < 0.7 * np.abs(line(rest) - values)[hidden].mean()


def test_a_silent_place_is_filled_from_its_neighbours() -> None:
    values, near = made()
    rest = values.copy()
    rest[[3, 8]] = np.nan
    off = np.abs(fill(rest, near, BINS).series - values)[[3, 8]].mean()
    assert off < 0.5 * np.abs(values - np.nanmean(rest))[[3, 8]].mean()


def test_where_nothing_is_known_nothing_is_filled() -> None:
    with pytest.raises(ValueError, match="nothing is known"):
        fill(np.full((2, 4), np.nan), np.eye(2), 4)


def test_between_two_known_places_of_a_road_lies_a_straight_line() -> None:
    """Stations at 0, 1, 3, 4 and 8 km, the three in the middle silent: by distance, not by rank."""
    km = np.array([0.0, 1.0, 3.0, 4.0, 8.0])
    near = np.exp(-np.abs(km[:, None] - km[None]) / 5.0)
    values = np.tile(np.array([[10.0], [np.nan], [np.nan], [np.nan], [50.0]]), (1, 4))
    found = _between(values, _edges(near), np.zeros_like(values))
    assert found == pytest.approx(np.tile((10.0 + 5.0 * km)[:, None], (1, 4)), rel=1e-3)
