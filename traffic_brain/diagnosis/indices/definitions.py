"""What each index means, once: for the tables, the report and the handbook.

Names marked GA/T 527.2-2024 are the police evaluation standard's; its formulas could not be read,
so the definitions are our own, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LINK, JUNCTION, CORRIDOR, ROAD_CLASS, ZONE, CITY = SCOPES = (
    "link",
    "junction",
    "corridor",
    "road_class",
    "zone",
    "city",
)
AREAS = (CORRIDOR, ROAD_CLASS, ZONE, CITY)
OURS = "ours"
STANDARD_NAME = "name: GA/T 527.2-2024; formula ours"


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """One index: its column, names, unit, for whom it is given, what it is and who says so."""

    column: str
    zh: str
    en: str
    unit: str
    scopes: tuple[str, ...]
    """Empty: not available from a state folder; ``definition`` says why."""
    definition: str
    source: str


INDICES = (
    IndexDefinition(
        "speed_ratio",
        "速度比",
        "speed ratio",
        "1",
        SCOPES,
        "free-flow travel time ÷ travel time; of several links, of all vehicles together",
        OURS,
    ),
    IndexDefinition(
        "delay_index",
        "拥堵延时指数",
        "congestion delay index",
        "1",
        SCOPES,
        "travel time ÷ free-flow travel time; of several links, both summed over all vehicles",
        "AMap; weighting by vehicles ours",
    ),
    IndexDefinition(
        "congested_ratio",
        "拥堵里程比例",
        "congested share",
        "1",
        SCOPES,
        "share of the road's length and time at level moderate or severe, by speed and road class "
        "(km/h: expressway 65/50/35/20, arterial 40/30/20/15, secondary and branch 35/25/15/10)",
        "limits: internet map providers; share ours",
    ),
    IndexDefinition(
        "delay_veh_h",
        "延误车时",
        "vehicle-hours lost",
        "veh·h",
        SCOPES,
        "vehicles × (travel time − free-flow travel time), nothing below 0; of a junction, on its "
        "approaches",
        OURS,
    ),
    IndexDefinition(
        "control_delay_s_per_veh",
        "控制延误",
        "control delay",
        "s/veh",
        (JUNCTION,),
        "vehicle-hours lost on the approaches ÷ their vehicles: braking and moving up in the queue "
        "included, queues that begin further upstream not",
        "HCM's quantity, by travel times",
    ),
    IndexDefinition(
        "saturation_ratio",
        "饱和度",
        "saturation",
        "1",
        (JUNCTION,),
        "demand ÷ capacity of the fullest lane under the plan that ran",
        "HCM 2000, ch. 16",
    ),
    IndexDefinition(
        "critical_flow_ratio",
        "关键流率比之和",
        "sum of critical flow ratios",
        "1",
        (JUNCTION,),
        "Σ over stages of the largest demand ÷ saturation flow; above 0.9: redesign, do not retime",
        "signal design code; Webster 1958",
    ),
    IndexDefinition(
        "imbalance_ratio",
        "失衡",
        "imbalance",
        "1",
        (JUNCTION,),
        "1 − saturation of the emptiest stage ÷ that of the fullest",
        STANDARD_NAME,
    ),
    IndexDefinition(
        "spillback_ratio",
        "溢流",
        "spillback",
        "1",
        SCOPES,
        "share of time in which the vehicles on a link fill 60 % or more of its room (7.5 m each); "
        "of a junction, of the links that leave it; of several links, by length",
        STANDARD_NAME,
    ),
    IndexDefinition(
        "empty_green_ratio",
        "空放",
        "empty green",
        "1",
        (JUNCTION,),
        "share of all effective green in which the stage's fullest lane needs none: "
        "1 − saturation, by the stages' greens",
        STANDARD_NAME,
    ),
    IndexDefinition(
        "split_failure_prob",
        "绿灯不足",
        "split failure",
        "1",
        (JUNCTION,),
        "probability that more vehicles arrive in a cycle than the fullest lane can discharge, "
        "arrivals being Poisson's: what the plan and the demand lead to, not what was counted",
        OURS,
    ),
    IndexDefinition(
        "stops_per_veh",
        "停车次数",
        "stops",
        "1/veh",
        (JUNCTION,),
        "0.9 (1 − green ratio) ÷ (1 − flow ratio), at most 1 a cycle, over lanes by their demand: "
        "arrivals by chance, without green wave",
        "Webster 1958; GA/T 527.2-2024 names it",
    ),
    IndexDefinition(
        "arrivals_on_green_ratio",
        "绿灯到达率",
        "arrivals on green",
        "1",
        (),
        "not available: a state folder keeps no arrivals by the second",
        "HCM; ATSPM",
    ),
)


def markdown(indices: Sequence[IndexDefinition] = INDICES) -> str:
    """The definitions as a table."""
    lines = [
        "| 指标 index | column | unit | for | definition | source |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {i.zh} {i.en} | `{i.column}` | {i.unit} | {', '.join(i.scopes) or '–'} | "
        f"{i.definition} | {i.source} |"
        for i in indices
    ]
    return "\n".join(lines) + "\n"
