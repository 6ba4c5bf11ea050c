"""Damaged SUMO networks, additional files and maps: refused in one line, or a city with a report.

More cases of the same kind: ``python -m benchmarks.fuzz_sumo``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.fuzz_sumo import Sound, outcome_of, run_cases, sound_maps, sound_networks


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Sound]:
    return sound_networks(tmp_path_factory.mktemp("sound"))


def test_sound_files_are_imported(networks: list[Sound], tmp_path: Path) -> None:
    for sound in (*networks, *sound_maps(tmp_path)):
        content = sound.network.read_bytes()
        outcome = outcome_of(sound, sound.network, content, tmp_path / "case")
        assert outcome.verdict == "imported", outcome.detail


def test_damaged_networks(networks: list[Sound], tmp_path: Path) -> None:
    verdicts: Counter[str] = Counter()
    for number, sound, outcome, _ in run_cases(networks, 200, 7, tmp_path):
        assert not outcome.failed, f"case {number} of {sound.name}: {outcome.detail}"
        verdicts[outcome.verdict] += 1
    assert min(verdicts["refused"], verdicts["imported"]) > 50


def test_damaged_maps(tmp_path: Path) -> None:
    for number, sound, outcome, _ in run_cases(sound_maps(tmp_path), 12, 7, tmp_path):
        assert not outcome.failed, f"case {number} of {sound.name}: {outcome.detail}"
