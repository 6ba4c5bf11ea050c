"""Movements of GMNS, told or made up, as lane-to-lane ways from link to link."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from network_data.importers.gmns.lanes import MOST_LANES, LaneReader, Lanes, Uses, lane_range
from network_data.importers.gmns.tables import Row, Tables
from network_data.importers.gmns.units import Point
from network_data.importers.utdf.lanes import exit_lanes
from network_data.loss_report import Loss
from traffic_brain.model.network import Link, Turn

_LOOK_M = 15.0
"""How far from a vertex the direction of a link is looked at."""
_TURNS: Mapping[str, Turn] = {
    **dict.fromkeys(("left", "l", "left_turn"), Turn.LEFT),
    **dict.fromkeys(("right", "r", "right_turn"), Turn.RIGHT),
    **dict.fromkeys(("thru", "through", "t", "straight", "merge", "diverge"), Turn.THROUGH),
    **dict.fromkeys(("uturn", "u-turn", "u_turn", "u"), Turn.UTURN),
}


@dataclass(frozen=True, slots=True)
class Turning:
    """A movement of the folder, or one that was made up: lane-to-lane ways of one turn."""

    mvmt_id: str
    node_id: str
    from_link: str
    to_link: str
    turn: Turn
    ways: tuple[tuple[int, int], ...]
    """(lane of the approach, lane of the exit)."""
    row: Row | None = None


def lane_ends(
    tables: Tables, reader: LaneReader, row: Row, side: str
) -> tuple[int | None, int | None]:
    """The first and the last lane number of a movement on a side (``ib``, ``ob``)."""
    found = []
    for column in (f"start_{side}_lane", f"end_{side}_lane"):
        number = tables.whole(row, column, -MOST_LANES, MOST_LANES)
        if number == 0 and not reader.from_zero:
            number = None
        found.append(None if number is None else reader.numbered(number))
    return found[0], found[1]


@dataclass
class TurningMaker:
    """Makes lane-to-lane ways of rows of ``movement``, and of turns that nobody tells."""

    tables: Tables
    links: Mapping[str, Link]
    lanes: Mapping[str, Lanes]
    reader: LaneReader
    uses: Uses

    def all(
        self, named: Sequence[tuple[Row, str, str]], node_of: Callable[[str], str]
    ) -> list[Turning]:
        """Told turnings in the folder's order, then made-up ones for the other vertices."""
        turns = {row.line: self._turn(row, ib, ob) for row, ib, ob in named}
        beside: dict[str, set[Turn]] = defaultdict(set)
        for row, ib, _ in named:
            beside[ib].add(turns[row.line])
        found = []
        for row, ib, ob in named:
            ways = self._ways(row, ib, ob, turns[row.line], beside[ib])
            if ways:
                node_id = node_of(self.links[ib].to_node)
                found.append(Turning(row["mvmt_id"], node_id, ib, ob, turns[row.line], ways, row))
        if self.tables["movement"].has("opt_signal_group"):  # our own tables hold every way
            return found
        told = {self.links[ib].to_node for _, ib, _ in named}
        return found + list(self._made_up(told, node_of))

    def _turn(self, row: Row, ib: str, ob: str) -> Turn:
        word = row.word("type")
        if word in ("merge", "diverge"):
            self.tables.losses.note(Loss.GUESSED, f"movement.type {word}: through", row.place)
        if word in _TURNS:
            return _TURNS[word]
        what = "movement.type: by the angle between its links"
        self.tables.losses.note(Loss.GUESSED, what, row.place)
        return turn_between(self.links[ib], self.links[ob])

    def _ways(
        self, row: Row, ib: str, ob: str, turn: Turn, beside: set[Turn]
    ) -> tuple[tuple[int, int], ...]:
        uses, losses = row["allowed_uses"], self.tables.losses
        begin, end = self.lanes[ib], self.lanes[ob]
        starts = self._lanes(row, "ib", begin.down)
        goals = self._lanes(row, "ob", end.up)
        if not starts:
            losses.note(Loss.DEFAULTED, "movement.start_ib_lane: by its turn", row.place)
            starts = default_lanes(turn, begin.cars or tuple(range(begin.count)), beside)
        if uses and not self.uses.allows_cars(uses):
            starts = [lane for lane in starts if lane not in begin.cars]
            if not starts:
                self.tables.drop(row, "closed to cars, from lanes that are open to them")
                return ()
        if not goals:
            losses.note(Loss.DEFAULTED, "movement.start_ob_lane: by its turn", row.place)
            return tuple(exit_lanes(starts, turn, _open(end), align_right=True))
        return paired(starts, goals)

    def _lanes(self, row: Row, side: str, lane_of: Mapping[int, int]) -> list[int]:
        """Lanes that a movement names, from left to right."""
        numbers = lane_range(*lane_ends(self.tables, self.reader, row, side), lane_of)
        return sorted((lane_of[n] for n in numbers or ()), reverse=True)

    def _made_up(self, told: set[str], node_of: Callable[[str], str]) -> Iterator[Turning]:
        exits: dict[str, list[Link]] = defaultdict(list)
        for link in self.links.values():
            exits[link.from_node].append(link)
        for link in self.links.values():
            if link.to_node in told:
                continue
            goals = [to for to in exits[link.to_node] if to.to_node != link.from_node]
            if not goals:
                continue
            if not link.car_lanes:
                what = "movement: none made up from a link that is closed to cars"
                self.tables.losses.note(Loss.DROPPED, what, f"link {link.link_id}")
                continue
            goals = [to for to in goals if to.car_lanes]
            turns = [turn_between(link, to) for to in goals]
            for to, turn in zip(goals, turns, strict=True):
                starts = default_lanes(turn, link.car_lanes, set(turns))
                ways = exit_lanes(starts, turn, _open(self.lanes[to.link_id]), align_right=True)
                mvmt_id = f"{link.link_id}>{to.link_id}"
                self.tables.losses.note(Loss.GUESSED, "movement: made up from geometry", mvmt_id)
                node_id = node_of(link.to_node)
                yield Turning(mvmt_id, node_id, link.link_id, to.link_id, turn, tuple(ways))


