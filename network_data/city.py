"""The city folder: a road network as Parquet tables and JSON, read and written whole.

The tables of :mod:`network_data.schema` hold one row per object; ``junctions.json`` holds the
junctions with conflicts, plans and intergreens, and is also what the stand-alone verifier reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from network_data.schema import (
    CONNECTIONS,
    CROSSINGS,
    DETECTORS,
    GIVE_WAYS,
    LINKS,
    MOVEMENTS,
    PARQUET_TABLES,
    PLAN_WINDOWS,
    ZONES,
    Attribute,
    Kind,
    Table,
)
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import rules_inputs_from_dict, rules_inputs_to_dict
from traffic_brain.model.network import Junction, RoadNetwork
from traffic_brain.model.reading import Reader, as_text, read_document, read_json, to_json
from traffic_brain.model.rules import rules_inputs

ABOUT = "city.json"
SITES = "junctions.json"
NET_FILE = "sumo/net.xml.gz"
"""The road network as SUMO reads it; :func:`save_city` and :func:`load_city` leave it alone."""
SIGNALS_FILE = "sumo/signals.add.xml"
"""All signal programs of the city, for SUMO to load after the network."""

T = TypeVar("T")
Intergreens = dict[str, dict[tuple[int, int], int]]


def save_city(network: RoadNetwork, folder: Path) -> None:
    """Write all of a network into an existing folder.

    Raises:
        DataRefused: something in the network cannot be written: a number that is none, a text
            that is no UTF-8, a row of a junction that is not there.
    """
    try:
        for table in PARQUET_TABLES:
            _write_table(network, table, folder)
        about = {"name": network.name, "sources": dict(network.sources)}
        (folder / ABOUT).write_text(to_json(about), encoding="utf-8")
        (folder / SITES).write_text(to_json(_sites_document(network)), encoding="utf-8")
    except (pa.ArrowException, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataRefused(
            f"the network {network.name} cannot be written",
            "mend the source, or report this",
            [_line(error)],
        ) from error


def load_city(folder: Path) -> RoadNetwork:
    """Read a city folder; what an older folder lacks gets its default.

    Raises:
        ConfigurationError: the folder is not a city folder.
        DataRefused: tables in it cannot be read; all problems are listed.
    """
    _refuse_other_folders(folder)
    problems: list[str] = []
    rows = {table.name: _read_table(table, folder, problems) for table in PARQUET_TABLES}
    about = _noted(problems, lambda: _read_about(folder))
    sites = _noted(problems, lambda: _read_sites(folder))
    if problems:
        raise DataRefused(
            f"the city folder {folder} cannot be read",
            "import the network again: traffic-brain network import SRC CITY",
            problems,
        )
    assert about is not None
    assert sites is not None
    return RoadNetwork(
        name=about[0],
        links={link.link_id: link for link in rows[LINKS.name]},
        connections=tuple(rows[CONNECTIONS.name]),
        movements={m.movement_id: m for m in rows[MOVEMENTS.name]},
        junctions=sites[0],
        crossings=tuple(rows[CROSSINGS.name]),
        give_ways=tuple(rows[GIVE_WAYS.name]),
        detectors=tuple(rows[DETECTORS.name]),
        zones={zone.zone_id: zone for zone in rows[ZONES.name]},
        plan_windows=tuple(rows[PLAN_WINDOWS.name]),
        intergreens_s=sites[1],
        sources=about[1],
    )


# --- documents ----------------------------------------------------------------------------


def _sites_document(network: RoadNetwork) -> dict[str, Any]:
    document = rules_inputs_to_dict(rules_inputs(network).values())
    # A junction of which it is known that it needs none is not one of which nothing is known.
    none_needed: dict[str, list[list[int]]] = {
        network.junctions[junction_id].junction_id: []
        for junction_id, required in network.intergreens_s.items()
        if not required or junction_id not in network.junctions
    }
    return document | {"intergreens": document["intergreens"] | none_needed}


def _read_sites(folder: Path) -> tuple[dict[str, Junction], Intergreens]:
    document = read_json(folder / SITES)
    sites = rules_inputs_from_dict(document)
    listed = document.get("intergreens", {})
    unknown = [junction_id for junction_id in listed if junction_id not in sites]
    if unknown:
        raise DataRefused(
            f"{SITES}: intergreens of junctions that are not there: {', '.join(unknown)}"
        )
    return (
        {junction_id: site.junction for junction_id, site in sites.items()},
        {junction_id: dict(sites[junction_id].intergreen_s) for junction_id in listed},
    )


def _read_about(folder: Path) -> tuple[str, dict[str, str]]:
    def parse(value: object, where: str, problems: list[str]) -> tuple[str, dict[str, str]]:
        reader = Reader(value, where, problems)
        return reader.text("name"), reader.mapping("sources", as_text)

    return read_document(read_json(folder / ABOUT), ABOUT, parse)


# --- Parquet ------------------------------------------------------------------------------


def _write_table(network: RoadNetwork, table: Table, folder: Path) -> None:
    rows = [row for _, row in table.rows(network)]
    columns = [
        pa.array([getattr(row, column.name) for row in rows], type=column.type)
        for column in table.arrow_schema
    ]
    written = pa.Table.from_arrays(columns, schema=table.arrow_schema)
    pq.write_table(written, folder / table.file)


def _read_table(table: Table, folder: Path, problems: list[str]) -> list[Any]:
    """The rows of a table; what is wrong with it is noted, and then there are none."""
    path = folder / table.file
    if not path.is_file():
        return []
    before = len(problems)
    content = _noted(problems, lambda: _Content.of(path), table.file)
    columns = [] if content is None else list(_columns(table, content, problems))
    if len(problems) > before:
        return []
    assert table.row_type is not None
    rows = [table.row_type(*values) for values in zip(*columns, strict=True)]
    problems.extend(f"{table.file}: {place} comes twice" for place in _twice(table, rows))
    return rows


@dataclass(frozen=True, slots=True)
class _Content:
    """The columns of a Parquet file, whatever they are."""

    columns: dict[str, pa.ChunkedArray]
    row_count: int

    @classmethod
    def of(cls, path: Path) -> _Content:
        read = pq.read_table(path)
        return cls(dict(zip(read.column_names, read.columns, strict=True)), read.num_rows)


def _columns(table: Table, content: _Content, problems: list[str]) -> Iterator[list[Any]]:
    """The values of each attribute; columns that cannot be read are noted and left empty."""
    for attribute in table.attributes:
        where = f"{table.file}, column {attribute.name}"
        column = content.columns.get(attribute.name)
        if column is not None:
            kind = table.arrow_schema.field(attribute.name).type
            yield _noted(problems, partial(_values, attribute, column, kind), where) or []
        elif attribute.is_required:
            problems.append(f"{where} is not there")
        else:
            yield [attribute.default] * content.row_count


def _values(attribute: Attribute, column: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    column = column.cast(kind)
    missing = 0 if attribute.nullable else _null_count(column)
    if missing:
        raise ValueError(f"{missing} values are missing")
    values: list[Any] = column.to_pylist()
    if attribute.kind is Kind.CHOICE:
        assert isinstance(attribute.choices, type)
        return [attribute.choices(value) for value in values]
    if attribute.kind is Kind.WHOLES:
        return [tuple(value) for value in values]
    if attribute.kind is Kind.POINTS:
        return [tuple((x, y) for x, y in value) for value in values]
    return values


def _null_count(column: pa.ChunkedArray) -> int:
    """Missing values of a column, also inside of its lists."""
    count = int(column.null_count)
    while pa.types.is_list(column.type):
        column = pc.list_flatten(column)
        count += int(column.null_count)
    return count


def _twice(table: Table, rows: list[Any]) -> list[str]:
    """Rows with a key of their own that another row has as well."""
    if len(table.key) > 1:
        return []
    (key,) = table.key
    counts = Counter(getattr(row, key) for row in rows)
    return [f"{key} {value}" for value, count in counts.items() if count > 1]


# --- problems -----------------------------------------------------------------------------


def _refuse_other_folders(folder: Path) -> None:
    needed = (ABOUT, SITES, *(t.file for t in PARQUET_TABLES if not t.may_be_absent))
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"{folder} is not a city folder (no {', '.join(missing)})",
            "make one with: traffic-brain network import SRC CITY",
        )


def _noted(problems: list[str], read: Callable[[], T], where: str = "") -> T | None:
    """What ``read`` gives, or None when it cannot, with the reason noted."""
    try:
        return read()
    except DataRefused as error:
        problems.extend(error.problems or (error.what,))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        problems.append(f"{where}: {_line(error)}" if where else _line(error))
    return None


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
