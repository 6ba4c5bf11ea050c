"""Errors, shares and what sampling alone costs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.fusion.days import HOUR, LEAST_HOUR_BINS, QUARTER, Day

DRAWS = 20
LONG_M = 30.0
"""Shorter links are less than a few car lengths: a vehicle is on them for two or three seconds."""
READ_BOTH_RATIO = 0.95**2
"""A camera reads this share of plates, and a travel time needs two of them."""
JAM_RATIO = 4.0


def quarters(values: np.ndarray, weights: np.ndarray, size: int = QUARTER) -> np.ndarray:
    """Weighted mean over ``size`` bins: float64[link, quarter]; NaN where nothing weighs."""
    total = _sums(np.where(weights > 0, np.nan_to_num(values), 0.0) * weights, size)
    weight = _sums(np.where(np.isfinite(values), weights, 0.0), size)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return np.asarray(mean)


def _sums(values: np.ndarray, size: int) -> np.ndarray:
    bins = np.arange(0, values.shape[1], size)
    return np.asarray(np.add.reduceat(values, bins, axis=1))


def error(found: np.ndarray, true: np.ndarray, veh: np.ndarray, where: np.ndarray) -> float:
    """Mean absolute error relative to the truth, weighted by vehicles, over the cells marked."""
    use = where & (veh > 0) & np.isfinite(true) & np.isfinite(found)
    if not use.any():
        return float("nan")
    relative = np.abs(found[use] / true[use] - 1.0)
    return float(np.average(relative, weights=veh[use]))


def travel_time_figures(day: Day, size: int) -> dict[str, float]:
    """Errors of link travel times over ``size`` bins of 5 min, of all ways to tell them."""
    veh = _sums(day.true_flow, size)
    true = quarters(day.true_pace, day.true_flow, size)
    weight = np.maximum(day.flow, 0.1)  # the engine's own flow: it does not know the true one
    found = quarters(day.pace, weight, size)
    everywhere = np.ones_like(veh, dtype=bool)
    long = np.broadcast_to(day.length_m[:, None] >= LONG_M, veh.shape)
    seen = _sums(day.seen.astype(float), size) > 0
    figures = {
        "fused": error(found, true, veh, everywhere),
        "fused, links of 30 m": error(found, true, veh, long),
        "unseen": error(found, true, veh, ~seen),
        "unseen share of vehicles": float(veh[~seen].sum() / veh.sum()),
    }
    for name, pace in day.sources.items():
        alone = quarters(pace, np.where(np.isfinite(pace), weight, 0.0), size)
        both = np.isfinite(alone)
        figures[f"{name} alone"] = error(alone, true, veh, both)
        figures[f"fused where {name}"] = error(found, true, veh, both)
    stacked = np.array([np.full_like(day.pace, np.nan), *day.sources.values()])
    with np.errstate(invalid="ignore"):
        count = np.isfinite(stacked).sum(axis=0)
        plain = np.nansum(stacked, axis=0) / np.where(count > 0, count, np.nan)
    average = quarters(plain, np.where(np.isfinite(plain), weight, 0.0), size)
    figures["plain average"] = error(average, true, veh, np.isfinite(average))
    figures["fused where any"] = error(found, true, veh, np.isfinite(average))
    return figures


def coverage(day: Day) -> dict[str, float]:
    """Share of 5-min cells with traffic whose truth lies in the interval, and its mean width.

    Cells of which the engine says nothing do not count here; their share is told.
    """
    driven = (day.true_flow > 0) & np.isfinite(day.true_pace)
    use = driven & day.known
    inside = (day.low <= day.true_pace) & (day.true_pace <= day.high)
    unseen = use & ~day.seen
    width = (day.high - day.low) / day.pace
    return {
        "coverage": float(inside[use].mean()),
        "coverage of vehicles": float(np.average(inside[use], weights=day.true_flow[use])),
        "coverage unseen": float(inside[unseen].mean()) if unseen.any() else float("nan"),
        "median width": float(np.median(width[use])),
        "unknown": float(1.0 - day.known[driven].mean()),
    }


def delay_figures(day: Day) -> dict[str, float]:
    """Vehicle-hours lost as the engine says, over those lost, at the true flows: shares found.

    Where vehicles lost nothing, what the engine says counts as well. ``in jams``: where they took
    four times the undisturbed time and more.
    """
    took_s = day.true_pace * day.length_m[:, None]
    use = (day.true_flow > 0) & np.isfinite(took_s) & np.isfinite(day.delay_s)
    lost_s = np.maximum(took_s - day.free_s, 0.0)
    jam = use & (took_s >= JAM_RATIO * day.free_s)

    def found(where: np.ndarray) -> float:
        lost = float((day.true_flow * lost_s)[where].sum())
        return float((day.true_flow * day.delay_s)[where].sum()) / lost if lost else float("nan")

    return {"delay found": found(use), "delay found in jams": found(jam)}


def geh(found_vph: np.ndarray, true_vph: np.ndarray) -> np.ndarray:
    """GEH statistic of hourly flows."""
    total = np.maximum(found_vph + true_vph, 1e-9)
    return np.asarray(np.sqrt(2.0 * (found_vph - true_vph) ** 2 / total))


def flow_figures(day: Day) -> dict[str, float]:
    """Shares of link-hours and movement-hours with GEH < 5; hours that nobody drove are out.

    Of hours of which the engine knows a part that part counts, if it is half an hour or more.
    """
    starts = np.arange(0, day.flow.shape[1], HOUR)
    known = day.known.any(axis=0)
    sizes = np.add.reduceat(known.astype(np.int64), starts)
    whole = sizes >= LEAST_HOUR_BINS
    per_hour = HOUR / sizes[whole]
    found = np.add.reduceat(day.flow * known, starts, axis=1)[:, whole] * per_hour
    true = np.add.reduceat(day.true_flow * known, starts, axis=1)[:, whole] * per_hour
    driven = (true > 0) | (found >= 1)
    if not len(day.movements):
        return {"link flow": np.nan, "movement flow": np.nan, "movement coverage": np.nan}
    hours = day.movements.groupby(["movement_id", "hour"])[["flow", "true", "length_s"]].sum()
    hours = hours[hours["length_s"] >= LEAST_HOUR_BINS * 300]
    scale = 3600 / hours["length_s"].to_numpy()
    turned = hours["flow"].to_numpy() * scale, hours["true"].to_numpy() * scale
    used = (turned[1] > 0) | (turned[0] >= 1)
    rows = day.movements
    rows = rows[(rows["true"] > 0) | (rows["flow"] > 0.5)]
    inside = rows["true"].between(rows["demand_low"], rows["demand_high"])
    return {
        "link flow": float((geh(found, true)[driven] < 5).mean()) if day.flow_known else np.nan,
        "movement flow": float((geh(*turned)[used] < 5).mean()),
        "movement coverage": float(inside.mean()),
    }


def sampling_figures(
    day: Day, probe_ratio: float, cameras: frozenset[str], size: int, seed: int
) -> dict[str, float]:
    """The error of a mean over only those vehicles that a source saw on the whole link.

    Which vehicles are seen is drawn again and again from the true traversals of links of 30 m and
    more: by probes alone, and by probes, buses and pairs of cameras at both ends of a link.
    """
    rows = day.traversals
    long = [i for i, m in zip(day.link_ids, day.length_m, strict=True) if m >= LONG_M]
    rows = rows[rows["link_id"].isin(long)]
    cell, _ = pd.factorize(rows["link_id"] + "/" + (rows["bin"] // size).astype(str))
    took = rows["took_s"].to_numpy()
    paired = (rows["link_id"].isin(cameras) & rows["from_link"].isin(cameras)).to_numpy()
    is_car = rows["is_car"].to_numpy()
    rng = np.random.default_rng(seed)

    def drawn(seen: Callable[[], np.ndarray]) -> float:
        return float(np.mean([_sampled_error(cell, took, seen()) for _ in range(DRAWS)]))

    def probes() -> np.ndarray:
        return np.asarray(is_car & (rng.random(len(took)) < probe_ratio))

    def all_sources() -> np.ndarray:
        read = paired & (rng.random(len(took)) < READ_BOTH_RATIO)
        return np.asarray(probes() | read | ~is_car)

    return {"sampling, probes": drawn(probes), "sampling, all": drawn(all_sources)}


def _sampled_error(cell: np.ndarray, took: np.ndarray, seen: np.ndarray) -> float:
    """Mean relative error of the sample mean, weighted by vehicles, where any was seen."""
    count = np.bincount(cell)
    mean = np.bincount(cell, took) / count
    sampled = np.bincount(cell, seen, len(count))
    total = np.bincount(cell, took * seen, len(count))
    use = (sampled > 0) & (mean > 0)
    return float(
        np.average(np.abs(total[use] / sampled[use] / mean[use] - 1.0), weights=count[use])
    )
