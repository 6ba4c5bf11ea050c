"""In which order and at which second the junctions change to their new plans.

A *band* is only of use as a whole: all changing junctions of a corridor switch together, and
corridors that share such a junction switch as one. Each step has a switch second, a whole
multiple of its cycle on the master clock; in the cycle that begins there every junction of the
step starts its new plan, at the second which its offset asks for. Before that its old cycle is
brought into step: for some cycles the greens of the plan in service are stretched or shortened,
by a quarter of the cycle at most and only as far as the safety rules allow.

Times are seconds of the service day, like offsets. Steps begin in the quiet hours; the smallest
band comes first, so that what goes wrong is seen where it hurts least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from traffic_brain.model.findings import Corridor
from traffic_brain.model.reading import Reader, read_document
from traffic_brain.model.rules import JunctionRulesInput, judge, violations
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import DEFAULT_STANDARD

FIRST_S = 3 * 3600
"""When the first step of a night may begin: three in the morning."""
QUIET_S = 2 * 3600
"""Steps begin within these hours; what does not fit goes into the next night."""
WATCH_S = 300
"""Between two steps: time to look at the street, and to stop."""
STRETCH_RATIO = 0.25
"""No transition cycle is longer or shorter by more than this part of the cycle."""
MAX_CYCLES = 8


@dataclass(frozen=True, slots=True)
class Band:
    """Junctions that switch together, and the corridors for whose sake they do."""

    corridor_ids: tuple[str, ...]
    junction_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """Cycles of the plan in service with other greens, from ``begins_s`` to the new plan."""

    begins_s: int
    greens_s: tuple[tuple[int, ...], ...]
    """``[cycle, stage]``; none: the old cycle ends just when the new plan begins."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One junction's change; its new plan's first stage turns green at ``starts_s``."""

    junction_id: str
    from_plan: str
    to_plan: str
    starts_s: int
    transition: Transition | None
    """None: the stages differ, or the rules allow no such way; the controller has to find one."""

    @property
    def begins_s(self) -> int:
        """When the plan in service is left."""
        return self.starts_s if self.transition is None else self.transition.begins_s


@dataclass(frozen=True, slots=True)
class Step:
    """Junctions that switch in one cycle, the one that begins at ``switch_s``."""

    night: int
    """1: the first night after the approval."""
    band: Band
    cycle_s: int
    switch_s: int
    switches: tuple[Switch, ...]

    @property
    def begins_s(self) -> int:
        """When the first junction leaves its plan in service."""
        return min(switch.begins_s for switch in self.switches)

    @property
    def whole_s(self) -> int:
        """From here on every junction of the step runs its new plan."""
        return max(switch.starts_s for switch in self.switches)


def bands_of(corridors: Iterable[Corridor], changing: Iterable[str]) -> list[Band]:
    """Sets of changing junctions that no step may part, the smallest first.

    Junctions outside every corridor come last and together: they may lie side by side.
    """
    bands: list[tuple[set[str], set[str]]] = []
    left = set(changing)
    outside = set(left)
    for corridor in corridors:
        ids, junctions = {corridor.corridor_id}, left & set(corridor.junction_ids)
        if not junctions:
            continue
        outside -= junctions
        apart = []
        for band in bands:
            if band[1] & junctions:
                ids, junctions = ids | band[0], junctions | band[1]
            else:
                apart.append(band)
        bands = [*apart, (ids, junctions)]
    found = [Band(tuple(sorted(ids)), tuple(sorted(members))) for ids, members in bands]
    found.sort(key=lambda band: (len(band.junction_ids), band.corridor_ids))
    return [*found, Band((), tuple(sorted(outside)))] if outside else found


