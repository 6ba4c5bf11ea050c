"""One module or folder per foreign format; each writes a city folder and a loss report.

Every importer has ``import_network(source, out, progress)``, which fills the existing empty
folder ``out``, and ``read_network(source, losses)``. `import_any` finds the one for a source.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.progress import Progress, silent

SUMO, OSM, GMNS, UTDF = "SUMO", "OSM", "GMNS", "UTDF"
_BY_ENDING = {
    ".net.xml": SUMO,
    ".net.xml.gz": SUMO,
    ".osm": OSM,
    ".osm.gz": OSM,
    ".osm.xml": OSM,
    ".osm.xml.gz": OSM,
    ".csv": UTDF,
}
_BY_ROOT = {b"net": SUMO, b"osm": OSM}
_FIRST_ELEMENT = re.compile(rb"<([A-Za-z_][\w.-]*)")
_PROLOGUE = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>", re.DOTALL)
_LOOKED_AT_BYTES = 65_536


def import_any(
    source: Path, additional: Sequence[Path], out: Path, progress: Progress = silent
) -> dict[str, int]:
    """Import ``source``, whatever its format, into the existing empty folder ``out``.

    ``additional`` are SUMO additional files with signal programs. Returns row counts.

    Raises:
        ConfigurationError: additional files for a source that is no SUMO network.
        DataRefused: the format is unknown, or its importer refuses the source.
    """
    form = format_of(source)
    if additional and form != SUMO:
        raise ConfigurationError(
            f"additional files belong to a SUMO network, and {source} is {form}",
            "leave --additional out, or give a .net.xml[.gz]",
        )
    rows = _import(form, source, additional, out, progress)
    _ask_for_the_rest(out, source)
    return rows


def _import(
    form: str, source: Path, additional: Sequence[Path], out: Path, progress: Progress
) -> dict[str, int]:
    if form == SUMO:
        from network_data.importers.sumo import network

        return network.import_network(source, additional, out, progress)
    if form == OSM:
        from network_data.importers import osm

        return osm.import_network(source, out, progress)
    if form == GMNS:
        from network_data.importers import gmns

        return gmns.import_network(source, out, progress)
    from network_data.importers import utdf

    return utdf.import_network(source, out, progress)


def _ask_for_the_rest(city: Path, source: Path) -> None:
    """See to it that every signal is complete or on the list to fix, whoever imported it."""
    from network_data.checks import to_fix
    from network_data.city import load_city
    from network_data.loss_report import add_to_fix

    try:
        network = load_city(city)
    except DataRefused as error:
        raise DataRefused(
            f"{source} makes no city that could be read again",
            "correct what is named, and import it again",
            error.problems,
        ) from error
    add_to_fix(city, to_fix(network))


def format_of(source: Path) -> str:
    """``SUMO``, ``OSM``, ``GMNS`` or ``UTDF``: by the name's ending, else by the first element.

    Raises:
        DataRefused: there is nothing at this path, or the format is none of these.
    """
    if source.is_dir():
        return GMNS
    if not source.is_file():
        raise DataRefused(f"there is no network file {source}", "check the path")
    name = source.name.lower()
    for ending, form in _BY_ENDING.items():
        if name.endswith(ending):
            return form
    found = _BY_ROOT.get(_root_element(source))
    if found is None:
        raise DataRefused(
            f"{source} is of no known format",
            "give a SUMO .net.xml[.gz], an OpenStreetMap .osm[.gz], a GMNS folder or a UTDF .csv",
        )
    return found


def _root_element(source: Path) -> bytes:
    """Name of the first XML element, packed or not; empty where there is none."""
    with source.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(source) if packed else source.open("rb") as content:
            start = content.read(_LOOKED_AT_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""
    match = _FIRST_ELEMENT.search(_PROLOGUE.sub(b"", start))
    return match[1] if match else b""
