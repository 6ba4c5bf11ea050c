"""SUMO's own signal programs through our plans and back: does every vehicle drive as before?

Each world is imported into a city folder; the programs are written from the city's tables and
replace the originals: once *instead* of them (a network whose programs are a dark placeholder,
additional files without programs), once *beside* them (the city's own network, the written file
loaded last). All three runs use one seed, and their trip files must not differ by a byte, the
head comment apart. As a control, one offset is moved by a second: then the trips must differ.

    python -m benchmarks.sumo_round_trip [WORLD ...] [--seed N] [--end S] [--json FILE]

WORLD is a name or the path of a .sumocfg; without one: the eight RESCO maps and Bologna.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.city import NET_FILE, SIGNALS_FILE
from network_data.importers.sumo.network import export_signals, import_network
from network_data.importers.sumo.programs import open_xml
from network_data.sumo_tools import run_tool
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec, find

BOLOGNA = Path(__file__).parents[2] / "shared/data/bologna_acosta/run.sumocfg"
RESCO = (
    *("arterial4x4", "cologne1", "cologne3", "cologne8", "grid4x4"),
    *("ingolstadt1", "ingolstadt21", "ingolstadt7"),
)
PLACEHOLDER = "placeholder"
_HEAD = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_SIGNAL_TAGS = frozenset({"tlLogic", "WAUT", "wautJunction"})


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What became of one world's programs."""

    world: str
    seed: int
    begin_s: int
    end_s: int
    controllers: int
    programs: int
    through_plans: int
    """Programs that were written from a plan of ours; the others were carried as they are."""
    vehicles: int
    trips_sha256: str
    same_instead: bool
    same_beside: bool
    control_differs: bool | None
    """None: no plan with an offset to move."""
    seconds: float

    @property
    def passed(self) -> bool:
        return self.same_instead and self.same_beside and self.control_differs is not False


def round_trip(
    spec: ScenarioSpec, folder: Path, *, seed: int = 1, end_s: int | None = None
) -> RoundTrip:
    """Import a world's signals, write them back, and compare the trips of three runs."""
    started = time.monotonic()
    scenario = prepare(spec, folder / "world")
    end_s = min(scenario.end_s, end_s or scenario.end_s)
    net, files = scenario.network_sources()
    city = folder / "city"
    city.mkdir()
    import_network(net, files, city)
    written = export_signals(city, folder / "written.add.xml")
    assert written.read_bytes() == (city / SIGNALS_FILE).read_bytes()
    runs = _Runs(scenario, folder, seed, end_s)
    silent_files = [_without_programs(path, folder) for path in scenario.additional_files]
    dark_net = _with_placeholders(net, folder / "dark.net.xml")
    original = runs.trips("original", net, scenario.additional_files)
    instead = runs.trips("instead", dark_net, [*silent_files, written])
    beside = runs.trips("beside", city / NET_FILE, [*silent_files, written])
    moved = _moved(written, folder / "moved.add.xml")
    control = None if moved is None else runs.trips("moved", dark_net, [*silent_files, moved])
    carried = ET.parse(city / "sumo/carried.add.xml").getroot().findall("tlLogic")
    programs = ET.parse(written).getroot().findall("tlLogic")
    return RoundTrip(
        world=spec.name,
        seed=seed,
        begin_s=scenario.begin_s,
        end_s=end_s,
        controllers=len({program.get("id") for program in programs}),
        programs=len(programs),
        through_plans=len(programs) - len(carried),
        vehicles=original.count(b"<tripinfo "),
        trips_sha256=hashlib.sha256(original).hexdigest(),
        same_instead=instead == original,
        same_beside=beside == original,
        control_differs=None if control is None else control != original,
        seconds=round(time.monotonic() - started, 1),
    )


