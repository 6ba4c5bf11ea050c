"""A world made ready to run: any SUMO configuration, read-only folders included.

SUMO itself reads the configuration (all its spellings, abbreviations and old sections) and
writes it back with absolute paths. Of that we keep what decides how traffic moves, and drop
what writes files, opens windows or waits for a remote control. Additional files that would
write something are rewritten into the work folder; all others are used where they lie.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np

from network_data.importers.sumo.programs import elements, open_xml, sumo_time_s
from network_data.sumo_tools import run_tool
from sim_scenarios import generated
from sim_scenarios.conditions import ORDINARY, ConditionFiles
from sim_scenarios.departures import DAY_S, Demand, busiest_begin, read_demand
from sim_scenarios.silence import silenced
from sim_scenarios.spec import ScenarioSpec
from traffic_brain.errors import ConfigurationError, DataRefused, SimulationError

SUMO_TIME_TO_TELEPORT_S = 300.0
"""SUMO's own default."""
EMPTYING_S = 7200
"""How long after the last departure a world without an end may take to empty."""
_KEPT_SECTIONS = (
    *("input", "time", "processing", "routing", "emissions", "communication", "battery"),
    *("example_device", "toc_device", "driver_state_device", "bluelight_device"),
    *("elechybrid_device", "taxi_device", "glosa_device", "friction_device"),
    *("fcd_replay_device", "random_number"),
)
_DROPPED_OPTIONS = frozenset({"seed", "random", "begin", "end", "time-to-teleport"})
_UNKNOWN_OPTION = re.compile(r"No option with the name '([^']+)'")


@dataclass(frozen=True, slots=True)
class PreparedScenario:
    """A world that can be run: a configuration without outputs, and what it stands for.

    ``ends_when_empty``: the configuration has no end of its own; ``end_s`` is then a cap.
    ``source_files`` are the original inputs, network first, of which a hash tells whether
    the world is the same.
    """

    name: str
    sumocfg: Path
    net_file: Path
    additional_files: tuple[Path, ...]
    begin_s: int
    end_s: int
    time_to_teleport_s: float
    step_s: float = 1.0
    ends_when_empty: bool = False
    demand: Demand = field(default_factory=Demand)
    source_files: tuple[Path, ...] = ()
    signal_files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def network_sources(self) -> tuple[Path, tuple[Path, ...]]:
        """The network file and the original additional files that carry signal programs."""
        return self.net_file, self.signal_files


def prepare(
    spec: ScenarioSpec, workdir: Path, *, retimed: frozenset[str] = frozenset()
) -> PreparedScenario:
    """Make a world ready to run in ``workdir``; nothing outside of it is written.

    ``retimed``: junctions that will run a plan given with the run, so that a switching
    schedule of the world itself (WAUT) must not switch it away. Raises DataRefused with all
    problems of the world's files.
    """
    workdir = workdir.resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    original = spec.sumocfg or generated.build(_city(spec), workdir / "city")
    options, notes = _normalised(original, workdir)
    net, routes, additional = (
        _paths(options, name) for name in ("net-file", "route-files", "additional-files")
    )
    problems = _missing(options, original) + [p for path in net for p in _no_network(path)]
    unusual = ConditionFiles() if problems else spec.conditions.write(net, workdir)
    routes += unusual.routes
    demand, broken = read_demand(net, (*additional, *routes))
    problems += broken
    if not problems and not any(demand.departures_veh):
        problems = [f"{original}: no vehicle ever departs"]
    if problems:
        raise DataRefused(f"world {spec.name} cannot be used", "repair its files", problems)
    window = _window(spec, options, demand)
    if idle := spec.conditions.outside(window.begin_s, window.end_s):
        raise ConfigurationError("; ".join(idle), f"correct the conditions of {spec.name}")
    rewritten = tuple(silenced(path, workdir, retimed) for path in additional)
    teleport_s = _time_to_teleport_s(spec, options)
    scenario = PreparedScenario(
        name=spec.name,
        sumocfg=workdir / "world.sumocfg",
        net_file=net[0],
        additional_files=(*rewritten, *unusual.additional),
        begin_s=window.begin_s,
        end_s=window.end_s,
        time_to_teleport_s=teleport_s,
        step_s=_seconds(options, "step-length", 1.0),
        ends_when_empty=window.ends_when_empty,
        demand=demand,
        source_files=(*net, *routes, *additional, *unusual.additional, *unusual.told),
        signal_files=tuple(path for path in additional if _has_programs(path)),
        notes=(*notes, *window.notes),
    )
    _write_configuration(scenario, options | _changed_options(spec, options, routes))
    return scenario


