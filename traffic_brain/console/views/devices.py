"""Detectors and cameras on the streets: those of the network, and those of the feeds' registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.model.network import EVERY_LANE, RoadNetwork
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, code_words

_REGISTERS = (
    ("police", "police/detectors.parquet", "detector_id"),
    ("checkpoint", "checkpoint/sites.parquet", "site_id"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device on a link, and what was found of it that night."""

    device_id: str
    feed: str
    link_id: str
    lane_idx: int
    """0 = kerb side; ``EVERY_LANE``: all lanes."""
    findings: tuple[Words, ...]


def devices_on(library: Library, folder: NightFolder, link_ids: set[str]) -> list[Device]:
    """Devices on these links, the unwell ones first."""
    night = library.night(folder)
    by_link: dict[str, list[tuple[str, str, int]]] = library.kept(
        folder, "devices", lambda: _by_link(folder, night.network)
    )
    findings = _findings(night)
    found = [
        Device(device_id, feed, link_id, lane, findings.get((feed, device_id), ()))
        for link_id in sorted(link_ids)
        for device_id, feed, lane in by_link.get(link_id, ())
    ]
    return sorted(found, key=lambda d: (not d.findings, d.link_id, d.lane_idx, d.device_id))


def _by_link(folder: NightFolder, network: RoadNetwork) -> dict[str, list[tuple[str, str, int]]]:
    found: dict[str, dict[str, tuple[str, str, int]]] = {}
    for d in network.detectors:
        feed = "checkpoint" if d.kind.value == "checkpoint" else "police"
        found.setdefault(d.link_id, {})[d.detector_id] = (d.detector_id, feed, d.lane_idx)
    for link_id, device_id, feed, lane in _registered(folder):
        found.setdefault(link_id, {})[device_id] = (device_id, feed, lane)
    return {link_id: list(devices.values()) for link_id, devices in found.items()}


def _registered(folder: NightFolder) -> Iterator[tuple[str, str, str, int]]:
    """(link, device, feed, lane) of the registers that came with the feeds in our own columns."""
    for feed, name, key in _REGISTERS:
        path = folder.folders.feeds / name
        if not path.is_file():
            continue
        columns = pq.read_schema(path).names
        if not {key, "link_id"} <= set(columns):
            continue
        wanted = [c for c in (key, "link_id", "lane_idx") if c in columns]
        for row in pq.read_table(path, columns=wanted).to_pylist():
            lane = row.get("lane_idx")
            yield (
                str(row["link_id"]),
                str(row[key]),
                feed,
                EVERY_LANE if lane is None else int(lane),
            )


def _findings(night: Night) -> dict[tuple[str, str], tuple[Words, ...]]:
    found: dict[tuple[str, str], tuple[Words, ...]] = {}
    for row in night.health:
        key = (str(row["feed"]), str(row["device_id"]))
        found[key] = (*found.get(key, ()), code_words("health", row["code"]))
    return found
