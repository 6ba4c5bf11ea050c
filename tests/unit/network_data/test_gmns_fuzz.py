"""Damaged GMNS folders: each is refused with a remedy, or imported with a report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.fuzz_gmns import carried, case, sound

READ, IMPORTED, SEED = 200, 20, 7


def test_damaged_folders_are_refused_or_read_with_a_report(tmp_path: Path) -> None:
    """Without SUMO's files; the whole way is the next test and a benchmark."""
    kinds = (sound(), carried(tmp_path))
    counts: Counter[str] = Counter()
    for number in range(READ):
        outcome, _ = case(kinds[number % 2], number, SEED, tmp_path / "case", whole=False)
        assert not outcome.failed, (number, outcome.detail)
        counts[outcome.verdict] += 1
    assert min(counts["refused"], counts["imported"]) > 30


def test_damaged_folders_leave_a_whole_city_or_nothing(tmp_path: Path) -> None:
    outcomes = [
        case(sound(), number, SEED, tmp_path / "case", whole=True)[0] for number in range(IMPORTED)
    ]
    assert [outcome.detail for outcome in outcomes if outcome.failed] == []
    assert {outcome.verdict for outcome in outcomes} == {"refused", "imported"}
