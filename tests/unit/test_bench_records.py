"""Tables of the README come from records, and records from what a suite has left."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.readme import README, RECORDS, keep, written
from benchmarks.results import ORIGIN, write_results


def test_the_readme_is_what_the_records_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert written(text) == text
    for path in RECORDS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert f"<!-- record: {path.stem} -->" in text
        assert re.fullmatch(r"[0-9a-f]{7,}", record["commit"]), "kept from files not committed"


def test_a_table_is_kept_with_where_it_comes_from(tmp_path: Path) -> None:
    table = "| world | delay |\n|---|---:|\n| small | 31.0 |\n"
    write_results([{"world": "small", "delay": 31.0}], table, tmp_path)
    origin = json.loads((tmp_path / ORIGIN).read_text(encoding="utf-8"))
    assert {"command", "date", "commit", "versions", "cores"} <= origin.keys()
    keep("loop", tmp_path, tmp_path / "records")
    text = "# A\n\n<!-- record: loop -->\nold\n<!-- end -->\n\nmore\n"
    found = written(text, tmp_path / "records")
    assert "| small | 31.0 |" in found
    assert origin["versions"]["eclipse-sumo"] in found
    assert "old" not in found
    assert found.endswith("<!-- end -->\n\nmore\n")
    assert written(found, tmp_path / "records") == found
    with pytest.raises(FileNotFoundError):
        written("<!-- record: none -->\n<!-- end -->", tmp_path / "records")