def _changed_options(
    spec: ScenarioSpec, options: Mapping[str, str], routes: Sequence[Path]
) -> dict[str, str]:
    """What the world's conditions change of its options."""
    if spec.conditions == ORDINARY:
        return {}
    scale = float(options.get("scale") or 1.0) * spec.conditions.demand_ratio
    return {"route-files": ",".join(map(str, routes)), "scale": f"{scale:g}"}


def assemble(
    name: str,
    workdir: Path,
    *,
    net: Path,
    routes: Sequence[Path],
    additional: Sequence[Path] = (),
    begin_s: int,
    end_s: int,
    time_to_teleport_s: float = SUMO_TIME_TO_TELEPORT_S,
    options: Mapping[str, str] | None = None,
) -> PreparedScenario:
    """A scenario of files that the engine itself wrote; they are trusted, not checked."""
    workdir = workdir.resolve()
    workdir.mkdir(parents=True, exist_ok=True)
    files = {
        "net-file": str(net.resolve()),
        "route-files": ",".join(str(path.resolve()) for path in routes),
    }
    scenario = PreparedScenario(
        name=name,
        sumocfg=workdir / "world.sumocfg",
        net_file=net.resolve(),
        additional_files=tuple(path.resolve() for path in additional),
        begin_s=begin_s,
        end_s=end_s,
        time_to_teleport_s=time_to_teleport_s,
        source_files=(net, *routes, *additional),
    )
    _write_configuration(scenario, {**files, **(options or {})})
    return scenario


def _city(spec: ScenarioSpec) -> generated.GeneratedCity:
    assert spec.generated is not None
    return spec.generated


def _normalised(original: Path, workdir: Path) -> tuple[dict[str, str], list[str]]:
    """The options that decide how traffic moves, as SUMO understands the configuration.

    Options this SUMO does not know (other builds have them, for windows mostly) are left out
    and noted.
    """
    saved = workdir / "understood.sumocfg"
    source = original
    notes: list[str] = []
    while True:
        try:
            run_tool(
                "sumo",
                ["--configuration-file", str(source), "--save-configuration", str(saved)],
                folder=workdir,
            )
            break
        except SimulationError as error:
            unknown = _UNKNOWN_OPTION.search(error.what)
            if unknown is None or len(notes) > 20:
                raise DataRefused(
                    f"{original} is no configuration SUMO can read ({error.what})",
                    "correct the file; sumo --configuration-file FILE tells more",
                ) from error
            source = _without_option(source, unknown[1], original.parent, workdir)
            notes.append(f"option {unknown[1]} is unknown to this SUMO and ignored")
    sections = list(ET.parse(saved).getroot())
    saved.unlink()
    options = {
        option.tag: unquote(option.get("value", ""))  # SUMO writes blanks of paths as %20
        for section in sections
        if section.tag in _KEPT_SECTIONS
        for option in section
        if not _is_output(option.tag)
    }
    if any(option.tag == "mesosim" for section in sections for option in section):
        notes.append("simulated microscopically: the mesoscopic model passes over signals")
    return options, notes


def _without_option(source: Path, option: str, folder: Path, workdir: Path) -> Path:
    """A copy without one option, whose relative file names still mean what they did."""
    tree = ET.parse(source)
    for parent in tree.iter():
        for child in list(parent):
            if child.tag == option:
                parent.remove(child)
            for name in ("value", "v"):
                if child.tag.endswith(("-file", "-files")) and child.get(name):
                    paths = (p.strip() for p in child.attrib[name].split(","))
                    child.set(name, ",".join(str(folder / p) for p in paths))
    copy = workdir / "known_options.sumocfg"
    tree.write(copy, encoding="utf-8", xml_declaration=True)
    return copy


def _is_output(option: str) -> bool:
    return option.endswith(("output", "device.ssm.file", "device.toc.file"))


