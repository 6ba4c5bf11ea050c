"""A GMNS folder by hand: two crossroads on an arterial, with NEMA phases and two plans each.

    N1    N2
    |     |
 W--1-----2--E      400 m between the signals 1 and 2, arms of 300 m, two lanes each way
    |     |
    S1    S2

Phases at both signals, as NEMA counts them: 5 and 1 are the left turns from west and from east,
2 and 6 the through and right movements from west and from east, 3 and 7 the left turns from
south and north, 4 and 8 the rest from south and north.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Rows = list[dict[str, str]]
Tables = dict[str, Rows]

PLACES = {
    "1": (0, 0),
    "2": (400, 0),
    "W": (-300, 0),
    "E": (700, 0),
    "N1": (0, 300),
    "S1": (0, -300),
    "N2": (400, 300),
    "S2": (400, -300),
}
ARMS = {"1": ("W", "S1", "2", "N1"), "2": ("1", "S2", "E", "N2")}
"""West, south, east and north neighbour of each signal: counter-clockwise."""
SIDES = ("west", "south", "east", "north")
TYPES = ("right", "thru", "left")
PHASE_OF = {
    ("west", "left"): 5,
    ("west", "thru"): 2,
    ("west", "right"): 2,
    ("east", "left"): 1,
    ("east", "thru"): 6,
    ("east", "right"): 6,
    ("south", "left"): 3,
    ("south", "thru"): 4,
    ("south", "right"): 4,
    ("north", "left"): 7,
    ("north", "thru"): 8,
    ("north", "right"): 8,
}
PLACE_OF_PHASE = {
    1: (1, 1, 1),
    2: (1, 1, 2),
    3: (1, 2, 1),
    4: (1, 2, 2),
    5: (2, 1, 1),
    6: (2, 1, 2),
    7: (2, 2, 1),
    8: (2, 2, 2),
}
"""Ring, barrier, position."""
GREENS = {1: 10, 2: 25, 3: 10, 4: 25, 5: 15, 6: 20, 7: 10, 8: 25}
"""With clearances of 5 s: (10 + 25 + 10 + 25) + 4 * 5 = 90 s, and the same in the other ring."""
CYCLE_S, CLEARANCE_S, YELLOW_S = 90, 5, 3
"""Drivers at 50 km/h need 1 + 13.9 / 6.1 = 3.3 s of yellow: 3 s."""


def rows(*columns: str, of: Iterable[Sequence[object]]) -> Rows:
    return [
        {c: "" if cell is None else str(cell) for c, cell in zip(columns, line, strict=True)}
        for line in of
    ]


def links() -> list[tuple[str, str]]:
    ways = [(a, j) for j, around in ARMS.items() for a in around]
    return list(dict.fromkeys([*ways, *((j, a) for a, j in ways)]))


def movements() -> list[tuple[str, str, str, str, str, str]]:
    """(id, node, inbound link, outbound link, type, side it comes from)."""
    found = []
    for j, around in ARMS.items():
        for i, side in enumerate(SIDES):
            for turn, kind in enumerate(TYPES):
                a, b = around[i], around[(i + 1 + turn) % 4]
                found.append((f"{a}{j}{b}", j, f"{a}-{j}", f"{j}-{b}", kind, side))
    return found


def network() -> Tables:
    """All but the signals."""
    nodes = [
        (n, f"Street {n}", x, y, "signal" if n in ARMS else "none", None)
        for n, (x, y) in PLACES.items()
    ]
    return {
        "config": rows(
            "dataset_name",
            "short_length",
            "long_length",
            "speed",
            "crs",
            of=[("Two signals", "meter", "kilometer", "km/h", "EPSG:32650")],
        ),
        "node": rows("node_id", "name", "x_coord", "y_coord", "ctrl_type", "zone_id", of=nodes),
        "link": rows(
            *("link_id", "name", "from_node_id", "to_node_id", "directed", "length", "lanes"),
            *("free_speed", "facility_type", "allowed_uses"),
            of=[
                (
                    f"{a}-{b}",
                    "Main" if {a, b} <= {*"12WE"} else "Side",
                    a,
                    b,
                    1,
                    0.4 if {a, b} == {"1", "2"} else 0.3,
                    2,
                    50,
                    "primary",
                    "auto",
                )
                for a, b in links()
            ],
        ),
        "movement": rows(
            *("mvmt_id", "node_id", "ib_link_id", "start_ib_lane", "end_ib_lane", "ob_link_id"),
            *("start_ob_lane", "end_ob_lane", "type", "ctrl_type"),
            of=[
                (m, j, ib, *lanes(kind), ob, *lanes(kind), kind, "signal")
                for m, j, ib, ob, kind, _ in movements()
            ],
        ),
    }


def lanes(kind: str) -> tuple[int, int | None]:
    return {"left": (1, None), "thru": (1, 2), "right": (2, None)}[kind]


def signals(
    references: Mapping[str, tuple[str, int]] | None = None,
    *,
    greens: Mapping[int, int] = GREENS,
) -> Tables:
    """The signal tables: plan "day" always, "peak" on weekday mornings.

    ``references``: plan -> (coord_ref_to, offset) of both signals.
    """
    told = references or {"day": ("begin_of_green", 10), "peak": ("begin_of_green", 70)}
    plans = [(f"{plan}{j}", j, plan) for j in ARMS for plan in told]
    return {
        "signal_controller": rows("controller_id", of=[(j,) for j in ARMS]),
        "signal_timing_plan": rows(
            "timing_plan_id", "controller_id", "time_day", "cycle_length",
            of=[
                (p, j, "11111111_0000_2359" if plan == "day" else "01111100_0700_0900", CYCLE_S)
                for p, j, plan in plans
            ],
        ),
        "signal_coordination": rows(
            *("coordination_id", "timing_plan_id", "controller_id", "coord_contr_id"),
            *("coord_phase", "coord_ref_to", "offset"),
            of=[(f"c{p}", p, j, j, 2, *told[plan]) for p, j, plan in plans],
        ),
        "signal_timing_phase": rows(
            *("timing_phase_id", "timing_plan_id", "signal_phase_num", "min_green", "max_green"),
            *("extension", "clearance", "walk_time", "ped_clearance", "ring", "barrier"),
            "position",
            of=[
                (f"{p}.{n}", p, n, g, g, None, CLEARANCE_S, None, None, *PLACE_OF_PHASE[n])
                for p, _, _ in plans
                for n, g in greens.items()
            ],
        ),
        "signal_phase_mvmt": rows(
            "signal_phase_mvmt_id", "timing_phase_id", "mvmt_id", "link_id", "protection",
            of=[
                (f"{p}.{m}", f"{p}.{PHASE_OF[side, kind]}", m, None, "protected")
                for p, j, _ in plans
                for m, node, _, _, kind, side in movements()
                if node == j
            ],
        ),
    }  # fmt: skip


def write(folder: Path, tables: Tables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, listed in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, listed[0].keys())
            writer.writeheader()
            writer.writerows(listed)
    return folder


def two_signals(folder: Path) -> Path:
    return write(folder, network() | signals())


def more() -> Tables:
    """Tables beside those of `network` and `signals`: one of each that GMNS has."""
    corners = {"ne": (12, 12), "nw": (-12, 12), "sw": (-12, -12), "se": (12, -12)}
    walks = [("we", "nw", "sw"), ("so", "sw", "se"), ("ea", "se", "ne"), ("no", "ne", "nw")]
    base = network()
    links = base["link"] + rows(
        *("link_id", "name", "from_node_id", "to_node_id", "directed", "length", "lanes"),
        *("free_speed", "facility_type", "allowed_uses"),
        of=[(w, None, a, b, 0, 0.024, 0, None, "crosswalk", "walk") for w, a, b in walks],
    )
    for link in links:
        link["geometry_id"] = "g1" if link["link_id"] in ("W-1", "1-W") else ""
        link["dir_flag"] = "-1" if link["link_id"] == "1-W" else "1"
        link["toll"] = "3" if link["link_id"] == "W-1" else ""
    nodes = base["node"] + rows(
        *("node_id", "name", "x_coord", "y_coord", "ctrl_type", "zone_id"),
        of=[(c, None, x, y, None, None) for c, (x, y) in corners.items()],
    )
    for node in nodes:
        node["parent_node_id"] = "1" if node["node_id"] in corners else ""
        node["zone_id"] = "z1" if node["node_id"] == "1" else ""
    told = signals()
    for row in told["signal_phase_mvmt"]:
        if row["mvmt_id"] in {m for m, *_, kind, _ in movements() if kind == "right"}:
            row["protection"] = "permitted"
    across = {"so": 2, "no": 6, "ea": 4, "we": 8}  # on the right of the phase's traffic
    served = told["signal_phase_mvmt"] + [
        {
            "signal_phase_mvmt_id": f"{plan}{walk}",
            "timing_phase_id": f"{plan}1.{phase}",
            "mvmt_id": "",
            "link_id": walk,
            "protection": "protected",
        }
        for plan in ("day", "peak")
        for walk, phase in across.items()
    ]
    phases = [
        row | ({"walk_time": "7", "ped_clearance": "12"} if row["min_green"] == "25" else {})
        for row in told["signal_timing_phase"]
    ]
    return (
        base
        | told
        | {
            "node": nodes,
            "link": links,
            "signal_phase_mvmt": served,
            "signal_timing_phase": phases,
            "geometry": rows(
                "geometry_id",
                "geometry",
                of=[("g1", "LINESTRING (-300 0, -150 10, 0 0)")],
            ),
            "lane": rows(
                *("lane_id", "link_id", "lane_num", "allowed_uses", "width"),
                of=[
                    ("E1", "E-2", 1, "auto", 3.5),
                    ("E2", "E-2", 2, "cars", 3.5),
                    ("E3", "E-2", 3, "bike", 1.5),
                ],
            ),
            "segment": rows(
                *("segment_id", "link_id", "ref_node_id", "start_lr", "end_lr"),
                *("l_lanes_added", "r_lanes_added"),
                of=[("s1", "S1-1", "S1", 240, 300, 1, 0)],
            ),
            "segment_lane": rows(
                *("segment_lane_id", "segment_id", "lane_num", "parent_lane_id", "allowed_uses"),
                of=[("l1", "s1", -1, None, "auto")],
            ),
            "use_definition": rows("use", "persons_per_vehicle", "pce", of=[("auto", 1, 1)]),
            "use_group": rows("use_group", "uses", of=[("cars", "auto, taxi")]),
            "time_set_definitions": rows(
                *("timeday_id", "monday", "tuesday", "start_time", "end_time"),
                of=[("early", "true", "false", "06:00", "07:00")],
            ),
            "zone": rows(
                *("zone_id", "name", "boundary"),
                of=[
                    (
                        "z1",
                        "Centre",
                        "POLYGON ((-150 -150, 200 -150, 200 150, -150 150, -150 -150))",
                    )
                ],
            ),
            "location": rows(
                *("loc_id", "link_id", "ref_node_id", "lr", "loc_type"),
                of=[("stop", "1-2", "1", 100, "bus stop"), ("k1", "1-2", "1", 120, "checkpoint")],
            ),
            "signal_detector": rows(
                *("detector_id", "controller_id", "signal_phase_num", "link_id", "start_lane"),
                *("end_lane", "ref_node_id", "det_zone_lr", "det_type"),
                of=[
                    ("d1", "1", 2, "W-1", 1, None, "1", 2, "presence"),
                    ("d2", "1", 2, "W-1", 1, 2, "1", 60, "presence"),
                ],
            ),
            "link_tod": rows("link_tod_id", "link_id", "time_day", of=[("t1", "W-1", None)]),
        }
    )
