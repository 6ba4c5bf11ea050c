"""Plans with the times at which they run; what differs between two such sets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise

from traffic_brain.model.documents import DAY_S, plan_to_dict, plans_from_dict
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import Reader, read_document
from traffic_brain.model.rules import JunctionRulesInput, rules_inputs
from traffic_brain.model.signals import EVERY_DAY, PlanWindow, SignalPlan, Stage

Difference = tuple[str, str]
"""(attribute, place): ``("Stage.green_s", "J retimed stage 0")``."""


@dataclass(frozen=True)
class PlanSet:
    """Plans of any number of junctions, several a junction where windows say when each runs."""

    plans: tuple[SignalPlan, ...]
    windows: tuple[PlanWindow, ...] = ()

    @cached_property
    def by_junction(self) -> Mapping[str, Sequence[SignalPlan]]:
        """The plans of each junction in their order; junctions by id."""
        found: dict[str, list[SignalPlan]] = defaultdict(list)
        for plan in self.plans:
            found[plan.junction_id].append(plan)
        return {j: found[j] for j in sorted(found)}

    def windows_of(self, junction_id: str) -> Sequence[PlanWindow]:
        """The windows of a junction in the order of the day."""
        return self._windows_by_junction.get(junction_id, ())

    @cached_property
    def _windows_by_junction(self) -> Mapping[str, Sequence[PlanWindow]]:
        found: dict[str, list[PlanWindow]] = defaultdict(list)
        for window in sorted(self.windows, key=lambda w: (w.weekdays, w.begin_s, w.end_s)):
            found[window.junction_id].append(window)
        return found

    def problems(self) -> list[str]:
        """Everything that makes the set no schedule: windows without plan, or on top of others."""
        known = {(p.junction_id, p.plan_id) for p in self.plans}
        twice = Counter((p.junction_id, p.plan_id) for p in self.plans)
        found = [f"plan {p} of junction {j} comes twice" for (j, p), n in twice.items() if n > 1]
        found += [
            f"window of junction {w.junction_id}: plan {w.plan_id} is not there"
            for w in self.windows
            if (w.junction_id, w.plan_id) not in known
        ]
        scheduled = {w.junction_id for w in self.windows}
        for junction_id, plans in self.by_junction.items():
            if len(plans) > 1 and junction_id not in scheduled:
                told = ", ".join(plan.plan_id for plan in plans)
                found.append(f"junction {junction_id}: no windows say when each of {told} runs")
            found += _overlaps(junction_id, self.windows_of(junction_id))
        return found


@dataclass(frozen=True)
class Context:
    """What is known of the city in which a format is written or read."""

    sites: Mapping[str, JunctionRulesInput]
    network: RoadNetwork | None = None
    """Roads, for the formats that cannot tell of a signal without them."""

    @classmethod
    def of_network(cls, network: RoadNetwork) -> Context:
        """Everything that a city folder holds."""
        return cls(rules_inputs(network), network)


def differences(before: PlanSet, after: PlanSet) -> Iterator[Difference]:
    """Every attribute of a plan or window that is not the same in both, with its place.

    The order of plans and windows does not count; windows are compared in their normal form.
    """
    old = {(p.junction_id, p.plan_id): p for p in before.plans}
    new = {(p.junction_id, p.plan_id): p for p in after.plans}
    for key in sorted(old.keys() | new.keys()):
        place = " ".join(key)
        if key in old and key in new:
            yield from _of_plan(place, old[key], new[key])
        else:
            yield ("SignalPlan" if key in old else "SignalPlan that was not there"), place
    had, has = set(normal(before.windows)), set(normal(after.windows))
    for window in sorted(had ^ has, key=repr):
        kind = "PlanWindow" if window in had else "PlanWindow that was not there"
        yield kind, window_place(window)


def stage_place(plan: SignalPlan, idx: int) -> str:
    """How reports name a stage of a plan."""
    return f"{plan.junction_id} {plan.plan_id} stage {idx}"


def window_place(window: PlanWindow) -> str:
    """How reports name a window."""
    days = "".join(map(str, window.weekdays))
    return f"{window.junction_id} {window.plan_id} {clock(window.begin_s)} days {days}"


def clock(time_s: int) -> str:
    """Seconds of the day as ``HH:MM`` or ``HH:MM:SS``."""
    hours, rest = divmod(time_s, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}" + (f":{seconds:02d}" if seconds else "")


def normal(windows: Iterable[PlanWindow]) -> list[PlanWindow]:
    """Windows of the same plan at the same time as one, with all their days, in order."""
    days: dict[tuple[str, str, int, int], set[int]] = defaultdict(set)
    for w in windows:
        days[w.junction_id, w.plan_id, w.begin_s, w.end_s] |= set(w.weekdays)
    found = [PlanWindow(*key, tuple(sorted(on))) for key, on in days.items()]
    return sorted(found, key=lambda w: (w.junction_id, w.weekdays, w.begin_s, w.plan_id))


# --- documents ----------------------------------------------------------------------------


def window_to_dict(window: PlanWindow) -> dict[str, object]:
    """A plan window as JSON."""
    return {
        "junction_id": window.junction_id,
        "plan_id": window.plan_id,
        "begin_s": window.begin_s,
        "end_s": window.end_s,
        "weekdays": list(window.weekdays),
    }


def plan_set_to_dict(plans: PlanSet) -> dict[str, object]:
    """A plans document; ``windows`` stand in it where there are any."""
    document: dict[str, object] = {"plans": [plan_to_dict(plan) for plan in plans.plans]}
    if plans.windows:
        document["windows"] = [window_to_dict(window) for window in plans.windows]
    return document


def plan_set_from_dict(document: object, what: str) -> PlanSet:
    """A plans document with or without windows.

    Raises:
        DataRefused: with every problem of the document.
    """
    plans = plans_from_dict(document, what)
    there = isinstance(document, dict) and "windows" in document
    return PlanSet(tuple(plans), windows_from_dict(document, what) if there else ())


def windows_from_dict(document: object, what: str) -> tuple[PlanWindow, ...]:
    """The ``windows`` of a document.

    Raises:
        DataRefused: with every problem of the document.
    """

    def parse(value: object, where: str, problems: list[str]) -> tuple[PlanWindow, ...]:
        return tuple(Reader(value, where, problems).objects("windows", _window))

    return read_document(document, what, parse)


def _window(value: object, where: str, problems: list[str]) -> PlanWindow:
    reader = Reader(value, where, problems)
    window = PlanWindow(
        reader.text("junction_id"),
        reader.text("plan_id"),
        reader.whole("begin_s", 0, DAY_S - 1),
        reader.whole("end_s", 1, DAY_S),
        tuple(sorted(int(day) for day in reader.numbers("weekdays"))),
    )
    reader.close()
    if window.end_s <= window.begin_s:
        problems.append(f"{where}: ends at {window.end_s} s, begins at {window.begin_s} s")
    if not window.weekdays or not set(window.weekdays) <= set(EVERY_DAY):
        problems.append(f"{where}: weekdays {window.weekdays} are not some of 1 to 7")
    return window


# --- details ------------------------------------------------------------------------------


def _overlaps(junction_id: str, windows: Sequence[PlanWindow]) -> Iterator[str]:
    for day in EVERY_DAY:
        on_day = sorted((w.begin_s, w.end_s) for w in windows if day in w.weekdays)
        for (_, end_s), (begin_s, _) in pairwise(on_day):
            if begin_s < end_s:
                at = clock(begin_s)
                yield f"junction {junction_id}, day {day}: two windows at {at}"


def _of_plan(place: str, old: SignalPlan, new: SignalPlan) -> Iterator[Difference]:
    for name in ("offset_s", "coordinated_stage_idx"):
        if getattr(old, name) != getattr(new, name):
            yield f"SignalPlan.{name}", place
    if len(old.stages) != len(new.stages):
        yield "SignalPlan.stages", place
        return
    for idx, (had, has) in enumerate(zip(old.stages, new.stages, strict=True)):
        for attribute in fields(Stage):
            if getattr(had, attribute.name) != getattr(has, attribute.name):
                yield f"Stage.{attribute.name}", stage_place(old, idx)
