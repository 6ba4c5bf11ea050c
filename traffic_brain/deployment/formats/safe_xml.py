"""XML from outside: read only when it is plain, small and shallow."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from traffic_brain.errors import DataRefused

MOST_BYTES = 64 * 1024 * 1024
DEEPEST = 50
"""Elements inside each other; the formats read here are at most a dozen deep."""
_REMEDY = "export the file again from the system that wrote it"


class _Unwanted(Exception):
    """What a plain data file does not have."""


def read_xml(path: Path, most_bytes: int = MOST_BYTES) -> ET.Element:
    """The root element of a file.

    A document type, and with it every entity of its own, is refused before anything is expanded.

    Raises:
        DataRefused: missing, too large, not XML, too deep, or with a document type.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        _check(data, most_bytes)
        return ET.fromstring(data)
    except OSError as error:
        told = error.strerror or "cannot be read"
        raise DataRefused(f"{path}: {told}", "check the path") from error
    except (_Unwanted, expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        told = " ".join(str(error).split())
        raise DataRefused(f"{path} is no XML that is read here", _REMEDY, [told]) from error


def _check(data: bytes, most_bytes: int) -> None:
    if len(data) > most_bytes:
        raise _Unwanted(f"more than {most_bytes:,} bytes")
    depth = 0

    def no_document_type(*_: object) -> None:
        raise _Unwanted("a document type (DOCTYPE): entities are not read")

    def deeper(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _Unwanted("elements nested too deep")

    def back(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = no_document_type
    parser.StartElementHandler = deeper
    parser.EndElementHandler = back
    parser.Parse(data, True)
