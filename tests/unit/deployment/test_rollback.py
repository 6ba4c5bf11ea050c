"""The way back, and what a planner changes by hand."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.deployment.decided import Decided, by
from tests.unit.test_documents import VERDICT
from tests.unit.test_package import K_PLAN, K_SITE, PLAN, PROPOSED
from tests.unit.test_rules import SITE
from traffic_brain.deployment.about import Kind, package_id, read_about
from traffic_brain.deployment.approval import approve, reject
from traffic_brain.deployment.audit import State
from traffic_brain.deployment.modify import modify, retimed
from traffic_brain.deployment.package import build
from traffic_brain.deployment.rollback import roll_back
from traffic_brain.deployment.store import Store, open_store
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import (
    candidates_from_dict,
    plans_from_json,
    plans_to_json,
)
from traffic_brain.model.reading import read_json
from traffic_brain.model.rules import judge, violations
from traffic_brain.model.signals import SignalPlan


def plans_in(package: Path) -> list[SignalPlan]:
    return plans_from_json((package / "plans.json").read_text("utf-8"))


def text_of(plans: list[SignalPlan]) -> bytes:
    return plans_to_json(plans).encode()


def test_rollback_restores_the_former_plans_byte_for_byte(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    before = (night.package / "rollback.json").read_bytes()
    running = {plan.junction_id: plan for plan in plans_from_json(before.decode())}
    running |= {plan.junction_id: plan for plan in plans_in(night.package)}  # switched …
    assert text_of(list(running.values())) != before

    back = night.root / "back"
    head = roll_back(store, night.package, back, by("li", "queue in the tunnel"))
    running |= {plan.junction_id: plan for plan in plans_in(back)}  # … and back
    assert text_of([running[j] for j in sorted(running)]) == before
    assert (back / "rollback.json").read_bytes() == before
    about = read_about(back)
    assert (about.kind, about.made_from) == (Kind.ROLLBACK, package_id(night.package))
    assert verify(back, night.city).plan_count == 1

    last = store.trail().entries[-1].act
    assert (last.state, last.who, last.other_id) == ("rolled back", "li", package_id(back))
    assert store.trail().head == head
    assert store.trail().flaw() is None


def test_the_way_back_has_an_order_too(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    back = night.root / "back"
    roll_back(store, night.package, back, by(), first_s=14 * 3600)
    (step,) = json.loads((back / "rollout.json").read_text("utf-8"))["steps"]
    (switch,) = step["junctions"]
    assert (switch["from_plan"], switch["to_plan"]) == ("retimed", "day")
    assert step["begins_s"] >= 14 * 3600
    assert (back / "rollout.txt").read_text("utf-8").startswith("回退顺序")
    rows = (back / "diff.csv").read_text("utf-8-sig").splitlines()
    assert rows[1].split(",")[4:7] == ["36", "30", "-6"]


def test_plans_that_were_worse_than_the_new_ones_can_still_be_restored(
    tmp_path: Path, store: Store
) -> None:
    """The plan in service clears too fast, the new one does not: the old one is back."""
    night = Decided(tmp_path / "night")
    night.write_city(replace(SITE, intergreen_s={(0, 2): 6}), K_SITE)
    longer = replace(PLAN.stages[0].clearance[1], duration_s=3)
    first = replace(PLAN.stages[0], clearance=(PLAN.stages[0].clearance[0], longer))
    better = replace(PROPOSED, stages=(first, PLAN.stages[1]), plan_id="better")
    night.write_candidates(best=[better])
    package, back = night.root / "better", night.root / "back"
    package.mkdir()
    build(*night.folders[:-1], package)
    approve(store, package, night.city, night.state, by())
    site = replace(SITE, intergreen_s={(0, 2): 6})
    assert violations(judge(PLAN, site, better)) != []
    roll_back(store, package, back, by())
    assert plans_in(back) == [PLAN]
    assert verify(back).plan_count == 1


def test_only_what_was_approved_is_rolled_back_and_only_once(night: Decided, store: Store) -> None:
    back = night.root / "back"
    with pytest.raises(DataRefused, match="was never approved here"):
        roll_back(store, night.package, back, by())
    approve(store, night.package, night.city, night.state, by())
    roll_back(store, night.package, back, by("li"))
    with pytest.raises(DataRefused, match="is rolled back already, by li"):
        roll_back(store, night.package, night.root / "again", by())
    rejected = night.again("rejected")
    reject(store, rejected, by())
    with pytest.raises(DataRefused, match="is rejected already"):
        roll_back(store, rejected, night.root / "again", by())
    assert not (night.root / "again").exists()
    assert [path for path in night.root.iterdir() if path.name.startswith(".")] == []


def test_after_a_rollback_another_package_may_be_approved(night: Decided, store: Store) -> None:
    other = night.again("other")
    approve(store, night.package, night.city, night.state, by())
    roll_back(store, night.package, night.root / "back", by())
    approve(store, other, night.city, night.state, by())


def test_a_rollback_package_asks_for_no_approval(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    back = night.root / "back"
    roll_back(store, night.package, back, by())
    with pytest.raises(DataRefused, match="needs no approval"):
        approve(store, back, night.city, night.state, by())


def test_a_folder_that_holds_something_is_left_alone(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    with pytest.raises(ConfigurationError, match="is there already"):
        roll_back(store, night.package, night.city, by())
    record = store.record(package_id(night.package))
    assert record is not None
    assert record.state is State.APPROVED


def test_a_tampered_package_is_not_rolled_back(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    path = night.package / "rollback.json"
    path.write_text(path.read_text("utf-8").replace('"green_s": 30', '"green_s": 29'), "utf-8")
    with pytest.raises(DataRefused, match=r"rollback.json has been changed .*; .* rule cycle_sum"):
        roll_back(store, night.package, night.root / "back", by())


# --- modified by hand ----------------------------------------------------------------------


def test_a_modified_package_is_certified_but_not_checked(night: Decided, store: Store) -> None:
    out = night.root / "modified"
    changed = retimed(plans_in(night.package), {"J": (38, 24)}, {"J": 5})
    modify(store, night.package, out, changed, by("li", "more for the main road"))
    (plan,) = plans_in(out)
    assert plan == replace(PROPOSED.with_greens((38, 24), "retimed-m"), offset_s=5)
    assert verify(out, night.city).plan_count == 1
    about = read_about(out)
    assert (about.kind, about.made_from) == (Kind.MODIFIED, package_id(night.package))
    verdict = read_json(out / "verdict.json")
    assert (verdict["decision"], verdict["change_ratio"]) == ("INCONCLUSIVE", None)
    states = [(e.act.package_id, e.act.state) for e in store.trail().entries]
    first, second = package_id(night.package), package_id(out)
    assert states == [(first, "proposed"), (second, "proposed"), (first, "modified")]
    assert store.trail().flaw() is None
    for package, words in ((night.package, "is modified already"), (out, "has not been checked")):
        with pytest.raises(DataRefused, match=words):
            approve(store, package, night.city, night.state, by())


def test_a_modified_package_is_approved_after_another_check(night: Decided, store: Store) -> None:
    modified, package = night.root / "modified", night.root / "checked"
    changed = retimed(plans_in(night.package), {}, {"J": 5})
    modify(store, night.package, modified, changed, by())
    (candidate_id,) = candidates_from_dict(read_json(modified / "candidates.json"))
    night.write_verdict(replace(VERDICT, candidate_id=candidate_id))
    package.mkdir()
    build(night.city, night.state, modified, night.verdict, package)
    approve(store, package, night.city, night.state, by())
    assert plans_in(package) == plans_in(modified)


@pytest.mark.parametrize(
    ("greens", "offsets", "words"),
    [
        ({"J": (4, 58)}, {}, "rule min_green, junction J"),
        ({"J": (36, 10)}, {}, "rule pedestrian_green, junction J"),
        ({}, {"J": 72}, "rule offset_range, junction J"),
        ({"J": (36,)}, {}, "junction J has 2 stages, not 1"),
        ({"X": (36, 26)}, {"K": 3}, "junction K has no plan .*; junction X has no plan"),
        ({"J": (36, 26)}, {"J": 3}, "nothing is changed"),
        ({"J": (30, 30)}, {"J": 7}, "no plan is left; reject"),
    ],
)
def test_changes_that_are_refused_leave_nothing(
    night: Decided,
    tmp_path: Path,
    greens: dict[str, tuple[int, ...]],
    offsets: dict[str, int],
    words: str,
) -> None:
    out = night.root / "modified"

    def change(store: Store) -> None:
        changed = retimed(plans_in(night.package), greens, offsets)
        modify(store, night.package, out, changed, by())

    with closing(open_store(str(tmp_path / "decisions.sqlite"))) as store:
        with pytest.raises(DataRefused, match=words):
            change(store)
        assert store.trail().entries == []
    assert not out.exists()


def test_a_junction_can_be_kept_as_it_is_in_service(night: Decided, store: Store) -> None:
    night.write_candidates(best=[PROPOSED, replace(K_PLAN, plan_id="moved").with_offset(9)])
    package, out = night.root / "two", night.root / "one"
    package.mkdir()
    build(*night.folders[:-1], package)
    with pytest.raises(DataRefused, match="junction X has no plan in the package"):
        modify(store, package, out, [], by(), kept=["X"])
    modify(store, package, out, [], by(), kept=["J"])
    assert [plan.junction_id for plan in plans_in(out)] == ["K"]
    assert verify(out, night.city).plan_count == 1


def test_a_package_that_is_decided_on_is_not_modified(night: Decided, store: Store) -> None:
    reject(store, night.package, by())
    changed = retimed(plans_in(night.package), {}, {"J": 5})
    out = night.root / "modified"
    with pytest.raises(DataRefused, match="is rejected already"):
        modify(store, night.package, out, changed, by())
    assert not out.exists()


def test_the_same_changes_give_the_same_bytes(night: Decided, tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}-out"
        with closing(open_store(str(tmp_path / f"{name}.sqlite"))) as store:
            changed = retimed(plans_in(night.package), {}, {"J": 5})
            modify(store, night.package, out, changed, by(name))
        folders.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert folders[0] == folders[1]
