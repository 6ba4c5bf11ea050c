"""SUMO's signal programs: which one is active, and what it is as a plan of ours.

The rules below were measured on SUMO 1.28:

* the first listed ``<phase>`` starts at simulation times that equal ``offset`` modulo the
  cycle, whatever the simulation's begin: it is ``SignalPlan.first_stage_offset_s``;
* of several programs of one controller, the one that is loaded last runs; files are loaded
  in order, the network first;
* a ``<tlLogic>`` without phases changes the offset of the program it names; named ``off`` it
  switches the signal off;
* a ``<WAUT>`` starts with ``startProg`` and switches at ``refTime`` + ``time``, at once where no
  procedure is named; all programs of a controller go on with their own clock meanwhile.
"""

from __future__ import annotations

import copy
import errno
import gzip
import math
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, cast
from xml.etree import ElementTree as ET

from traffic_brain.errors import DataRefused
from traffic_brain.model.signals import GREENS, Interval, PlanWindow, SignalPlan, Stage

SHORTEST_STAGE_S = 5
"""A green shorter than this is an intermediate picture of a clearance, not a stage."""
DEFAULT_MIN_GREEN_S = 5
DEFAULT_MAX_GREEN_S = 120
CLEARING_LAMPS = frozenset("yYu")
PLAIN_LAMPS = frozenset("GgyruoO")
UNNAMED_PROGRAM = "<unknown>"
"""What SUMO calls a program without ``programID``."""
OFF_PROGRAM = "off"
"""The program every controller has without being told: all lamps blink."""
DAY_S = 86_400
LONGEST_S = 1e9
"""Times beyond thirty years are damage."""
MOST_LAMPS = 10_000
MOST_INCLUDED = 1_000
DEEPEST = 50
"""Elements inside each other; SUMO's own are at most five deep."""
UNREADABLE = (
    *(OSError, EOFError, ET.ParseError, UnicodeDecodeError, zlib.error),
    *(LookupError, ValueError),  # an encoding that is unknown, or one that expat cannot read
)
"""What reading a damaged XML file raises."""


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
    element: ET.Element | None = field(default=None, compare=False, repr=False)
    """The program as the file has it, where it came from a file."""


@dataclass(frozen=True, slots=True)
class SumoSchedule:
    """One ``<WAUT>``: which program runs from when on; switches in the order of the file."""

    schedule_id: str
    start_program: str
    switches: tuple[tuple[float, str], ...]
    period_s: float = 0.0
    element: ET.Element | None = field(default=None, compare=False, repr=False)

    def program_at(self, at_s: float) -> str:
        """The program that runs at a simulation time."""
        due = [to for time_s, to in sorted(self.switches) if time_s <= at_s]
        return due[-1] if due else self.start_program


@dataclass(frozen=True, slots=True)
class ScheduledJunction:
    """One ``<wautJunction>``; with ``smooth`` SUMO bends phases while it switches."""

    junction_id: str
    schedule_id: str
    smooth: bool = False
    element: ET.Element | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ConvertedPlan:
    """The plan of a program. ``plan`` is None when it cannot be one; ``problems`` says why.

    With a plan, ``problems`` holds remarks that do not change what it shows.
    """

    plan: SignalPlan | None
    problems: tuple[str, ...] = ()


@dataclass
class SumoSignals:
    """All programs and schedules of a network with its additional files, in loading order."""

    programs: dict[tuple[str, str], SumoProgram] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    """The program of each controller that runs where no schedule says otherwise."""
    schedules: dict[str, SumoSchedule] = field(default_factory=dict)
    scheduled: dict[str, ScheduledJunction] = field(default_factory=dict)
    in_net: set[tuple[str, str]] = field(default_factory=set)
    """Programs that stand in the network file itself."""
    repeated: list[tuple[str, str]] = field(default_factory=list)
    """Programs that came twice, which SUMO would not accept; the last one is kept."""

    def schedule_of(self, junction_id: str) -> SumoSchedule | None:
        """The schedule of a controller, if it has one that is known."""
        entry = self.scheduled.get(junction_id)
        return None if entry is None else self.schedules.get(entry.schedule_id)

    def running(self, junction_id: str, at_s: float | None = None) -> SumoProgram | None:
        """The program that runs at a time; without one, from the beginning."""
        schedule = self.schedule_of(junction_id)
        program_id = self.active.get(junction_id, "")
        if schedule is not None:
            told = schedule.program_at(-math.inf if at_s is None else at_s)
            if (junction_id, told) in self.programs:
                program_id = told
        return self.programs.get((junction_id, program_id))

    def by_junction(self) -> dict[str, list[SumoProgram]]:
        """All programs of each controller, in loading order."""
        found: dict[str, list[SumoProgram]] = defaultdict(list)
        for program in self.programs.values():
            found[program.junction_id].append(program)
        return found