def roll_out(
    bands: Iterable[Band],
    proposed: Mapping[str, SignalPlan],
    in_service: Mapping[str, SignalPlan],
    sites: Mapping[str, JunctionRulesInput],
    *,
    first_s: int = FIRST_S,
) -> list[Step]:
    """Steps of a roll-out, one for each band, in their order.

    Args:
        bands: each holds junctions of ``proposed``.
        proposed, in_service: plan by junction id; sites: what the rules know of it.
        first_s: when the first step of a night may begin, in seconds of the service day.
    """
    steps: list[Step] = []
    night, earliest_s = 1, first_s
    for band in bands:
        ways = [Way(proposed[j], in_service[j], sites[j]) for j in band.junction_ids]
        step = _step(night, band, ways, earliest_s)
        if step.begins_s > first_s + QUIET_S and earliest_s > first_s:
            night += 1
            step = _step(night, band, ways, first_s)
        steps.append(step)
        earliest_s = step.whole_s + step.cycle_s + WATCH_S
    return steps


@dataclass(frozen=True, slots=True)
class Way:
    """From the plan in service to the new one at one junction."""

    new: SignalPlan
    old: SignalPlan
    site: JunctionRulesInput

    def switch(self, switch_s: int) -> Switch:
        """The change whose new plan starts at its first chance from ``switch_s`` on."""
        starts_s = switch_s + (self.new.first_stage_offset_s - switch_s) % self.new.cycle_s
        return Switch(
            self.new.junction_id,
            self.old.plan_id,
            self.new.plan_id,
            starts_s,
            self.transition(starts_s),
        )

    def transition(self, starts_s: int) -> Transition | None:
        """The shortest way into the new plan that the rules allow; among equals the mildest."""
        if [s.picture for s in self.old.stages[:1]] != [s.picture for s in self.new.stages[:1]]:
            return None
        cycle_s = self.old.cycle_s
        run_s = (starts_s - self.old.first_stage_offset_s) % cycle_s
        if run_s == 0:
            return Transition(starts_s, ())
        for cycles in range(1, MAX_CYCLES + 1):
            for change_s in sorted((run_s, run_s - cycle_s), key=abs):
                greens_s = self._greens(change_s, cycles)
                if greens_s:
                    return Transition(starts_s - cycles * cycle_s - change_s, greens_s)
        return None

    def _greens(self, change_s: int, cycles: int) -> tuple[tuple[int, ...], ...]:
        """Greens of each cycle so that all together change by ``change_s``; (): not allowed."""
        each, more = divmod(change_s, cycles)
        kinds = {part: self._changed(part) for part in ((each + 1, each) if more else (each,))}
        if not all(kinds.values()):
            return ()
        return tuple(kinds[each + 1] if i < more else kinds[each] for i in range(cycles))

    def _changed(self, change_s: int) -> tuple[int, ...]:
        """Greens of one cycle that is longer by ``change_s``; (): not allowed."""
        if abs(change_s) > STRETCH_RATIO * self.old.cycle_s:
            return ()
        greens = self.old.greens_s
        room = [
            green - max(stage.min_green_s, DEFAULT_STANDARD.green_min_s)
            for green, stage in zip(greens, self.old.stages, strict=True)
        ]
        weights = [max(r, 0) for r in room] if change_s < 0 else greens
        if sum(weights) < abs(change_s):
            return ()
        changed = tuple(g + d for g, d in zip(greens, _shares(change_s, weights), strict=True))
        plan = self.old.with_greens(changed, self.old.plan_id)
        return () if violations(judge(plan, self.site, self.old)) else changed


def bands_of_document(document: object) -> list[Band]:
    """The bands of a saved roll-out, in the order of its steps.

    Raises:
        DataRefused: the document is malformed.
    """
    return read_document(document, "rollout.json", _bands)


