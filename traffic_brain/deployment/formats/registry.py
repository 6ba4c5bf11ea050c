"""The formats by name, and which one a file or folder is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from network_data.loss_report import LossReport
from traffic_brain.deployment.formats.mapping import FILE as MAPPING_FILE
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.safe_xml import read_xml
from traffic_brain.deployment.formats.settings import Settings
from traffic_brain.errors import DataRefused
from traffic_brain.model.reading import read_json

_HERE = "traffic_brain.deployment.formats"


class Writer(Protocol):
    """``write`` of a format."""

    def __call__(
        self, plans: PlanSet, folder: Path, context: Context, settings: Settings
    ) -> LossReport:
        """Write the files into an existing empty folder, and tell what they do not say."""
        ...


class Reader(Protocol):
    """``read`` of a format."""

    def __call__(self, source: Path, context: Context, *, ids_only: bool = False) -> Reading:
        """Read a file or a folder; with ``ids_only`` without the stages of the mapping."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A format, as its module has it."""

    name: str
    module: str
    tells: str
    for_controllers: bool = False
    """What it says by itself is what a controller would show."""
    needs_mapping: bool = False
    """It has no lamps, and means nothing without the mapping or the city's own stages."""
    needs_roads: bool = False
    has_mapping: bool = True
    """Ids or stages stand beside its files."""

    @property
    def write(self) -> Writer:
        writer: Writer = import_module(f"{_HERE}.{self.module}").write
        return writer

    @property
    def read(self) -> Reader:
        reader: Reader = import_module(f"{_HERE}.{self.module}").read
        return reader


FORMATS: Mapping[str, Format] = {
    f.name: f
    for f in (
        Format("ga1049", "ga1049", "GA/T 1049.2 messages, XML", for_controllers=True),
        Format("gbt20999", "gbt20999", "GB/T 20999 tables, CSV, unverified", for_controllers=True),
        Format("ntcip1202", "ntcip1202", "NTCIP 1202 patterns and splits, CSV", needs_mapping=True),
        Format("utdf", "utdf", "UTDF sheet for Synchro, CSV", needs_roads=True),
        Format("gmns", "gmns", "GMNS tables, CSV", needs_roads=True, has_mapping=False),
        Format("sumo", "sumo", "SUMO additional file, XML"),
        Format("xlsx", "timing_sheet", "timing sheets, 中文 and English", has_mapping=False),
        Format("json", "plans_json", "the package's own plans document", has_mapping=False),
    )
}

_BY_FILE = {
    "pattern.csv": "ntcip1202",
    "stage_timing.csv": "gbt20999",
    "signal_timing_plan.csv": "gmns",
    "network.csv": "utdf",
    "signals.add.xml": "sumo",
    "timing_sheets.xlsx": "xlsx",
    "plans.json": "json",
}
_BY_ENDING = {".xlsx": "xlsx", ".json": "json", ".csv": "utdf"}
_BY_ROOT = {"Message": "ga1049", "additional": "sumo", "tlLogics": "sumo", "net": "sumo"}


def format_of(source: Path) -> Format:
    """The format of a file or folder: by its mapping, by the names in it, by its first element.

    Raises:
        DataRefused: there is nothing, or nothing that is known.
    """
    if not source.exists():
        raise DataRefused(f"there is no file or folder {source}", "check the path")
    return FORMATS[_in_folder(source) if source.is_dir() else _of_file(source)]


def _in_folder(folder: Path) -> str:
    mapping = folder / MAPPING_FILE
    if mapping.is_file():
        document = read_json(mapping)
        form = document.get("form") if isinstance(document, dict) else None
        if form in FORMATS:
            return str(form)
    for name, form in _BY_FILE.items():
        if (folder / name).is_file():
            return form
    messages = sorted(folder.glob("*.xml"))
    if messages:
        return _of_file(messages[0])
    raise DataRefused(f"{folder} holds no plans in a format that is known", _remedy())


def _of_file(file: Path) -> str:
    if file.name in _BY_FILE:
        return _BY_FILE[file.name]
    ending = file.suffix.lower()
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    form = _BY_ROOT.get(read_xml(file).tag) if ending == ".xml" else None
    if form is None:
        raise DataRefused(f"{file} is of no known format", _remedy())
    return form


def _remedy() -> str:
    return f"name it with --format: {', '.join(FORMATS)}"
