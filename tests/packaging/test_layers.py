"""Who may import whom: the contract in pyproject.toml holds, and it covers every room."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("network_data", "optimizers", "sim_scenarios", "traffic_brain")


def test_the_packages_respect_the_layers(tmp_path: Path) -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert ", 0 broken" in run.stdout


def test_every_room_has_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = contracts["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name for layer in layers for name in re.findall(r"[\w.]+", layer)}
    rooms = {
        f"traffic_brain.{path.stem}"
        for path in (ROOT / "traffic_brain").iterdir()
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
    }
    assert rooms <= named
    assert {"network_data", "optimizers", "sim_scenarios"} <= named


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    """Read from the source: what is imported inside functions counts as well."""
    known_by = {"eclipse-sumo": "sumo"}
    # zoneinfo reads tzdata where the system has no time zones; TraCI is the door to a running SUMO,
    # part of the environment although no stage has to go through it yet
    never_imported = {"tzdata", "traci"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    declared -= never_imported
    declared = {known_by.get(name, name) for name in declared}
    third_party = imported() - set(sys.stdlib_module_names) - set(PACKAGES) - never_imported
    assert third_party == declared


def imported() -> set[str]:
    """Top-level names that the four packages import, or find without importing them."""
    names: set[str] = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_spec":
                names |= {
                    str(a.value).split(".")[0] for a in node.args if isinstance(a, ast.Constant)
                }
    return names - {"sumo_rl", "distributed"}  # extras: read where they are installed
