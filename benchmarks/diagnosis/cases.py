"""The cases: which faults in which world on which day, and the day recorded.

The list is fixed by ``COUNT`` and ``FIRST_SEED``; every fourth case is a combination of two faults
of different kinds at different junctions. Even numbers are for tuning, odd ones for the table.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.diagnosis.faults import (
    BAY,
    BY_OBSTACLE,
    CYCLE_LONG,
    CYCLE_SHORT,
    DEAD,
    DEMAND,
    INCIDENT,
    LANE,
    NOTHING,
    OFFSET,
    SPLIT,
    STUCK,
    Day,
    ordinary_day,
    plant,
    spoil_feeds,
)
from benchmarks.diagnosis.truth import Truth, true_heads
from benchmarks.diagnosis.worlds import DAY, WORLDS, Ready, World
from network_data.city import load_city
from network_data.importers import import_any
from sim_scenarios.scenario import prepare
from sim_scenarios.world import record
from traffic_brain.fusion.fuse import fuse
from traffic_brain.model.network import RoadNetwork
from traffic_brain.progress import silent

COUNT = 240
FIRST_SEED = 40_000
"""Cases of 20_000 and after were looked at while the rules were made."""
ATTEMPTS = 3
ORDINARY_SEED = 8_200_001
SINGLE = (
    *(SPLIT, LANE, INCIDENT, CYCLE_LONG, NOTHING, OFFSET, DEMAND, BAY),
    *(CYCLE_SHORT, DEAD, STUCK),
)
PAIRS = (
    *((SPLIT, LANE), (INCIDENT, DEAD), (CYCLE_LONG, INCIDENT), (SPLIT, INCIDENT)),
    *((SPLIT, DEAD), (LANE, CYCLE_LONG), (BAY, SPLIT), (LANE, STUCK), (OFFSET, SPLIT)),
)
_GRIDS = ("grid-a", "grid-d", "grid-b")
_ROOMY = ("grid-a", "grid-c", "grid-b")
PLACES: Mapping[str, tuple[str, ...]] = {
    SPLIT: ("grid-a", "cologne3", "grid-d", "cologne8", "ingolstadt7", "rescogrid"),
    LANE: _ROOMY,
    INCIDENT: _ROOMY,
    BAY: _GRIDS,
    CYCLE_SHORT: _GRIDS,
    CYCLE_LONG: ("grid-d", "grid-a", "cologne8"),
    OFFSET: ("grid-d", "grid-d", "cologne8"),
    DEMAND: ("grid-a", "grid-d", "cologne3", "grid-c"),
    NOTHING: ("cologne3", "grid-d", "ingolstadt7", "grid-a", "cologne8", "grid-b", "rescogrid"),
    DEAD: ("grid-a", "cologne8", "grid-d", "cologne3", "ingolstadt7"),
    STUCK: ("cologne8", "grid-a", "ingolstadt7", "grid-d", "cologne3"),
}
"""Worlds in which there is room for a fault of a kind: lanes to close, a cycle to stretch."""


@dataclass(frozen=True)
class Case:
    """One planted day."""

    number: int
    world: World
    kinds: tuple[str, ...]

    @property
    def seed(self) -> int:
        return FIRST_SEED + self.number

    @property
    def name(self) -> str:
        return f"{self.number:03d}-{self.world.name}-{'+'.join(self.kinds)}"

    @property
    def tuning(self) -> bool:
        return self.number % 2 == 0


@dataclass(frozen=True)
class Recorded:
    """Folders of a recorded case: what the engine sees, and apart what was."""

    folder: Path

    @property
    def city(self) -> Path:
        return self.folder / "city"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def about(self) -> dict[str, Any]:
        """Places planted, true heads, and the world's own times."""
        known: dict[str, Any] = json.loads((self.folder / "about.json").read_text("utf-8"))
        return known


def cases(count: int = COUNT) -> list[Case]:
    """The first ``count`` cases of the list."""
    worlds = {w.name: w for w in WORLDS}
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for number in range(count):
        # Neighbours, one for tuning and one for the table, are of one kind in two worlds.
        block = number // 2
        pairs = block // 4
        combined = block % 4 == 3
        kinds = PAIRS[pairs % len(PAIRS)] if combined else (SINGLE[(block - pairs) % len(SINGLE)],)
        places = next((PLACES[k] for k in (OFFSET, LANE, INCIDENT, BAY) if k in kinds), None)
        places = places or PLACES[kinds[0]]
        found.append(Case(number, worlds[places[seen[kinds] % len(places)]], kinds))
        seen[kinds] += 1
    return found


