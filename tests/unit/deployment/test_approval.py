"""Approve and reject: only what still holds, once, and never after it was tampered with."""

import json
import os
import pwd
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.unit.deployment.decided import Decided, by
from tests.unit.test_documents import VERDICT
from tests.unit.test_package import FORGERIES, K_PLAN, K_SITE, PLAN
from tests.unit.test_rules import SITE
from traffic_brain.deployment.about import package_id
from traffic_brain.deployment.approval import By, approve, by_me, reject
from traffic_brain.deployment.audit import Head, State
from traffic_brain.deployment.store import Store, open_store
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.verdict import Decision

CROWD = Path(__file__).with_name("crowd.py")
CALLS = 50


def approved(store: Store, night: Decided, who: By | None = None) -> Head:
    return approve(store, night.package, night.city, night.state, who or by())


def state(store: Store, package: Path) -> State | None:
    record = store.record(package_id(package))
    return record.state if record else None


def test_a_package_is_approved_and_the_log_tells_by_whom_and_why(
    night: Decided, store: Store
) -> None:
    head = approved(store, night, by("li", "与大队商定 agreed"))
    assert state(store, night.package) is State.APPROVED
    trail = store.trail()
    assert [entry.act.state for entry in trail.entries] == ["proposed", "approved"]
    last = trail.entries[-1].act
    assert (last.who, last.note) == ("li", "与大队商定 agreed")
    assert (last.at, last.on_day) == ("2026-11-03T01:15:00+00:00", "2026-11-03")
    assert trail.head == head
    assert trail.flaw(Head.parse(f"2:{head.digest[:12]}")) is None


def test_a_rejected_package_stays_rejected(night: Decided, store: Store) -> None:
    reject(store, night.package, by("li", "the school trip"))
    with pytest.raises(DataRefused, match="is rejected already, by li at 2026-11-03T01:15:00"):
        approved(store, night)
    with pytest.raises(DataRefused, match="is rejected already"):
        reject(store, night.package, by())
    assert state(store, night.package) is State.REJECTED


@pytest.mark.parametrize("problem", FORGERIES)
def test_a_tampered_package_is_not_approved(night: Decided, tmp_path: Path, problem: str) -> None:
    FORGERIES[problem](night)
    store = open_store(str(tmp_path / "decisions.sqlite"))
    with pytest.raises((DataRefused, ConfigurationError), match=rf"{problem}|no checksums.txt"):
        approved(store, night)
    assert store.trail().entries == []


def test_not_one_bit_of_a_package_can_be_changed(night: Decided, tmp_path: Path) -> None:
    random = Random(20261121)
    store = open_store(str(tmp_path / "decisions.sqlite"))
    for path in sorted(night.package.iterdir()):
        whole = path.read_bytes()
        for _ in range(8):
            bit = random.randrange(8 * len(whole))
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            with pytest.raises((DataRefused, ConfigurationError)):
                approved(store, night)
            with pytest.raises((DataRefused, ConfigurationError)):
                reject(store, night.package, by())
        path.write_bytes(whole)
    assert store.trail().entries == []
    approved(store, night)


def test_a_network_that_has_changed_since_is_refused(night: Decided, store: Store) -> None:
    night.write_city(replace(SITE, intergreen_s={(0, 2): 4}), K_SITE)
    with pytest.raises(DataRefused, match="junction J: the network has changed since"):
        approved(store, night)


def test_a_change_far_from_the_new_plans_counts_too(night: Decided, store: Store) -> None:
    (night.city / "links.parquet").write_bytes(b"another road")
    with pytest.raises(DataRefused, match=r"the network in .* has changed since"):
        approved(store, night)
    assert store.records() == []


def test_a_plan_in_service_that_has_changed_since_is_refused(night: Decided, store: Store) -> None:
    running = night.state / "running_plans.json"
    running.write_text(plans_to_json([PLAN, K_PLAN.with_offset(9)]), "utf-8")
    with pytest.raises(DataRefused, match="has changed since at junction K"):
        approved(store, night)
    running.write_text(plans_to_json([PLAN]), "utf-8")
    with pytest.raises(DataRefused, match="has changed since at junction K"):
        approved(store, night)
    running.write_text(plans_to_json([K_PLAN, PLAN]), "utf-8")
    approved(store, night)