def rollout_to_dict(steps: Sequence[Step], names: Mapping[str, str]) -> dict[str, Any]:
    """The document ``rollout.json``; times as seconds of the service day and as clock times."""
    return {
        "watch_s": WATCH_S,
        "steps": [
            {
                "step": number,
                "night": step.night,
                "corridors": list(step.band.corridor_ids),
                "cycle_s": step.cycle_s,
                **_times(begins_s=step.begins_s, switch_s=step.switch_s, whole_s=step.whole_s),
                "junctions": [
                    {
                        "junction_id": switch.junction_id,
                        "name": names[switch.junction_id],
                        "from_plan": switch.from_plan,
                        "to_plan": switch.to_plan,
                        **_times(begins_s=switch.begins_s, starts_s=switch.starts_s),
                        "transition_greens_s": None
                        if switch.transition is None
                        else [list(greens) for greens in switch.transition.greens_s],
                    }
                    for switch in step.switches
                ],
            }
            for number, step in enumerate(steps, start=1)
        ],
    }


def rollout_text(steps: Sequence[Step], names: Mapping[str, str], headline: str) -> str:
    """The same for a person, in Chinese and English."""
    return "\n".join([headline, *_lines(steps, names), ""])


def _lines(steps: Sequence[Step], names: Mapping[str, str]) -> Iterator[str]:
    if not steps:
        yield "没有要切换的方案 · no plan changes"
    for number, step in enumerate(steps, start=1):
        corridors = ", ".join(step.band.corridor_ids) or "—"
        yield ""
        yield (
            f"第 {number} 步 step {number} · 第 {step.night} 夜 night {step.night} · "
            f"干线 corridors {corridors} · 周期 cycle {step.cycle_s} s · "
            f"切换 switch {_clock(step.switch_s)} · 完成 whole {_clock(step.whole_s)}"
        )
        for switch in sorted(step.switches, key=lambda s: (s.begins_s, s.junction_id)):
            yield (
                f"  {_clock(switch.begins_s)} → {_clock(switch.starts_s)}  "
                f"{_named(switch.junction_id, names[switch.junction_id])}: "
                f"{switch.from_plan} → {switch.to_plan}; {_way(switch.transition)}"
            )
        yield f"  观察 watch {WATCH_S} s"


def _named(junction_id: str, name: str) -> str:
    return junction_id if name == junction_id else f"{junction_id} {name}"


def _way(transition: Transition | None) -> str:
    if transition is None:
        return "由信号机自行过渡 the controller finds its own way over"
    if not transition.greens_s:
        return "直接切换 straight over"
    cycles = ", ".join("+".join(map(str, greens)) for greens in transition.greens_s)
    return f"过渡周期绿灯 greens of the cycles before: {cycles} s"


def _step(night: int, band: Band, ways: Sequence[Way], earliest_s: int) -> Step:
    """The first step of which nothing begins before ``earliest_s``."""
    cycle_s = max(way.new.cycle_s for way in ways)
    switch_s = -(-earliest_s // cycle_s) * cycle_s
    while True:
        switches = tuple(way.switch(switch_s) for way in ways)
        step = Step(night, band, cycle_s, switch_s, switches)
        if step.begins_s >= earliest_s:
            return step
        switch_s += cycle_s


def _shares(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in whole parts as the weights ask, each within one of its share."""
    whole = sum(weights)
    shares, given, passed = [], 0, 0
    for weight in weights:
        passed += weight
        upto = (2 * total * passed + whole) // (2 * whole)  # rounded half up, always
        shares.append(upto - given)
        given = upto
    return shares


def _times(**seconds: int) -> dict[str, Any]:
    clocks = {name.removesuffix("_s"): _clock(s) for name, s in seconds.items()}
    return {**seconds, **clocks}


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _bands(value: object, where: str, problems: list[str]) -> list[Band]:
    return Reader(value, where, problems).objects("steps", _band)


def _band(value: object, where: str, problems: list[str]) -> Band:
    reader = Reader(value, where, problems)
    members = reader.objects("junctions", lambda v, w, p: Reader(v, w, p).text("junction_id"))
    return Band(reader.texts("corridors"), tuple(members))
