"""What an export keeps beside its files: whose number is whose, and what no format has room for.

``mapping.json`` names every junction and plan by both sides' ids, and holds for each stage what a
controller's tables leave out: the lamps of every second of its clearance. It holds no green time,
no offset and no schedule: these stand in the format's own files, and only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from traffic_brain.model.documents import DAY_S, MAX_GROUPS
from traffic_brain.model.reading import (
    Reader,
    as_whole,
    read_document,
    read_json,
    to_json,
)
from traffic_brain.model.signals import Interval, SignalPlan, Stage

FILE = "mapping.json"
MOST_NUMBER = 2**31
UNTOLD_S = 1
"""Green of a stage that is known by its lamps only."""


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """A plan as its junction's controller numbers it; ``stages`` carry no green of their own."""

    plan_id: str
    number: int
    cycle_s: int
    coordinated_stage_idx: int
    stage_numbers: tuple[int, ...]
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class KnownJunction:
    """A junction by our id and the format's."""

    junction_id: str
    name: str
    plans: tuple[KnownPlan, ...]
    groups: tuple[int, ...] = ()
    """The signal group at each place of the format's own lamps; empty: the same as ours."""

    def plan(self, plan_id: str) -> KnownPlan | None:
        """A plan by our id."""
        return next((p for p in self.plans if p.plan_id == plan_id), None)

    def plan_of_number(self, number: int) -> KnownPlan | None:
        """A plan by the format's number."""
        return next((p for p in self.plans if p.number == number), None)


@dataclass(frozen=True)
class Mapping:
    """The mapping of one export."""

    form: str
    junctions: tuple[KnownJunction, ...] = ()

    def without_stages(self) -> Mapping:
        """The ids alone."""
        junctions = tuple(
            replace(j, plans=tuple(replace(p, stage_numbers=(), stages=()) for p in j.plans))
            for j in self.junctions
        )
        return replace(self, junctions=junctions)

    def named(self, name: str) -> KnownJunction | None:
        """A junction by the format's id."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, KnownJunction]:
        return {j.name: j for j in self.junctions}


def known_plan(plan: SignalPlan, number: int, stage_numbers: Sequence[int]) -> KnownPlan:
    """A plan without its times."""
    return KnownPlan(
        plan.plan_id,
        number,
        plan.cycle_s,
        plan.coordinated_stage_idx,
        tuple(stage_numbers),
        tuple(replace(stage, green_s=UNTOLD_S) for stage in plan.stages),
    )


def write_mapping(mapping: Mapping, folder: Path) -> None:
    """Write ``mapping.json`` into a folder."""
    junctions = [
        {
            "junction_id": j.junction_id,
            "name": j.name,
            "groups": list(j.groups),
            "plans": [_plan_to_dict(p) for p in j.plans],
        }
        for j in mapping.junctions
    ]
    document = {"form": mapping.form, "junctions": junctions}
    (folder / FILE).write_text(to_json(document), encoding="utf-8")


def read_mapping(source: Path, form: str, *, ids_only: bool = False) -> Mapping | None:
    """The mapping beside a file, or in a folder; None where there is none of this format.

    With ``ids_only`` it knows no stages: what is read then is what the format says by itself.

    Raises:
        DataRefused: with every problem of the document.
    """
    path = (source if source.is_dir() else source.parent) / FILE
    if not path.is_file():
        return None
    mapping = read_document(read_json(path), str(path), _mapping)
    if mapping.form != form:
        return None
    return mapping.without_stages() if ids_only else mapping


def _plan_to_dict(plan: KnownPlan) -> dict[str, object]:
    return {
        "plan_id": plan.plan_id,
        "number": plan.number,
        "cycle_s": plan.cycle_s,
        "coordinated_stage_idx": plan.coordinated_stage_idx,
        "stages": [
            {
                "number": number,
                "picture": stage.picture,
                "min_green_s": stage.min_green_s,
                "max_green_s": stage.max_green_s,
                "clearance": [
                    {"duration_s": i.duration_s, "picture": i.picture} for i in stage.clearance
                ],
            }
            for number, stage in zip(plan.stage_numbers, plan.stages, strict=True)
        ],
    }


def _mapping(value: object, where: str, problems: list[str]) -> Mapping:
    reader = Reader(value, where, problems)
    mapping = Mapping(reader.text("form"), tuple(reader.objects("junctions", _junction)))
    reader.close()
    return mapping


def _junction(value: object, where: str, problems: list[str]) -> KnownJunction:
    reader = Reader(value, where, problems)
    junction = KnownJunction(
        reader.text("junction_id"),
        reader.text("name"),
        tuple(reader.objects("plans", _plan)),
        tuple(reader.objects("groups", as_whole)),
    )
    reader.close()
    return junction


def _plan(value: object, where: str, problems: list[str]) -> KnownPlan:
    reader = Reader(value, where, problems)
    stages = reader.objects("stages", _stage)
    plan = KnownPlan(
        reader.text("plan_id"),
        reader.whole("number", 0, MOST_NUMBER),
        reader.whole("cycle_s", 0, DAY_S),
        reader.whole("coordinated_stage_idx", 0, MAX_GROUPS),
        tuple(number for number, _ in stages),
        tuple(stage for _, stage in stages),
    )
    reader.close()
    return plan


def _stage(value: object, where: str, problems: list[str]) -> tuple[int, Stage]:
    reader = Reader(value, where, problems)
    number = reader.whole("number", 0, MOST_NUMBER)
    stage = Stage(
        reader.text("picture"),
        UNTOLD_S,
        tuple(reader.objects("clearance", _interval)),
        reader.whole("min_green_s", 0, DAY_S),
        reader.whole("max_green_s", 0, DAY_S),
    )
    reader.close()
    return number, stage


def _interval(value: object, where: str, problems: list[str]) -> Interval:
    reader = Reader(value, where, problems)
    interval = Interval(reader.whole("duration_s", 0, DAY_S), reader.text("picture"))
    reader.close()
    return interval
