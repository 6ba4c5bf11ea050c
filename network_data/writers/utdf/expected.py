"""The network that should come back from a UTDF file: other ids, one signal group per movement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from network_data.writers.utdf.layout import Layout
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Crossing,
    Junction,
    Link,
    Movement,
    RoadNetwork,
)
from traffic_brain.model.signals import PlanWindow

Pair = tuple[int, int]
Held = TypeVar("Held", Crossing, PlanWindow)


@dataclass(frozen=True)
class Renaming:
    """Gives a network the ids and signal groups of its layout in UTDF."""

    layout: Layout

    def network(self) -> RoadNetwork:
        """The network in UTDF's ids, with one signal group per movement."""
        network, names = self.layout.network, self.layout.names
        junctions = {names.junctions[j]: self._junction(j) for j in self.layout.signals}
        return replace(
            network,
            links={names.links.get(i, i): self._renamed_link(k) for i, k in network.links.items()},
            connections=tuple(self._renamed_connection(c) for c in network.connections),
            movements={m.movement_id: m for m in map(self._movement, network.movements.values())},
            junctions=junctions
            | {j: k for j, k in network.junctions.items() if j not in self.layout.signals},
            crossings=tuple(map(self._at_junction, network.crossings)),
            plan_windows=tuple(map(self._at_junction, network.plan_windows)),
            detectors=tuple(
                replace(
                    d,
                    detector_id=d.detector_id.replace(d.link_id, self._link_name(d.link_id), 1),
                    link_id=self._link_name(d.link_id),
                )
                for d in network.detectors
            ),
            intergreens_s={
                names.junctions.get(j, j): self._renamed_pairs(j, pairs)
                for j, pairs in network.intergreens_s.items()
            },
        )

    def _at_junction(self, row: Held) -> Held:
        """A row that UTDF does not hold: groups and plans keep their names."""
        names = self.layout.names.junctions
        return replace(row, junction_id=names.get(row.junction_id, row.junction_id))

    def _link_name(self, link_id: str) -> str:
        return self.layout.names.links.get(link_id, link_id)

    def _junction_name(self, junction_id: str | None) -> str | None:
        return (
            None
            if junction_id is None
            else self.layout.names.junctions.get(junction_id, junction_id)
        )

    def _renamed_link(self, link: Link) -> Link:
        link_id = self._link_name(link.link_id)
        return replace(
            link,
            link_id=link_id,
            from_node=self.layout.node_numbers[link.from_node],
            to_node=self.layout.node_numbers[link.to_node],
            name=link_id if link.name == link.link_id else link.name,
            junction_id=self._junction_name(link.junction_id),
        )

    @cached_property
    def _places(self) -> Mapping[tuple[str, str], int]:
        """(from link, to link) -> the movement's place in its junction's pictures."""
        return {
            (group.from_link, group.to_link): place
            for found in self.layout.lamps.values()
            for place, (group, _) in enumerate(found)
        }

    def _renamed_connection(self, c: Connection) -> Connection:
        place = self._places.get((c.from_link, c.to_link), c.signal_group_idx)
        return replace(
            c,
            from_link=self._link_name(c.from_link),
            to_link=self._link_name(c.to_link),
            junction_id=self._junction_name(c.junction_id),
            signal_group_idx=place if c.signal_group_idx != NO_SIGNAL else NO_SIGNAL,
        )

    def _movement(self, movement: Movement) -> Movement:
        ends = (movement.from_link, movement.to_link)
        place = self._places.get(ends)
        return replace(
            movement,
            movement_id=self.layout.movement_name(movement),
            junction_id=self.layout.names.junctions.get(movement.junction_id, movement.junction_id),
            from_link=self._link_name(movement.from_link),
            to_link=self._link_name(movement.to_link),
            signal_group_idxs=movement.signal_group_idxs if place is None else (place,),
        )

    def _junction(self, junction_id: str) -> Junction:
        junction = self.layout.network.junctions[junction_id]
        plans = self.layout.plans[junction_id]
        in_service = junction.plan_in_service is not None
        return replace(
            junction,
            junction_id=self.layout.names.junctions[junction_id],
            node_ids=tuple(self.layout.node_numbers[node] for node in junction.node_ids),
            signal_group_count=len(self.layout.lamps[junction_id]),
            conflicts=frozenset(
                (min(new), max(new)) for _, new in self._pairs(junction_id, junction.conflicts)
            ),
            yields=frozenset(new for _, new in self._pairs(junction_id, junction.yields)),
            plan_in_service=plans[0] if in_service else None,
            other_plans=plans[in_service:],
        )

    def _pairs(self, junction_id: str, pairs: Iterable[Pair]) -> Iterator[tuple[Pair, Pair]]:
        """(pair of signal groups, the same pair by its places in UTDF)."""
        places: dict[int, set[int]] = defaultdict(set)
        for place, (group, _) in enumerate(self.layout.lamps[junction_id]):
            for c in group.connections:
                places[c.signal_group_idx].add(place)
        for a, b in pairs:
            yield from (((a, b), (i, j)) for i in places[a] for j in places[b] if i != j)

    def _renamed_pairs(self, junction_id: str, pairs: Mapping[Pair, int]) -> dict[Pair, int]:
        found: dict[Pair, int] = {}
        if junction_id in self.layout.signals:
            for old, new in self._pairs(junction_id, pairs):
                found[new] = max(pairs[old], found.get(new, 0))
        return found
