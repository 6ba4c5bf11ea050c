"""The declarations agree with the dataclasses, and make columns, checks and documentation."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields

import pyarrow as pa
import pytest

from network_data import schema
from network_data.schema import PARQUET_TABLES, TABLES, Attribute, Kind, Range, Table
from traffic_brain.model.network import Turn


@pytest.mark.parametrize("table", PARQUET_TABLES, ids=lambda t: t.name)
def test_a_table_has_a_column_per_field(table: Table) -> None:
    assert table.row_type is not None
    assert [a.name for a in table.attributes] == [f.name for f in fields(table.row_type)]
    assert list(table.arrow_schema.names) == [a.name for a in table.attributes]


@pytest.mark.parametrize("name", ["junctions", "plans", "stages", "intervals"])
def test_a_document_has_an_entry_per_field(name: str) -> None:
    table = next(t for t in TABLES if t.name == name)
    assert table.row_type is not None
    assert {a.name for a in table.attributes} == {f.name for f in fields(table.row_type)}


@pytest.mark.parametrize("table", PARQUET_TABLES, ids=lambda t: t.name)
def test_a_default_is_that_of_the_dataclass(table: Table) -> None:
    assert table.row_type is not None
    of_class = {f.name: f.default for f in fields(table.row_type)}
    for attribute in table.attributes:
        if not attribute.is_required:
            assert attribute.default == of_class[attribute.name]
            assert attribute.strange_values(attribute.default) == []
        if of_class[attribute.name] is None:
            assert attribute.nullable


def test_numbers_and_texts_have_the_columns_one_expects() -> None:
    links = schema.LINKS.arrow_schema
    assert links.field("length_m").type == pa.float64()
    assert links.field("lane_count").type == pa.int32()
    assert links.field("shape").type == pa.list_(pa.list_(pa.float64()))


@pytest.mark.parametrize(
    ("allowed", "good", "bad"),
    [
        (Range(0, 5), (0, 5, 2.5), (-0.1, 5.1, float("nan"), float("inf"))),
        (Range(0, 5, open=True), (0.1, 5), (0, -1)),
        (Range(0), (0, 1e300), (-1, float("inf"))),
        (schema.FINITE, (-1e300, 0), (float("nan"), float("-inf"))),
    ],
)
def test_ranges(allowed: Range, good: tuple[float, ...], bad: tuple[float, ...]) -> None:
    assert [value for value in good if value not in allowed] == []
    assert [value for value in bad if value in allowed] == []


def test_lists_are_judged_item_by_item() -> None:
    days = Attribute("weekdays", Kind.WHOLES, "", "", range=Range(1, 7))
    assert days.strange_values((0, 1, 7, 8)) == [0, 8]
    points = Attribute("shape", Kind.POINTS, "", "")
    assert points.strange_values(((0.0, 1.0), (float("nan"), 1.0))) != []
    assert points.strange_values(((0.0, 1.0),)) == []
    assert Attribute("name", Kind.TEXT, "", "").strange_values(None) == [None]


@pytest.mark.parametrize(
    ("attribute", "good", "bad"),
    [
        (Attribute("a", Kind.NUMBER, "", ""), (0.0, -1e308, -1e308), (math.nan, math.inf)),
        (Attribute("a", Kind.NUMBER, "", "", range=Range(0, 1, open=True)), (0.5, 1.0), (0.0, 2.0)),
        (Attribute("a", Kind.WHOLES, "", "", range=Range(0, 1)), ((), (0, 1)), ((0, 2), (-1,))),
        (Attribute("a", Kind.POINTS, "", ""), ((), ((1.0, 2.0),)), (((1.0, math.nan),),)),
        (Attribute("a", Kind.CHOICE, "", "", choices=Turn), (Turn.LEFT, "LEFT"), ("AROUND",)),
    ],
)
def test_quick_and_thorough_judge_agree(
    attribute: Attribute, good: tuple[object, ...], bad: tuple[object, ...]
) -> None:
    assert [attribute.strange_values(value) for value in good] == [[]] * len(good)
    assert attribute.allows_all(good[:2])
    assert attribute.allows_all(())
    for value in bad:
        assert attribute.strange_values(value) != []
        assert not attribute.allows_all((*good, value))


def test_everything_is_documented_in_both_languages() -> None:
    for table in TABLES:
        assert table.meaning
        assert table.meaning_zh
        for attribute in table.attributes:
            assert attribute.meaning, f"{table.name}.{attribute.name}"
            assert attribute.meaning_zh, f"{table.name}.{attribute.name}"


def test_quantities_carry_their_unit_in_their_name() -> None:
    units = {"m": "_m", "s": "_s", "m/s": "_mps", "veh/h": "_vph"}
    for table in TABLES:
        for a in table.attributes:
            if a.unit and a.name not in ("x", "y", "shape"):
                assert a.name.endswith(units[a.unit])


def test_the_documentation_names_every_attribute() -> None:
    text, document = schema.as_markdown(), json.loads(json.dumps(schema.as_dict()))
    for table in TABLES:
        assert f"## {table.name} — `{table.file}`" in text
        for attribute in table.attributes:
            assert f"| `{attribute.name}` |" in text
    assert [t["name"] for t in document["tables"]] == [t.name for t in TABLES]
    columns = document["tables"][1]["attributes"]
    assert [a["name"] for a in columns if not a["required"]] == ["name_latin", "zone_id"]


def test_every_table_line_has_as_many_cells_as_its_head() -> None:
    for line in schema.as_markdown().splitlines():
        if line.startswith("|"):
            assert line.count("|") == 8, line


def test_no_row_type_hides_a_required_field() -> None:
    """A column may only be absent where the dataclass can do without it."""
    for table in PARQUET_TABLES:
        assert table.row_type is not None
        needed = {f.name for f in fields(table.row_type) if f.default is MISSING}
        assert needed <= {a.name for a in table.attributes if a.is_required}
