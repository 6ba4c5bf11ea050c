"""The package: what goes out, what is refused, and that its proof stands on its own."""

import ast
import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.unit.test_documents import VERDICT
from tests.unit.test_rules import JUNCTION, PLAN, SITE, A, B, with_stages
from traffic_brain.deployment import verify as verifier
from traffic_brain.deployment.diff import HEADER
from traffic_brain.deployment.package import build
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import (
    plan_to_dict,
    plans_from_json,
    plans_to_json,
    rules_inputs_to_dict,
    verdict_to_dict,
)
from traffic_brain.model.network import Crossing
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import Interval, SignalPlan
from traffic_brain.model.verdict import Decision, Verdict

K_PLAN = replace(PLAN, junction_id="K")
K_SITE = replace(
    SITE,
    junction=replace(JUNCTION, junction_id="K", name="=2+3", plan_in_service=K_PLAN),
    crossings=(Crossing("K", 3, 20.0),),
)
PROPOSED = PLAN.with_greens((36, 26), "retimed").with_offset(3)
FILES = {
    "plans.json",
    "rollback.json",
    "diff.csv",
    "certificate.json",
    "verdict.json",
    "network.json",
    "signals.add.xml",
    "rollout.json",
    "rollout.txt",
    "about.json",
    "checksums.txt",
}


class Night:
    """The folders that packaging reads, on disk."""

    def __init__(self, root: Path) -> None:
        self.folders = [root / name for name in ("city", "state", "plans", "verdict", "package")]
        for folder in self.folders:
            folder.mkdir()
        self.city, self.state, self.plans, self.verdict, self.package = self.folders
        (self.state / "summary.json").write_text('{"service_day": "2026-11-02"}', "utf-8")
        self.write_city(SITE, K_SITE)
        self.write_candidates(best=[PROPOSED, K_PLAN])
        self.write_verdict(replace(VERDICT, candidate_id="best"))

    def write_city(self, *sites: JunctionRulesInput) -> None:
        (self.city / "junctions.json").write_text(to_json(rules_inputs_to_dict(sites)), "utf-8")

    def write_candidates(self, **plans: list[SignalPlan]) -> None:
        listed = [
            {"candidate_id": name, "bound": 1.0, "plans": [plan_to_dict(p) for p in found]}
            for name, found in plans.items()
        ]
        (self.plans / "candidates.json").write_text(to_json({"candidates": listed}), "utf-8")

    def write_verdict(self, verdict: Verdict) -> None:
        (self.verdict / "verdict.json").write_text(to_json(verdict_to_dict(verdict)), "utf-8")

    def build(self) -> dict[str, int]:
        return build(*self.folders)

    def packed(self, name: str) -> Any:
        return json.loads((self.package / name).read_text("utf-8"))


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_deploy_packs_the_plans_that_differ(night: Night) -> None:
    assert night.build() == {"plans": 1, "rollback": 2}
    assert {path.name for path in night.package.iterdir()} == FILES
    assert plans_from_json((night.package / "plans.json").read_text("utf-8")) == [PROPOSED]
    rollback = (night.package / "rollback.json").read_text("utf-8")
    assert plans_from_json(rollback) == [PLAN, K_PLAN]
    (certificate,) = night.packed("certificate.json")["certificates"]
    assert set(certificate["rules"].values()) == {"pass"}
    assert night.packed("plans.json")["decision"] == "DEPLOY"
    assert night.packed("network.json")["junctions"][0]["junction_id"] == "J"
    (program,) = ET.parse(night.package / "signals.add.xml").getroot()
    assert (program.get("id"), program.get("programID")) == ("J", "retimed")


def test_same_inputs_give_the_same_bytes(night: Night, tmp_path: Path) -> None:
    night.build()
    again = tmp_path / "again"
    again.mkdir()
    build(*night.folders[:-1], again)
    for name in FILES:
        assert (again / name).read_bytes() == (night.package / name).read_bytes()


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.INCONCLUSIVE])
def test_without_deploy_nothing_goes_out_and_the_reason_is_told(
    night: Night, decision: Decision
) -> None:
    night.write_verdict(replace(VERDICT, decision=decision, reason="not shown better"))
    assert night.build()["plans"] == 0
    packed = night.packed("plans.json")
    assert (packed["plans"], packed["reason"]) == ([], "not shown better")
    assert night.packed("certificate.json")["certificates"] == []
    assert verify(night.package, night.city).plan_count == 0


