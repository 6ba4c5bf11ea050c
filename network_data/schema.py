"""The tables of a city folder: every attribute declared once.

A declaration gives name, type, unit, default, allowed range and meaning, in English and Chinese.
From it come the columns of the Parquet files, what stands in for a column that an older folder
lacks, the range checks of ``traffic-brain network check``, and ``traffic-brain network schema``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Crossing,
    Detector,
    DetectorKind,
    GiveWay,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
    Zone,
)
from traffic_brain.model.signals import EVERY_DAY, Interval, PlanWindow, SignalPlan, Stage

if TYPE_CHECKING:
    import pyarrow as pa

DAY_S = 86_400
SHOWN = 3
"""How many strange values of a list a message names."""


class Kind(Enum):
    """Type of an attribute, as a person reads it."""

    TEXT = "text"
    TEXTS = "list of texts"
    CHOICE = "one of"
    WHOLE = "whole number"
    WHOLES = "list of whole numbers"
    PAIRS = "list of pairs of whole numbers"
    NUMBER = "number"
    POINTS = "list of points (x, y)"
    HASHES = "object: file name to SHA-256"
    PLAN = "object: plans"
    PLANS = "list of objects: plans"
    STAGES = "list of objects: stages"
    INTERVALS = "list of objects: intervals"


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
"""In the place of a default: the column must be there."""


@dataclass(frozen=True, slots=True)
class Range:
    """Allowed values: from ``low`` to ``high``, ``low`` itself excluded where it is ``open``."""

    low: float = -math.inf
    high: float = math.inf
    open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open else value >= self.low
        return above and value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "finite"
        left = f"{'>' if self.open else '>='} {self.low:g}"
        right = f"<= {self.high:g}"
        return ", ".join(
            text for text, bound in ((left, self.low), (right, self.high)) if math.isfinite(bound)
        )


FINITE = Range()
NOT_NEGATIVE = Range(0)
COUNT = Range(0, 10_000)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column of a table, or one field of a document."""

    name: str
    kind: Kind
    meaning: str
    meaning_zh: str
    unit: str = ""
    default: object = REQUIRED
    nullable: bool = False
    range: Range | None = None
    """Of the value, or of each value in a list; numbers are finite in any case."""
    choices: type[StrEnum] | tuple[str, ...] = ()

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def allowed(self) -> str:
        """The allowed values, as a person reads them."""
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        return "" if self.range is None else str(self.range)

    @property
    def is_limited(self) -> bool:
        """Whether there are values that its type allows and its declaration does not."""
        finite = self.kind in (Kind.NUMBER, Kind.POINTS)
        return finite or self.range is not None or bool(self.choices)

    def strange_values(self, value: Any) -> list[object]:
        """What of ``value`` is not allowed; lists are judged item by item."""
        if value is None:
            return [] if self.nullable else [None]
        if self.choices:
            return [] if value in tuple(self.choices) else [value]
        if self.kind is Kind.POINTS:
            return [point for point in value if not all(x in FINITE for x in point)]
        allowed = self.range or FINITE
        items = value if self.kind is Kind.WHOLES else (value,)
        return [x for x in items if x not in allowed] if self.is_limited else []

    def allows_all(self, values: Sequence[Any]) -> bool:
        """Whether all values are allowed, told quickly; False: look at each."""
        if self.choices:
            return set(values) <= set(self.choices)
        items = values
        if self.kind in (Kind.WHOLES, Kind.POINTS):
            items = list(chain.from_iterable(items))
        if self.kind is Kind.POINTS:
            items = list(chain.from_iterable(items))
        allowed = self.range or FINITE
        # The sum is no finite number where any item is none.
        return not items or (
            sum(items) in FINITE and min(items) in allowed and max(items) in allowed
        )


