"""The doctor tells what is there, what is missing, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from traffic_brain.cli import doctor, main


def state_of(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.name == name)


def test_all_is_well_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["sumo"]["detail"].startswith("Eclipse SUMO sumo ")
    assert {"Python", "numpy", "ortools", "pyarrow", "cores", "memory", "disk"} <= set(findings)
    assert {finding["state"] for finding in findings.values()} <= {"ok", "absent"}


def test_a_person_reads_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["ok", "Python"]


def test_a_missing_library_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["click>=8", "no-such-library>=1", "dask; extra == 'cluster'"]
    )
    assert main(["doctor"]) == 3
    lines = capsys.readouterr().out.splitlines()
    missing = [line.split(maxsplit=2) for line in lines if line.startswith("missing")]
    assert missing == [
        ["missing", "no-such-library", "not installed — pip install no-such-library"]
    ]
    assert not any("dask" in line for line in lines)


def test_sumo_that_cannot_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUMO_HOME", raising=False)
    monkeypatch.setattr("network_data.sumo_tools.find_spec", lambda _: None)
    finding = state_of("sumo")
    assert finding.state == "missing"
    assert "eclipse-sumo" in finding.remedy


def test_sumo_that_cannot_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "sumo"
    broken.write_text("#!/bin/sh\necho 'libX.so.6: cannot open' >&2\nexit 127\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr("network_data.sumo_tools.sumo_program", lambda _: broken)
    finding = state_of("sumo")
    assert (finding.state, finding.detail) == ("missing", "libX.so.6: cannot open")


def test_what_is_optional_is_only_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {state_of("sumo-rl").state, state_of("Chromium").state} == {"absent"}


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(in_the_way / "cache"))
    finding = state_of("numba cache")
    assert finding.state == "missing"
    assert "NUMBA_CACHE_DIR" in finding.remedy