UNSAFE = {
    "yellow": with_stages(replace(A, clearance=(Interval(2, "yyrr"), Interval(3, "rrrr"))), B),
    "pedestrian_green": with_stages(A, replace(B, green_s=10)),
    "intergreen": with_stages(replace(A, clearance=(Interval(3, "yyrr"),)), B),
    "movements_served": with_stages(
        replace(A, picture="Grrr", clearance=(Interval(3, "yrrr"), Interval(2, "rrrr"))), B
    ),
    "stage_unique": with_stages(A, B, A),
    "offset_range": replace(PLAN, offset_s=70),
    "conflicting_greens": with_stages(replace(A, picture="GgGr"), B),
}


@pytest.mark.parametrize("rule", UNSAFE)
def test_a_plan_that_breaks_a_rule_stops_the_package(night: Night, rule: str) -> None:
    night.write_candidates(best=[replace(UNSAFE[rule], plan_id="bad")])
    with pytest.raises(DataRefused, match=f"rule {rule}, junction J"):
        night.build()
    assert list(night.package.iterdir()) == []
    with pytest.raises(DataRefused, match=f"rule {rule}, junction J"):
        verify(night.plans, night.city, night.state)


def test_splits_that_do_not_sum_stop_the_package(night: Night) -> None:
    path = night.plans / "candidates.json"
    path.write_text(path.read_text("utf-8").replace('"cycle_s": 72', '"cycle_s": 73'), "utf-8")
    with pytest.raises(DataRefused, match="rule cycle_sum"):
        night.build()


def test_a_hard_conflict_does_not_go_out_even_if_inherited(night: Night) -> None:
    crossing = replace(SITE.junction, conflicts=JUNCTION.conflicts | {(2, 3)})
    night.write_city(replace(SITE, junction=crossing), K_SITE)
    with pytest.raises(DataRefused, match="junction J must be held"):
        night.build()


def test_softer_inherited_findings_go_out_in_the_open(night: Night) -> None:
    night.write_city(replace(SITE, intergreen_s={(0, 2): 7}), K_SITE)
    night.build()
    (certificate,) = night.packed("certificate.json")["certificates"]
    assert certificate["rules"]["intergreen"] == "inherited"
    assert "5 s, 7 s required" in certificate["inherited"][0]["detail"]
    (inherited,) = verify(night.package, night.city).inherited
    assert inherited.rule == "intergreen"


def test_what_runs_counts_more_than_what_is_registered(night: Night) -> None:
    running = [replace(PROPOSED, plan_id="seen"), K_PLAN.with_offset(8)]
    (night.state / "running_plans.json").write_text(plans_to_json(running), "utf-8")
    assert night.build() == {"plans": 1, "rollback": 2}
    assert [plan["junction_id"] for plan in night.packed("plans.json")["plans"]] == ["K"]
    rollback = (night.package / "rollback.json").read_text("utf-8")
    assert plans_from_json(rollback) == running


def test_a_junction_with_nothing_to_go_back_to_is_refused(night: Night) -> None:
    (night.state / "running_plans.json").write_text(plans_to_json([K_PLAN]), "utf-8")
    with pytest.raises(DataRefused, match="junction J has no plan in service to go back to"):
        night.build()


def test_a_verdict_on_other_plans_is_refused(night: Night) -> None:
    night.write_verdict(replace(VERDICT, candidate_id="other"))
    with pytest.raises(DataRefused, match="candidate 'other'"):
        night.build()


def test_junctions_that_nobody_knows_or_that_come_twice_are_refused(night: Night) -> None:
    night.write_candidates(best=[replace(PROPOSED, junction_id="X")])
    with pytest.raises(DataRefused, match="junction X is not in the network"):
        night.build()
    night.write_candidates(best=[PROPOSED, replace(PROPOSED, plan_id="other")])
    with pytest.raises(DataRefused, match="two plans for one junction"):
        night.build()


