"""Lanes of an approach from UTDF's lane groups: which lane serves which movement.

UTDF counts lanes per movement (``NBL 1, NBT 2, NBR 0``) and tells with ``Shared`` that the outer
through lane also serves a neighbour: 1 the one to the left, 2 to the right, 3 both. Lane 0 is at
the kerb (traffic drives on the right).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from network_data.importers.utdf.tables import Records, split_movement
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.network import Turn

TURNS: Mapping[str, Turn] = {
    "U": Turn.UTURN,
    "L2": Turn.LEFT,
    "L": Turn.LEFT,
    "T": Turn.THROUGH,
    "R": Turn.RIGHT,
    "R2": Turn.RIGHT,
}
"""From the left to the right of an approach."""
_ORDER = tuple(TURNS)
MOST_LANES = 12
"""Of one movement; more is a damaged number."""
_SHARES_LEFT, _SHARES_RIGHT = (1, 3), (2, 3)
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?")


def number_of(text: str) -> float | None:
    """A number as UTDF writes it (``*`` marks one set by hand); None: it is none."""
    text = text.strip().removeprefix("*")
    return float(text) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Place:
    """A node, direction, movement or phase in the file, and the junction that it belongs to."""

    node: str
    column: str = ""
    junction_id: str = ""
    """Ours; for a node that no signal runs, the node itself."""

    def at(self, column: str) -> Place:
        """Another direction, movement or phase of the same node."""
        return Place(self.node, column, self.junction_id)

    def __str__(self) -> str:
        return f"node {self.node} {self.column}".rstrip()


@dataclass(frozen=True, slots=True)
class Cells:
    """Reads numbers of one section's records and notes what cannot be one."""

    section: str
    losses: LossReport

    def number(
        self,
        records: Records,
        key: str,
        place: Place,
        default: float,
        low: float,
        high: float,
    ) -> float:
        """The number of a record; ``default`` where it is empty, no number or out of range.

        An empty cell is not noted: that is for the caller, who knows whether it matters.
        """
        text = records.get(key)
        if text is None:
            return default
        value = number_of(text)
        if value is not None and low <= value <= high:
            return value
        what = f"{self.section} {key}: not a number from {low:g} to {high:g}; {default:g} instead"
        self.losses.note(Loss.DEFAULTED, what, f"{place} ({text[:20]})")
        told = f"{self.section} {key} of {place} is no sensible number: {text[:20]}"
        self.losses.to_fix(place.junction_id, told, 0.3, "correct the cell")
        return default


@dataclass(frozen=True)
class Lanes:
    """The lanes at the end of one approach."""

    lane_count: int
    lanes_of: Mapping[str, tuple[int, ...]]
    """Movement column (``NBL``) -> lane indices from which it departs, rising."""
    own_lanes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Movement column -> the lanes counted as its own; a shared lane is its through movement's."""
    bays: frozenset[int] = frozenset()
    """Lanes that begin in a turn bay on the way."""


def lanes_of_approach(
    movements: Mapping[str, Records], served: Iterable[str], where: Place, losses: LossReport
) -> Lanes:
    """The lanes of the approach at ``where``.

    ``movements``: records by column, all of one direction; ``served``: the columns whose
    destination can be reached. A movement with traffic or a phase but without a lane is given the
    nearest lane, and stands on the to-fix list unless it turns round.
    """
    reachable = set(served)
    columns = sorted(movements, key=lambda column: _ORDER.index(split_movement(column)[1]))
    cells = Cells("[Lanes]", losses)
    counts = {
        column: int(cells.number(movements[column], "lanes", where.at(column), 0, 0, MOST_LANES))
        for column in columns
    }
    slots = [{column} for column in columns for _ in range(counts[column])]
    starts, position = {}, 0
    for column in columns:
        starts[column] = position
        position += counts[column]
    for i, column in enumerate(columns):
        if counts[column]:
            code = cells.number(movements[column], "shared", where.at(column), 0, 0, 3)
            if code in _SHARES_LEFT:
                _share(slots[starts[column]], columns[:i][::-1], movements, reachable)
            if code in _SHARES_RIGHT:
                last = starts[column] + counts[column] - 1
                _share(slots[last], columns[i + 1 :], movements, reachable)
    _serve_forgotten(slots, columns, movements, reachable, where, losses)
    total = len(slots)
    lanes_of = {
        column: tuple(sorted(total - 1 - i for i, slot in enumerate(slots) if column in slot))
        for column in columns
        if column in reachable
    }
    own = {
        column: tuple(range(total - starts[column] - counts[column], total - starts[column]))
        for column in columns
    }
    return Lanes(
        total,
        {column: lanes for column, lanes in lanes_of.items() if lanes},
        own,
        _bays(movements, own, where, losses),
    )


