"""The score of planted faults: what was called is counted, and can be written."""

from __future__ import annotations

import json
from dataclasses import asdict

from benchmarks.diagnosis.cases import cases
from benchmarks.diagnosis.faults import NOTHING, SPLIT
from benchmarks.diagnosis.score import Score, _answer, table

CALLED = {"cause": "OFFSET", "evidence": "late", "shares": [{"cause": "OFFSET"}]}
RIGHT = {"cause": "SPLIT_IMBALANCE", "evidence": "short", "shares": []}


def test_a_score_goes_into_json_and_its_table_counts_what_was_called() -> None:
    score, case = Score(), cases(1)[0]
    for here in ([RIGHT], [CALLED], [CALLED]):
        _answer(score, case, SPLIT, here)
    _answer(score, case, NOTHING, [])
    written = json.loads(json.dumps(asdict(score)))
    assert written["confusion"] == {
        SPLIT: {"SPLIT_IMBALANCE": 1, "OFFSET": 2},
        NOTHING: {"none called": 1},
    }
    assert (score.asked, score.right_first, len(score.wrong)) == (4, 2, 2)
    lines = list(table(score))
    row = next(line for line in lines if line.startswith(SPLIT))
    assert row.split() == [SPLIT, "1", "2", "."]