def _open(lanes: Lanes) -> list[int]:
    """Lanes of an exit that cars may drive into: those that run along it, if there are any."""
    cars = [lane for lane in lanes.whole if lane in lanes.cars]
    return cars or list(lanes.cars) or list(range(lanes.count))


def paired(starts: Sequence[int], goals: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Lanes side by side, both from left to right; what is left over shares the last one."""
    count = max(len(starts), len(goals))
    return tuple(
        (starts[min(i, len(starts) - 1)], goals[min(i, len(goals) - 1)]) for i in range(count)
    )


def default_lanes(turn: Turn, cars: Sequence[int], turns: set[Turn]) -> list[int]:
    """Lanes of an approach that serve a turn where nobody tells; ``turns``: all that there are."""
    lanes = sorted(cars)
    has_left = bool(turns & {Turn.LEFT, Turn.UTURN})
    has_right = Turn.RIGHT in turns
    if len(lanes) == 1 or len(turns) == 1:
        return lanes
    half = max(1, len(lanes) // 2)
    if Turn.THROUGH not in turns:
        return lanes[:half] if turn is Turn.RIGHT else lanes[half:]
    if turn is Turn.THROUGH:
        first = 1 if has_right and len(lanes) >= 4 else 0
        last = len(lanes) - (1 if has_left and len(lanes) >= 3 else 0)
        return lanes[first:last]
    return lanes[:1] if turn is Turn.RIGHT else lanes[-1:]


def turn_between(link: Link, to: Link) -> Turn:
    """The turn from one link into another, by the angle between them at their vertex."""
    if to.to_node == link.from_node:
        return Turn.UTURN
    angle = _bearing(to.shape) - _bearing(link.shape[::-1]) - math.pi
    degrees = math.degrees(math.remainder(angle, 2 * math.pi))
    if abs(degrees) < 40:
        return Turn.THROUGH
    if abs(degrees) > 170:
        return Turn.UTURN
    return Turn.LEFT if degrees > 0 else Turn.RIGHT


def _bearing(shape: Sequence[Point]) -> float:
    """Direction of the first stretch of a line, in radians from east, counter-clockwise."""
    x, y = shape[0]
    far = next((p for p in shape[1:] if math.dist(p, shape[0]) >= _LOOK_M), shape[-1])
    return math.atan2(far[1] - y, far[0] - x)
