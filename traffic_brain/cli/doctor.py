"""``traffic-brain doctor``: what is installed, found, missing, and how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

import click

from traffic_brain.cli import CONFIGURATION, options, output
from traffic_brain.errors import ConfigurationError

INSTALL = "install traffic-brain again: pip install --force-reinstall traffic-brain"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
GIB = 2**30
MEMORY_GIB = 2.0
DISK_GIB = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for."""

    name: str
    found: bool
    detail: str
    required: bool = True
    remedy: str = ""

    @property
    def state(self) -> str:
        """``ok``, ``missing`` (the program cannot work) or ``absent`` (it can, without this)."""
        return "ok" if self.found else "missing" if self.required else "absent"


@click.command("doctor")
@options.as_json
def command(as_json: bool) -> int:
    """Tell what is installed, found, missing, and how to mend it."""
    findings = list(examine())
    if as_json:
        output.print_json([asdict(finding) | {"state": finding.state} for finding in findings])
    else:
        output.print_columns(
            (f.state, f.name, f.detail if f.found else f"{f.detail} — {f.remedy}") for f in findings
        )
    return CONFIGURATION if any(f.state == "missing" for f in findings) else 0


def examine() -> Iterator[Finding]:
    """Look at everything that a night needs."""
    yield _python()
    yield from _libraries()
    yield _sumo("sumo")
    yield _sumo("netconvert")
    yield _worlds()
    yield _chromium()
    yield _kernel_cache()
    yield from _machine()


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), found, remedy="install Python 3.11")


def _libraries() -> Iterator[Finding]:
    try:
        requirements = requires("traffic-brain") or []
    except PackageNotFoundError:
        yield Finding("traffic-brain", False, "not installed", remedy=INSTALL)
        return
    for requirement in requirements:
        if "extra ==" not in requirement:
            name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
            yield _library(name)


def _library(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed", remedy=f"pip install {name}")


def _sumo(program: str) -> Finding:
    """Start a program of SUMO's wheel: it may be there and yet lack a system library."""
    from network_data.sumo_tools import sumo_environment, sumo_program

    try:
        binary, environment = sumo_program(program), sumo_environment()
    except ConfigurationError as error:
        return Finding(program, False, error.what, remedy=error.remedy)
    try:
        run = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        remedy = "pip install --force-reinstall eclipse-sumo"
        return Finding(program, False, str(error), remedy=remedy)
    said = (run.stdout or run.stderr).strip().splitlines()
    detail = said[0] if said else f"ended with code {run.returncode}"
    remedy = "install the system library that it names"
    return Finding(program, run.returncode == 0, detail, remedy=remedy)


def _worlds() -> Finding:
    found = find_spec("sumo_rl") is not None
    return Finding(
        "sumo-rl",
        found,
        version("sumo-rl") if found else "not installed: without its cities only a generated one",
        required=False,
        remedy="pip install 'traffic-brain[demo]'",
    )


def _chromium() -> Finding:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    return Finding(
        "Chromium",
        path is not None,
        path or "not found: the tests that look at the page are skipped",
        required=False,
        remedy="apt-get install chromium",
    )


def _kernel_cache() -> Finding:
    """A place where numba can keep compiled kernels, as it looks for one itself."""
    spec = find_spec("traffic_brain.kernels")
    beside = [
        Path(root, "__pycache__") for root in (spec and spec.submodule_search_locations) or ()
    ]
    told = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(told)] if told else [*beside, Path.home() / ".cache" / "numba"]
    place = next(filter(_is_writable, places), None)
    return Finding(
        "numba cache",
        place is not None,
        str(place or f"cannot write into {' or '.join(map(str, places))}"),
        remedy="set NUMBA_CACHE_DIR to a folder that can be written",
    )


def _is_writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0))
    yield Finding("cores", True, str(cores))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield Finding(
        "memory",
        memory >= MEMORY_GIB,
        f"{memory:.1f} GiB",
        required=False,
        remedy=f"{MEMORY_GIB:.0f} GiB are advised",
    )
    free = shutil.disk_usage(Path.cwd()).free / GIB
    yield Finding(
        "disk",
        free >= DISK_GIB,
        f"{free:.1f} GiB free here",
        required=False,
        remedy=f"{DISK_GIB:.0f} GiB is advised",
    )
