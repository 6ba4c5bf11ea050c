"""The map's numbers for a canvas: shapes once, then one byte for each link and time.

They are those of the report's own map (`report.link_map.map_data`), packed so that a city of
thousands of links and a day of five-minute bins is drawn at once.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.model.network import RoadNetwork
from traffic_brain.report.figures import junction_name
from traffic_brain.report.link_map import LEVEL_COLOURS, LEVEL_WIDTHS_PX, worst_picture
from traffic_brain.report.saved import NO_LEVEL, LinkStates, Night
from traffic_brain.report.texts import clock

NONE = 255
"""A link without a level or a speed."""
_FAST = 6
"""Of zlib: levels repeat so much that more is not worth the time."""


@dataclass(frozen=True, slots=True)
class PackedMap:
    """The three parts of the map, compressed once: the first draw needs no speeds."""

    document: bytes
    """JSON: `map_document`."""
    levels: bytes
    """One byte for each [bin, link]: index of the level, 255 for none."""
    speeds: bytes
    """One byte for each [bin, link]: km/h, 255 for none."""


def packed_map(library: Library, folder: NightFolder) -> PackedMap:
    """The map of a night, ready to send."""

    def make() -> PackedMap:
        night = library.night(folder)
        text = json.dumps(map_document(night), ensure_ascii=False, allow_nan=False)
        arrays = (_levels(night.link_states), _speeds(night.link_states))
        parts = (text.encode(), *(array.tobytes() for array in arrays))
        return PackedMap(*(gzip.compress(part, _FAST, mtime=0) for part in parts))

    found: PackedMap = library.kept(folder, "map", make)
    return found


def map_document(night: Night) -> dict[str, Any]:
    """Everything that the map draws but levels and speeds.

    ``shapes``: per link, flat whole metres x, y, x, y, … from ``origin``.
    """
    network, states = night.network, night.link_states
    links = [network.links[link_id] for link_id in states.link_ids]
    column_of = {link_id: i for i, link_id in enumerate(states.link_ids)}
    left, low = _corner(network)
    return {
        "origin": [left, low],
        "bins": [clock(bin_s) for bin_s in states.bins_s],
        "first": worst_picture(states),
        "ids": list(states.link_ids),
        "names": [link.name or link.link_id for link in links],
        "zones": [link.zone_id for link in links],
        "shapes": [
            [round(v) for x, y in link.shape for v in (x - left, y - low)] for link in links
        ],
        "colours": list(LEVEL_COLOURS),
        "widths": list(LEVEL_WIDTHS_PX),
        "junctions": [
            [
                round(j.x - left),
                round(j.y - low),
                j.junction_id,
                junction_name(network, j.junction_id),
            ]
            for j in network.junctions.values()
        ],
        "zone_shapes": [
            {
                "zone_id": zone.zone_id,
                "name": zone.name,
                "shape": [round(v) for x, y in zone.shape for v in (x - left, y - low)],
            }
            for zone in network.zones.values()
        ],
        "queues": [
            [column_of[i] for i in (b.link_id, *b.passive_links) if i in column_of]
            for b in night.bottlenecks
        ],
    }


def _corner(network: RoadNetwork) -> tuple[float, float]:
    points = [point for link in network.links.values() for point in link.shape]
    return min((x for x, _ in points), default=0.0), min((y for _, y in points), default=0.0)


def _levels(states: LinkStates) -> np.ndarray:
    letters = np.frombuffer("".join(states.levels).encode("ascii"), dtype=np.uint8)
    return np.where(letters == ord(NO_LEVEL), NONE, letters - ord("0")).astype(np.uint8)


def _speeds(states: LinkStates) -> np.ndarray:
    speeds = np.array(states.speeds_kmh, dtype=np.int64)
    return np.where(speeds < 0, NONE, np.minimum(speeds, NONE - 1)).astype(np.uint8)
