"""The night as a spreadsheet."""

from __future__ import annotations

import io

from openpyxl import load_workbook

from tests.unit.console.conftest import NIGHT, Served


def test_the_workbook_holds_the_night(served: Served) -> None:
    client = served.logged_in("viewer")
    answer = client.get(f"{NIGHT}/workbook")
    assert answer.status_code == 200
    book = load_workbook(io.BytesIO(answer.content))
    summary, zones, bottlenecks, plans, feeds = book.worksheets
    assert summary["B2"].value == "2026-03-02"
    assert [row[0].value for row in bottlenecks.iter_rows(min_row=2)] == [1, 2]
    names = {row[0].value: row[0].data_type for row in plans.iter_rows(min_row=2)}
    assert names["<script>alert('路口')</script>"] == "s"
    assert feeds.max_row == 3
    assert {row[1].value for row in zones.iter_rows(min_row=2)} == {"W", "E", "empty"}
    assert answer.content == client.get(f"{NIGHT}/workbook").content
    assert client.get(f"{NIGHT}/workbook", params={"zone": "nowhere"}).status_code == 404


def test_a_zone_has_a_workbook_of_its_own(served: Served) -> None:
    client = served.logged_in("viewer")
    answer = client.get(f"{NIGHT}/workbook", params={"zone": "E"})
    summary, bottlenecks, plans, junctions, links = load_workbook(
        io.BytesIO(answer.content)
    ).worksheets
    assert summary["B3"].value == "东区"
    assert [row[0].value for row in bottlenecks.iter_rows(min_row=2)] == [2]
    assert [row[1].value for row in plans.iter_rows(min_row=2)] == ["E"]
    assert [row[1].value for row in junctions.iter_rows(min_row=2)] == ["J3"]
    assert links.max_row > 3
