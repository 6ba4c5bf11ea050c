"""Registers: which link a device or a provider link is on, as it says or by its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from traffic_brain.feeds.column_map import FeedMap
from traffic_brain.feeds.coordinates import Plane
from traffic_brain.feeds.layout import LAYOUT, TEXT, Columns
from traffic_brain.feeds.location import Locator, Places, lines_of, locate
from traffic_brain.feeds.opening import columns_there
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.feeds.tables import read_table
from traffic_brain.model.network import RoadNetwork


def read_register(
    folder: Path,
    table: str,
    column_map: FeedMap,
    network: RoadNetwork,
    plane: Plane | None,
    quarantine: Quarantine,
) -> pd.DataFrame:
    """A register with the columns of its layout, link_id and residual_m.

    Where the table has places (x and y, or shapes), rows without a link_id are located by them;
    ``residual_m`` is how far from its link such a place is, and NaN for the others. What no link
    is found for keeps an empty link_id.

    Raises:
        DataRefused: the table is missing or damaged, lacks columns, or lies beside the roads.
    """
    layout = LAYOUT[column_map.feed][table]
    told = column_map.of(table)
    there = columns_there(folder, told) if folder.is_dir() else frozenset()
    has_places = "shape" in there or {"x", "y"} <= there
    link_id: Columns = {"link_id": TEXT}
    required = layout.required if has_places else {**layout.required, **link_id}
    optional = {c: kind for c, kind in layout.optional.items() if c not in required}
    register = read_table(folder, table, required, column_map, quarantine, optional)
    register = register.assign(residual_m=np.nan)
    unknown = np.flatnonzero(register["link_id"].isna())
    if has_places and len(unknown):
        what = f"{column_map.feed}/{told.file_name}"
        places = _places(register.iloc[unknown])
        found = locate(places, told.coordinates, Locator(network), plane, what)
        ids = np.array([*network.links, None], dtype=object)
        link_ids = register["link_id"].to_numpy(dtype=object, na_value=None).copy()
        link_ids[unknown] = ids[found.link_idx]
        residual_m = register["residual_m"].to_numpy().copy()
        residual_m[unknown] = found.residual_m
        register = register.assign(link_id=pd.array(link_ids, dtype="str"), residual_m=residual_m)
    return register


def _places(register: pd.DataFrame) -> Places:
    points = register[["x", "y"]].to_numpy(np.float64)
    if "shape" in register:
        lines = list(lines_of(_texts(register, "shape")))
    else:
        lines = [np.zeros((0, 2))] * len(register)
    known = np.isfinite(points).all(axis=1)
    return Places(
        lines=[
            line if len(line) else points[i : i + 1] if known[i] else line
            for i, line in enumerate(lines)
        ],
        heading_deg=register["heading_deg"].to_numpy(np.float64),
        names=_texts(register, "name"),
        junction_ids=_texts(register, "junction_id")
        if "junction_id" in register
        else [""] * len(register),
    )


def _texts(register: pd.DataFrame, column: str) -> list[str]:
    texts: list[str] = register[column].fillna("").tolist()
    return texts
