"""Reports of probes as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from traffic_brain.fusion.observations import ProbeSums
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork

MANY = 10_000.0


def probes_of(
    network: RoadNetwork, window: Window, pace_s_per_m: Mapping[str, float | list[float]]
) -> ProbeSums:
    """Many probes on each of the links, at a pace for all bins or one for each; NaN: none."""
    shape = (len(network.links), window.bin_count)
    pace = np.full(shape, np.nan)
    for link_id, value in pace_s_per_m.items():
        pace[network.link_idx[link_id]] = value
    link, bins = np.nonzero(np.isfinite(pace))
    samples = np.where(np.isfinite(pace), MANY, 0.0)
    driven = np.divide(samples, pace, out=np.zeros(shape), where=np.isfinite(pace))
    speed = (driven / MANY)[link, bins]
    reports = samples[link, bins]
    return ProbeSums(samples, driven, link, bins, reports, speed, BIN_S, window.bin_count)
