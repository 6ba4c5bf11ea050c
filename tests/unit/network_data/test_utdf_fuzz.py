"""Damaged UTDF files: each is refused with a remedy, or imported with a report."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from benchmarks.fuzz_utdf import case, damaged
from network_data.checks import problems
from network_data.importers.utdf import read_network
from network_data.loss_report import LossReport
from tests.unit.network_data.utdf_file import utdf_text
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork

READ, IMPORTED, SEED = 200, 25, 7


def test_damaged_files_are_refused_or_read_with_a_report(tmp_path: Path) -> None:
    """The network only; the whole way, with SUMO's files, is the next test and a benchmark."""
    text, path = utdf_text(), tmp_path / "town.csv"
    counts: Counter[str] = Counter()
    for number in range(READ):
        path.write_bytes(damaged(text, random.Random(f"read/{SEED}/{number}")))
        losses = LossReport()
        network, refusal = _read(path, losses)
        counts["read" if network else "refused"] += 1
        if network is None:
            assert refusal is not None
            assert refusal.remedy, number
            assert "\n" not in str(refusal), number
            continue
        asked = {entry["place"] for entry in losses.as_dict()["to_fix"]}
        for junction in network.junctions.values():
            assert junction.plan_in_service or junction.junction_id in asked, number
        found = [p for p in problems(network) if p.rule != "junctions_were_understood"]
        assert not found, (number, found)
    assert min(counts["refused"], counts["read"]) > 50


def _read(path: Path, losses: LossReport) -> tuple[RoadNetwork | None, DataRefused | None]:
    try:
        return read_network(path, losses), None
    except DataRefused as refusal:
        return None, refusal


def test_damaged_files_leave_a_whole_city_or_nothing(tmp_path: Path) -> None:
    text = utdf_text()
    outcomes = [case(text, "town", number, SEED, tmp_path)[0] for number in range(IMPORTED)]
    assert [outcome.detail for outcome in outcomes if outcome.failed] == []
    assert {outcome.verdict for outcome in outcomes} == {"refused", "imported"}
