"""Documents: what is written is read back the same, and bad ones are refused with all problems."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.unit.test_rules import JUNCTION, PLAN, SITE
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import (
    bottleneck_from_dict,
    bottleneck_to_dict,
    candidates_from_dict,
    corridor_from_dict,
    corridor_to_dict,
    junction_from_dict,
    junction_to_dict,
    plan_from_dict,
    plan_to_dict,
    plans_from_json,
    plans_to_json,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
    verdict_from_dict,
    verdict_to_dict,
)
from traffic_brain.model.findings import Bottleneck, Cause, Corridor
from traffic_brain.model.reading import digest, from_json, read_json, to_json
from traffic_brain.model.verdict import Decision, Interval95, Verdict

BOTTLENECK = Bottleneck(
    "b1", "l1", None, 60, 900, ("l0", "l9"), 1.5, Cause.SPLIT_IMBALANCE, 0.5, "0.97 against 0.4"
)
CORRIDOR = Corridor("c1", "长江路", ("J", "K"), (("l1", "l2"),), ((),), 900.0, 0.0)
VERDICT = Verdict(
    Decision.DEPLOY,
    "shown better",
    "c1",
    (1, 2),
    (50.0, 51.5),
    (40.0, 41.5),
    Interval95(-10.0, -11.0, -9.0),
    None,
)
ALL_KINDS = [
    (plan_to_dict, plan_from_dict, PLAN),
    (junction_to_dict, junction_from_dict, JUNCTION),
    (bottleneck_to_dict, bottleneck_from_dict, BOTTLENECK),
    (corridor_to_dict, corridor_from_dict, CORRIDOR),
    (verdict_to_dict, verdict_from_dict, VERDICT),
]


@pytest.mark.parametrize(("write", "read", "value"), ALL_KINDS)
def test_round_trip_through_json_is_the_identity(write: Any, read: Any, value: Any) -> None:
    text = to_json(write(value))
    assert read(from_json(text, "text")) == value
    assert to_json(write(read(from_json(text, "text")))) == text


def test_plans_documents_keep_remarks_and_order() -> None:
    text = plans_to_json([PLAN, PLAN.with_greens((31, 29), "evening")], reason="better")
    assert [plan.plan_id for plan in plans_from_json(text)] == ["day", "evening"]
    assert json.loads(text)["reason"] == "better"


def test_a_junction_keeps_its_other_plans_name_and_zone() -> None:
    night = PLAN.with_greens((31, 29), "night")
    full = replace(JUNCTION, other_plans=(night,), name_latin="Changjiang Lu", zone_id="z7")
    document = junction_to_dict(full)
    assert junction_from_dict(from_json(to_json(document), "text")) == full
    older = {k: v for k, v in document.items() if k not in ("other_plans", "name_latin", "zone_id")}
    assert junction_from_dict(older) == JUNCTION
    with pytest.raises(DataRefused) as refused:
        junction_from_dict(document | {"zone_id": 7, "name_latin": None, "other_plans": [3]})
    assert len(refused.value.problems) > 2


def test_a_city_document_gives_the_rules_all_they_need() -> None:
    document = rules_inputs_to_dict([SITE]) | {"name": "Hefei", "sources": {}}
    assert rules_inputs_from_dict(document) == {"J": SITE}
    without = {k: v for k, v in document.items() if k not in ("merges", "intergreens")}
    assert rules_inputs_from_dict(without) == {"J": SITE}


def test_all_problems_come_at_once() -> None:
    document = plan_to_dict(PLAN)
    del document["offset_s"]
    document["plan_id"] = 3
    document["ofset_s"] = 4
    document["stages"][0]["green_s"] = 30.5
    document["stages"][1]["clearance"] = None
    with pytest.raises(DataRefused) as refused:
        plan_from_dict(document)
    assert list(refused.value.problems) == [
        "plan (junction J), plan_id: 3 is not a text",
        "plan (junction J), stages 0, green_s: 30.5 is not a whole number",
        "plan (junction J), stages 1, clearance: None is not a list",
        "plan (junction J): offset_s is missing",
        "plan (junction J): unknown field 'ofset_s'",
    ]
    assert refused.value.exit_code == 4


def test_cities_with_contradictions_are_refused() -> None:
    document = rules_inputs_to_dict([SITE, SITE])
    document["junctions"][0]["conflicts"] += [[1, 1], [0, 4], [0]]
    document["movements"]["J"] = [[9], [-2]]
    with pytest.raises(DataRefused) as refused:
        rules_inputs_from_dict(document)
    text = " | ".join(refused.value.problems)
    for problem in ("[1, 1]", "[0, 4]", "[0]:", "signal group 9 of 4", "group -2", "comes twice"):
        assert problem in text


def test_one_junction_in_two_plans_of_one_name_is_refused() -> None:
    with pytest.raises(DataRefused, match="plan day of junction J comes twice"):
        plans_from_json(plans_to_json([PLAN, PLAN]))
    twice = {"candidates": [{"candidate_id": "a", "plans": []}] * 2}
    with pytest.raises(DataRefused, match="candidate a comes twice"):
        candidates_from_dict(twice)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"plans": [}',
        "[" * 100_000,
        '{"plans": [], "plans": []}',
        '{"plans": ' + "9" * 5000 + "}",
        "null",
        "[]",
        '{"plans": {}}',
        '{"plans": [null, 3, "x"]}',
        '{"plans": [{"junction_id": "\\ud800"}]}',
    ],
)
def test_what_is_no_plans_document_is_refused(text: str) -> None:
    with pytest.raises(DataRefused):
        plans_from_json(text)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"name": "M\xfcnchen"}')
    for path in (tmp_path / "latin.json", tmp_path / "absent.json", tmp_path):
        with pytest.raises(DataRefused, match="cannot be read"):
            read_json(path)


def test_numbers_that_are_none_are_refused() -> None:
    for wrong in (float("nan"), float("inf"), True, "1", 10**400, None):
        with pytest.raises(DataRefused, match="delay_veh_h"):
            bottleneck_from_dict(bottleneck_to_dict(BOTTLENECK) | {"delay_veh_h": wrong})
    for wrong in (10**12, -1, True, "30"):
        document = plan_to_dict(PLAN)
        document["stages"][0]["green_s"] = wrong
        with pytest.raises(DataRefused, match="green_s"):
            plan_from_dict(document)


def test_unknown_choices_are_refused_with_the_known_ones() -> None:
    with pytest.raises(DataRefused, match="'MAYBE' is none of DEPLOY, KEEP, INCONCLUSIVE"):
        verdict_from_dict(verdict_to_dict(VERDICT) | {"decision": "MAYBE"})


def test_damaged_documents_are_read_or_refused_never_a_traceback() -> None:
    """Values, keys and list items replaced or lost at random, in every kind of document."""
    random = Random(20261121)
    readers = [(read, write(value)) for write, read, value in ALL_KINDS]
    readers.append((rules_inputs_from_dict, rules_inputs_to_dict([SITE])))
    refused: list[DataRefused] = []
    for _ in range(1500):
        read, document = random.choice(readers)
        damaged = json.loads(json.dumps(document))
        _damage(damaged, random)
        try:
            read(damaged)
        except DataRefused as error:
            refused.append(error)
    assert len(refused) > 500
    assert all(error.problems for error in refused)


def _damage(document: Any, random: Random) -> None:
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = random.choice(keys)
    inner = document[key]
    if isinstance(inner, dict | list) and inner and random.random() < 0.7:
        _damage(inner, random)
    elif random.random() < 0.3:
        del document[key]
    else:
        document[key] = random.choice([None, -1, 3, 1.5, "x", "", [], {}, [[]], [None], True])


def test_digest_depends_on_content_only() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
