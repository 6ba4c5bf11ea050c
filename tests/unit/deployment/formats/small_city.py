"""One junction with roads, and its plan: the junction of ``tests.unit.test_rules``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.hand_made import network, road
from tests.unit.test_rules import JUNCTION, PLAN
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.registry import FORMATS
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.model.network import Crossing, RoadNetwork, Turn
from traffic_brain.model.signals import EVERY_DAY, PlanWindow, SignalPlan

PLACES = {"N": (0.0, 300.0), "S": (0.0, -300.0), "W": (-300.0, 0.0), "E": (300.0, 0.0)}
_AT = {**PLACES, "J": (0.0, 0.0)}
RETIMED = PLAN.with_greens((36, 27), "retimed").with_offset(3)
EVENING = PLAN.with_greens((25, 40), "evening").with_offset(11)
WINDOWS = (
    PlanWindow("J", "retimed", 0, 16 * 3600, (1, 2, 3, 4, 5)),
    PlanWindow("J", "evening", 16 * 3600, 20 * 3600 + 1800, (1, 2, 3, 4, 5)),
    PlanWindow("J", "retimed", 20 * 3600 + 1800, 86_400, (1, 2, 3, 4, 5)),
    PlanWindow("J", "retimed", 0, 86_400, (6, 7)),
)
ONE_PLAN = PlanSet((RETIMED,))
TWO_PLANS = PlanSet((RETIMED, EVENING), WINDOWS)
ALL_DAYS = PlanSet(
    (RETIMED, EVENING),
    (
        PlanWindow("J", "retimed", 0, 16 * 3600, EVERY_DAY),
        PlanWindow("J", "evening", 16 * 3600, 86_400, EVERY_DAY),
    ),
)


def small_city() -> RoadNetwork:
    """Group 0 N to S, 1 S to W (gives way to 0), 2 W to E, 3 a crossing of 20 m."""
    into = [road(place, "J", _AT, junction_id="J") for place in ("N", "S", "W")]
    out = [road("J", place, _AT) for place in ("S", "W", "E")]
    ways = {
        ("N-J", "J-S"): (Turn.THROUGH, (0,)),
        ("S-J", "J-W"): (Turn.LEFT, (0,)),
        ("W-J", "J-E"): (Turn.THROUGH, (0,)),
    }
    made = network([*into, *out], ways)
    junction = replace(JUNCTION, node_ids=("J",))
    return replace(made, junctions={"J": junction}, crossings=(Crossing("J", 3, 20.0),))


def context() -> Context:
    return Context.of_network(small_city())


def written(name: str, folder: Path, plans: PlanSet, settings: Settings = DEFAULT_SETTINGS) -> Path:
    """The folder in which plans stand in a format."""
    out = folder / name
    out.mkdir()
    FORMATS[name].write(plans, out, context(), settings)
    return out


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    """Change a text of a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"no {old!r} in {path.name}"
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def with_plan(**changes: object) -> SignalPlan:
    return replace(RETIMED, **changes)
