"""SUMO's programs as child processes: found, started, timed out, and read for errors.

Nothing of SUMO is imported: a crash or a hang ends one child and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from traffic_brain.errors import ConfigurationError, SimulationError

_NOISE = re.compile(
    r"proj\.db|pj_obj_create|^Quitting \(on error\)|^Error: Could not load configuration|^\s*$"
)
_LAST_LINES = 3


def sumo_home() -> Path:
    """The folder SUMO is installed in: of the package ``sumo``, else of ``SUMO_HOME``.

    Raises ConfigurationError when there is none.
    """
    spec = find_spec("sumo")
    found = list(spec.submodule_search_locations or ()) if spec else []
    homes = [Path(p) for p in found] + [Path(p) for p in (os.environ.get("SUMO_HOME"),) if p]
    for home in homes:
        if (home / "bin").is_dir():
            return home
    raise ConfigurationError("SUMO is not installed", "pip install eclipse-sumo")


def sumo_program(name: str = "sumo") -> Path:
    """The path of one of SUMO's programs (sumo, netconvert, netgenerate).

    Raises ConfigurationError when it is not there.
    """
    home = sumo_home()
    found = shutil.which(name, path=str(home / "bin"))
    if found is None:
        raise ConfigurationError(
            f"{home} has no program {name}", "pip install --force-reinstall eclipse-sumo"
        )
    return Path(found)


def sumo_environment() -> dict[str, str]:
    """This process's environment with SUMO's own data folders set."""
    home = sumo_home()
    places = {"SUMO_HOME": home, "PROJ_LIB": home / "data/proj", "PROJ_DATA": home / "data/proj"}
    return {**os.environ, **{key: str(path) for key, path in places.items()}}


def run_tool(name: str, arguments: Sequence[str], *, folder: Path, timeout_s: float = 600) -> None:
    """Run one of SUMO's programs in ``folder`` and wait for it.

    Raises SimulationError with the program's own message when it fails or takes too long.
    """
    command = [str(sumo_program(name)), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=sumo_environment(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SimulationError(f"{name} did not end within {timeout_s:.0f} s") from error
    if done.returncode:
        raise SimulationError(f"{name} failed: {last_words(done.stderr)}")


def last_words(stderr: bytes) -> str:
    """What SUMO said last, without noise: its errors if there are any, else the last lines."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    telling = [line for line in lines if not _NOISE.search(line)]
    errors = [line.removeprefix("Error: ") for line in telling if line.startswith("Error")]
    return "; ".join((errors or telling)[-_LAST_LINES:]).rstrip(".") or "no message"
