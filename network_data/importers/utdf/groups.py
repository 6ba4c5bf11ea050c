"""Signal groups of a UTDF file: one for each movement that a signal controls, with its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from network_data.importers.nema import GroupPhases
from network_data.importers.utdf.lanes import Cells, number_of
from network_data.importers.utdf.roads import Roads, Stream
from network_data.importers.utdf.signals import Controller
from network_data.importers.utdf.tables import Records
from network_data.loss_report import Loss
from traffic_brain.model.network import Turn

UNCONTROLLED = -1
_CHANNELED = (1.0, 2.0, 3.0)
"""Right Channeled: the turn yields, is free, or stops; 4 is under the signal."""
_PROTECTED = tuple(f"phase{i}" for i in range(1, 5))
_PERMITTED = tuple(f"permphase{i}" for i in range(1, 5))


@dataclass(frozen=True, slots=True)
class Group:
    """A signal group: its letter in the lamp pictures, and the phases that light it."""

    junction_id: str
    idx: int
    phases: GroupPhases


def groups_of(controller: Controller, roads: Roads) -> dict[str, Group]:
    """The signal groups of a controller by movement id, in the order of nodes and columns."""
    order = {column: i for i, column in enumerate(roads.tables.movements)}
    found: dict[str, GroupPhases] = {}
    for node in controller.nodes:
        streams = [s for leg in roads.legs if leg.node == node for s in roads.streams[leg.link_id]]
        for stream in sorted(streams, key=lambda s: order[s.column]):
            phases = _phases(stream, roads)
            if phases is not None:
                found[stream.movement_id] = phases
        _note_pedestrian_phases(node, roads)
    return {
        movement_id: Group(controller.junction_id, idx, phases)
        for idx, (movement_id, phases) in enumerate(found.items())
    }


def _note_pedestrian_phases(node: str, roads: Roads) -> None:
    for column in ("PED", "HOLD"):
        records = roads.tables.lanes.get(node, {}).get(column, {})
        if any(key in records for key in (*_PROTECTED, *_PERMITTED)):
            what = f"[Lanes] {column}: its phases stay as they are, within a clearance"
            roads.losses.note(Loss.GUESSED, what, str(roads.place(node, column)))


def _phases(stream: Stream, roads: Roads) -> GroupPhases | None:
    """The phases of a movement; None: no signal controls it."""
    place = roads.place(stream.leg.node, stream.column)
    protected = _numbers(stream, stream.records, _PROTECTED, roads)
    permitted = _numbers(stream, stream.records, _PERMITTED, roads)
    channeled = number_of(stream.records.get("rightchanneled", "0")) in _CHANNELED
    if UNCONTROLLED in protected | permitted or (stream.turn is Turn.RIGHT and channeled):
        what = "[Lanes] uncontrolled movement: in no signal group"
        roads.losses.note(Loss.GUESSED, what, str(place))
        return None
    if not protected | permitted:
        permitted = _borrowed(stream, roads)
    turns_on_red = number_of(stream.records.get("allowrtor", "0")) not in (None, 0.0)
    if turns_on_red and stream.turn is not Turn.RIGHT:
        what = "[Lanes] Allow RTOR of a movement that is no right turn"
        roads.losses.note(Loss.DROPPED, what, str(place))
    return GroupPhases(protected, permitted, stream.turn is Turn.RIGHT and turns_on_red)


def _numbers(stream: Stream, records: Records, keys: Sequence[str], roads: Roads) -> frozenset[int]:
    place = roads.place(stream.leg.node, stream.column)
    cells = Cells("[Lanes]", roads.losses)
    found = (int(cells.number(records, key, place, 0.0, UNCONTROLLED, 99)) for key in keys)
    return frozenset(value for value in found if value)


def _borrowed(stream: Stream, roads: Roads) -> frozenset[int]:
    """Phases for a movement that has none: those of the movements in its lanes, giving way."""
    place = roads.place(stream.leg.node, stream.column)
    beside = [s for s in roads.streams[stream.leg.link_id] if s is not stream]
    lenders = [s for s in beside if set(s.own_lanes) & set(stream.lanes)]
    if not stream.own_lanes and lenders:
        what = "[Lanes] no phase of a movement in a shared lane: as its lane, giving way"
        roads.losses.note(Loss.GUESSED, what, str(place))
    else:
        through = stream.turn is Turn.THROUGH
        lenders = [] if through else [s for s in beside if s.turn is Turn.THROUGH]
        told = f"{stream.column} has lanes but no phase: "
        told += "lit with the through movement" if lenders else "never lit"
        remedy = "give Phase1 or PermPhase1, or -1 where no signal controls it"
        roads.losses.to_fix(place.junction_id, told, 0.5 if lenders else 0.0, remedy)
        roads.losses.note(Loss.GUESSED, "[Lanes] no phase of a movement with lanes", str(place))
    keys = (*_PROTECTED, *_PERMITTED)
    found = {p for s in lenders for p in _numbers(s, s.records, keys, roads)}
    return frozenset(found - {UNCONTROLLED})