def _used(records: Records) -> bool:
    """Whether a movement has lanes, traffic or a phase of its own."""
    told = (records.get(k, "0") for k in ("lanes", "volume", "phase1", "permphase1"))
    return any(number_of(text) not in (None, 0.0) for text in told)


def _share(
    slot: set[str],
    neighbours: Sequence[str],
    movements: Mapping[str, Records],
    reachable: set[str],
) -> None:
    """Let a lane serve the nearest neighbour that is used, else the nearest that there is."""
    there = [column for column in neighbours if column in reachable]
    used = [column for column in there if _used(movements[column])]
    slot.update(used[:1] or there[:1])


def _serve_forgotten(
    slots: Sequence[set[str]],
    columns: Sequence[str],
    movements: Mapping[str, Records],
    reachable: set[str],
    where: Place,
    losses: LossReport,
) -> None:
    for column in columns:
        if column not in reachable or any(column in slot for slot in slots):
            continue
        place = str(where.at(column))
        if not _used(movements[column]) or not slots:
            losses.note(Loss.DROPPED, "[Lanes] movement without lanes, traffic and phase", place)
            continue
        rank = _ORDER.index(split_movement(column)[1])
        middle = [min(_ORDER.index(split_movement(c)[1]) for c in slot) for slot in slots]
        nearest = min(range(len(slots)), key=lambda i: (abs(middle[i] - rank), i))
        slots[nearest].add(column)
        losses.note(Loss.GUESSED, "[Lanes] movement that is used without a lane: nearest", place)
        if TURNS[split_movement(column)[1]] is not Turn.UTURN:
            told = f"{column} has traffic or a phase but no lane: it departs from the nearest"
            remedy = "give Lanes or Shared of the movement"
            losses.to_fix(where.junction_id, told, 0.4, remedy)


def _bays(
    movements: Mapping[str, Records],
    own: Mapping[str, tuple[int, ...]],
    where: Place,
    losses: LossReport,
) -> frozenset[int]:
    """Lanes in turn bays: of a left-turn group the leftmost, of any other the rightmost."""
    cells = Cells("[Lanes]", losses)
    found: set[int] = set()
    for column, records in movements.items():
        place = where.at(column)
        if not cells.number(records, "storage", place, 0, 0, 1e5) or not own[column]:
            continue
        count = int(cells.number(records, "stlanes", place, 1, 0, MOST_LANES))
        left = TURNS[split_movement(column)[1]] in (Turn.LEFT, Turn.UTURN)
        lanes = own[column][::-1] if left else own[column]
        found.update(lanes[:count])
        if count:
            what = "[Lanes] Storage: the lane of a turn bay runs along the whole link"
            losses.note(Loss.GUESSED, what, str(place))
    return frozenset(found)


def exit_lanes(
    lanes: Sequence[int], turn: Turn, targets: Sequence[int], *, align_right: bool
) -> list[tuple[int, int]]:
    """(from lane, to lane) of a movement: kerb to kerb for rights, middle to middle for lefts.

    ``targets``: the lanes of the exit that run along the whole of it. Through lanes are aligned
    to the side that the file tells. More lanes than targets merge into the last one.
    """
    rightmost = turn is Turn.RIGHT or (turn is Turn.THROUGH and align_right)
    ordered = sorted(lanes) if rightmost else sorted(lanes, reverse=True)
    goals = sorted(targets) if rightmost else sorted(targets, reverse=True)
    pairs = [(lane, goals[min(i, len(goals) - 1)]) for i, lane in enumerate(ordered)]
    return sorted(pairs)