def _paths(options: Mapping[str, str], name: str) -> tuple[Path, ...]:
    return tuple(Path(p.strip()) for p in options.get(name, "").split(",") if p.strip())


def _missing(options: Mapping[str, str], original: Path) -> list[str]:
    """One line for every input that is not there."""
    problems = []
    if not options.get("net-file"):
        problems.append(f"{original}: names no network file (net-file), as a .sumocfg does")
    for name in ("net-file", "route-files", "additional-files", "weight-files", "load-state"):
        problems += [
            f"{path} ({name}): no such file" for path in _paths(options, name) if not path.is_file()
        ]
    return problems


def _no_network(path: Path) -> list[str]:
    """A line when a readable file is something else than a network."""
    try:
        with open_xml(path) as source:
            _, root = next(ET.iterparse(source, events=("start",)))
    except (OSError, EOFError, ET.ParseError, StopIteration, zlib.error):
        return []  # told by those who read it as a whole
    return [] if root.tag == "net" else [f"{path}: no SUMO network (it is a <{root.tag}> file)"]


def _seconds(options: Mapping[str, str], name: str, default: float) -> float:
    if not options.get(name):
        return default
    try:
        return sumo_time_s(options[name])
    except ValueError as error:
        raise DataRefused(
            f"the configuration's {name} = {options[name]!r} is no time", "correct the file"
        ) from error


def _time_to_teleport_s(spec: ScenarioSpec, options: Mapping[str, str]) -> float:
    if spec.time_to_teleport_s is not None:
        return spec.time_to_teleport_s
    return _seconds(options, "time-to-teleport", SUMO_TIME_TO_TELEPORT_S)


def _write_configuration(scenario: PreparedScenario, options: Mapping[str, str]) -> None:
    """Write the configuration SUMO is started with.

    Vehicles wait for their departure as long as it takes: one that SUMO gives up
    (``max-depart-delay``) would be in no figure.
    """
    settings = {k: v for k, v in options.items() if k not in _DROPPED_OPTIONS}
    settings.pop("additional-files", None)
    settings |= {
        "begin": str(scenario.begin_s),
        "end": str(scenario.end_s),
        "time-to-teleport": f"{scenario.time_to_teleport_s:g}",
        "max-depart-delay": "-1",
    }
    root = ET.Element("configuration")
    for name, value in settings.items():
        ET.SubElement(root, name, value=value)
    ET.indent(root)
    ET.ElementTree(root).write(scenario.sumocfg, encoding="utf-8", xml_declaration=True)


def _has_programs(path: Path) -> bool:
    tags = frozenset({"tlLogic", "WAUT", "include"})
    return any(True for _ in elements(path, ends_of=tags))


@dataclass(frozen=True, slots=True)
class _Window:
    begin_s: int
    end_s: int
    ends_when_empty: bool
    notes: tuple[str, ...]


def _window(spec: ScenarioSpec, options: Mapping[str, str], demand: Demand) -> _Window:
    """Begin and end of the simulation: the spec's, else the configuration's, else the demand's.

    Longer than the spec's horizon, the window is cut to the busiest stretch of that length.
    Raises DataRefused where nothing drives inside it.
    """
    begin = spec.begin_s if spec.begin_s is not None else int(_seconds(options, "begin", 0.0))
    told = spec.end_s if spec.end_s is not None else math.ceil(_seconds(options, "end", -1.0))
    departures = np.array(demand.departures_veh)
    minutes = np.flatnonzero(departures) * 60
    inside = minutes[(minutes + 60 > begin) & ((told <= 0) | (minutes < told))]
    if not inside.size:
        span = f"between {begin} s and {told} s" if told > 0 else f"after {begin} s"
        raise DataRefused(
            f"world {spec.name}: no vehicle departs {span} of the service day",
            "correct begin and end",
        )
    emptied = int(inside[-1]) + 60 + EMPTYING_S
    end = min(emptied if told <= 0 else told, emptied, DAY_S)
    if end - begin <= spec.horizon_s:
        return _Window(begin, end, end != told, ())
    begin = busiest_begin(demand, begin, end, spec.horizon_s)
    end = begin + spec.horizon_s
    note = f"cut to its busiest {spec.horizon_s} s, from {begin} s to {end} s"
    return _Window(begin, end, False, (note,))
