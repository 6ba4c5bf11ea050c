"""SUMO's signal programs: which one is active, and what it is as a plan of ours.

The rules below were measured on SUMO 1.28:

* the first listed ``<phase>`` starts at simulation times that equal ``offset`` modulo the
  cycle, whatever the simulation's begin: it is ``SignalPlan.first_stage_offset_s``;
* of several programs of one controller, the one that is loaded last runs; files are loaded
  in order, the network first;
* a ``<tlLogic>`` without phases changes the offset of the program it names;
* a ``<WAUT>`` starts with ``startProg`` and switches later.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, cast
from xml.etree import ElementTree as ET

from traffic_brain.errors import DataRefused
from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

SHORTEST_STAGE_S = 5
"""A green shorter than this is an intermediate picture of a clearance, not a stage."""
DEFAULT_MIN_GREEN_S = 5
DEFAULT_MAX_GREEN_S = 120
CLEARING_LAMPS = frozenset("yYu")
PLAIN_LAMPS = frozenset("GgyruoO")
UNNAMED_PROGRAM = "<unknown>"
"""What SUMO calls a program without ``programID``."""


@dataclass(frozen=True, slots=True)
class SumoPhase:
    """One ``<phase>``: a lamp picture and its times in seconds, as the file has them."""

    duration_s: float
    picture: str
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    next_idxs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SumoProgram:
    """One ``<tlLogic>``; ``kind`` is SUMO's type (static, actuated, delay_based, NEMA …)."""

    junction_id: str
    program_id: str
    kind: str
    offset: str
    phases: tuple[SumoPhase, ...]


@dataclass(frozen=True, slots=True)
class ConvertedPlan:
    """The plan of a program. ``plan`` is None when it cannot be one; ``problems`` says why.

    With a plan, ``problems`` holds remarks that do not change what it shows.
    """

    plan: SignalPlan | None
    problems: tuple[str, ...] = ()


@dataclass
class _Loaded:
    """What has been read so far, in loading order."""

    programs: dict[tuple[str, str], SumoProgram] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    wauts: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    waut_of: dict[str, str] = field(default_factory=dict)


def sumo_time_s(text: str) -> float:
    """Seconds of a SUMO time: ``12.5``, ``h:mm:ss`` or ``d:hh:mm:ss``.

    Raises ValueError where SUMO would not read it either.
    """
    parts = text.strip().split(":")
    if len(parts) == 1:
        return float(parts[0])
    if len(parts) not in (3, 4):
        raise ValueError(f"not a time: {text!r}")
    days = int(parts[-4]) if len(parts) == 4 else 0
    return days * 86400 + int(parts[-3]) * 3600 + int(parts[-2]) * 60 + float(parts[-1])


def open_xml(path: Path) -> IO[bytes]:
    """A plain or gzipped file, told apart by its first two bytes; raises OSError."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def elements(path: Path, *, ends_of: frozenset[str]) -> Iterator[ET.Element]:
    """Every element of a file whose tag is in ``ends_of``, complete, with little memory.

    Raises DataRefused when the file is missing, cut off, or not XML.
    """
    try:
        with open_xml(path) as source:
            open_wanted = 0
            root: ET.Element | None = None
            for event, element in ET.iterparse(source, events=("start", "end")):
                if root is None:
                    root = element
                wanted = element.tag in ends_of
                if event == "start":
                    open_wanted += wanted
                    continue
                if wanted:
                    open_wanted -= 1
                    yield element
                if not open_wanted:
                    element.clear()
                    root.clear()
    except (OSError, EOFError, ET.ParseError, UnicodeDecodeError, zlib.error) as error:
        raise DataRefused(
            f"{path}: {describe_unreadable(error)}", "restore the file, or export it again"
        ) from error


def describe_unreadable(error: Exception) -> str:
    """One clause that says how an XML file is broken."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, ET.ParseError):
        return f"not complete XML ({error})"
    if isinstance(error, EOFError | zlib.error | gzip.BadGzipFile):
        return f"damaged gzip file ({error})"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return f"cannot be read ({error})"


