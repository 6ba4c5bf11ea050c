"""Nights that have not ended, that are new, or that were interrupted; and runs that went wrong."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.unit.console.conftest import Served
from traffic_brain.console.nights import Library
from traffic_brain.console.refusals import NotFound
from traffic_brain.console.runs import (
    CANCELLED,
    FAILED,
    PROCESS,
    PROGRESS,
    REQUEST,
    Runs,
    Status,
)
from traffic_brain.console.views.brief import brief
from traffic_brain.console.views.morning import morning
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import MANIFEST


def test_an_empty_root_is_told(own: Served) -> None:
    shutil.rmtree(own.root / "monday")
    client = own.logged_in("viewer")
    assert "traffic-brain nightly" in client.get("/").text
    assert client.get("/board").status_code == 200


def test_of_a_night_that_has_not_ended_the_stages_are_shown(own: Served) -> None:
    night = own.root / "monday"
    (night / "verdict" / MANIFEST).unlink()
    diary = Ledger(night / "ledger.jsonl")
    diary.append("night started", process=1)
    diary.append("stage started", stage="check")
    diary.append("stage failed", stage="check", reason="SUMO is missing")
    client = own.logged_in("viewer")
    shown = client.get("/nights/monday/morning", params={"lang": "en"}).text
    assert "SUMO is missing" in shown
    assert "failed" in shown
    assert client.get("/nights/monday/map").status_code == 404


def test_a_night_is_compared_with_the_four_weeks_before(own: Served) -> None:
    for name, day, rows in (("older", "2026-02-20", 20_000), ("ancient", "2025-12-01", 1)):
        folder = own.root / name
        shutil.copytree(own.root / "monday", folder)
        summary = read_json(folder / "state" / "summary.json")
        summary |= {"service_day": day, "rows_read": rows}
        (folder / "state" / "summary.json").write_text(to_json(summary), encoding="utf-8")
    found = read_json(own.root / "older" / "diagnosis" / "bottlenecks.json")
    text = to_json(found[:1])
    (own.root / "older" / "diagnosis" / "bottlenecks.json").write_text(text, encoding="utf-8")
    library = Library(own.root)
    assert [n.night_id for n in library.all()] == ["monday", "older", "ancient"]
    now = morning(library, library.find("monday"))
    figures = {figure.key: figure for figure in now.figures}
    assert now.compared_with == 1
    assert figures["rows"].usual == 20_000
    assert figures["bottlenecks"].usual == 1
    assert [(rank, head.link_id) for rank, head in now.new_heads] == [(2, "N-J3")]


def test_a_night_that_was_made_again_is_read_again(own: Served) -> None:
    library = Library(own.root)
    night = library.find("monday")
    assert brief(library, night).rows_read == 21_409
    summary = read_json(night.root / "state" / "summary.json") | {"rows_read": 5}
    (night.root / "state" / "summary.json").write_text(to_json(summary), encoding="utf-8")
    manifest = night.root / "state" / MANIFEST
    os.utime(manifest, ns=(1, manifest.stat().st_mtime_ns + 1_000_000))
    assert brief(library, library.find("monday")).rows_read == 5


@pytest.mark.parametrize(
    ("file", "status"),
    [
        (FAILED, Status.FAILED),
        (CANCELLED, Status.CANCELLED),
        ("package/manifest.json", Status.DONE),
        (PROGRESS, Status.INTERRUPTED),
    ],
)
def test_a_run_is_known_by_what_it_has_left(own: Served, file: str, status: Status) -> None:
    folder = own.root / "monday" / "runs" / "R001"
    (folder / "package").mkdir(parents=True)
    request = {
        "kind": "optimise",
        "corridor_id": "C01",
        "seed": 1,
        "confirm_seeds": 8,
        "candidates": 1,
        "who": "wang",
        "at": "2026-03-03T07:00:00+00:00",
    }
    (folder / REQUEST).write_text(to_json(request), encoding="utf-8")
    (folder / PROCESS).write_text(to_json({"pid": os.getpid()}), encoding="utf-8")
    (folder / file).write_text(to_json({"reason": "because"}), encoding="utf-8")
    night = Library(own.root).find("monday")
    run = Runs().find(night, "R001")
    assert run.status is status
    assert run.message == ("because" if status is Status.FAILED else "")
    if status is not Status.DONE:
        address = f"/api/nights/monday/runs/{run.run_id}/cancel"
        assert own.logged_in("planer").post(address).status_code == 403  # it is somebody else's
        client = own.logged_in("approveer")
        assert client.post(address).status_code == 409
        assert client.get("/nights/monday/runs").status_code == 200
    with pytest.raises(NotFound):
        Runs().find(night, "R002")


def test_a_folder_that_is_no_night_is_left_alone(own: Served) -> None:
    (own.root / "notes").mkdir()
    (own.root / ".hidden").mkdir()
    (own.root / "a file").write_text("x", encoding="utf-8")
    assert [n.night_id for n in Library(Path(own.root)).all()] == ["monday"]
