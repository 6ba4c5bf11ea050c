"""Additional files of SUMO: detectors, and what else lies in them that our tables cannot hold."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import included
from network_data.importers.sumo.source import (
    LARGEST_M,
    SIGNAL_TAGS,
    Fields,
    SumoNet,
    place_of,
)
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.network import Detector, DetectorKind

STOP_LINE_REACH_M = 10.0
"""A device that ends closer to the stop line than this sees who waits there: two cars."""
NOWHERE = "NUL"
"""A file name by which SUMO throws an output away, on every system."""
_OF_PROGRAM = ".program"
_LOOPS = frozenset({"inductionLoop", "e1Detector", "instantInductionLoop"})
_AREAS = frozenset({"laneAreaDetector", "e2Detector"})
_INSIDE_PROGRAMS = frozenset({"phase", "wautSwitch", "param"})
"""Children of the root in a file whose root is a program."""
_READ_DETECTOR = frozenset({"id", "lane", "lanes", "pos", "endPos", "length", "friendlyPos"})


@dataclass
class Additional:
    """What additional files hold besides signal programs."""

    detectors: dict[str, Detector] = field(default_factory=dict)
    elements: dict[str, ET.Element] = field(default_factory=dict)
    """The same detectors as SUMO has them, writing nowhere."""

    def with_detectors(self, programs: Iterable[ET.Element]) -> tuple[ET.Element, ...]:
        """Programs behind copies of the detectors that they name: SUMO runs none without its own.

        The copies have names of their own, so that the city's detectors can be loaded besides.
        """
        copies = [copy.deepcopy(program) for program in programs]
        used = [self._renamed(name, copies) for name in sorted(self.elements)]
        return (*(detector for detector in used if detector is not None), *copies)

    def _renamed(self, name: str, programs: Iterable[ET.Element]) -> ET.Element | None:
        """A copy of a detector under the name that programs use for it from now on."""
        new_name = name + _OF_PROGRAM
        # A parameter is the name itself; conditions hold it behind a letter and a colon.
        in_condition = re.compile(rf"(?<=:){re.escape(name)}(?![^\s()+*/<>=&|!-])")
        used = False
        for element in (e for program in programs for e in program.iter()):
            told = element.get("value", "")
            value = new_name if told == name else in_condition.sub(lambda _: new_name, told)
            if value != told:
                element.set("value", value)
                used = True
        detector = copy.deepcopy(self.elements[name])
        detector.set("id", new_name)
        return detector if used else None


def read_additional(
    files: Sequence[Path], source: SumoNet, signals: Mapping[str, str], losses: LossReport
) -> Additional:
    """Detectors of additional files; every other element is noted as dropped.

    ``signals``: the signal at the end of each link that has one.

    Raises:
        DataRefused: a file cannot be read.
    """
    found = Additional()
    for element in (e for path in files for e in included(path)):
        if element.tag in _LOOPS | _AREAS:
            _take_detector(element, source, signals, losses, found)
        elif element.tag not in SIGNAL_TAGS | _INSIDE_PROGRAMS:
            losses.note(Loss.DROPPED, f"element <{element.tag}>", place_of(element))
    return found


def _take_detector(
    element: ET.Element,
    source: SumoNet,
    signals: Mapping[str, str],
    losses: LossReport,
    found: Additional,
) -> None:
    problems: list[str] = []
    detector = _detector(element, source, signals, problems)
    name = element.get("id") or element.tag
    if detector is not None and name in found.detectors:
        problems.append("comes twice")
    if detector is None or problems:
        losses.note(Loss.DROPPED, f"detector that {'; '.join(problems)}", name)
        return
    for attribute in element.attrib.keys() - _READ_DETECTOR:
        losses.note(Loss.DROPPED, f"attribute {attribute} of <{element.tag}>", name)
    for child in element:
        losses.note(Loss.DROPPED, f"element <{child.tag}> of <{element.tag}>", name)
    if element.tag in _AREAS:
        losses.note(Loss.DROPPED, "where a lane area detector begins: its end counts", name)
    losses.note(Loss.GUESSED, "kind of a detector, by its distance from the stop line", name)
    found.detectors[name] = detector
    found.elements[name] = copy.deepcopy(element)
    found.elements[name].set("file", NOWHERE)


def _detector(
    element: ET.Element, source: SumoNet, signals: Mapping[str, str], problems: list[str]
) -> Detector | None:
    """The detector of an element; None, with the reason in ``problems``, where it is none."""
    if not element.get("id"):
        problems.append("has no id")
        return None
    lane_ids = (element.get("lane") or element.get("lanes") or "").split()
    if not lane_ids or lane_ids[-1] not in source.lanes:
        problems.append("lies on a lane that is not there")
        return None
    edge, lane = source.lanes[lane_ids[-1]]
    if edge.function:
        problems.append("lies inside a junction")
        return None
    end_m = _end_m(element, lane.length_m, problems)
    if problems:
        return None
    reach_m = STOP_LINE_REACH_M if edge.edge_id in signals else -1.0
    at_stop_line = lane.length_m - end_m <= reach_m
    return Detector(
        detector_id=element.attrib["id"],
        link_id=edge.edge_id,
        lane_idx=lane.idx,
        position_m=end_m,
        kind=DetectorKind.STOP_LINE if at_stop_line else DetectorKind.ADVANCE,
    )


def _end_m(element: ET.Element, lane_m: float, problems: list[str]) -> float:
    """Where a detector ends, from the lane's beginning; negative positions count from the end."""
    wrong: list[str] = []
    fields = Fields(element, wrong)

    def place(name: str, default: float) -> float:
        told = fields.number(name, -LARGEST_M, LARGEST_M, default)
        return told + lane_m if told < 0 else told

    if element.tag in _LOOPS:
        end_m = place("pos", 0.0)
    elif element.get("endPos") or element.get("lanes"):
        end_m = place("endPos", lane_m)
    else:
        end_m = place("pos", 0.0) + fields.number("length", 0.0, LARGEST_M, lane_m)
    if wrong:
        problems.append("has a position that is no number")
        return 0.0
    if not 0.0 <= end_m <= lane_m and not element.get("friendlyPos"):
        problems.append("lies beyond its lane")
    return min(max(end_m, 0.0), lane_m)
