"""A night does not begin where it could not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from traffic_brain.errors import ConfigurationError
from traffic_brain.nightly import machine


def test_there_is_room_here(tmp_path: Path) -> None:
    machine.check_room(tmp_path / "not" / "there" / "yet", None)
    assert not (tmp_path / "not").exists()


def test_everything_that_is_short_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passes.parquet").write_bytes(b"x" * 1000)
    short = tmp_path / "meminfo"
    short.write_text("MemTotal: 9 kB\nMemAvailable:     2048 kB\n", encoding="ascii")
    monkeypatch.setattr(machine, "MEMORY", short)
    monkeypatch.setattr(machine, "FEEDS_RATIO", 1e15)
    with pytest.raises(ConfigurationError) as caught:
        machine.check_room(tmp_path, tmp_path)
    assert "of disk are free" in str(caught.value)
    assert "2 MiB of memory are free" in str(caught.value)


def test_a_system_that_does_not_say_what_memory_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "nothing")
    assert machine.available_memory_bytes() is None
    machine.check_room(tmp_path, None)
