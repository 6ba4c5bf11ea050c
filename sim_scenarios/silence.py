"""Additional files made silent: the same world, with nothing written anywhere."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import describe_unreadable, open_xml
from traffic_brain.errors import DataRefused

NOWHERE = "NUL"
"""A file name by which SUMO throws an output away, on every system."""
_PURE_OUTPUTS = frozenset({"edgeData", "laneData", "timedEvent", "meanData"})
_OUTPUT_ATTRIBUTE = {
    **dict.fromkeys(
        (
            *("e1Detector", "inductionLoop", "detector", "instantInductionLoop"),
            *("e2Detector", "laneAreaDetector", "e3Detector", "entryExitDetector"),
            *("e3", "e2", "routeProbe", "vtypeProbe", "vTypeProbe"),
        ),
        "file",
    ),
    "calibrator": "output",
    "laneCalibrator": "output",
    "overheadWireSegment": "file",
}
_INPUT_ATTRIBUTES = {"include": "href", "variableSpeedSign": "file", "rerouter": "file"}


def silenced(path: Path, workdir: Path, retimed: frozenset[str]) -> Path:
    """The file itself, or a copy in ``workdir`` that writes nothing."""
    try:
        with open_xml(path) as source:
            tree = ET.parse(source)
    except (OSError, EOFError, ET.ParseError) as error:
        raise DataRefused(f"{path}: {describe_unreadable(error)}", "repair the file") from error
    root = tree.getroot()
    if not _silence(root, path, workdir, retimed):
        return path
    stem = path.name.split(".")[0]
    taken = len(list(workdir.glob("quiet_*")))
    copy = workdir / f"quiet_{taken}_{stem}.add.xml"
    tree.write(copy, encoding="utf-8", xml_declaration=True)
    return copy


def _silence(parent: ET.Element, path: Path, workdir: Path, retimed: frozenset[str]) -> bool:
    """Take every output out of a tree; True if anything had to change."""
    changed = False
    for child in list(parent):
        if child.tag in _PURE_OUTPUTS or child.get("junctionID") in retimed:
            parent.remove(child)
            changed = True
            continue
        changed |= _redirect(child, path, workdir, retimed)
        changed |= _silence(child, path, workdir, retimed)
    if changed:
        _anchor(parent, path)
    return changed


def _redirect(child: ET.Element, path: Path, workdir: Path, retimed: frozenset[str]) -> bool:
    """Point an element's output nowhere, and an include at its own silenced copy."""
    output = _OUTPUT_ATTRIBUTE.get(child.tag)
    if output and child.get(output):
        child.set(output, NOWHERE)
        return True
    if child.tag == "param" and child.get("key") == "file":
        child.set("value", NOWHERE)
        return True
    if child.tag == "include" and child.get("href"):
        target = (path.parent / child.attrib["href"]).resolve()
        copy = silenced(target, workdir, retimed)
        child.set("href", str(copy))
        return copy != target
    return False


def _anchor(parent: ET.Element, path: Path) -> None:
    """Make paths absolute, so that a copy elsewhere finds the same inputs."""
    for element in parent.iter():
        name = _INPUT_ATTRIBUTES.get(element.tag)
        if name and element.get(name):
            element.set(name, str((path.parent / element.attrib[name]).resolve()))
