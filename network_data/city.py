"""The city folder: a road network as Parquet tables and JSON, read and written whole.

``links.parquet``, ``connections.parquet``, ``movements.parquet`` and ``crossings.parquet`` hold
one row per object with the columns of the dataclass of that name; ``junctions.json`` holds the
junctions with their conflicts and plans (it is also what the stand-alone verifier reads).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import rules_inputs_from_dict, rules_inputs_to_dict
from traffic_brain.model.network import Connection, Crossing, Link, Movement, RoadNetwork, Turn
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.rules import rules_inputs

_POINT = pa.list_(pa.float64())
_INT_LIST = pa.list_(pa.int32())
SCHEMAS: Mapping[type, pa.Schema] = {
    Link: pa.schema(
        [
            ("link_id", pa.string()),
            ("from_node", pa.string()),
            ("to_node", pa.string()),
            ("length_m", pa.float64()),
            ("free_flow_speed_mps", pa.float64()),
            ("lane_count", pa.int32()),
            ("road_class", pa.string()),
            ("name", pa.string()),
            ("shape", pa.list_(_POINT)),
            ("car_lanes", _INT_LIST),
            ("junction_id", pa.string()),
        ]
    ),
    Connection: pa.schema(
        [
            ("from_link", pa.string()),
            ("from_lane_idx", pa.int32()),
            ("to_link", pa.string()),
            ("to_lane_idx", pa.int32()),
            ("turn", pa.string()),
            ("junction_id", pa.string()),
            ("signal_group_idx", pa.int32()),
        ]
    ),
    Movement: pa.schema(
        [
            ("movement_id", pa.string()),
            ("junction_id", pa.string()),
            ("from_link", pa.string()),
            ("to_link", pa.string()),
            ("turn", pa.string()),
            ("lanes", _INT_LIST),
            ("signal_group_idxs", _INT_LIST),
            ("saturation_flow_vph", pa.float64()),
        ]
    ),
    Crossing: pa.schema(
        [
            ("junction_id", pa.string()),
            ("signal_group_idx", pa.int32()),
            ("length_m", pa.float64()),
        ]
    ),
}
_FILES: Mapping[type, str] = {
    Link: "links.parquet",
    Connection: "connections.parquet",
    Movement: "movements.parquet",
    Crossing: "crossings.parquet",
}


def save_city(network: RoadNetwork, folder: Path) -> None:
    """Write the network's tables into an existing folder."""
    _write_table(folder, Link, network.links.values())
    _write_table(folder, Connection, network.connections)
    _write_table(folder, Movement, network.movements.values())
    _write_table(folder, Crossing, network.crossings)
    about = {"name": network.name, "sources": dict(network.sources)}
    sites = rules_inputs_to_dict(rules_inputs(network).values())
    (folder / "city.json").write_text(to_json(about), encoding="utf-8")
    (folder / "junctions.json").write_text(to_json(sites), encoding="utf-8")


def load_city(folder: Path) -> RoadNetwork:
    """Read a city folder.

    Raises:
        ConfigurationError: the folder is not a city folder.
        DataRefused: a table in it cannot be read.
    """
    missing = [
        name
        for name in ("city.json", "junctions.json", *_FILES.values())
        if not (folder / name).is_file()
    ]
    if missing:
        raise ConfigurationError(
            f"{folder} is not a city folder (no {', '.join(missing)})",
            "make one with: traffic-brain network import SRC CITY",
        )
    try:
        about = read_json(folder / "city.json")
        sites = rules_inputs_from_dict(read_json(folder / "junctions.json"))
        links = [Link(**_link_row(row)) for row in _read_rows(folder, Link)]
        connections = [
            Connection(**(row | {"turn": Turn(row["turn"])}))
            for row in _read_rows(folder, Connection)
        ]
        movements = [Movement(**_movement_row(row)) for row in _read_rows(folder, Movement)]
        crossings = [Crossing(**row) for row in _read_rows(folder, Crossing)]
        name, sources = about["name"], about["sources"]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataRefused(
            f"the city folder {folder} cannot be read",
            "import the network again: traffic-brain network import SRC CITY",
            [f"{type(error).__name__}: {' '.join(str(error).split())}"],
        ) from error
    return RoadNetwork(
        name=name,
        links={link.link_id: link for link in links},
        connections=tuple(connections),
        movements={m.movement_id: m for m in movements},
        junctions={j: site.junction for j, site in sites.items()},
        crossings=tuple(crossings),
        sources=sources,
    )


def _write_table(folder: Path, kind: type, rows: Iterable[Any]) -> None:
    schema = SCHEMAS[kind]
    listed = list(rows)
    columns = [
        pa.array([_plain(getattr(row, f.name)) for row in listed], type=f.type) for f in schema
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / _FILES[kind])


def _read_rows(folder: Path, kind: type) -> list[dict[str, Any]]:
    schema = SCHEMAS[kind]
    table = pq.read_table(folder / _FILES[kind])
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise ValueError(f"{_FILES[kind]} has no column {', '.join(missing)}")
    rows: list[dict[str, Any]] = table.select(schema.names).cast(schema).to_pylist()
    return rows


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Turn) else value


def _link_row(row: dict[str, Any]) -> dict[str, Any]:
    shape = tuple((x, y) for x, y in row["shape"])
    return row | {"shape": shape, "car_lanes": tuple(row["car_lanes"])}


def _movement_row(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "turn": Turn(row["turn"]),
        "lanes": tuple(row["lanes"]),
        "signal_group_idxs": tuple(row["signal_group_idxs"]),
    }
