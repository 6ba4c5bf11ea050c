"""Lanes of a GMNS link: who may use them, and which number is which lane.

GMNS counts lanes from left to right as the driver sees them: 1, 2, 3 …, with turn pockets left of
lane 1 as -1, -2 …, and other numbers on segments where pockets are added. Ours count from the
kerb: 0 is the rightmost. Lanes of a pocket run along the whole of our link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from network_data.importers.gmns.tables import Row, Tables, by_key, known_id, shown
from network_data.loss_report import Loss

MOST_LANES = 40
"""More lanes on one link are a damaged number."""
OTHER_USE = "other"
"""What our own files call the use of a lane that is closed to cars."""
_CAR_USES = frozenset(
    {
        *("all", "any", "auto", "autos", "car", "cars", "sov", "hov", "hov2", "hov3", "drive"),
        *("driving", "motor", "motor_vehicle", "motorvehicle", "vehicle", "vehicles", "general"),
        *("passenger", "taxi", "mixed", "automobile", "gp", "hot"),
    }
)
_FOOT_USES = frozenset({"walk", "ped", "peds", "pedestrian", "pedestrians", "foot", "wheelchair"})
_CLOSED_USES = frozenset(
    {
        *("bike", "bicycle", "bikes", "cycle", "bus", "transit", "brt", "rail", "tram", "train"),
        *("lrt", "metro", "ferry", "truck", "trucks", "emergency", "scooter", OTHER_USE),
    }
)
_STANDING_USES = frozenset({"parking", "shoulder", "loading", "none", "closed", "no_travel"})
_FOOT_FACILITIES = ("sidewalk", "crosswalk", "footway", "pedestrian", "steps", "walk")
_CLOSED_FACILITIES = ("cycle", "bike", "rail", "tram", "ferry", "busway")


@dataclass(frozen=True)
class Uses:
    """Which uses are open to cars, on foot only, or no travel at all."""

    groups: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, tables: Tables) -> Uses:
        """With the groups of ``use_group``; groups may name groups."""
        direct = {row.word("use_group"): _words(row["uses"]) for row in tables["use_group"]}
        return cls({group: _resolved(group, direct) for group in direct if group})

    def names(self, text: str) -> frozenset[str]:
        """The uses in a cell, groups taken apart; a blank cell has none."""
        found: set[str] = set()
        for word in _words(text):
            found |= self.groups.get(word, {word})
        return frozenset(found)

    def allows_cars(self, text: str, facility: str = "") -> bool:
        """Whether cars may drive where these uses are allowed; blank: by the kind of road."""
        names = self.names(text)
        if not names:
            return not any(word in facility for word in (*_FOOT_FACILITIES, *_CLOSED_FACILITIES))
        if names & _CAR_USES:
            return True
        return bool(names - _FOOT_USES - _CLOSED_USES - _STANDING_USES)

    def is_on_foot(self, text: str, facility: str) -> bool:
        """Whether only people on foot may go."""
        names = self.names(text)
        if names:
            return names <= _FOOT_USES
        return any(word in facility for word in _FOOT_FACILITIES)

    def is_standing(self, text: str) -> bool:
        """Whether nobody drives there: parking, a shoulder."""
        names = self.names(text)
        return bool(names) and names <= _STANDING_USES

    def unknown(self, text: str) -> frozenset[str]:
        """Uses that are taken for cars although nobody says what they are."""
        known = _CAR_USES | _FOOT_USES | _CLOSED_USES | _STANDING_USES
        return self.names(text) - known


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[,;|\s\[\]'\"]+", text.lower()) if word)


def _resolved(group: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """All uses of a group; a group that names itself, by whatever way, ends there."""
    found: set[str] = set()
    seen, waiting = {group}, [group]
    while waiting:
        for word in direct[waiting.pop()]:
            if word in direct and word not in seen:
                seen.add(word)
                waiting.append(word)
            elif word not in direct:
                found.add(word)
    return frozenset(found)


# --- the lanes of a link --------------------------------------------------------------------


@dataclass
class _Strip:
    """One lane: its GMNS numbers at both ends of the link, and whether cars may use it."""

    up: int | None
    down: int | None
    cars: bool
    lane_id: str = ""

    @property
    def rank(self) -> int:
        """Its place from left to right."""
        return self.up or 0 if self.down is None else self.down


@dataclass(frozen=True)
class Lanes:
    """The lanes of a link, 0 at the kerb, and the GMNS numbers that name them."""

    count: int
    cars: tuple[int, ...]
    up: Mapping[int, int]
    """Number at the link's beginning -> lane."""
    down: Mapping[int, int]
    """Number at the link's end -> lane."""
    whole: tuple[int, ...]
    """Lanes that run along the whole link: all but turn pockets."""


