"""Damage to XML files, packed or not: to their elements, attributes and bytes."""

from __future__ import annotations

import copy
import gzip
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

from benchmarks.fuzz.damage import STRANGE, damaged_bytes, flipped
from benchmarks.fuzz.judge import Case, Maker

Element = ET.Element
ElementDamage = Callable[[Element, Element | None, list[Element], random.Random], None]


def one_file_damaged(sound: Sequence[Case]) -> Maker:
    """Cases in which one file of a sound case, taken in turn, is damaged."""

    def make(number: int, rng: random.Random) -> Case:
        case = sound[number % len(sound)]
        name = rng.choice(list(case.files))
        return replace(case, files={**case.files, name: damaged(case.files[name], rng)})

    return make


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """A file with one to four damages, of its bytes or of its elements."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        packed = whole[:2] == b"\x1f\x8b"
        if packed and rng.random() < 0.5:
            try:
                whole = gzip.compress(damaged(gzip.decompress(whole), rng), mtime=0)
            except (OSError, EOFError, zlib.error):
                return whole
        elif packed or rng.random() < 0.35:
            whole = damaged_bytes(whole, rng)
        else:
            whole = _with_damaged_elements(whole, rng)
    return whole


def _with_damaged_elements(whole: bytes, rng: random.Random) -> bytes:
    try:
        root = ET.fromstring(whole)
    except (ET.ParseError, ValueError, LookupError):
        return flipped(whole, rng)
    every = list(root.iter())
    parents = {child: parent for parent in every for child in parent}
    element = rng.choice(every)
    rng.choice(_DAMAGES)(element, parents.get(element), every, rng)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _drop(e: Element, parent: Element | None, _: list[Element], __: random.Random) -> None:
    if parent is not None:
        parent.remove(e)


def _double(e: Element, parent: Element | None, _: list[Element], rng: random.Random) -> None:
    if parent is not None:
        for _i in range(rng.choice((1, 1, 30))):
            parent.append(copy.deepcopy(e))


def _move(e: Element, parent: Element | None, every: list[Element], rng: random.Random) -> None:
    target = rng.choice(every)
    if parent is not None and target not in list(e.iter()):
        parent.remove(e)
        target.append(e)


def _rename(e: Element, _: Element | None, every: list[Element], rng: random.Random) -> None:
    e.tag = rng.choice([rng.choice(every).tag, "nothing"])


def _set(e: Element, _: Element | None, __: list[Element], rng: random.Random) -> None:
    if e.attrib:
        e.set(rng.choice(list(e.attrib)), rng.choice(STRANGE))


def _unset(e: Element, _: Element | None, __: list[Element], rng: random.Random) -> None:
    if e.attrib:
        del e.attrib[rng.choice(list(e.attrib))]


def _mix(e: Element, _: Element | None, every: list[Element], rng: random.Random) -> None:
    other = rng.choice([x for x in every if x.tag == e.tag])
    if e.attrib and other.attrib:
        name = rng.choice(list(other.attrib))
        e.set(name, other.attrib[rng.choice([name, rng.choice(list(other.attrib))])])


_DAMAGES: tuple[ElementDamage, ...] = (
    *(_drop, _double, _move, _rename, _set, _set, _set, _unset, _mix, _mix),
)
