"""Malformed service days; more cases of the same kind: ``python -m benchmarks.fuzz_feeds``."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import fuzz_feeds
from benchmarks.fuzz_feeds import case, main, plates_of
from traffic_brain.feeds import checkpoint
from traffic_brain.feeds.quarantine import Quarantine

SEED = 7


def test_malformed_days_lose_no_row_and_leak_no_plate(tmp_path: Path) -> None:
    verdicts: Counter[str] = Counter()
    for number in range(40):
        outcome = case(number, SEED, tmp_path / "case", whole=False)
        assert not outcome.failed, (number, outcome.detail)
        verdicts[outcome.verdict] += 1
    assert min(verdicts["read"], verdicts["refused"]) > 3


@pytest.mark.parametrize(
    "number",
    [
        2175,  # detectors without a junction
        2618,  # passes of detectors of which the lamps tell nothing
        3136,  # a damaged name of a column in a Parquet file
        8316,  # the same, found later
        15605,  # a Parquet file that tells of rows and holds none
    ],
)
def test_cases_that_once_broke_it(number: int, tmp_path: Path) -> None:
    outcome = case(number, 1, tmp_path / "case", whole=False)
    assert not outcome.failed, outcome.detail


def test_the_judge_sees_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = next(n for n in range(99) if case(n, SEED, tmp_path / "c", whole=False).detail == "")
    read = checkpoint.read
    plate = fuzz_feeds.made(sound, SEED)[1][0]

    def verdict() -> str:
        return case(sound, SEED, tmp_path / "c", whole=False, limit_s=1.0).verdict

    def chatty(*args: object) -> object:
        print(plate)
        return read(*args)  # type: ignore[arg-type]

    def broken(*args: object) -> object:
        raise KeyError("site")

    def slow(*args: object) -> object:
        while True:
            time.process_time()

    def loses(*args: object) -> object:
        day = read(*args)  # type: ignore[arg-type]
        assert isinstance(args[3], Quarantine)
        args[3].refuse_rows("checkpoint", "bad_value", 1)
        return day

    for reader, said in ((chatty, "leak"), (broken, "traceback"), (slow, "hang"), (loses, "lost")):
        monkeypatch.setattr(checkpoint, "read", reader)
        assert verdict() == said


def test_the_command_tells_what_became_of_the_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "result.json"
    assert main(["--cases", "3", "--whole", "0", "--json", str(found)]) == 0
    assert '"cases": 3' in capsys.readouterr().out
    assert '"failures": []' in found.read_text("utf-8")


def test_plates_of_the_cases_look_like_plates() -> None:
    import random

    from traffic_brain.feeds.plates import MASK, masked

    for plate in plates_of(random.Random(1), 50):
        assert MASK in masked(plate)
