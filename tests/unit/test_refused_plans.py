"""The plans that must be refused, as documents: plan JSON and network JSON to the verifier.

The list is that of the project's oracles, and more. Each entry is tried twice: as a candidate at
its city, and as a package that somebody forged with care, checksums and certificate made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_package import Night
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import DataRefused
from traffic_brain.model.reading import digest, to_json
from traffic_brain.model.rules import RULE_NAMES
from traffic_brain.model.standards import DEFAULT_STANDARD

Document = Any


def flipped_bit(plan: Document, network: Document) -> None:
    network["junctions"][0]["conflicts"].append([2, 3])


def short_yellow(plan: Document, network: Document) -> None:
    plan["stages"][0]["clearance"][0]["duration_s"] = 2
    plan["stages"][0]["clearance"][1]["duration_s"] = 3


def hurried_crossing(plan: Document, network: Document) -> None:
    plan["stages"][1]["green_s"] = 10
    plan["cycle_s"] = 56


def offset_of_a_cycle(plan: Document, network: Document) -> None:
    plan["offset_s"] = plan["cycle_s"]


def a_second_off(plan: Document, network: Document) -> None:
    plan["cycle_s"] += 1


def a_stage_twice(plan: Document, network: Document) -> None:
    plan["stages"].append(plan["stages"][0])
    plan["cycle_s"] += 41


def a_turn_never_served(plan: Document, network: Document) -> None:
    first = plan["stages"][0]
    for shown in (first, *first["clearance"]):
        shown["picture"] = shown["picture"][0] + "r" + shown["picture"][2:]


def short_intergreen(plan: Document, network: Document) -> None:
    """Geometry asks for the 5 s that are in service; the plan gives 4."""
    network["intergreens"]["J"] = [[0, 2, 5]]
    plan["stages"][0]["clearance"][1]["duration_s"] = 1
    plan["cycle_s"] -= 1


def no_clearance(plan: Document, network: Document) -> None:
    plan["stages"][0]["clearance"] = []
    plan["cycle_s"] -= 5


def green_too_early(plan: Document, network: Document) -> None:
    plan["stages"][0]["clearance"][0]["picture"] = "yyGr"


def long_yellow(plan: Document, network: Document) -> None:
    plan["stages"][0]["clearance"][0]["duration_s"] = 6
    plan["cycle_s"] += 3


def dark_yellow(plan: Document, network: Document) -> None:
    shown = plan["stages"][0]["clearance"][0]
    shown["picture"] = shown["picture"].replace("y", "o")


def short_green(plan: Document, network: Document) -> None:
    plan["stages"][0]["green_s"] = 4
    plan["cycle_s"] -= 32


def long_green(plan: Document, network: Document) -> None:
    plan["stages"][0]["green_s"] = 130
    plan["cycle_s"] += 94


def long_red(plan: Document, network: Document) -> None:
    plan["stages"][0].update(green_s=151, max_green_s=151)
    plan["cycle_s"] += 115


def loosened_limits(plan: Document, network: Document) -> None:
    plan["stages"][0]["max_green_s"] = 121


REFUSED: dict[str, Callable[[Document, Document], None]] = {
    "conflicting_greens": flipped_bit,
    "yellow": short_yellow,
    "pedestrian_green": hurried_crossing,
    "offset_range": offset_of_a_cycle,
    "cycle_sum": a_second_off,
    "stage_unique": a_stage_twice,
    "movements_served": a_turn_never_served,
    "intergreen": short_intergreen,
    "intergreen, none at all": no_clearance,
    "conflict_in_transition": green_too_early,
    "yellow, too long": long_yellow,
    "yellow, lamps switched off instead": dark_yellow,
    "min_green": short_green,
    "max_green": long_green,
    "max_red": long_red,
    "green_limits_kept": loosened_limits,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_candidate_is_refused_and_the_rule_named(tmp_path: Path, case: str) -> None:
    night = Night(tmp_path)
    candidates = night.plans / "candidates.json"
    city = night.city / "junctions.json"
    plans, network = (json.loads(path.read_text("utf-8")) for path in (candidates, city))
    REFUSED[case](plans["candidates"][0]["plans"][0], network)
    candidates.write_text(to_json(plans), "utf-8")
    city.write_text(to_json(network), "utf-8")
    _assert_named(case, lambda: verify(night.plans, night.city, night.state))


@pytest.mark.parametrize("case", REFUSED)
def test_a_forged_package_is_refused_and_the_rule_named(tmp_path: Path, case: str) -> None:
    night = Night(tmp_path)
    night.build()
    plans, network = night.packed("plans.json"), night.packed("network.json")
    REFUSED[case](plans["plans"][0], network)
    rollback = night.packed("rollback.json")
    inputs = {
        "plan": digest(plans["plans"][0]),
        "in_service": digest(rollback["plans"][0]),
        "network": digest(network),
    }
    certificate = {
        "junction_id": "J",
        "plan_id": plans["plans"][0]["plan_id"],
        "inputs": inputs,
        "rules": dict.fromkeys(RULE_NAMES, "pass"),
        "inherited": [],
    }
    documents = {
        "plans.json": plans,
        "network.json": network,
        "certificate.json": {"standard": asdict(DEFAULT_STANDARD), "certificates": [certificate]},
    }
    for name, document in documents.items():
        (night.package / name).write_text(to_json(document), "utf-8")
    sums = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(night.package.iterdir())
        if path.name != "checksums.txt"
    )
    (night.package / "checksums.txt").write_text("".join(sums), "utf-8")
    _assert_named(case, lambda: verify(night.package))


def _assert_named(case: str, prove: Callable[[], object]) -> None:
    rule = case.partition(",")[0]
    with pytest.raises(DataRefused) as refused:
        prove()
    named = [p for p in refused.value.problems if f"rule {rule}, " in p and "certificate" not in p]
    assert named
    assert all("J" in problem for problem in named)
    assert not [p for p in refused.value.problems if "made for another" in p]