def recorded(case: Case, world: Ready, out: Path) -> Recorded | None:
    """The case's folder in ``out``, recorded where it is not there; None: no place for it.

    A fault of which the world shows no jam at its place is planted again elsewhere, up to
    ``ATTEMPTS`` times; the last attempt is kept whatever came of it.
    """
    folder = out.resolve() / "cases" / case.name
    if (folder / "about.json").is_file():
        return Recorded(folder)
    if (folder / "no_place").is_file():
        return None
    for attempt in range(ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        about = _record(case, world, out, folder, attempt)
        if about is None:
            (folder / "no_place").touch()
            return None
        if all(place["felt"] for place in about["places"]):
            break
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return Recorded(folder)


def _record(
    case: Case, world: Ready, out: Path, folder: Path, attempt: int
) -> dict[str, Any] | None:
    work = folder / ".work"
    name = f"{case.world.name}/{case.seed}/{attempt}"
    planted = plant(case.kinds, world, ordinary(world, out), name, work)
    if planted is None:
        return None
    plans = [planted.plans[j] for j in sorted(planted.plans)]
    spec = world.configuration(
        work / "world",
        case.seed,
        plans,
        scale=planted.scale,
        additional=planted.additional,
    )
    feeds, truth = folder / "feeds" / DAY.isoformat(), folder / "truth"
    day = record(spec, feeds, truth, seed=case.seed, service_day=DAY)
    _import(world, plans, work, folder / "city")
    network = load_city(folder / "city")
    parked = [
        {"begin_s": world.begin_s, "end_s": world.end_s, **p}
        for p in planted.places
        if p["kind"] in BY_OBSTACLE
    ]
    true = true_heads(network, truth, parked)
    for place in planted.places:
        place["felt"] = place["kind"] in (DEAD, STUCK) or felt(place, true, network)
    if not all(place["felt"] for place in planted.places) and attempt < ATTEMPTS - 1:
        return {"places": planted.places}
    spoil_feeds(feeds, planted.places)
    (folder / "state").mkdir()
    fuse(folder / "city", feeds, folder / "state", seed=case.seed)
    shutil.rmtree(folder / "feeds")
    shutil.rmtree(work)
    return {
        "kinds": case.kinds,
        "world": case.world.name,
        "seed": case.seed,
        "attempt": attempt,
        "places": planted.places,
        "scale": planted.scale,
        "begin_s": day.begin_s,
        "end_s": day.end_s,
        "delay_s_per_veh": day.delay.delay_s_per_veh,
        "vehicles": day.delay.vehicles,
        "heads": [h.__dict__ for h in true.heads],
        "passive": [h.__dict__ for h in true.passive],
    }


def felt(place: Mapping[str, Any], true: Truth, network: RoadNetwork) -> bool:
    """Whether the world shows a jam where the fault was planted, while it was there.

    Another cycle or offset may be felt on every approach of its junction; more demand anywhere.
    """
    heads = [
        h
        for h in true.heads
        if h.begin_s < place.get("end_s", h.end_s) + 600 and h.end_s > place.get("begin_s", 0)
    ]
    if place["kind"] == DEMAND:
        return bool(heads)
    if place["kind"] in (CYCLE_SHORT, CYCLE_LONG, OFFSET):
        return any(network.links[h.link_id].junction_id == place["junction_id"] for h in heads)
    return any(h.link_id == place["link_id"] for h in heads)


def ordinary(world: Ready, out: Path) -> Day:
    """Flows of a day of the world on which nothing is planted."""
    folder = out.resolve() / "worlds" / world.world.name / "ordinary"
    if not folder.is_dir():
        work = folder.with_name(".ordinary")
        shutil.rmtree(work, ignore_errors=True)
        plans = world.plans
        spec = world.configuration(work / "world", ORDINARY_SEED, list(plans.values()))
        record(spec, work / "feeds", work / "truth", seed=ORDINARY_SEED, service_day=DAY)
        (work / "truth").rename(folder)
        shutil.rmtree(work)
    return _day_of(folder, (world.end_s - world.begin_s) / 3600)


@cache
def _day_of(truth: Path, hours: float) -> Day:
    return ordinary_day(truth, hours)


def _import(world: Ready, plans: Sequence[Any], work: Path, city: Path) -> None:
    """The streets as they are on file, with the plans that run: nothing tells of a fault."""
    spec = world.configuration(work / "on_file", ORDINARY_SEED, plans)
    scenario = prepare(spec, work / "prepared")
    city.mkdir()
    import_any(*scenario.network_sources(), city, silent)
