"""Every network that is at hand, imported: what is in it, and is each signal accounted for?

Read are the networks of SUMO's games and of sumolib's scenarios, those of sumo-rl (the eight
RESCO maps among them) where it is installed, Bologna, the OpenStreetMap extract of Luxembourg,
and Tempe's UTDF; configurations beside a network say which additional files belong to it. A
signal is *complete* (a fixed plan in service that serves everybody who waits there), or it stands
on the to-fix list; the import fails where one is neither.

    python -m benchmarks.sumo_import [FILE ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.checks import missing_at, problems
from network_data.city import load_city
from network_data.importers import import_any
from network_data.loss_report import FILE as LOSSES_FILE
from network_data.sumo_tools import sumo_home
from traffic_brain.errors import DataRefused

SHARED = Path(__file__).parents[2] / "shared/data"
_SIGNALS = (b"<tlLogic", b"<WAUT", b"Detector", b"inductionLoop")
Source = tuple[str, Path, tuple[Path, ...]]
"""Name, network and additional files."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one network."""

    network: str
    links: int
    junctions: int
    complete: int
    on_list: int
    """Signals on the to-fix list; a complete one may have a question there as well."""
    unaccounted: tuple[str, ...]
    movements: int
    plans: int
    stages: int
    crossings: int
    detectors: int
    problems: int
    losses: int
    seconds: float
    refused: str = ""

    @property
    def passed(self) -> bool:
        return not self.refused and not self.unaccounted


def import_one(name: str, network: Path, additional: Sequence[Path]) -> Row:
    """Import a network into a city folder that is thrown away, and count what is in it."""
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        city = Path(folder)
        started = time.monotonic()
        try:
            import_any(network, additional, city)
        except DataRefused as refusal:
            seconds = round(time.monotonic() - started, 2)
            return Row(name, *(0,) * 4, (), *(0,) * 7, seconds, str(refusal))
        seconds = round(time.monotonic() - started, 2)
        found = load_city(city)
        report = json.loads((city / LOSSES_FILE).read_text(encoding="utf-8"))
    listed = {entry["place"] for entry in report["to_fix"]}
    incomplete = {j for j, junction in found.junctions.items() if missing_at(found, junction)}
    in_service = [j.plan_in_service for j in found.junctions.values() if j.plan_in_service]
    return Row(
        network=name,
        links=len(found.links),
        junctions=len(found.junctions),
        complete=len(found.junctions) - len(incomplete),
        on_list=len(listed & set(found.junctions)),
        unaccounted=tuple(sorted(incomplete - listed)),
        movements=len(found.movements),
        plans=sum(len(j.plans) for j in found.junctions.values()),
        stages=sum(len(plan.stages) for plan in in_service),
        crossings=len(found.crossings),
        detectors=len(found.detectors),
        problems=len(problems(found)),
        losses=len(report["losses"]),
        seconds=seconds,
    )


def at_hand() -> Iterator[Source]:
    """All that is installed or lies beside the project."""
    folders = [sumo_home() / "tools" / inside for inside in ("game", "sumolib/scenario")]
    spec = find_spec("sumo_rl")
    folders += [Path(p) / "nets" for p in (spec and spec.submodule_search_locations) or ()]
    for folder in (*folders, SHARED):
        files_of = _additional_files(folder)
        for net in sorted(folder.rglob("*.net.xml*")):
            yield str(net.relative_to(folder)), net, files_of.get(net, ())
        for network in sorted((*folder.rglob("*.osm*"), *folder.rglob("UTDF*.csv"))):
            yield str(network.relative_to(folder)), network, ()


def _additional_files(folder: Path) -> dict[Path, tuple[Path, ...]]:
    """Of each network the additional files with signals or detectors that a run of it loads."""
    found: dict[Path, tuple[Path, ...]] = {}
    for configuration in sorted(folder.rglob("*.sumocfg")):
        root = ET.parse(configuration).getroot()
        net, additional = (_files(configuration, root, f"{n}") for n in ("net-file", "additional"))
        signals = tuple(p for p in additional if any(tag in p.read_bytes() for tag in _SIGNALS))
        for path in net:
            found[path] = max(found.get(path, ()), signals, key=len)
    return found


def _files(configuration: Path, root: ET.Element, option: str) -> list[Path]:
    elements = [e for e in root.iter() if e.tag in (option, f"{option}-files")]
    names = [name.strip() for e in elements for name in e.get("value", "").split(",")]
    paths = [(configuration.parent / name).resolve() for name in names if name]
    return [path for path in paths if path.is_file()]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per network; 1 when one was refused or a signal is unaccounted for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, help="write the table here as well")
    options = parser.parse_args(argv)
    named: list[Source] = [(path.name, path, ()) for path in options.files]
    sources = named or list(at_hand())
    columns = (
        *("links", "junctions", "complete", "on_list", "movements", "plans", "stages"),
        *("crossings", "detectors", "problems", "losses", "seconds"),
    )
    print(f"{'network':58}", *(f"{column[:9]:>9}" for column in columns))
    rows = []
    for name, network, additional in sources:
        row = import_one(name, network, additional)
        rows.append(row)
        print(f"{name[-58:]:58}", *(f"{getattr(row, column):>9}" for column in columns), flush=True)
        for trouble in (row.refused, ", ".join(row.unaccounted)):
            if trouble:
                print(f"    {trouble}")
    if options.json:
        table = [asdict(row) | {"passed": row.passed} for row in rows]
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
