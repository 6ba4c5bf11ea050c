"""Detectors at the stop lines and before them, and checkpoint sites along the great roads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from network_data.generated_city.scale import ARTERIAL, BRANCH, EXPRESSWAY, SECONDARY
from traffic_brain.model.network import EVERY_LANE, Detector, DetectorKind, Link, RoadNetwork

STOP_LINE_RATIO = {EXPRESSWAY: 1.0, ARTERIAL: 0.95, SECONDARY: 0.75, BRANCH: 0.45}
"""Approaches with detectors, by class."""
ADVANCE_RATIO = {EXPRESSWAY: 0.5, ARTERIAL: 0.35, SECONDARY: 0.1, BRANCH: 0.0}
CHECKPOINT_RATIO = {EXPRESSWAY: 0.4, ARTERIAL: 0.4, SECONDARY: 0.05, BRANCH: 0.0}
STOP_LINE_M, ADVANCE_M = 2.0, 80.0
"""Before the stop line."""


def place_detectors(network: RoadNetwork, rng: np.random.Generator) -> tuple[Detector, ...]:
    """Devices on lanes, and sites that watch all lanes of a link; ids ``D…`` and ``K…``."""
    found: list[Detector] = []
    for link in network.links.values():
        found += _on_lanes(link, rng)
    sites = [
        Detector("", link.link_id, EVERY_LANE, round(link.length_m / 2, 2), DetectorKind.CHECKPOINT)
        for link in network.links.values()
        if not link.link_id.endswith(".bay") and rng.random() < CHECKPOINT_RATIO[link.road_class]
    ]
    return (*_numbered(found, "D"), *_numbered(sites, "K"))


def _on_lanes(link: Link, rng: np.random.Generator) -> Iterator[Detector]:
    stop_line, advance = rng.random(2).tolist()
    if link.junction_id is None or stop_line >= STOP_LINE_RATIO[link.road_class]:
        return
    places = [(STOP_LINE_M, DetectorKind.STOP_LINE)]
    if advance < ADVANCE_RATIO[link.road_class] and link.length_m > 2 * ADVANCE_M:
        places.append((ADVANCE_M, DetectorKind.ADVANCE))
    for before_m, kind in places:
        for lane in link.car_lanes:
            yield Detector("", link.link_id, lane, round(link.length_m - before_m, 2), kind)


def _numbered(detectors: list[Detector], letter: str) -> Iterator[Detector]:
    width = len(str(len(detectors)))
    for n, one in enumerate(detectors, 1):
        detector_id = f"{letter}{n:0{width}d}"
        yield Detector(detector_id, one.link_id, one.lane_idx, one.position_m, one.kind)
