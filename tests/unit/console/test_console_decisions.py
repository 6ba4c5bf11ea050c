"""Approve, reject, change and export by REST: the deployment's own functions, by who is known."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.console.conftest import NIGHT, Served
from traffic_brain.deployment.store import STORE_FILE, open_store

OWN = f"{NIGHT}/proposals/night"


def test_an_approval_stands_in_the_store_that_the_commands_use(own: Served) -> None:
    client = own.logged_in("approveer")
    before = client.get(OWN).json()
    assert (before["state"], before["may_be_approved"]) == ("proposed", True)
    answer = client.post(f"{OWN}/approve", json={"note": "agreed with the district"})
    assert answer.status_code == 200, answer.text
    assert client.get(OWN).json()["state"] == "approved"
    store = open_store(str(own.root / "monday" / STORE_FILE), create=False)
    record = store.record(before["package_id"])
    entries = store.trail().entries
    assert store.trail().flaw() is None
    store.close()
    assert record is not None
    assert record.state.value == "approved"
    assert (entries[-1].act.who, entries[-1].act.note) == ("approveer", "agreed with the district")
    assert entries[-1].act.on_day == "2026-03-03"  # a simulated city's own calendar


@pytest.mark.parametrize("act", ["approve", "reject", "change"])
def test_what_was_replaced_since_it_was_shown_is_not_decided_on(served: Served, act: str) -> None:
    client = served.logged_in("approveer")
    seen = {"note": "yes", "package_id": "0" * 64}
    answer = client.post(f"{OWN}/{act}", json=seen)
    assert (answer.status_code, client.get(OWN).json()["state"]) == (409, "proposed")
    shown = client.get("/nights/monday/plans").text
    assert f'data-package="{client.get(OWN).json()["package_id"]}"' in shown


def test_the_second_decision_is_refused(own: Served) -> None:
    client = own.logged_in("approveer")
    assert client.post(f"{OWN}/reject", json={"note": "no"}).status_code == 200
    again = client.post(f"{OWN}/approve", json={"note": "yes"})
    assert again.status_code == 409
    assert "rejected already" in again.json()["error"]


def test_of_many_who_decide_at_once_one_wins(own: Served) -> None:
    clients = [own.logged_in("approveer") for _ in range(4)]

    def decide(i: int) -> int:
        act = "approve" if i % 2 else "reject"
        return clients[i].post(f"{OWN}/{act}", json={"note": f"number {i}"}).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(decide, range(4)))
    assert answers == [200, 409, 409, 409]
    logged = clients[0].get(f"{NIGHT}/decisions").json()
    assert logged[-1]["state"] == "proposed"
    assert len(logged) == 2


@pytest.mark.parametrize("note", ["", "   ", "\x07bell", "x" * 2001])
def test_a_decision_needs_a_reason(served: Served, note: str) -> None:
    client = served.logged_in("approveer")
    answer = client.post(f"{OWN}/approve", json={"note": note})
    assert answer.status_code in {400, 422}
    assert client.get(OWN).json()["state"] == "proposed"


def test_a_package_that_was_tampered_with_is_refused(own: Served) -> None:
    plans = own.root / "monday" / "package" / "plans.json"
    plans.write_text(plans.read_text(encoding="utf-8").replace("52", "53"), encoding="utf-8")
    answer = own.logged_in("approveer").post(f"{OWN}/approve", json={"note": "yes"})
    assert answer.status_code == 409
    assert str(own.root) not in answer.text  # where it lies is nobody's business


def test_a_changed_package_takes_the_place_of_the_first_and_is_checked(own: Served) -> None:
    client = own.logged_in("approveer")
    answer = client.post(f"{OWN}/change", json={"note": "later", "offsets_s": {"J2": 44}})
    assert answer.status_code == 200, answer.text
    assert client.get(OWN).json()["state"] == "modified"
    run = answer.json()["run_id"]
    folder = own.root / "monday" / "runs" / run
    assert '"offset_s": 44' in (folder / "modified" / "plans.json").read_text(encoding="utf-8")
    cancelled = client.post(f"{NIGHT}/runs/{run}/cancel")
    assert cancelled.status_code in {200, 409}  # it may have failed at once: no such SUMO network


def test_a_change_that_breaks_a_rule_leaves_nothing_behind(own: Served) -> None:
    client = own.logged_in("approveer")
    greens = {"J2": [1, 79]}
    answer = client.post(f"{OWN}/change", json={"note": "shorter", "greens_s": greens})
    assert answer.status_code == 409
    assert any("min_green" in problem for problem in answer.json()["problems"])
    assert client.get(OWN).json()["state"] == "proposed"
    assert client.get(f"{NIGHT}/runs").json() == []


def test_an_export_is_the_plans_read_back(served: Served, tmp_path: Path) -> None:
    client = served.logged_in("planer")
    answer = client.get(f"{OWN}/export/ga1049")
    assert answer.status_code == 200, answer.text
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    assert any(path.suffix == ".xml" for path in tmp_path.iterdir())
    assert (tmp_path / "read_back.json").is_file()


def test_offsets_that_are_tried_give_what_the_page_computes(served: Served) -> None:
    client = served.logged_in("viewer")
    corridor = f"{NIGHT}/corridors/C01"
    shown = client.get(corridor).json()
    assert set(shown["sets"]) == {"registered", "running", "proposed"}
    told = client.post(f"{corridor}/try", json={"plans": "proposed", "offsets_s": {"J2": 40}})
    assert told.status_code == 200, told.text
    still = client.post(f"{corridor}/try", json={"plans": "proposed"}).json()
    assert told.json()["through_s"] == still["through_s"]  # 40 is where J2 is proposed
    assert still["through_s"]["out"] > 0
    moved = client.post(f"{corridor}/try", json={"plans": "proposed", "offsets_s": {"J2": 0}})
    assert moved.json()["through_s"]["out"] < still["through_s"]["out"]
    strange = client.post(f"{corridor}/try", json={"offsets_s": {"J9": 1}})
    assert strange.status_code == 400
