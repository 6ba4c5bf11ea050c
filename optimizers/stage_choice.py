"""Other stages for a junction: another order, fewer, overlapping ones, turns as permitted ones.

Whom a junction may let go together is read from its conflicts, `possible_stages`: a left turn with
the stream of its own approach, say, so that a green goes on while the others change (lead and lag).

Clearances between stages that follow each other in the plan in service are its own. In any other
change of stages each signal group ends as late, and each begins as early, as the rules let it: who
is soon out of the way need not wait for who is not. What comes out is a proposal; the rules judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, groupby, islice, permutations

import networkx as nx
import numpy as np

from traffic_brain.model.lamps import yellows_after_green
from traffic_brain.model.network import NO_SIGNAL, Connection, Junction, Movement, Turn
from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

Pair = tuple[int, int]
_RIGHT = {"G": 2, "g": 1}
MOST_STAGES = 200
"""Of a junction, that are looked at; ordinary ones have less than thirty."""


def with_stages(
    in_service: SignalPlan, stages: Sequence[Stage], least_s: Mapping[Pair, int]
) -> SignalPlan:
    """A plan of these stages in this order, each with the clearance to the next.

    ``least_s``: `rules.least_clearances_s`, from a group's green to a conflicting one.
    """
    known = {
        (a.picture, b.picture): a.clearance
        for a, b in zip(
            in_service.stages, (*in_service.stages[1:], in_service.stages[0]), strict=True
        )
    }
    yellows_s = _yellows_s(in_service)
    changed = tuple(
        replace(
            a,
            clearance=known.get((a.picture, b.picture))
            or _clearance(in_service, a, b, least_s, yellows_s),
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
    lefts = _turning_left(movements)
    running = {
        m.from_link
        for m in movements
        if m.turn is Turn.THROUGH and any(stage.picture[g] in GREENS for g in m.signal_group_idxs)
    }
    for movement in movements:
        for group in movement.signal_group_idxs:
            if lamps[group] != "r" or movement.from_link not in running:
                continue
            if group in lefts and _gives_way(group, lamps, junction):
                lamps[group] = "g"
    return replace(stage, picture="".join(lamps))


def _gives_way(group: int, lamps: Sequence[str], junction: Junction) -> bool:
    met = [
        other
        for other, letter in enumerate(lamps)
        if letter in GREENS and (min(group, other), max(group, other)) in junction.conflicts
    ]
    return all((group, other) in junction.yields for other in met)


def possible_stages(
    in_service: SignalPlan,
    junction: Junction,
    connections: Sequence[Connection],
    movements: Sequence[Movement],
    *,
    freed: bool,
) -> list[Stage]:
    """Stages beyond those in service, each with as many streams as may go together.

    Lanes that share a stream go together; who has no green today gets none. Two streams that cross
    go together only where one gives way, and where the plan in service lets them; ``freed``: and
    where a left turn, beside the stream of its own approach, gives way to that of an approach which
    goes with its own today, never to a cross street. Each stage is a maximal clique of streams that
    agree (Bron, Kerbosch, CACM 16, 1973): with all of these pairs, without those of left turns, and
    without any, so that lefts are protected.
    """
    lefts = _turning_left(movements)
    agreed = _seen_together(in_service)
    opposed = _opposed(in_service, movements) if freed else set[Pair]()
    agreed = {(a, b) for a, b in junction.yields if (a, b) in agreed or (a, b) in opposed}
    let_go = {i for s in in_service.stages for i, x in enumerate(s.picture) if x in GREENS}
    streams = [s for s in _streams(junction, connections, movements) if s & let_go]
    found: dict[str, Stage] = {}
    shown = {stage.picture for stage in in_service.stages}
    for agree in (agreed, {(a, b) for a, b in agreed if a not in lefts}, set[Pair]()):
        for going in _cliques(streams, junction, agree):
            picture = _picture(going, junction, in_service)
            if picture not in shown and not _alone(picture, agreed & opposed, movements):
                found[picture] = _stage_like(picture, in_service)
    return [found[picture] for picture in sorted(found)]


def _cliques(
    streams: Sequence[frozenset[int]], junction: Junction, agree: set[Pair]
) -> Iterator[frozenset[int]]:
    fitting = [s for s in streams if _fit(s, s, junction, agree)]
    graph = nx.Graph()
    graph.add_nodes_from(fitting)
    graph.add_edges_from((s, t) for s, t in combinations(fitting, 2) if _fit(s, t, junction, agree))
    for clique in islice(nx.find_cliques(graph), MOST_STAGES):
        yield frozenset[int]().union(*clique)


def protects_alike(one: Stage, other: Stage) -> bool:
    """Whether both protect one and the same stream."""
    return any(x == y == "G" for x, y in zip(one.picture, other.picture, strict=True))


def _seen_together(in_service: SignalPlan) -> set[Pair]:
    """Pairs (who is permitted, who is protected or permitted too) of the stages in service."""
    return {
        (a, b)
        for stage in in_service.stages
        for a, x in enumerate(stage.picture)
        if x == "g"
        for b, y in enumerate(stage.picture)
        if a != b and y in GREENS
    }


def _opposed(in_service: SignalPlan, movements: Sequence[Movement]) -> set[Pair]:
    """(left turn, stream) of two approaches whose streams straight on go together today."""
    ahead = {
        group: m.from_link
        for m in movements
        if m.turn is Turn.THROUGH
        for group in m.signal_group_idxs
    }
    pairs = {
        (ahead[a], ahead[b])
        for stage in in_service.stages
        for a, b in permutations((g for g in ahead if stage.picture[g] in GREENS), 2)
    }
    approach = {group: m.from_link for m in movements for group in m.signal_group_idxs}
    lefts = _turning_left(movements)
    return {(a, b) for a in lefts for b in approach if (approach[a], approach[b]) in pairs}


def _alone(picture: str, freed: set[Pair], movements: Sequence[Movement]) -> bool:
    """Whether a left turn that is freed here goes without the stream of its own approach."""
    freely = {a for a, b in freed if picture[a] == "g" and picture[b] in GREENS}
    for link in {m.from_link for m in movements if freely.intersection(m.signal_group_idxs)}:
        ahead = [
            group
            for m in movements
            if m.from_link == link and m.turn is Turn.THROUGH
            for group in m.signal_group_idxs
        ]
        if not all(picture[group] in GREENS for group in ahead):
            return True
    return False


def _turning_left(movements: Sequence[Movement]) -> set[int]:
    turns: dict[int, set[Turn]] = {}
    for movement in movements:
        for group in movement.signal_group_idxs:
            turns.setdefault(group, set()).add(movement.turn)
    return {group for group, here in turns.items() if here <= {Turn.LEFT, Turn.UTURN}}


def _streams(
    junction: Junction, connections: Sequence[Connection], movements: Sequence[Movement]
) -> list[frozenset[int]]:
    """Signal groups that change together: of one movement, or of one lane; crossings alone."""
    graph = nx.Graph()
    graph.add_nodes_from(range(junction.signal_group_count))
    for movement in movements:
        nx.add_path(graph, movement.signal_group_idxs)
    lanes: dict[tuple[str, int], list[int]] = {}
    for c in connections:
        if c.junction_id == junction.junction_id and c.signal_group_idx != NO_SIGNAL:
            lanes.setdefault((c.from_link, c.from_lane_idx), []).append(c.signal_group_idx)
    for groups in lanes.values():
        nx.add_path(graph, groups)
    return sorted(map(frozenset, nx.connected_components(graph)), key=min)


def _fit(one: frozenset[int], other: frozenset[int], junction: Junction, agree: set[Pair]) -> bool:
    """Whether two streams may go together."""
    return all(
        (min(a, b), max(a, b)) not in junction.conflicts or (a, b) in agree or (b, a) in agree
        for a in one
        for b in other
        if a != b
    )


def _picture(going: frozenset[int], junction: Junction, in_service: SignalPlan) -> str:
    turns_on_red = {i for s in in_service.stages for i, x in enumerate(s.picture) if x == "s"}
    letters = ["s" if i in turns_on_red else "r" for i in range(junction.signal_group_count)]
    for a in going:
        waits = any(
            (a, b) in junction.yields and (min(a, b), max(a, b)) in junction.conflicts
            for b in going
            if a != b
        )
        letters[a] = "g" if waits else "G"
    return "".join(letters)


def _stage_like(picture: str, in_service: SignalPlan) -> Stage:
    """A stage whose limits of green are no looser than those in service of any stream it lets go.

    The least green is the largest that one of its streams always has today; the greatest is the
    least of those that its streams have at the most.
    """
    going = [i for i, letter in enumerate(picture) if letter in GREENS]
    limits = [
        [(s.min_green_s, s.max_green_s) for s in in_service.stages if s.picture[i] in GREENS]
        for i in going
    ]
    least = max(min(low for low, _ in mine) for mine in limits if mine)
    most = min(max(high for _, high in mine) for mine in limits if mine)
    return Stage(picture, least, (), least, max(least, most))


def other_choice(
    stages: Sequence[Stage],
    in_service: SignalPlan,
    library: Sequence[Stage],
    rng: np.random.Generator,
    *,
    freed: bool,
) -> tuple[Stage, ...] | None:
    """A neighbour of a choice of stages, drawn at random; None: nobody's rights allow it.

    Two stages in each other's place, one less, one more, another, or one that leads and one that
    lags instead of one stage: a protected turn goes with its own stream before or after it.
    """
    unseen = [s for s in library if all(s.picture != shown.picture for shown in stages)]
    proposal = _DRAWN[int(rng.integers(len(_DRAWN)))](tuple(stages), unseen, rng)
    if proposal is None or len({s.picture for s in proposal}) < max(len(proposal), 2):
        return None
    return proposal if keeps_rights(proposal, in_service, freed=freed) else None


Choice = tuple[Stage, ...]


def _swapped(stages: Choice, _unseen: Sequence[Stage], rng: np.random.Generator) -> Choice | None:
    if len(stages) < 3:
        return None
    i, j = 1 + rng.permutation(len(stages) - 1)[:2]
    changed = list(stages)
    changed[i], changed[j] = changed[j], changed[i]
    return tuple(changed)


def _one_less(stages: Choice, _unseen: Sequence[Stage], rng: np.random.Generator) -> Choice | None:
    i = int(rng.integers(len(stages)))
    return (*stages[:i], *stages[i + 1 :])


def _one_more(stages: Choice, unseen: Sequence[Stage], rng: np.random.Generator) -> Choice | None:
    if not unseen:
        return None
    i = int(rng.integers(1, len(stages) + 1))
    return (*stages[:i], unseen[int(rng.integers(len(unseen)))], *stages[i:])


def _another(stages: Choice, unseen: Sequence[Stage], rng: np.random.Generator) -> Choice | None:
    if not unseen:
        return None
    i = int(rng.integers(len(stages)))
    return (*stages[:i], unseen[int(rng.integers(len(unseen)))], *stages[i + 1 :])


def _lead_and_lag(
    stages: Choice, unseen: Sequence[Stage], rng: np.random.Generator
) -> Choice | None:
    i = int(rng.integers(len(stages)))
    ordered = (*stages[i:], *stages[:i])
    main, gone = ordered[0], 1 if rng.random() < 0.5 else len(stages) - 1
    near = [s for s in unseen if _share(s, main)]
    if len(near) < 2 or gone == 0:
        return None
    before, after = (near[k] for k in rng.permutation(len(near))[:2])
    changed = (main, after, *ordered[1:gone], *ordered[gone + 1 :], before)
    first = changed.index(stages[0]) if stages[0] in changed else 0
    return (*changed[first:], *changed[:first])  # the stage that begins the cycle still does


_DRAWN = (_swapped, _one_less, _one_more, _another, _lead_and_lag)


def _share(one: Stage, other: Stage) -> bool:
    """Whether a stream goes on from one to the other."""
    return any(x in GREENS and y in GREENS for x, y in zip(one.picture, other.picture, strict=True))


def _best(stages: Sequence[Stage], group: int) -> int:
    return max((right_in(stage, group) for stage in stages), default=0)


def right_in(stage: Stage, group: int) -> int:
    """What a signal group has in a stage: 2 protected green, 1 permitted, 0 none."""
    return _RIGHT.get(stage.picture[group], 0)


def _clearance(
    in_service: SignalPlan,
    a: Stage,
    b: Stage,
    least_s: Mapping[Pair, int],
    yellows_s: Sequence[int],
) -> tuple[Interval, ...]:
    """From one stage to another: each green ends as late, and each begins as early, as it may.

    It is as long as its most demanding pair of groups asks. A green that goes on, but is protected
    no longer, clears the way for who comes against it as one that ends.
    """
    lamps = list(zip(a.picture, b.picture, strict=True))
    ending = [g for g, (x, y) in enumerate(lamps) if x in GREENS and y not in GREENS]
    weaker = [g for g, (x, y) in enumerate(lamps) if x == "G" and y == "g"]
    beginning = [g for g, (x, y) in enumerate(lamps) if x not in GREENS and y in GREENS]
    yellow_s = {g: yellows_s[g] for g in ending} | dict.fromkeys(weaker, 0)
    apart_s = {
        (g, h): max(least_s[g, h], yellow_s[g])
        for g in yellow_s
        for h in beginning
        if (g, h) in least_s
    }
    needed_s = dict(yellow_s)
    for (g, _), seconds in apart_s.items():
        needed_s[g] = max(needed_s[g], seconds)
    length_s = max(needed_s.values(), default=0)
    if weaker and not length_s:
        length_s = max(stage.clearance_s for stage in in_service.stages)
        needed_s = dict.fromkeys(weaker, length_s)
    ends_s = {g: length_s - seconds for g, seconds in needed_s.items()}
    begins_s = {
        h: max((ends_s[g] + s for (g, k), s in apart_s.items() if k == h), default=0)
        for h in beginning
    }

    def lamp(group: int, second: int) -> str:
        x, y = lamps[group]
        if group in ends_s:
            since_s = second - ends_s[group]
            after = "y" if since_s < yellow_s[group] else "g" if y == "g" else "r"
            return x if since_s < 0 else after
        if group in begins_s and second >= begins_s[group]:
            return y
        if x in GREENS:
            return "G" if x == y == "G" else "g"
        return x if x == y else "r"

    shown = ["".join(lamp(g, t) for g in range(len(lamps))) for t in range(length_s)]
    return tuple(Interval(len(list(same)), picture) for picture, same in groupby(shown))


def _yellows_s(plan: SignalPlan) -> list[int]:
    """The longest yellow of each signal group; people on foot have none.

    A group whose green never ends today gets the longest of the others.
    """
    found = [yellows_after_green(plan, g) for g in range(plan.signal_group_count)]
    longest = max((seconds for of_one in found for seconds in of_one), default=0)
    return [max(of_one, default=longest) for of_one in found]
