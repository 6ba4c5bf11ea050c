"""Junctions, made up and real, and plans that break no rule there.

Built from the formulas of the rules' documentation, not with their code: a stage is a set of
groups without conflict (and turns that give way), a change clears in yellow and as much all-red
as the matrix of intergreens asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import combinations
from math import ceil
from pathlib import Path
from random import Random

from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from traffic_brain.model.network import Crossing, Junction, RoadNetwork
from traffic_brain.model.rules import JunctionRulesInput, rules_inputs
from traffic_brain.model.signals import Interval, SignalPlan, Stage

LONGEST_RED_S = 150
SHORTEST_GREEN_S = 5
WALK_S, WALKING_MPS = 7, 1.2
LARGEST_REAL_JUNCTION = 40
"""Signal groups: beyond, the second-by-second judge takes a tenth of a second."""


@dataclass(frozen=True)
class Case:
    """A junction and a plan that breaks no rule there."""

    site: JunctionRulesInput
    plan: SignalPlan


def made_site(random: Random) -> JunctionRulesInput:
    """A junction of a few groups whose conflicts, yields, crossings and intergreens are drawn."""
    count = random.randint(2, 7)
    density = random.choice((0.3, 0.6, 0.9))
    conflicts = frozenset(
        pair for pair in combinations(range(count), 2) if random.random() < density
    )
    yields = frozenset(
        pair if random.random() < 0.5 else pair[::-1] for pair in conflicts if random.random() < 0.4
    )
    on_foot = sorted(g for g in range(count) if random.random() < 0.2)
    intergreens = {
        ordered: random.randint(0, 12)
        for pair in conflicts
        for ordered in (pair, pair[::-1])
        if random.random() < 0.5
    }
    return JunctionRulesInput(
        Junction("J", "name", 0.0, 0.0, ("n",), count, conflicts, yields, plan_in_service=None),
        tuple(Crossing("J", g, random.uniform(4.0, 15.0)) for g in on_foot),
        tuple((g,) for g in range(count) if g not in on_foot or random.random() < 0.2),
        intergreen_s=intergreens,
    )


@cache
def real_sites() -> tuple[JunctionRulesInput, ...]:
    """The junctions of the maps that come with installed packages, by map and id."""
    return tuple(
        site
        for network in real_networks()
        for site in rules_inputs(network).values()
        if site.served_groups and 1 < site.junction.signal_group_count <= LARGEST_REAL_JUNCTION
    )


@cache
def real_networks() -> tuple[RoadNetwork, ...]:
    """The maps that come with installed packages, in the order of `real_nets`."""
    return tuple(read_network(net, (), LossReport()) for net in real_nets())


def real_nets() -> list[Path]:
    """Network files of the RESCO maps and of SUMO's games, where these packages are there."""
    places = (("sumo_rl", "nets/RESCO/*/*.net.xml*"), ("sumo", "tools/game/*/*.net.xml*"))
    found: list[Path] = []
    for package, pattern in places:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            found += sorted(Path(folder).glob(pattern))
    return found


def valid_plan(site: JunctionRulesInput, random: Random) -> SignalPlan | None:
    """A plan of random stages; None where somebody would have to wait too long."""
    junction, on_foot = site.junction, site.groups_on_foot
    pictures = _pictures(site, random)
    yellow_s = random.randint(3, 5)
    stages = []
    for i, picture in enumerate(pictures):
        after = pictures[(i + 1) % len(pictures)]
        least_s = max([SHORTEST_GREEN_S, *_pedestrian_greens(site, picture)])
        clearance = _clearance(site, picture, after, on_foot, yellow_s)
        green_s = random.randint(least_s, least_s + 8)
        stages.append(Stage(picture, green_s, clearance, random.randint(1, least_s), 60))
    plan = SignalPlan(
        junction.junction_id,
        "valid",
        tuple(stages),
        coordinated_stage_idx=random.randrange(len(stages)),
    )
    plan = plan.with_offset(random.randrange(1000))
    return plan if plan.cycle_s <= LONGEST_RED_S else None


def made_case(random: Random) -> Case:
    """A made-up junction with a valid plan."""
    while True:
        site = made_site(random)
        plan = valid_plan(site, random)
        if plan is not None:
            return Case(site, plan)


def real_case(random: Random) -> Case:
    """A junction of a real map with a valid plan; a made-up one where there is no map."""
    sites = real_sites()
    for _ in range(20 if sites else 0):
        site = random.choice(sites)
        plan = valid_plan(site, random)
        if plan is not None:
            return Case(site, plan)
    return made_case(random)


def _pictures(site: JunctionRulesInput, random: Random) -> list[str]:
    """Distinct pictures that together light every group that is waited at."""
    count = site.junction.signal_group_count
    waiting = list(site.served_groups)
    random.shuffle(waiting)
    pictures: list[str] = []
    while waiting:
        others = [g for g in site.served_groups if g not in waiting and random.random() < 0.3]
        lamps = ["r"] * count
        for g in waiting + others:
            if not _met(site, g, lamps):
                lamps[g] = "G"
        for g in waiting + others:
            met = _met(site, g, lamps)
            if met and random.random() < 0.5 and all((g, h) in site.junction.yields for h in met):
                lamps[g] = "g"
        pictures.append("".join(lamps))
        waiting = [g for g in waiting if lamps[g] == "r"]
    return list(dict.fromkeys(pictures))


def _met(site: JunctionRulesInput, group: int, lamps: Sequence[str]) -> list[int]:
    """Groups that are lit and conflict with this one, which is not."""
    if lamps[group] != "r":
        return []
    pairs = site.junction.conflicts
    return [h for h, lamp in enumerate(lamps) if lamp != "r" and _pair(group, h) in pairs]


def _pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _pedestrian_greens(site: JunctionRulesInput, picture: str) -> list[int]:
    return [
        ceil(WALK_S + crossing.length_m / WALKING_MPS)
        for crossing in site.crossings
        if picture[crossing.signal_group_idx] != "r"
    ]


def _clearance(
    site: JunctionRulesInput, before: str, after: str, on_foot: frozenset[int], yellow_s: int
) -> tuple[Interval, ...]:
    """Groups that end get yellow then red; groups that stay keep the weaker of both greens."""

    def lamp(g: int, ending: str) -> str:
        if before[g] == "r" or after[g] == "r":
            return ending if before[g] != "r" and g not in on_foot else "r"
        return "g" if "g" in (before[g], after[g]) else "G"

    groups = range(len(before))
    ending = {g for g in groups if before[g] != "r" and after[g] == "r"}
    if not ending:
        return ()
    needed_s = max((s for (a, _), s in site.intergreen_s.items() if a in ending), default=0)
    all_red_s = max(0, needed_s - yellow_s)
    yellow = Interval(yellow_s, "".join(lamp(g, "y") for g in groups))
    red = Interval(all_red_s, "".join(lamp(g, "r") for g in groups))
    return (yellow, red) if all_red_s else (yellow,)