def test_an_expired_package_is_refused_and_noted_once(night: Decided, store: Store) -> None:
    assert night.packed("about.json")["expires"] == "2026-11-16"
    late = by(on=date(2026, 11, 16))
    for _ in range(2):
        with pytest.raises(DataRefused, match="has expired on 2026-11-16"):
            approved(store, night, late)
    assert state(store, night.package) is State.EXPIRED
    assert len(store.trail().entries) == 2
    reject(store, night.package, late)
    with pytest.raises(DataRefused, match="is rejected already"):
        approved(store, night, late)


def test_the_last_day_is_good(night: Decided, store: Store) -> None:
    approved(store, night, by(on=date(2026, 11, 15)))


@pytest.mark.parametrize("decision", [Decision.KEEP, Decision.INCONCLUSIVE])
def test_what_is_not_shown_better_is_not_approved(
    tmp_path: Path, store: Store, decision: Decision
) -> None:
    night = Decided(tmp_path / "night", replace(VERDICT, decision=decision, reason="no better"))
    with pytest.raises(DataRefused, match=f"the verdict is {decision.value}: no better"):
        approved(store, night)


def test_a_second_package_for_the_same_plans_in_service_waits(night: Decided, store: Store) -> None:
    other = night.again("other")
    approved(store, night)
    with pytest.raises(DataRefused, match="is approved for the same plans in service"):
        approve(store, other, night.city, night.state, by())
    assert state(store, other) is None


def test_what_is_no_package_is_refused(night: Decided, store: Store) -> None:
    with pytest.raises(ConfigurationError, match="is no package"):
        approve(store, night.city, night.city, night.state, by())


@pytest.mark.parametrize("note", ["", "  \n", "bell \a", "zero \0", "x" * 2001])
def test_a_decision_needs_a_reason_in_plain_text(note: str) -> None:
    with pytest.raises(ConfigurationError, match="a note is a reason"):
        by(note=note)


def test_an_account_name_is_all_that_is_known_of_a_person() -> None:
    me = by_me("agreed")
    assert me.who in {pwd.getpwuid(os.getuid()).pw_name, str(os.getuid())}
    assert by_me("agreed", date(2026, 1, 2)).on == date(2026, 1, 2)


def crowd(address: str, night: Decided, *packages: Path) -> list[dict[str, Any]]:
    """How each of the people ended who decided on the packages at once."""
    command = [sys.executable, CROWD, address, str(CALLS), night.city, night.state, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    ends: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(ends) == CALLS
    return ends


def test_of_fifty_who_decide_at_once_exactly_one_wins(night: Decided, address: str) -> None:
    """Issue: 50 parallel approve and reject calls; here one process each, on a new store."""
    ends = crowd(address, night, night.package)
    (won,) = (end for end in ends if end["exit_code"] == 0)
    outcome = {"approve": "approved", "reject": "rejected"}[won["acts"]]
    for end in ends:
        if end is not won:
            assert end["exit_code"] == DataRefused.exit_code, end["line"]
            assert f"is {outcome} already, by caller {won['caller']} at" in end["line"]
            assert "\n" not in end["line"]
    with closing(open_store(address)) as store:
        trail = store.trail()
    assert [entry.act.state for entry in trail.entries] == ["proposed", outcome]
    assert trail.flaw() is None


def test_decisions_on_several_packages_do_not_get_lost(night: Decided, address: str) -> None:
    packages = [night.package, *(night.again(f"p{i}") for i in range(3))]
    ends = crowd(address, night, *packages)
    winners = [end["package"] for end in ends if end["exit_code"] == 0]
    assert sorted(winners) == sorted(package.name for package in packages)
    with closing(open_store(address)) as store:
        trail, records = store.trail(), store.records()
    assert trail.flaw() is None
    assert len(trail.entries) == 2 * len(packages)
    assert {record.state for record in records} <= {State.APPROVED, State.REJECTED}
    # All were made for the same plans in service, and these can be replaced only once.
    assert sum(record.state is State.APPROVED for record in records) <= 1