def sumo_time_s(text: str) -> float:
    """Seconds of a SUMO time: ``12.5``, ``h:mm:ss`` or ``d:hh:mm:ss``.

    Raises ValueError where SUMO would not read it either.
    """
    parts = text.strip().split(":")
    if len(parts) not in (1, 3, 4):
        raise ValueError(f"not a time: {text!r}")
    units_s = (DAY_S, 3600, 60)[4 - len(parts) :]
    time_s = float(parts[-1]) + sum(
        int(part) * unit_s for part, unit_s in zip(parts[:-1], units_s, strict=True)
    )
    if not abs(time_s) <= LONGEST_S:
        raise ValueError(f"not a time: {text!r}")
    return time_s


def open_xml(path: Path) -> IO[bytes]:
    """A plain or gzipped file, told apart by its first two bytes; raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def elements(path: Path, *, ends_of: frozenset[str] | None = None) -> Iterator[ET.Element]:
    """Every element of a file whose tag is in ``ends_of``, complete, with little memory.

    Without ``ends_of``: every child of the root. Raises DataRefused when the file is missing, cut
    off, or not XML.
    """

    def is_wanted(element: ET.Element, depth: int) -> bool:
        return depth == 2 if ends_of is None else element.tag in ends_of

    try:
        with open_xml(path) as source:
            open_wanted = depth = 0
            root: ET.Element | None = None
            for event, element in ET.iterparse(source, events=("start", "end")):
                if root is None:
                    root = element
                if event == "start":
                    depth += 1
                    check_depth(depth)
                    open_wanted += is_wanted(element, depth)
                    continue
                if is_wanted(element, depth):
                    open_wanted -= 1
                    yield element
                depth -= 1
                if not open_wanted:
                    element.clear()
                    root.clear()
    except UNREADABLE as error:
        raise DataRefused(
            f"{path}: {describe_unreadable(error)}", "restore the file, or export it again"
        ) from error


def check_depth(depth: int) -> None:
    """Raise ParseError where elements lie deeper in each other than any of SUMO's do."""
    if depth > DEEPEST:
        raise ET.ParseError("elements nested too deep")


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
    return f"cannot be read ({' '.join(str(error).split())})"


def read_programs(
    net: Path, additional: Sequence[Path] = (), *, at_s: float | None = None
) -> dict[str, SumoProgram]:
    """The active program of every signal controller, by junction id, in loading order.

    ``at_s``: simulation time for which the active program is asked where a WAUT switches
    programs by time of day; without it, the WAUT's first program. Raises DataRefused when a
    file cannot be read or a program is not what SUMO would accept.
    """
    signals = read_signals(net, additional)
    running = {j: signals.running(j, at_s) for j in signals.active}
    return {j: program for j, program in running.items() if program is not None}


def read_signals(net: Path, additional: Sequence[Path] = ()) -> SumoSignals:
    """All signal programs and schedules of a network and its additional files.

    Raises:
        DataRefused: a file cannot be read, or holds elements that SUMO would not accept; with
            all of these.
    """
    signals = SumoSignals()
    problems: list[str] = []
    wanted = frozenset({"tlLogic", "WAUT", "wautJunction"})
    for number, path in enumerate((net, *additional)):
        for element in included(path, wanted):
            try:
                _take(element, signals)
            except (KeyError, ValueError) as error:
                told = f"no {error}" if isinstance(error, KeyError) else str(error)
                problems.append(f"<{element.tag} id={element.get('id')!r}>: {told}")
        if problems:
            raise DataRefused(
                f"{path}: malformed elements", "SUMO does not read them either", problems[:20]
            )
        if number == 0:
            signals.in_net = set(signals.programs)
    return signals


def included(path: Path, wanted: frozenset[str] | None = None) -> Iterator[ET.Element]:
    """Every wanted element of a file, and of the files that it includes, as `elements` gives them.

    Raises DataRefused when a file cannot be read, includes itself, or includes without end.
    """
    yield from _included(path, wanted, (), [])


def _included(
    path: Path, wanted: frozenset[str] | None, within: tuple[Path, ...], opened: list[Path]
) -> Iterator[ET.Element]:
    opened.append(path)
    if path.resolve() in within or len(opened) > MOST_INCLUDED:
        raise DataRefused(f"{path} includes itself, or too many files", "take the <include> out")
    for element in elements(path, ends_of=None if wanted is None else wanted | {"include"}):
        if element.tag != "include":
            yield element
            continue
        if not element.get("href"):
            raise DataRefused(f"{path}: an <include> names no file", "correct its href")
        inner = path.parent / element.attrib["href"]
        yield from _included(inner, wanted, (*within, path.resolve()), opened)


def _take(element: ET.Element, signals: SumoSignals) -> None:
    if element.tag == "WAUT":
        schedule = _schedule_of(element)
        signals.schedules[schedule.schedule_id] = schedule
    elif element.tag == "wautJunction":
        entry = ScheduledJunction(
            _named(element, "junctionID"),
            _named(element, "wautID"),
            bool(element.get("procedure")) or element.get("synchron", "0")[:1] in "1tTyYxX",
            copy.deepcopy(element),
        )
        signals.scheduled[entry.junction_id] = entry
    else:
        _take_program(_program_of(element), signals)