def read_programs(
    net: Path, additional: Sequence[Path] = (), *, at_s: float | None = None
) -> dict[str, SumoProgram]:
    """The active program of every signal controller, by junction id, in loading order.

    ``at_s``: simulation time for which the active program is asked where a WAUT switches
    programs by time of day; without it, the WAUT's first program. Raises DataRefused when a
    file cannot be read or a program is not what SUMO would accept.
    """
    loaded = _Loaded()
    for path in (net, *additional):
        _load_file(path, loaded)
    for junction_id, waut in loaded.waut_of.items():
        program_id = _scheduled_program(loaded.wauts.get(waut, []), at_s)
        if (junction_id, program_id) in loaded.programs:
            loaded.active[junction_id] = program_id
    return {j: loaded.programs[j, p] for j, p in loaded.active.items()}


def _load_file(path: Path, loaded: _Loaded) -> None:
    wanted = frozenset({"tlLogic", "WAUT", "wautJunction", "include"})
    for element in elements(path, ends_of=wanted):
        try:
            _load_element(path, element, loaded)
        except (KeyError, ValueError) as error:
            raise DataRefused(
                f"{path}: <{element.tag} id={element.get('id')!r}> is malformed ({error})",
                "correct the element; SUMO does not read it either",
            ) from error


def _load_element(path: Path, element: ET.Element, loaded: _Loaded) -> None:
    if element.tag == "include":
        _load_file(path.parent / element.attrib["href"], loaded)
    elif element.tag == "WAUT":
        reference = sumo_time_s(element.get("refTime", "0"))
        switches = [
            (reference + sumo_time_s(e.attrib["time"]), e.attrib["to"])
            for e in element.iter("wautSwitch")
        ]
        loaded.wauts[element.attrib["id"]] = [
            (-math.inf, element.attrib["startProg"]),
            *sorted(switches),
        ]
    elif element.tag == "wautJunction":
        loaded.waut_of[element.attrib["junctionID"]] = element.attrib["wautID"]
    else:
        _load_program(_program_of(element), loaded)


def _load_program(program: SumoProgram, loaded: _Loaded) -> None:
    key = (program.junction_id, program.program_id)
    known = loaded.programs.get(key)
    if known is not None and not program.phases:
        loaded.programs[key] = replace(known, offset=program.offset)
        return
    loaded.programs[key] = program
    loaded.active[program.junction_id] = program.program_id


def _scheduled_program(switches: Sequence[tuple[float, str]], at_s: float | None) -> str:
    moment = -math.inf if at_s is None else at_s
    return next((to for time, to in reversed(switches) if time <= moment), "")


def _program_of(element: ET.Element) -> SumoProgram:
    return SumoProgram(
        junction_id=element.attrib["id"],
        program_id=element.get("programID", UNNAMED_PROGRAM),
        kind=element.get("type", "static"),
        offset=element.get("offset", "0"),
        phases=tuple(_phase_of(e) for e in element.iter("phase")),
    )


def _phase_of(element: ET.Element) -> SumoPhase:
    def seconds(name: str) -> float | None:
        text = element.get(name)
        return None if text is None else sumo_time_s(text)

    return SumoPhase(
        duration_s=sumo_time_s(element.attrib["duration"]),
        picture=element.attrib["state"],
        min_duration_s=seconds("minDur"),
        max_duration_s=seconds("maxDur"),
        next_idxs=tuple(int(i) for i in element.get("next", "").split()),
    )


def plans_of(programs: Mapping[str, SumoProgram]) -> dict[str, ConvertedPlan]:
    """The plan of every program, by junction id."""
    return {junction_id: plan_of(program) for junction_id, program in programs.items()}


def plan_of(program: SumoProgram) -> ConvertedPlan:
    """The plan that shows, second by second, what the program's phases show in fixed order.

    A stage is a picture with green and without yellow that lasts ``SHORTEST_STAGE_S`` or
    more (if there is none: any such picture); all else belongs to the clearance of the stage
    before. The plan begins with the first such stage of the file, which is also the
    coordinated one. ``min_green_s`` and ``max_green_s`` come from ``minDur`` and ``maxDur``
    where these are told (a maximum only where it leaves room), and never exclude the green
    in service. For programs that are not static this is the nominal sequence, not what the
    controller will do.
    """
    problems = _why_no_plan(program)
    if problems:
        return ConvertedPlan(None, tuple(problems))
    merged, start_shift_s = _merge([[phase] for phase in program.phases if phase.duration_s > 0])
    first_idxs = _stage_idxs(merged)
    if not first_idxs:
        return ConvertedPlan(None, ("no picture with a green lamp and without yellow",))
    first = first_idxs[0]
    rotation_s = start_shift_s + sum(_duration_s(parts) for parts in merged[:first])
    rotated = merged[first:] + merged[:first]
    stages = _stages(rotated, {i - first for i in first_idxs})
    plan = SignalPlan(program.junction_id, program.program_id, stages)
    offset_s = int(sumo_time_s(program.offset)) + rotation_s
    return ConvertedPlan(plan.with_offset(offset_s), _remarks(program))


