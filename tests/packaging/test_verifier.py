"""The stand-alone verifier: nothing but the standard library and the rules behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THE_RULES = {
    "traffic_brain",
    "traffic_brain.errors",
    "traffic_brain.deployment",
    "traffic_brain.deployment.verify",
    "traffic_brain.model",
    *(
        f"traffic_brain.model.{name}"
        for name in (
            *("documents", "findings", "lamps", "network", "reading"),
            *("rules", "signals", "standards", "verdict"),
        )
    ),
}
"""Rules, the language they are written in, and how it is read from files."""
LISTED = """
import json, sys
before = set(sys.modules)
import traffic_brain.deployment.verify
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def closure() -> set[str]:
    """Every module that importing the verifier loads, in a Python without installed packages."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LISTED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return set(json.loads(done.stdout))


def test_its_imports_are_the_standard_library_and_the_rules(closure: set[str]) -> None:
    theirs = {name for name in closure if name.split(".")[0] not in sys.stdlib_module_names}
    assert theirs <= THE_RULES


def test_it_imports_none_of_the_code_that_made_or_certified_a_plan(closure: set[str]) -> None:
    rooms = {"optimizers", "sim_scenarios", "network_data", "numpy", "pyarrow", "networkx"}
    assert not rooms & {name.split(".")[0] for name in closure}
    assert "traffic_brain.deployment.certificate" not in closure