def _schedule_of(element: ET.Element) -> SumoSchedule:
    reference_s = sumo_time_s(element.get("refTime", "0"))
    return SumoSchedule(
        schedule_id=_named(element, "id"),
        start_program=_named(element, "startProg"),
        switches=tuple(
            (reference_s + sumo_time_s(e.attrib["time"]), _named(e, "to"))
            for e in element.iter("wautSwitch")
        ),
        period_s=sumo_time_s(element.get("period", "0")),
        element=copy.deepcopy(element),
    )


def _named(element: ET.Element, attribute: str) -> str:
    """An attribute that must be there, and not empty."""
    value = element.attrib[attribute]
    if not value:
        raise ValueError(f"{attribute} is empty")
    return value


def _take_program(program: SumoProgram, signals: SumoSignals) -> None:
    key = (program.junction_id, program.program_id)
    known = signals.programs.get(key)
    if known is not None and not program.phases:
        signals.programs[key] = with_offset(known, program.offset)
        return
    if known is not None:
        signals.repeated.append(key)
        del signals.programs[key]  # loading order is that of the one that counts
    signals.programs[key] = program
    signals.active[program.junction_id] = program.program_id


def with_offset(program: SumoProgram, offset: str) -> SumoProgram:
    """The same program with another offset, as SUMO writes it."""
    element = copy.deepcopy(program.element)
    if element is not None:
        element.set("offset", offset)
    return replace(program, offset=offset, element=element)


def _program_of(element: ET.Element) -> SumoProgram:
    return SumoProgram(
        junction_id=_named(element, "id"),
        program_id=element.get("programID") or UNNAMED_PROGRAM,
        kind=element.get("type") or "static",
        offset=element.get("offset", "0"),
        phases=tuple(_phase_of(e) for e in element.iter("phase")),
        element=copy.deepcopy(element),
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


def windows_of(
    schedule: SumoSchedule, junction_id: str, plan_ids: Collection[str]
) -> tuple[tuple[PlanWindow, ...], tuple[str, ...]]:
    """When each plan runs on a day that begins with the simulation, and what windows cannot say.

    Windows are given for the programs that are plans (``plan_ids``). Without remarks they are
    all of the schedule: to write them is to write the schedule. ``period`` is taken for a day.
    """
    times_s = [time_s for time_s, _ in schedule.switches]
    starts = _starts(schedule)
    remarks = {
        "switches that are out of order": times_s != sorted(set(times_s)),
        "switches between whole seconds, made earlier": any(t % 1 for t in times_s),
        "switches that are not within the first day": any(not 0 < t < DAY_S for t in times_s),
        "a schedule that repeats itself": bool(schedule.period_s),
        "times with a program that is no plan": not set(starts.values()) <= set(plan_ids),
    }
    windows: list[PlanWindow] = []
    for (begin_s, plan_id), (end_s, _) in pairwise([*sorted(starts.items()), (DAY_S, "")]):
        if plan_id not in plan_ids:
            continue
        if windows and (windows[-1].plan_id, windows[-1].end_s) == (plan_id, begin_s):
            windows[-1] = replace(windows[-1], end_s=end_s)
        else:
            windows.append(PlanWindow(junction_id, plan_id, begin_s, end_s))
    return tuple(windows), tuple(remark for remark, applies in remarks.items() if applies)


def _starts(schedule: SumoSchedule) -> dict[int, str]:
    """The program that begins at each second of the day; from the first on there is one."""
    switches = sorted(schedule.switches)
    # From the second day on, a schedule that repeats itself begins with what ran at midnight.
    first = switches[-1][1] if schedule.period_s and switches else schedule.start_program
    starts = {0: first}
    for time_s, to in switches:
        if time_s < DAY_S:
            starts[max(0, int(time_s))] = to
    return starts


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
    if sum(abs(phase.duration_s) for phase in phases) > DAY_S:
        problems.append("a cycle longer than a day")
    if not all(0 < len(phase.picture) <= MOST_LAMPS for phase in phases):
        problems.append(f"a lamp picture that is empty, or of more than {MOST_LAMPS} lamps")
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
    """Least and greatest green: sums over the merged phases, defaults where none has room.

    A least green of nothing is no least green: the default stands for it.
    """
    told = any(part.min_duration_s for part in parts)
    shortest = [_or(part.min_duration_s, part.duration_s) for part in parts]
    longest = [_or(part.max_duration_s, part.duration_s) for part in parts]
    grows = any(high > low for low, high in zip(shortest, longest, strict=True))
    low_s = math.ceil(sum(shortest)) if told else DEFAULT_MIN_GREEN_S
    high_s = math.floor(sum(longest)) if grows else DEFAULT_MAX_GREEN_S
    return max(1, min(low_s, green_s)), max(min(high_s, DAY_S), green_s)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