def _why_no_plan(program: SumoProgram) -> list[str]:
    """All reasons why a program cannot be a plan with whole seconds."""
    phases = program.phases
    if not phases:
        return [f"program {program.program_id!r} has no phases"]
    problems = []
    if len({len(phase.picture) for phase in phases}) > 1:
        problems.append("lamp pictures of different length")
    fractional = [i for i, phase in enumerate(phases) if phase.duration_s % 1]
    if fractional:
        problems.append(f"phases {fractional} do not last whole seconds")
    if any(phase.duration_s < 0 for phase in phases) or not any(p.duration_s for p in phases):
        problems.append("a phase with a negative duration, or none above zero")
    jumps = [i for i, p in enumerate(phases) if p.next_idxs not in ((), ((i + 1) % len(phases),))]
    if jumps:
        problems.append(f"phases {jumps} do not go on to the next one (attribute next)")
    try:
        if sumo_time_s(program.offset) % 1:
            problems.append(f"offset {program.offset} is not a whole second")
    except ValueError:
        problems.append(f"offset {program.offset!r} is not a fixed time")
    return problems


def _remarks(program: SumoProgram) -> tuple[str, ...]:
    odd = sorted({lamp for p in program.phases for lamp in p.picture} - PLAIN_LAMPS)
    return (f"lamps {''.join(odd)!r} are kept as they are",) if odd else ()


def _duration_s(parts: Sequence[SumoPhase]) -> int:
    return int(sum(part.duration_s for part in parts))


def _merge(runs: list[list[SumoPhase]]) -> tuple[list[list[SumoPhase]], int]:
    """Neighbours with the same picture as one, round the cycle's end too.

    Returns the runs and how many seconds the first one starts after the program's start
    (zero or negative: a last run that continues in the first is put before it).
    """
    merged: list[list[SumoPhase]] = []
    for run in runs:
        if merged and merged[-1][0].picture == run[0].picture:
            merged[-1] += run
        else:
            merged.append(list(run))
    if len(merged) > 1 and merged[0][0].picture == merged[-1][0].picture:
        tail = merged.pop()
        merged[0] = tail + merged[0]
        return merged, -_duration_s(tail)
    return merged, 0


def _stage_idxs(runs: Sequence[Sequence[SumoPhase]]) -> list[int]:
    def serves(picture: str) -> bool:
        lamps = set(picture)
        return bool(lamps & GREENS) and not lamps & CLEARING_LAMPS

    serving = [i for i, parts in enumerate(runs) if serves(parts[0].picture)]
    return [i for i in serving if _duration_s(runs[i]) >= SHORTEST_STAGE_S] or serving


def _stages(runs: Sequence[Sequence[SumoPhase]], stage_idxs: set[int]) -> tuple[Stage, ...]:
    """Stages of runs of which the first is a stage."""
    starts = [*sorted(stage_idxs), len(runs)]
    stages = []
    for start, end in pairwise(starts):
        parts = runs[start]
        green_s = _duration_s(parts)
        min_green_s, max_green_s = _green_bounds_s(parts, green_s)
        clearance = tuple(
            Interval(_duration_s(rest), rest[0].picture) for rest in runs[start + 1 : end]
        )
        stages.append(Stage(parts[0].picture, green_s, clearance, min_green_s, max_green_s))
    return tuple(stages)


def _green_bounds_s(parts: Sequence[SumoPhase], green_s: int) -> tuple[int, int]:
    """Least and greatest green: sums over the merged phases, defaults where none has room."""
    told = any(part.min_duration_s is not None for part in parts)
    shortest = [_or(part.min_duration_s, part.duration_s) for part in parts]
    longest = [_or(part.max_duration_s, part.duration_s) for part in parts]
    grows = any(high > low for low, high in zip(shortest, longest, strict=True))
    low_s = math.ceil(sum(shortest)) if told else DEFAULT_MIN_GREEN_S
    high_s = math.floor(sum(longest)) if grows else DEFAULT_MAX_GREEN_S
    return max(1, min(low_s, green_s)), max(high_s, green_s)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
