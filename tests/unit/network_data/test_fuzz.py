"""Damaged networks of every format: refused in one line with a remedy, or a city with a report.

More cases of the same kind: ``python -m benchmarks.fuzz``.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.fuzz import gmns, osm, sumo
from benchmarks.fuzz.__main__ import FORMATS, main, results
from benchmarks.fuzz.judge import Case, Importer, Verdict, judge
from network_data.city import save_city
from network_data.importers import import_any
from network_data.importers.gmns import read_network as read_gmns
from network_data.importers.utdf import read_network as read_utdf
from network_data.loss_report import LossReport
from tests.unit.network_data.utdf_file import utdf_text
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork

Reader = Callable[[Path, LossReport], RoadNetwork]
SEED = 7
TOWN = Case("town", {"town.csv": utdf_text().encode()}, "town.csv")


@pytest.mark.parametrize(
    ("form", "count"), [("sumo", 100), ("osm", 12), ("gmns", 20), ("utdf", 25)]
)
def test_damaged_files_leave_a_whole_city_or_nothing(form: str, count: int, tmp_path: Path) -> None:
    verdicts: Counter[Verdict] = Counter()
    for result in results({form: FORMATS[form]()}, range(count), SEED, tmp_path / "case"):
        assert not result.outcome.failed, (result.number, result.outcome.detail)
        verdicts[result.outcome.verdict] += 1
    assert verdicts.keys() == {Verdict.REFUSED, Verdict.IMPORTED}


@pytest.mark.parametrize(
    ("seed", "number"), [(33, 547), (33, 1244), (33, 1852), (33, 2283), (34, 2315)]
)
def test_cases_that_failed_once(seed: int, number: int, tmp_path: Path) -> None:
    """A control character in a plan's name, paths of kilometres, empty and doubled windows."""
    makers = {"gmns": FORMATS["gmns"]()}
    (result,) = results(makers, range(number, number + 1), seed, tmp_path / "case")
    assert result.outcome.verdict is Verdict.IMPORTED, result.outcome.detail


@pytest.mark.parametrize(
    ("form", "read"), [("gmns", read_gmns), ("utdf", read_utdf)], ids=("gmns", "utdf")
)
def test_damaged_tables_are_refused_or_read_with_a_report(
    form: str, read: Reader, tmp_path: Path
) -> None:
    """Without SUMO's files, so that many fit in; those are drawn in the test above."""

    def import_tables(source: Path, _: Sequence[Path], out: Path) -> None:
        losses = LossReport()
        save_city(read(source, losses), out)
        text = json.dumps(losses.as_dict())
        (out / "loss_report.json").write_text(text, encoding="utf-8")

    make, verdicts = FORMATS[form](), Counter[Verdict]()
    for number in range(100):
        case = make(number, random.Random(f"read/{SEED}/{number}"))
        outcome = judge(case, tmp_path / "case", importer=import_tables)
        assert not outcome.failed, (number, outcome.detail)
        verdicts[outcome.verdict] += 1
    assert min(verdicts[Verdict.REFUSED], verdicts[Verdict.IMPORTED]) > 10


def test_sound_files_are_imported(tmp_path: Path) -> None:
    tables = {f"{name}.csv": gmns.as_csv(rows) for name, rows in gmns.sound().items()}
    for case in (*sumo.sound(), *osm.sound(), Case("tables", tables, ""), TOWN):
        outcome = judge(case, tmp_path / "case")
        assert outcome.verdict is Verdict.IMPORTED, (case.kind, outcome.detail)


def test_a_case_is_the_same_every_time() -> None:
    for form in FORMATS:
        one, other = (FORMATS[form]()(5, random.Random("5")) for _ in range(2))
        assert one == other


# --- the judge ----------------------------------------------------------------------------------


def raises(_: Path, __: Sequence[Path], ___: Path) -> None:
    raise KeyError("stages")


def hangs(_: Path, __: Sequence[Path], ___: Path) -> None:
    time.sleep(5)


def swallows_the_alarm(_: Path, __: Sequence[Path], ___: Path) -> None:
    try:
        time.sleep(5)
    except OSError as error:
        raise DataRefused("not readable", "give another file") from error


def refuses_without_a_remedy(_: Path, __: Sequence[Path], ___: Path) -> None:
    raise DataRefused("not readable")


def refuses_and_leaves_a_file(_: Path, __: Sequence[Path], out: Path) -> None:
    (out / "links.parquet").write_bytes(b"")
    raise DataRefused("not readable", "give another file")


def writes_half(source: Path, additional: Sequence[Path], out: Path) -> None:
    import_any(source, additional, out)
    (out / "links.parquet").write_bytes(b"")


def forgets_whom_it_asked(source: Path, additional: Sequence[Path], out: Path) -> None:
    import_any(source, additional, out)
    report = json.loads((out / "loss_report.json").read_text(encoding="utf-8"))
    text = json.dumps(report | {"to_fix": []})
    (out / "loss_report.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("importer", "verdict"),
    [
        (raises, Verdict.TRACEBACK),
        (hangs, Verdict.HANG),
        (swallows_the_alarm, Verdict.HANG),
        (refuses_without_a_remedy, Verdict.UNTOLD),
        (refuses_and_leaves_a_file, Verdict.HALF_WRITTEN),
        (writes_half, Verdict.HALF_WRITTEN),
        (forgets_whom_it_asked, Verdict.UNTOLD),
    ],
)
def test_the_judge_sees_importers_that_fail(
    importer: Importer, verdict: Verdict, tmp_path: Path
) -> None:
    limit_s = 0.2 if verdict is Verdict.HANG else 60.0
    no_plans = Case("town", {"town.csv": utdf_text(plans=()).encode()}, "town.csv")
    case = no_plans if importer is forgets_whom_it_asked else TOWN
    outcome = judge(case, tmp_path / "case", importer=importer, limit_s=limit_s)
    assert outcome.failed
    assert outcome.verdict is verdict, outcome.detail


# --- the command --------------------------------------------------------------------------------


def test_the_command_goes_round_the_formats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--cases", "8", "--seed", "3", "--json", str(tmp_path / "told.json")]) == 0
    told = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    assert (told["asked"], told["done"], told["stopped"], told["failures"]) == (8, 8, None, [])
    assert set(told["formats"]) == set(FORMATS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == list(FORMATS)
    assert lines[-1] == "8 of 8 cases, 0 failed"


def test_the_command_ends_when_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--format", "utdf", "--minutes", "0"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "1 of 10,000 cases, 0 failed, stopped after 0 minutes"
