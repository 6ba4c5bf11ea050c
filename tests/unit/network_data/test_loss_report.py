"""The loss report: losses counted with every place, and what to fix, the least certain first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from network_data.loss_report import FILE, Loss, LossReport, ToFix, add_to_fix


def test_losses_are_counted_and_every_place_is_named_once() -> None:
    losses = LossReport()
    for i in reversed(range(30)):
        losses.note(Loss.GUESSED, "width", f"{i:03d}")
    losses.note(Loss.GUESSED, "width", "007")
    losses.note(Loss.DROPPED, "tram", "t")
    assert losses.as_dict() == {
        "losses": [
            {"loss": "dropped", "what": "tram", "count": 1, "places": ["t"]},
            {
                "loss": "guessed",
                "what": "width",
                "count": 31,
                "places": [f"{i:03d}" for i in range(30)],
            },
        ],
        "to_fix": [],
    }
    assert LossReport().as_dict() == {"losses": [], "to_fix": []}


def test_the_least_certain_guess_comes_first() -> None:
    losses = LossReport()
    losses.to_fix("b", "offset", 0.9, "look it up")
    losses.to_fix("c", "plan", 0.1, "enter it")
    losses.to_fix("a", "plan", 0.1, "enter it")
    losses.to_fix("b", "offset", 0.4, "look it up again")
    losses.to_fix("b", "offset", 0.6, "never mind")
    assert [tuple(row.values()) for row in losses.as_dict()["to_fix"]] == [
        ("a", "plan", 0.1, "enter it"),
        ("c", "plan", 0.1, "enter it"),
        ("b", "offset", 0.4, "look it up again"),
    ]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        LossReport().to_fix("a", "plan", confidence, "")


def test_entries_are_added_where_nothing_is_to_be_fixed_yet(tmp_path: Path) -> None:
    losses = LossReport()
    losses.note(Loss.DEFAULTED, "speed", "s")
    losses.to_fix("a", "offset", 0.5, "look it up")
    (tmp_path / FILE).write_text(json.dumps(losses.as_dict()), "utf-8")
    add_to_fix(tmp_path, [ToFix("a", "plan", 0.0, ""), ToFix("b", "plan", 0.0, "enter it")])
    report = json.loads((tmp_path / FILE).read_text("utf-8"))
    assert [(row["place"], row["what"]) for row in report["to_fix"]] == [
        ("b", "plan"),
        ("a", "offset"),
    ]
    assert report["losses"] == losses.as_dict()["losses"]
