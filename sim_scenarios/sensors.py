"""The sensors of a world: how well it is observed, where detectors stand, how SUMO records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import elements
from traffic_brain.errors import ConfigurationError

COUNT_INTERVAL_S = 300
STOP_LINE_GAP_M = 0.5
"""From a detector to the lane's end: a vehicle waiting at red stands 1 m before it."""
DETECTOR_PREFIX = "stop_line."


@dataclass(frozen=True, slots=True)
class Sensors:
    """How well the city is observed. Raises ConfigurationError when out of range."""

    checkpoint_ratio: float = 0.4
    """Share of the links that have a camera at their end."""
    detection_ratio: float = 0.95
    """Share of the passing vehicles whose plate a camera reads at all."""
    probe_ratio: float = 0.2
    """Share of the cars that report to the internet map."""
    probe_period_s: int = 5
    speed_interval_s: int = 120

    def __post_init__(self) -> None:
        ratios = ("checkpoint_ratio", "detection_ratio", "probe_ratio")
        wrong = [name for name in ratios if not 0 <= getattr(self, name) <= 1]
        wrong += [n for n in ("probe_period_s", "speed_interval_s") if getattr(self, n) < 1]
        if wrong:
            raise ConfigurationError(f"out of range: {', '.join(wrong)}", "correct the sensors")


@dataclass(frozen=True, slots=True)
class Detector:
    """A stop-line detector on one lane of one approach."""

    detector_id: str
    junction_id: str
    link_id: str
    lane_idx: int
    position_m: float


@dataclass(frozen=True, slots=True)
class Streets:
    """What sensors are mounted on: detectors at stop lines, and the links cars may use."""

    detectors: tuple[Detector, ...]
    car_links: Mapping[str, float]
    """Link id -> length in metres, in the order of the network file."""


def read_streets(net: Path) -> Streets:
    """Find the approaches and the car links of a network. Raises DataRefused when it is broken."""
    lengths: dict[tuple[str, int], float] = {}
    car_links: dict[str, float] = {}
    controlled: set[tuple[str, str, int]] = set()
    for e in elements(net, ends_of=frozenset({"edge", "connection"})):
        if e.tag == "connection":
            if e.get("tl"):
                controlled.add((e.attrib["tl"], e.attrib["from"], int(e.attrib["fromLane"])))
        elif e.get("function", "normal") in ("normal", "connector"):
            for lane in e.iter("lane"):
                if _open_to_cars(lane):
                    length_m = float(lane.attrib["length"])
                    lengths[e.attrib["id"], int(lane.attrib["index"])] = length_m
                    car_links[e.attrib["id"]] = length_m
    approaches = sorted(c for c in controlled if c[1:] in lengths)
    detectors = tuple(
        Detector(f"D{n:05d}", *approach, _position_m(lengths[approach[1:]]))
        for n, approach in enumerate(approaches, start=1)
    )
    return Streets(detectors, car_links)


def _open_to_cars(lane: ET.Element) -> bool:
    allowed, refused = lane.get("allow"), lane.get("disallow")
    if allowed is not None:
        return allowed == "all" or "passenger" in allowed.split()
    return refused is None or not {"all", "passenger"} & set(refused.split())


def _position_m(length_m: float) -> float:
    return round(max(length_m - STOP_LINE_GAP_M, length_m / 2), 2)


def write_instruments(streets: Streets, begin_s: int, folder: Path) -> Path:
    """The additional file that makes SUMO record; its outputs go into ``folder``."""
    root = ET.Element("additional")
    for d in streets.detectors:
        ET.SubElement(
            root,
            "instantInductionLoop",
            id=DETECTOR_PREFIX + d.detector_id,
            lane=f"{d.link_id}_{d.lane_idx}",
            pos=f"{d.position_m:.2f}",
            file=str(folder / "detectors.xml"),
        )
    signals = str(folder / "signals.xml")
    ET.SubElement(root, "timedEvent", type="SaveTLSSwitchStates", dest=signals)
    first_bin_s = -(-begin_s // COUNT_INTERVAL_S) * COUNT_INTERVAL_S
    # A dump that begins before the simulation loses its first interval: hence two.
    bins = {"bins": {"begin": str(first_bin_s), "period": str(COUNT_INTERVAL_S)}}
    if first_bin_s > begin_s:
        bins["head"] = {"begin": str(begin_s), "end": str(first_bin_s)}
    for name, times in bins.items():
        file = str(folder / f"links_{name}.xml")
        ET.SubElement(root, "edgeData", id=name, file=file, excludeEmpty="true", attrib=times)
    ET.indent(root)
    path = folder / "instruments.add.xml"
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path
