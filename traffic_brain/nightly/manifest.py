"""What a stage folder says about itself: from what, with which settings and versions it was made.

``manifest.json`` holds no clock time and no absolute path, so that the same inputs, settings and
versions give the same bytes on any day and in any place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import traffic_brain
from traffic_brain.errors import DataRefused

MANIFEST = "manifest.json"
OUR_PACKAGES = ("network_data", "optimizers", "sim_scenarios", "traffic_brain")
LIBRARIES = ("eclipse-sumo", "networkx", "numba", "numpy", "ortools", "pandas", "plotly", "pyarrow")
"""What can change a result without a change of ours."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a stage makes; two equal recipes make equal folders."""

    stage: str
    inputs: Mapping[str, str]
    """Name -> SHA-256 of the content."""
    configuration: Mapping[str, object]
    seed: int | None
    versions: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole recipe."""
        return hashlib.sha256(_json(self._document()).encode()).hexdigest()

    def manifest(self, rows: Mapping[str, int], files: Mapping[str, str]) -> dict[str, object]:
        """The document for ``manifest.json``: the recipe, row counts, and a hash per file."""
        made = {"fingerprint": self.fingerprint, "rows": dict(rows), "files": dict(files)}
        return self._document() | made

    def _document(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "inputs": dict(self.inputs),
            "configuration": dict(self.configuration),
            "seed": self.seed,
            "versions": dict(self.versions),
        }


def write_manifest(folder: Path, recipe: Recipe, rows: Mapping[str, int]) -> None:
    """Write ``manifest.json``: the last file of a finished stage folder."""
    document = recipe.manifest(rows, file_hashes(folder))
    (folder / MANIFEST).write_text(_json(document) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, object] | None:
    """The folder's manifest, or None where there is none that can be read."""
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def finished_rows(folder: Path, recipe: Recipe) -> Mapping[str, int] | None:
    """The row counts of a folder made by this very recipe, its files as they were written.

    None: the stage has to run.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.get("fingerprint") != recipe.fingerprint:
        return None
    written = file_hashes(folder)
    written.pop(MANIFEST)
    rows = manifest.get("rows")
    return rows if written == manifest.get("files") and isinstance(rows, dict) else None


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, or of names and bytes of all that is in a folder.

    Raises:
        DataRefused: there is nothing at this path.
    """
    if path.is_file():
        return _file_hash(path)
    if path.is_dir():
        return hashlib.sha256(_json(file_hashes(path)).encode()).hexdigest()
    there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, there, n=5)
    raise DataRefused(
        f"there is no {path}", f"did you mean {' or '.join(near)}?" if near else "check the path"
    )


def file_hashes(folder: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of every file below a folder; hidden ones and caches left out."""
    return {
        path.relative_to(folder).as_posix(): _file_hash(path) for path in sorted(_files(folder))
    }


@cache
def versions() -> Mapping[str, str]:
    """Versions of this program and of the libraries that shape its results.

    The version number alone would not tell a changed source from an unchanged one, so the hash of
    our own files stands beside it.
    """
    return {
        "traffic-brain": traffic_brain.__version__,
        "source": _source_hash(),
        **{name: _version(name) for name in LIBRARIES},
    }


def _source_hash() -> str:
    hashes: dict[str, str] = {}
    for package in OUR_PACKAGES:
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            hashes |= {f"{package}/{k}": v for k, v in file_hashes(Path(root)).items()}
    return hashlib.sha256(_json(hashes).encode()).hexdigest()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "missing"


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if not hidden and path.is_file():
            yield path


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