@dataclass(frozen=True)
class LinkEnd:
    """What `LaneReader` must know of a link."""

    link_id: str
    """Ours."""
    gmns_id: str
    from_node: str
    to_node: str
    length: float
    """In the unit of linear references."""
    lanes: int | None
    uses: str
    facility: str
    place: str


@dataclass
class LaneReader:
    """Reads ``lane``, ``segment`` and ``segment_lane`` once, and gives the lanes of each link."""

    tables: Tables
    uses: Uses
    from_zero: bool = False
    """Lanes are counted from 0 in this folder."""
    used_up: dict[str, set[int]] = field(default_factory=dict)
    """Numbers that movements into a link of ours name."""
    used_down: dict[str, set[int]] = field(default_factory=dict)
    """Numbers that movements out of a link of ours name."""

    def __post_init__(self) -> None:
        self._lanes = by_key(self.tables["lane"], "link_id")
        self._segments = by_key(self.tables["segment"], "link_id")
        self._segment_lanes = by_key(self.tables["segment_lane"], "segment_id")

    def lanes_of(self, link: LinkEnd) -> Lanes:
        """The lanes of a link from all that the folder tells about it."""
        strips = self._along(link)
        for segment in self._at_end(link):
            self._apply(segment, strips, link)
        self._add_named(strips, link)
        strips.sort(key=lambda strip: strip.rank)
        count = len(strips)
        lane_of = {id(strip): count - 1 - i for i, strip in enumerate(strips)}
        whole = sorted(lane_of[id(s)] for s in strips if s.up is not None)
        return Lanes(
            count=count,
            cars=tuple(sorted(lane_of[id(s)] for s in strips if s.cars)),
            up={s.up: lane_of[id(s)] for s in strips if s.up is not None},
            down={s.down: lane_of[id(s)] for s in strips if s.down is not None},
            whole=tuple(whole or range(count)),
        )

    def numbered(self, number: int) -> int:
        """A lane number as the specification counts."""
        return number + 1 if self.from_zero and number >= 0 else number

    def _along(self, link: LinkEnd) -> list[_Strip]:
        tables, losses = self.tables, self.tables.losses
        found: dict[int, _Strip] = {}
        for row in self._lanes.get(link.gmns_id, ()):
            number = tables.whole(row, "lane_num", -MOST_LANES, MOST_LANES)
            if number is None or (number == 0 and not self.from_zero):
                tables.drop(row, "lane without a number")
            elif self.uses.is_standing(row["allowed_uses"]):
                tables.drop(row, "lane where nobody drives (parking, shoulder)")
            elif self.numbered(number) in found:
                tables.drop(row, "second lane of the same number")
            else:
                number = self.numbered(number)
                cars = self._cars(row["allowed_uses"] or link.uses, link.facility, row.place)
                found[number] = _Strip(number, number, cars, row["lane_id"])
        if found:
            cars_there = sum(strip.cars for strip in found.values())
            if link.lanes is not None and link.lanes != cars_there:
                losses.note(
                    Loss.GUESSED, "link.lanes: the lane table has another number", link.place
                )
            return list(found.values())
        if link.lanes is None:
            losses.note(Loss.DEFAULTED, "link.lanes: 1", link.place)
        cars = self._cars(link.uses, link.facility, link.place)
        return [_Strip(i, i, cars) for i in range(1, max(1, link.lanes or 1) + 1)]

    def _cars(self, uses: str, facility: str, place: str) -> bool:
        if self.uses.names(uses) - _CAR_USES - {OTHER_USE}:
            what = "allowed_uses: only whether cars may drive there is kept"
            self.tables.losses.note(Loss.DROPPED, what, f"{place} ({shown(uses)})")
        if not self.uses.allows_cars(uses, facility):
            return False
        if uses and self.uses.unknown(uses) and not self.uses.names(uses) & _CAR_USES:
            what = "allowed_uses: a use that is not known, taken for cars"
            self.tables.losses.note(Loss.GUESSED, what, place)
        return True

    def _at_end(self, link: LinkEnd) -> Iterator[Row]:
        """Segments that reach the end of a link, the longest first: the shorter one prevails."""
        found: list[tuple[float, Row]] = []
        for row in self._segments.get(link.gmns_id, ()):
            start, end = (
                self.tables.number(row, c, 0.0, 1e7) or 0.0 for c in ("start_lr", "end_lr")
            )
            if known_id(row["ref_node_id"], {link.to_node: 0}) is not None:
                at_end, length = min(start, end) <= 0.1 * link.length, abs(end - start)
            else:
                at_end, length = max(start, end) >= 0.9 * link.length, abs(end - start)
            if at_end:
                found.append((length, row))
            else:
                self.tables.drop(row, "segment that does not reach the end of its link")
        return (row for _, row in sorted(found, key=lambda item: -item[0]))

    def _apply(self, segment: Row, strips: list[_Strip], link: LinkEnd) -> None:
        before = len(strips)
        rows = self._segment_lanes.get(segment["segment_id"], [])
        if rows:
            self._apply_rows(rows, strips, link)
        else:
            left, right = (
                self.tables.whole(segment, c, -MOST_LANES, MOST_LANES) or 0
                for c in ("l_lanes_added", "r_lanes_added")
            )
            _add_pockets(strips, left, right)
        if len(strips) > before:
            what = "segment: the lane of a turn pocket runs along the whole link"
            self.tables.losses.note(Loss.GUESSED, what, segment.place)

    def _apply_rows(self, rows: Sequence[Row], strips: list[_Strip], link: LinkEnd) -> None:
        by_id = {strip.lane_id: strip for strip in strips if strip.lane_id}
        new: list[_Strip] = []
        for row in rows:
            number = self.tables.whole(row, "lane_num", -MOST_LANES, MOST_LANES)
            parent_id = known_id(row["parent_lane_id"], by_id)
            if number is None or self.uses.is_standing(row["allowed_uses"]):
                self.tables.drop(row, "lane without a number, or where nobody drives")
            elif parent_id is not None:
                by_id[parent_id].down = self.numbered(number) if number else None
            elif number:
                cars = self._cars(row["allowed_uses"] or link.uses, link.facility, row.place)
                new.append(_Strip(None, self.numbered(number), cars))
        taken = {strip.down for strip in strips}
        strips.extend(strip for strip in new if strip.down not in taken)

    def _add_named(self, strips: list[_Strip], link: LinkEnd) -> None:
        """Lanes that only movements know of."""
        known = {s.down for s in strips}, {s.up for s in strips}
        for number in sorted(self.used_down.get(link.link_id, set()) - known[0]):
            strips.append(_Strip(None, number, cars=True))
            self._note_named(link, number)
        for number in sorted(self.used_up.get(link.link_id, set()) - known[1]):
            strips.append(_Strip(number, None, cars=True))
            self._note_named(link, number)

    def _note_named(self, link: LinkEnd, number: int) -> None:
        what = "link: a lane that only movements know of, open to cars"
        self.tables.losses.note(Loss.GUESSED, what, f"{link.place} lane {number}")


def _add_pockets(strips: list[_Strip], left: int, right: int) -> None:
    """Lanes added left (-1, -2 …) and right of the lanes for cars; lanes to the right move on."""
    taken = {strip.down for strip in strips}
    strips.extend(_Strip(None, -i, cars=True) for i in range(1, left + 1) if -i not in taken)
    last = max((s.down or 0 for s in strips if s.cars and (s.down or 0) > 0), default=0)
    if right > 0:
        for strip in strips:
            if strip.down is not None and strip.down > last:
                strip.down += right
        strips.extend(_Strip(None, last + i, cars=True) for i in range(1, right + 1))


def lane_range(
    first: int | None, last: int | None, numbers: Iterable[int]
) -> tuple[int, ...] | None:
    """The numbers from ``first`` to ``last``, in order, that are among ``numbers``.

    One lane where ``last`` is missing; None: no lane is named.
    """
    if first is None and last is None:
        return None
    low = first if first is not None else last
    high = last if last is not None else first
    assert low is not None
    assert high is not None
    low, high = min(low, high), max(low, high)
    return tuple(n for n in sorted(numbers) if low <= n <= high)