def test_the_diff_opens_in_a_spreadsheet(night: Night) -> None:
    night.write_candidates(best=[PROPOSED, replace(K_PLAN, offset_s=8, plan_id="moved")])
    night.build()
    raw = (night.package / "diff.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    assert tuple(rows[0]) == HEADER
    assert rows[1] == ["J", JUNCTION.name, "1", "Ggrr", "30", "36", "6", "70", "72", "7", "3"]
    assert rows[2] == ["J", JUNCTION.name, "2", "rrGG", "30", "26", "-4", "70", "72", "7", "3"]
    assert rows[3] == ["K", "'=2+3", "1", "Ggrr", "30", "30", "0", "70", "70", "7", "8"]


def test_checksums_are_what_sha256sum_reads(night: Night) -> None:
    night.build()
    lines = (night.package / "checksums.txt").read_text("utf-8").splitlines()
    assert [line.split("  ")[1] for line in lines] == sorted(FILES - {"checksums.txt"})
    for line in lines:
        checksum, name = line.split("  ")
        assert hashlib.sha256((night.package / name).read_bytes()).hexdigest() == checksum


def test_a_package_is_proven_again(night: Night) -> None:
    night.build()
    (night.package / "manifest.json").write_text("{}", "utf-8")
    for proof in (verify(night.package), verify(night.package, night.city)):
        assert (proof.plan_count, proof.inherited) == (1, ())
    assert verify(night.plans, night.city, night.state).plan_count == 2


def _edit(name: str, change: Callable[[Any], None]) -> Callable[[Night], None]:
    """Change a packed document, and mend its checksum as a forger would."""

    def tamper(night: Night) -> None:
        path = night.package / name
        document = json.loads(path.read_text("utf-8"))
        change(document)
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_text(to_json(document), "utf-8")
        after = hashlib.sha256(path.read_bytes()).hexdigest()
        sums = night.package / "checksums.txt"
        sums.write_text(sums.read_text("utf-8").replace(before, after), "utf-8")

    return tamper


def _shift(plans: Any) -> None:
    plans["plans"][0]["offset_s"] = 4


def _flip(network: Any) -> None:
    network["junctions"][0]["conflicts"].append([2, 3])


FORGERIES = {
    "plans.json has been changed": lambda night: (night.package / "plans.json").write_text(
        (night.package / "plans.json").read_text("utf-8") + " ", "utf-8"
    ),
    "certificate was made for another plan": _edit("plans.json", _shift),
    "certificate was made for another in_service": _edit("rollback.json", _shift),
    "certificate was made for another network": _edit("network.json", _flip),
    "the plan has no certificate": _edit("certificate.json", lambda d: d["certificates"].clear()),
    "certificate without a plan": _edit("plans.json", lambda d: d["plans"].clear()),
    "says inherited on rule yellow": _edit(
        "certificate.json", lambda d: d["certificates"][0]["rules"].update(yellow="inherited")
    ),
    "says nothing on rule yellow": _edit(
        "certificate.json", lambda d: d["certificates"][0]["rules"].pop("yellow")
    ),
    "about.json speaks of other plans in service": _edit(
        "about.json", lambda d: d.update(in_service="0" * 64)
    ),
    "rollout.json does not switch each junction": _edit(
        "rollout.json", lambda d: d["steps"].clear()
    ),
    "another safety standard": _edit(
        "certificate.json", lambda d: d["standard"].update(yellow_min_s=1)
    ),
    "extra.txt is not in checksums.txt": lambda night: (night.package / "extra.txt").touch(),
    "diff.csv is missing": lambda night: (night.package / "diff.csv").unlink(),
    "checksums.txt is missing": lambda night: (night.package / "checksums.txt").unlink(),
    "the network has changed since": lambda night: night.write_city(
        replace(SITE, junction=replace(JUNCTION, conflicts=JUNCTION.conflicts | {(2, 3)}))
    ),
}


@pytest.mark.parametrize("problem", FORGERIES)
def test_a_tampered_package_is_not_proven(night: Night, problem: str) -> None:
    night.build()
    FORGERIES[problem](night)
    with pytest.raises(DataRefused, match=problem):
        verify(night.package, night.city)


def test_folders_without_plans_or_without_their_city(night: Night) -> None:
    with pytest.raises(ConfigurationError, match="holds no plans"):
        verify(night.city)
    with pytest.raises(ConfigurationError, match="give the city folder too"):
        verify(night.plans)


def test_the_verifier_is_small_and_leans_on_the_rules_alone() -> None:
    """Issue: under 400 lines, nothing but the standard library and the rules."""
    source = Path(verifier.__file__).read_text("utf-8")
    assert len(source.splitlines()) < 400
    modules = {
        node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)
    }
    ours = {m for m in modules if m and m.split(".")[0] not in sys.stdlib_module_names}
    assert ours <= {
        "traffic_brain.errors",
        *(f"traffic_brain.model.{m}" for m in ("documents", "reading", "rules", "signals")),
        "traffic_brain.model.standards",
    }


def test_the_verifier_runs_on_the_bare_standard_library(night: Night) -> None:
    """``-S``: no site-packages at all."""
    night.build()
    root = Path(verifier.__file__).parents[2]
    command = [sys.executable, "-S", "-m", "traffic_brain.deployment.verify"]
    done = subprocess.run(
        [*command, night.package, night.city], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 plans proven")
    (night.package / "diff.csv").unlink()
    done = subprocess.run(
        [*command, night.package], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "diff.csv is missing" in done.stderr