@dataclass(frozen=True)
class Table:
    """A kind of row: where it is kept, what it means, and its attributes in order."""

    name: str
    file: str
    row_type: type | None
    """The dataclass of a row, with the same fields in the same order; None: of no dataclass."""
    key: tuple[str, ...]
    """Attributes that tell one row from another."""
    meaning: str
    meaning_zh: str
    attributes: tuple[Attribute, ...]
    rows: Callable[[RoadNetwork], Iterable[tuple[str, Any]]]
    """All rows of a network, each with the place that messages name."""
    may_be_absent: bool = False
    """Folders made before there was this table load without it."""

    @property
    def is_parquet(self) -> bool:
        return self.file.endswith(".parquet")

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Columns and types of the Parquet file."""
        import pyarrow as pa

        types = {
            Kind.TEXT: pa.string(),
            Kind.CHOICE: pa.string(),
            Kind.WHOLE: pa.int32(),
            Kind.WHOLES: pa.list_(pa.int32()),
            Kind.NUMBER: pa.float64(),
            Kind.POINTS: pa.list_(pa.list_(pa.float64())),
        }
        return pa.schema([(a.name, types[a.kind]) for a in self.attributes])


def out_of_range(network: RoadNetwork) -> Iterator[tuple[str, str]]:
    """(place, detail) of every value in the network that its declaration does not allow."""
    for table in TABLES:
        judged = [a for a in table.attributes if a.is_limited]
        rows = list(table.rows(network)) if judged else []
        for attribute in judged:
            values = [getattr(row, attribute.name) for _, row in rows]
            if attribute.allows_all(values):
                continue
            for (place, _), value in zip(rows, values, strict=True):
                strange = attribute.strange_values(value)
                if strange:
                    shown = ", ".join(map(str, strange[:SHOWN]))
                    allowed = attribute.allowed or FINITE
                    yield place, f"has {attribute.name} {shown}, allowed is {allowed}"


def as_dict() -> dict[str, Any]:
    """The declarations as a document."""
    return {
        "tables": [
            {
                "name": table.name,
                "file": table.file,
                "key": list(table.key),
                "may_be_absent": table.may_be_absent,
                "meaning": table.meaning,
                "meaning_zh": table.meaning_zh,
                "attributes": [_attribute_dict(a) for a in table.attributes],
            }
            for table in TABLES
        ]
    }


def as_markdown() -> str:
    """The declarations as Markdown: a section and a table each."""
    return "\n".join(line for table in TABLES for line in _section(table))


def _attribute_dict(attribute: Attribute) -> dict[str, Any]:
    return {
        "name": attribute.name,
        "type": attribute.kind.value,
        "unit": attribute.unit,
        "required": attribute.is_required,
        "default": None if attribute.is_required else attribute.default,
        "nullable": attribute.nullable,
        "allowed": attribute.allowed,
        "meaning": attribute.meaning,
        "meaning_zh": attribute.meaning_zh,
    }


def _section(table: Table) -> Iterator[str]:
    absent = " May be absent." if table.may_be_absent else ""
    yield f"## {table.name} — `{table.file}`\n"
    yield f"{table.meaning} {table.meaning_zh}{absent}\n"
    yield "| attribute | type | unit | default | allowed | meaning | 中文 |"
    yield "|---|---|---|---|---|---|---|"
    for a in table.attributes:
        default = "required" if a.is_required else _default_text(a.default)
        kind = f"{a.kind.value}, or nothing" if a.nullable else a.kind.value
        cells = (f"`{a.name}`", kind, a.unit, default, a.allowed, a.meaning, a.meaning_zh)
        yield f"| {' | '.join(cells)} |"
    yield ""


def _default_text(default: object) -> str:
    if default is None:
        return "nothing"
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or "none"
    return str(default) or "empty"


class _Intergreen(NamedTuple):
    from_group_idx: int
    to_group_idx: int
    intergreen_s: int


def _links(network: RoadNetwork) -> Iterator[tuple[str, Link]]:
    return ((f"link {row.link_id}", row) for row in network.links.values())


def _connections(network: RoadNetwork) -> Iterator[tuple[str, Connection]]:
    return ((f"connection {row.from_link} → {row.to_link}", row) for row in network.connections)


def _movements(network: RoadNetwork) -> Iterator[tuple[str, Movement]]:
    return ((f"movement {row.movement_id}", row) for row in network.movements.values())


def _crossings(network: RoadNetwork) -> Iterator[tuple[str, Crossing]]:
    return (
        (f"junction {row.junction_id}, crossing of group {row.signal_group_idx}", row)
        for row in network.crossings
    )


def _give_ways(network: RoadNetwork) -> Iterator[tuple[str, GiveWay]]:
    return ((f"turn {row.from_link} → {row.to_link}", row) for row in network.give_ways)


def _detectors(network: RoadNetwork) -> Iterator[tuple[str, Detector]]:
    return ((f"detector {row.detector_id}", row) for row in network.detectors)


def _zones(network: RoadNetwork) -> Iterator[tuple[str, Zone]]:
    return ((f"zone {row.zone_id}", row) for row in network.zones.values())


def _windows(network: RoadNetwork) -> Iterator[tuple[str, PlanWindow]]:
    return (
        (f"junction {row.junction_id}, window of plan {row.plan_id}", row)
        for row in network.plan_windows
    )


def _junctions(network: RoadNetwork) -> Iterator[tuple[str, Junction]]:
    return ((f"junction {row.junction_id}", row) for row in network.junctions.values())


def _intergreens(network: RoadNetwork) -> Iterator[tuple[str, _Intergreen]]:
    for junction_id, required in network.intergreens_s.items():
        for (a, b), seconds in required.items():
            place = f"junction {junction_id}, intergreen from group {a} to {b}"
            yield place, _Intergreen(a, b, seconds)


def _plans(network: RoadNetwork) -> Iterator[tuple[str, SignalPlan]]:
    for place, junction in _junctions(network):
        for plan in junction.plans:
            yield f"{place}, plan {plan.plan_id}", plan


def _stages(network: RoadNetwork) -> Iterator[tuple[str, Stage]]:
    for place, plan in _plans(network):
        for i, stage in enumerate(plan.stages):
            yield f"{place}, stage {i}", stage


def _intervals(network: RoadNetwork) -> Iterator[tuple[str, Interval]]:
    for place, stage in _stages(network):
        for interval in stage.clearance:
            yield f"{place}, clearance", interval


# --- the declarations ---------------------------------------------------------------------

_TEXT, _WHOLE, _NUMBER = Kind.TEXT, Kind.WHOLE, Kind.NUMBER
_LENGTH = Range(0, 1_000_000, open=True)
_SPEED = Range(0, 150, open=True)
_GROUP = Range(0, 10_000)
_GROUP_OR_NONE = Range(NO_SIGNAL, 10_000)
_IN_DAY = Range(0, DAY_S)

LINKS = Table(
    "links",
    "links.parquet",
    Link,
    ("link_id",),
    "Directed roads between two graph vertices.",
    "路段：两个图顶点之间的有向道路。",
    (
        Attribute("link_id", _TEXT, "its name in all tables", "路段编号"),
        Attribute("from_node", _TEXT, "vertex where it begins", "起点"),
        Attribute("to_node", _TEXT, "vertex where it ends", "终点"),
        Attribute(
            "length_m", _NUMBER, "length from stop line to stop line", "长度", "m", range=_LENGTH
        ),
        Attribute(
            "free_flow_speed_mps",
            _NUMBER,
            "speed of an undisturbed car, as a rule the limit",
            "自由流速度",
            "m/s",
            range=_SPEED,
        ),
        Attribute(
            "lane_count",
            _WHOLE,
            "all lanes, whoever may use them",
            "车道数",
            range=Range(1, 10_000),
        ),
        Attribute("road_class", _TEXT, "class of the source, as highway.primary", "道路等级"),
        Attribute("name", _TEXT, "street name", "路名"),
        Attribute(
            "shape",
            Kind.POINTS,
            "its line in driving direction, on the network's plane",
            "行车方向的中心线",
            "m",
        ),
        Attribute(
            "car_lanes",
            Kind.WHOLES,
            "lanes open to cars, 0 is the kerb side; none: a bus, foot, cycle or rail link",
            "允许小汽车通行的车道，0 为最右侧",
            range=COUNT,
        ),
        Attribute(
            "junction_id",
            _TEXT,
            "signalised junction at its end",
            "终点处的信控路口",
            nullable=True,
        ),
        Attribute("name_latin", _TEXT, "the name in Latin letters", "路名拼音", default=""),
        Attribute(
            "zone_id", _TEXT, "grid zone of its middle", "所属网格", default=None, nullable=True
        ),
    ),
    _links,
)
CONNECTIONS = Table(
    "connections",
    "connections.parquet",
    Connection,
    ("from_link", "from_lane_idx", "to_link", "to_lane_idx"),
    "Lane-to-lane connections through a graph vertex.",
    "车道连接：穿过图顶点、从车道到车道。",
    (
        Attribute("from_link", _TEXT, "link driven from", "驶出路段"),
        Attribute("from_lane_idx", _WHOLE, "its lane, 0 is the kerb side", "驶出车道", range=COUNT),
        Attribute("to_link", _TEXT, "link driven into", "驶入路段"),
        Attribute("to_lane_idx", _WHOLE, "its lane", "驶入车道", range=COUNT),
        Attribute("turn", Kind.CHOICE, "direction seen by the driver", "转向", choices=Turn),
        Attribute("junction_id", _TEXT, "junction that controls it", "控制它的路口", nullable=True),
        Attribute(
            "signal_group_idx",
            _WHOLE,
            "its signal group there; -1: no lamp",
            "信号组；-1 为不受控",
            range=_GROUP_OR_NONE,
        ),
    ),
    _connections,
)
MOVEMENTS = Table(
    "movements",
    "movements.parquet",
    Movement,
    ("movement_id",),
    "Approach to exit: the unit of demand and of saturation flow.",
    "流向：从进口道到出口道，需求与饱和流率的单位。",
    (
        Attribute("movement_id", _TEXT, "its name in all tables", "流向编号"),
        Attribute("junction_id", _TEXT, "junction that controls it", "所属路口"),
        Attribute("from_link", _TEXT, "link of the approach", "进口路段"),
        Attribute("to_link", _TEXT, "link of the exit", "出口路段"),
        Attribute("turn", Kind.CHOICE, "direction seen by the driver", "转向", choices=Turn),
        Attribute(
            "lanes", Kind.WHOLES, "lanes of the approach it departs from", "所用车道", range=COUNT
        ),
        Attribute(
            "signal_group_idxs",
            Kind.WHOLES,
            "signal groups it waits at; -1: no lamp",
            "信号组；-1 为不受控",
            range=_GROUP_OR_NONE,
        ),
        Attribute(
            "saturation_flow_vph",
            _NUMBER,
            "discharge of all its lanes under continuous green",
            "饱和流率",
            "veh/h",
            range=Range(0, 50_000, open=True),
        ),
        Attribute(
            "saturation_flow_source",
            _TEXT,
            "where the saturation flow comes from",
            "饱和流率来源",
            default="default by turn",
        ),
    ),
    _movements,
)
CROSSINGS = Table(
    "crossings",
    "crossings.parquet",
    Crossing,
    ("junction_id", "signal_group_idx"),
    "Pedestrian crossings with signals.",
    "人行横道（信控）。",
    (
        Attribute("junction_id", _TEXT, "junction that controls it", "所属路口"),
        Attribute("signal_group_idx", _WHOLE, "its signal group there", "信号组", range=_GROUP),
        Attribute(
            "length_m",
            _NUMBER,
            "way from kerb to kerb",
            "长度",
            "m",
            range=Range(0, 1000, open=True),
        ),
    ),
    _crossings,
)
GIVE_WAYS = Table(
    "give_ways",
    "give_ways.parquet",
    GiveWay,
    ("from_link", "to_link", "first_from_link", "first_to_link"),
    "Right of way at graph vertices without lamps: who takes one turn lets another go first.",
    "让行关系：无信号处，一个转向让另一个转向先行。",
    (
        Attribute("from_link", _TEXT, "link driven from by who gives way", "让行方驶出路段"),
        Attribute("to_link", _TEXT, "link driven into by who gives way", "让行方驶入路段"),
        Attribute("first_from_link", _TEXT, "link of who goes first", "先行方驶出路段"),
        Attribute("first_to_link", _TEXT, "link driven into by who goes first", "先行方驶入路段"),
    ),
    _give_ways,
    may_be_absent=True,
)
DETECTORS = Table(
    "detectors",
    "detectors.parquet",
    Detector,
    ("detector_id",),
    "Devices on lanes: loops, radars, checkpoint cameras.",
    "检测器：线圈、雷达、卡口相机。",
    (
        Attribute("detector_id", _TEXT, "its name in the feeds", "检测器编号"),
        Attribute("link_id", _TEXT, "link it lies on", "所在路段"),
        Attribute(
            "lane_idx",
            _WHOLE,
            "lane, 0 is the kerb side; -1: all lanes",
            "所在车道；-1 为全部车道",
            range=Range(-1, 10_000),
        ),
        Attribute(
            "position_m",
            _NUMBER,
            "from the link's beginning",
            "距路段起点",
            "m",
            range=NOT_NEGATIVE,
        ),
        Attribute("kind", Kind.CHOICE, "what it reports", "类型", choices=DetectorKind),
    ),
    _detectors,
    may_be_absent=True,
)
ZONES = Table(
    "zones",
    "zones.parquet",
    Zone,
    ("zone_id",),
    "Grid zones that the city is managed by.",
    "网格区域。",
    (
        Attribute("zone_id", _TEXT, "its name in all tables", "网格编号"),
        Attribute("name", _TEXT, "its name for people", "名称"),
        Attribute(
            "shape", Kind.POINTS, "corners in order; the last joins the first", "边界顶点", "m"
        ),
        Attribute("name_latin", _TEXT, "the name in Latin letters", "名称拼音", default=""),
    ),
    _zones,
    may_be_absent=True,
)
PLAN_WINDOWS = Table(
    "plan_windows",
    "plan_windows.parquet",
    PlanWindow,
    ("junction_id", "plan_id", "begin_s"),
    "Day and week schedule: when which plan of a junction runs.",
    "时段表：各方案的运行时段与星期。",
    (
        Attribute("junction_id", _TEXT, "junction", "路口编号"),
        Attribute("plan_id", _TEXT, "plan that runs", "方案编号"),
        Attribute("begin_s", _WHOLE, "of the service day", "开始", "s", range=_IN_DAY),
        Attribute("end_s", _WHOLE, "of the service day", "结束", "s", range=_IN_DAY),
        Attribute(
            "weekdays",
            Kind.WHOLES,
            "days of the week, 1 is Monday",
            "星期，1 为星期一",
            default=EVERY_DAY,
            range=Range(1, 7),
        ),
    ),
    _windows,
    may_be_absent=True,
)
JUNCTIONS = Table(
    "junctions",
    "junctions.json",
    Junction,
    ("junction_id",),
    "Controlled intersections: one controller, one or several vertices. The file is also what the "
    "stand-alone verifier reads: beside the junctions it holds crossings, signal groups of "
    "movements, merging pairs and intergreens.",
    "路口：一台信号机控制一个或多个顶点。",
    (
        Attribute("junction_id", _TEXT, "its name in all tables", "路口编号"),
        Attribute("name", _TEXT, "its name for people", "路口名"),
        Attribute("x", _NUMBER, "east, on the network's plane", "东向坐标", "m", range=FINITE),
        Attribute("y", _NUMBER, "north", "北向坐标", "m", range=FINITE),
        Attribute("node_ids", Kind.TEXTS, "graph vertices that it controls", "所含顶点"),
        Attribute(
            "signal_group_count", _WHOLE, "letters in its lamp pictures", "信号组数", range=COUNT
        ),
        Attribute(
            "conflicts",
            Kind.PAIRS,
            "groups (a < b) whose paths cross or merge, from geometry",
            "冲突的信号组对",
        ),
        Attribute("yields", Kind.PAIRS, "groups (a, b): a gives way to b", "让行关系"),
        Attribute(
            "plan_in_service", Kind.PLAN, "plan that runs by default", "现行方案", nullable=True
        ),
        Attribute("other_plans", Kind.PLANS, "further plans", "其他方案", default=()),
        Attribute(
            "control",
            Kind.CHOICE,
            "how the controller runs today",
            "控制方式",
            choices=("fixed", "actuated", "off", "rail"),
        ),
        Attribute("problems", Kind.TEXTS, "what the import did not understand", "导入问题"),
        Attribute("name_latin", _TEXT, "the name in Latin letters", "路口名拼音", default=""),
        Attribute("zone_id", _TEXT, "grid zone", "所属网格", default=None, nullable=True),
    ),
    _junctions,
)
PLANS = Table(
    "plans",
    "junctions.json",
    SignalPlan,
    ("junction_id", "plan_id"),
    "Signal plans: cycle, splits and offset of one junction; the cycle is the sum of the splits.",
    "配时方案：一个路口的周期、绿信比与相位差。",
    (
        Attribute("junction_id", _TEXT, "junction it is made for", "路口编号"),
        Attribute("plan_id", _TEXT, "its name at the junction", "方案编号"),
        Attribute("stages", Kind.STAGES, "in the order of the cycle", "阶段"),
        Attribute(
            "offset_s",
            _WHOLE,
            "start of green of the coordinated stage, after the start of the service day",
            "相位差",
            "s",
            range=_IN_DAY,
        ),
        Attribute(
            "coordinated_stage_idx",
            _WHOLE,
            "stage that the offset refers to",
            "协调阶段",
            range=COUNT,
        ),
    ),
    _plans,
)
STAGES = Table(
    "stages",
    "junctions.json",
    Stage,
    ("picture",),
    "Stages of a plan: phases that are green together, and the clearance that follows.",
    "阶段：同时放行的相位及其后的过渡。",
    (
        Attribute("picture", _TEXT, "one lamp letter per signal group", "灯色"),
        Attribute("green_s", _WHOLE, "displayed green", "绿灯", "s", range=Range(1, DAY_S)),
        Attribute("clearance", Kind.INTERVALS, "yellow, all-red, up to the next stage", "过渡"),
        Attribute("min_green_s", _WHOLE, "least green", "最小绿", "s", range=_IN_DAY),
        Attribute("max_green_s", _WHOLE, "longest green", "最大绿", "s", range=_IN_DAY),
    ),
    _stages,
)
INTERVALS = Table(
    "intervals",
    "junctions.json",
    Interval,
    ("picture",),
    "Intervals of a clearance: stretches with one fixed lamp picture.",
    "灯色段：灯色不变的一段时间。",
    (
        Attribute("duration_s", _WHOLE, "how long", "时长", "s", range=Range(1, DAY_S)),
        Attribute("picture", _TEXT, "one lamp letter per signal group", "灯色"),
    ),
    _intervals,
)
INTERGREENS = Table(
    "intergreens",
    "junctions.json",
    _Intergreen,
    ("from_group_idx", "to_group_idx"),
    "Required time from the end of a green to a conflicting green, by junction.",
    "绿间隔：一组绿灯结束到冲突组绿灯开始所需的时间。",
    (
        Attribute("from_group_idx", _WHOLE, "group whose green ends", "结束的信号组", range=_GROUP),
        Attribute("to_group_idx", _WHOLE, "group whose green starts", "开始的信号组", range=_GROUP),
        Attribute("intergreen_s", _WHOLE, "yellow + all-red", "绿间隔", "s", range=Range(0, 120)),
    ),
    _intergreens,
)
CITY = Table(
    "city",
    "city.json",
    None,
    ("name",),
    "The network as a whole.",
    "路网总体。",
    (
        Attribute("name", _TEXT, "its name for people", "名称"),
        Attribute("sources", Kind.HASHES, "what it was read from", "来源文件"),
    ),
    lambda network: [("city", network)],
)
PARQUET_TABLES = (
    LINKS,
    CONNECTIONS,
    MOVEMENTS,
    CROSSINGS,
    GIVE_WAYS,
    DETECTORS,
    ZONES,
    PLAN_WINDOWS,
)
TABLES = (CITY, *PARQUET_TABLES, JUNCTIONS, PLANS, STAGES, INTERVALS, INTERGREENS)
"""Every table of a city folder."""
