"""Passes whose plate a camera read wrongly, given back to the vehicle they belong to.

A misread plate is known by its company: a plate that the city saw at one site only, one character
away from the plate of a vehicle that was seen elsewhere shortly before or after, no further off
than it can have driven in that time, and no nearer than a car comes that keeps on driving: a city
has so many plates that most have look-alikes. Works on plates as text, so it lives inside the
ingest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

COMPANY_S = 600.0
"""How long before or after the misread pass the vehicle was read rightly."""
MAX_SPEED_MPS = 150 / 3.6
LEAST_SPEED_MPS = 3.0
"""As the crow flies, between two cameras and their red lights; our own figure."""
WAIT_S = 60.0
"""A red light that a short way has no time to make up for."""
CLOCK_ERROR_S = 5.0
"""By so much the clocks of two cameras may differ."""


def mended(
    plates: np.ndarray, token: np.ndarray, time_s: np.ndarray, place_m: np.ndarray
) -> np.ndarray:
    """int64[row]: the tokens, those of misread plates replaced by the right vehicle's.

    Args:
        plates: text[row], in one spelling.
        token: int64[row], one per distinct plate.
        time_s: float64[row].
        place_m: float64[row, 2], where the camera stands.
    """
    rows_of = _rows_by_token(token)
    lonely = {t for t, rows in rows_of.items() if (place_m[rows] == place_m[rows[0]]).all()}
    suspects: dict[str, list[int]] = defaultdict(list)
    for t in sorted(lonely):
        for pattern in _patterns(plates[rows_of[t][0]]):
            suspects[pattern].append(t)
    span_s = {t: (time_s[rows].min(), time_s[rows].max()) for t, rows in rows_of.items()}
    best: dict[int, tuple[float, int]] = {}
    for t in sorted(set(rows_of) - lonely):
        for pattern in _patterns(plates[rows_of[t][0]]):
            for suspect in suspects.get(pattern, ()):
                if not _meet(span_s[suspect], span_s[t]):
                    continue
                gap_s = _gap_s(rows_of[suspect], rows_of[t], time_s, place_m)
                best[suspect] = min(best.get(suspect, (COMPANY_S, -1)), (gap_s, t))
    right = token.copy()
    for suspect, (_, vehicle) in best.items():
        right[rows_of[suspect]] = vehicle if vehicle >= 0 else suspect
    return right


def _rows_by_token(token: np.ndarray) -> dict[int, np.ndarray]:
    order = np.argsort(token, kind="stable")
    cuts = np.flatnonzero(np.diff(token[order])) + 1
    return {int(token[rows[0]]): rows for rows in np.split(order, cuts) if len(rows)}


def _patterns(plate: str) -> Iterator[str]:
    """The plate with each of its characters left open."""
    return (f"{plate[:i]}*{plate[i + 1 :]}" for i in range(len(plate)))


def _meet(suspect_s: tuple[float, float], vehicle_s: tuple[float, float]) -> bool:
    """Whether two spans of time are at all near enough; most of a day's look-alikes are not."""
    return suspect_s[0] < vehicle_s[1] + COMPANY_S and vehicle_s[0] < suspect_s[1] + COMPANY_S


def _gap_s(
    misread: np.ndarray, company: np.ndarray, time_s: np.ndarray, place_m: np.ndarray
) -> float:
    """Seconds to the vehicle's nearest sighting; infinite where it cannot have driven between.

    Args:
        misread: the suspect's rows, all at one place; every one of them must fit.
        company: the vehicle's rows.
    """
    gaps_s = np.abs(time_s[misread][:, None] - time_s[company])
    apart_m = np.hypot(*(place_m[company] - place_m[misread[0]]).T)
    reached = gaps_s + CLOCK_ERROR_S >= apart_m / MAX_SPEED_MPS
    nearest_s = gaps_s.min(axis=1, keepdims=True)
    driven = (gaps_s == nearest_s) & (gaps_s <= WAIT_S + apart_m / LEAST_SPEED_MPS)
    # A vehicle that was read rightly here was not misread here.
    read_here = (apart_m == 0) & (gaps_s < COMPANY_S)
    if reached.all() and driven.any(axis=1).all() and not read_here.any():
        return float(nearest_s.max())
    return np.inf
