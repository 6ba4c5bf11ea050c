"""Other stages for a junction: another order, fewer of them, turns let go as permitted ones.

Clearances between stages that follow each other in the plan in service are its own. Any other
change of stages gets the plan's longest clearance: yellow for those who lose their green, then red.
What comes out is a proposal; the rules judge it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from traffic_brain.model.network import Junction, Movement, Turn
from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

_RIGHT = {"G": 2, "g": 1}


def with_stages(
    in_service: SignalPlan,
    stages: Sequence[Stage],
    intergreen_s: Mapping[tuple[int, int], int],
) -> SignalPlan:
    """A plan of these stages in this order, each with the clearance to the next.

    ``intergreen_s``: what the geometry asks from the end of a group's green to a conflicting one.
    """
    known = {
        (a.picture, b.picture): a.clearance
        for a, b in zip(
            in_service.stages, (*in_service.stages[1:], in_service.stages[0]), strict=True
        )
    }
    changed = tuple(
        replace(
            a,
            clearance=known.get((a.picture, b.picture))
            or _clearance(in_service, a, b, intergreen_s),
        )
        for a, b in zip(stages, (*stages[1:], stages[0]), strict=True)
    )
    return replace(in_service, stages=changed, offset_s=0, coordinated_stage_idx=0)


def keeps_rights(stages: Sequence[Stage], in_service: SignalPlan, *, freed: bool) -> bool:
    """Whether everybody who is let go today still is; and, unless ``freed``, who is protected."""
    for group in range(in_service.signal_group_count):
        today = _best(in_service.stages, group)
        least = min(today, 1) if freed else today
        if _best(stages, group) < least:
            return False
    return True


def permitted_too(stage: Stage, junction: Junction, movements: Sequence[Movement]) -> Stage:
    """The stage with left turns let go as permitted ones beside the stream of their own approach.

    Only turns that give way to all whom they meet in it; never a stream that goes straight on.
    """
    lamps = list(stage.picture)
    turns: dict[int, set[Turn]] = {}
    for movement in movements:
        for group in movement.signal_group_idxs:
            turns.setdefault(group, set()).add(movement.turn)
    running = {
        m.from_link
        for m in movements
        if m.turn is Turn.THROUGH and any(stage.picture[g] in GREENS for g in m.signal_group_idxs)
    }
    for movement in movements:
        for group in movement.signal_group_idxs:
            if lamps[group] != "r" or movement.from_link not in running:
                continue
            if turns[group] <= {Turn.LEFT, Turn.UTURN} and _gives_way(group, lamps, junction):
                lamps[group] = "g"
    return replace(stage, picture="".join(lamps))


def _gives_way(group: int, lamps: Sequence[str], junction: Junction) -> bool:
    met = [
        other
        for other, letter in enumerate(lamps)
        if letter in GREENS and (min(group, other), max(group, other)) in junction.conflicts
    ]
    return all((group, other) in junction.yields for other in met)


def other_choices(
    stages: Sequence[Stage], in_service: SignalPlan, library: Sequence[Stage], *, freed: bool
) -> Iterator[tuple[Stage, ...]]:
    """Neighbours of a choice of stages: two in each other's place, one less, one more, another."""
    count = len(stages)
    for i in range(1, count):
        for j in range(i + 1, count):
            swapped = list(stages)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield tuple(swapped)
    proposals: list[tuple[Stage, ...]] = []
    if count > 2:
        proposals += [(*stages[:i], *stages[i + 1 :]) for i in range(count)]
    shown = {stage.picture for stage in stages}
    for more in (s for s in library if s.picture not in shown):
        proposals += [(*stages[:i], more, *stages[i:]) for i in range(1, count + 1)]
        proposals += [(*stages[:i], more, *stages[i + 1 :]) for i in range(count)]
    for proposal in proposals:
        if keeps_rights(proposal, in_service, freed=freed):
            yield proposal


def _best(stages: Sequence[Stage], group: int) -> int:
    return max((_RIGHT.get(stage.picture[group], 0) for stage in stages), default=0)


def _clearance(
    in_service: SignalPlan, a: Stage, b: Stage, intergreen_s: Mapping[tuple[int, int], int]
) -> tuple[Interval, ...]:
    longest = max(in_service.stages, key=lambda stage: stage.clearance_s).clearance
    ending = [x in GREENS and y not in GREENS for x, y in zip(a.picture, b.picture, strict=True)]
    begins = [x not in GREENS and y in GREENS for x, y in zip(a.picture, b.picture, strict=True)]
    asked_s = max(
        (s for (g, h), s in intergreen_s.items() if ending[g] and begins[h]),
        default=0,
    )
    missing_s = asked_s - sum(interval.duration_s for interval in longest)
    intervals = [
        Interval(interval.duration_s, _between(a.picture, b.picture, ending, interval, first=i < 1))
        for i, interval in enumerate(longest)
    ]
    if missing_s > 0:
        red = Interval(missing_s, "")
        intervals.append(
            replace(red, picture=_between(a.picture, b.picture, ending, red, first=False))
        )
    return tuple(intervals)


def _between(a: str, b: str, ending: Sequence[bool], like: Interval, *, first: bool) -> str:
    yellow = first or "y" in like.picture
    letters = []
    for x, y, ends in zip(a, b, ending, strict=True):
        if ends:
            letters.append("y" if yellow else "r")
        elif x in GREENS:
            letters.append("G" if x == y == "G" else "g")
        else:
            letters.append(x if x == y else "r")
    return "".join(letters)