@dataclass(frozen=True)
class _Runs:
    """Runs of one world that differ in nothing but network and additional files."""

    scenario: PreparedScenario
    folder: Path
    seed: int
    end_s: int

    def trips(self, name: str, net: Path, additional: Sequence[Path]) -> bytes:
        """The trip file of a run without its head comment."""
        target = self.folder / f"{name}.trips.xml"
        arguments = [
            *("--configuration-file", str(self.scenario.sumocfg), "--net-file", str(net)),
            *("--seed", str(self.seed), "--end", str(self.end_s), "--no-step-log"),
            *("--no-warnings", "--xml-validation", "never", "--tripinfo-output", str(target)),
            *("--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"),
        ]
        if additional:
            arguments += ["--additional-files", ",".join(map(str, additional))]
        run_tool("sumo", arguments, folder=self.folder, timeout_s=3600)
        return _HEAD.sub(b"", target.read_bytes(), count=1)


def _with_placeholders(net: Path, target: Path) -> Path:
    """The network with one dark program per controller in the place of all that it has."""
    with open_xml(net) as source:
        tree = ET.parse(source)
    root = tree.getroot()
    seen: set[str] = set()
    for program in root.findall("tlLogic"):
        phases = program.findall("phase")
        lamps = len(phases[0].attrib["state"]) if phases else 0
        if program.attrib["id"] in seen or not lamps:
            root.remove(program)
            continue
        seen.add(program.attrib["id"])
        for child in list(program):
            program.remove(child)
        program.attrib.update(type="static", programID=PLACEHOLDER, offset="0")
        ET.SubElement(program, "phase", duration="1", state="r" * lamps)
    tree.write(target, encoding="utf-8", xml_declaration=True)
    return target


def _without_programs(path: Path, folder: Path) -> Path:
    tree = ET.parse(path)
    root = tree.getroot()
    for element in [e for e in root if e.tag in _SIGNAL_TAGS]:
        root.remove(element)
    target = folder / f"silent_{len(list(folder.glob('silent_*')))}.add.xml"
    tree.write(target, encoding="utf-8", xml_declaration=True)
    return target


def _moved(written: Path, target: Path) -> Path | None:
    """The written programs, each fixed one a second later."""
    tree = ET.parse(written)
    fixed = [
        program
        for program in tree.getroot().findall("tlLogic")
        if len(program.findall("phase")) > 1 and program.get("offset", "").isdecimal()
    ]
    for program in fixed:
        program.set("offset", str(int(program.attrib["offset"]) + 1))
    tree.write(target, encoding="utf-8", xml_declaration=True)
    return target if fixed else None


def default_worlds() -> list[ScenarioSpec]:
    """The eight RESCO maps and Bologna, as far as they are here."""
    return [find(name) for name in RESCO] + ([find(BOLOGNA)] if BOLOGNA.is_file() else [])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per world; 1 when any differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--end", type=int, help="end all runs at this second of the day")
    parser.add_argument("--json", type=Path, help="write the results here as well")
    options = parser.parse_args(argv)
    specs = [find(name) for name in options.worlds] or default_worlds()
    print(f"{'world':14} {'signals':>7} {'programs':>8} {'as plans':>8} {'trips':>6}", end=" ")
    print(f"{'instead':>9} {'beside':>9} {'control':>9} {'s':>6}")
    results = []
    for spec in specs:
        folder = Path(tempfile.mkdtemp(prefix="round-trip-"))
        try:
            result = round_trip(spec, folder, seed=options.seed, end_s=options.end)
        finally:
            shutil.rmtree(folder)
        results.append(result)
        print(_line(result), flush=True)
    if options.json:
        rows = [asdict(result) | {"passed": result.passed} for result in results]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if all(result.passed for result in results) else 1


def _line(r: RoundTrip) -> str:
    same = {True: "same", False: "DIFFERS"}
    control = {True: "differs", False: "SAME", None: "-"}[r.control_differs]
    return (
        f"{r.world:14} {r.controllers:7} {r.programs:8} {r.through_plans:8} {r.vehicles:6} "
        f"{same[r.same_instead]:>9} {same[r.same_beside]:>9} {control:>9} {r.seconds:6.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
