"""Which signals feel each other, and on whose account the time on a link goes; read from the ways.

A link goes on the account of the next signal ahead on most ways that lead over it: its queue waits
there, also beyond a junction without signals. Two signals are near if many ways pass one right
after the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizers.refine import Area

NOWHERE = ""
NEAR_RATIO = 0.05
"""Of the vehicles of a signal that many must come from another, or go to it, to be near."""


@dataclass(frozen=True)
class Nearness:
    """Junctions by number, in the order of ``junction_ids``.

    account: by link_id, the number of the junction on whose account it goes; a link without one
        lies behind all signals.
    near: bool[junction, junction], the diagonal included.
    free_s: float64[junction], seconds per vehicle of the demand that its links take when empty.
    """

    junction_ids: tuple[str, ...]
    account: Mapping[str, int]
    near: np.ndarray
    free_s: np.ndarray

    def shared_out(self, spent_s: Mapping[str, float]) -> np.ndarray:
        """float64[junction + 2] from seconds by link.

        Last but one what was waited at the edge of the map nobody knows where (link ``NOWHERE``),
        last what was spent behind all signals.
        """
        found = np.zeros(len(self.junction_ids) + 2)
        for link_id, seconds in spent_s.items():
            found[-2 if link_id == NOWHERE else self.account.get(link_id, -1)] += seconds
        return found

    def acts(self, number: int) -> np.ndarray:
        """bool[junction + 2]: whose time tells of a change at one junction.

        That behind all signals, too: a link's time begins when the link before is left, so that
        who waits on the last junction itself waits there.
        """
        return np.append(self.near[number], (True, True))


def nearness_of(area: Area) -> Nearness:
    """Of the junctions that may be retimed; others between them are passed over."""
    junction_ids = tuple(sorted(area.problems))
    numbers = {junction_id: i for i, junction_id in enumerate(junction_ids)}
    links = area.network.links
    signal = {
        k: numbers[link.junction_id] for k, link in links.items() if link.junction_id in numbers
    }
    ahead: dict[str, Counter[int]] = defaultdict(Counter)
    driven: Counter[str] = Counter()
    passed = np.zeros((len(junction_ids), len(junction_ids)))
    for _, way in area.ways:
        driven.update(way)
        there: int | None = None
        for link_id in reversed(way):
            here = signal.get(link_id)
            if here is not None:
                if there is not None:
                    passed[here, there] += 1
                there = here
            if there is not None:
                ahead[link_id][there] += 1
    account = {link_id: max(sorted(c), key=c.__getitem__) for link_id, c in ahead.items()}
    free_s = np.zeros(len(junction_ids))
    vehicles = np.zeros(len(junction_ids))
    for link_id, number in account.items():
        free_s[number] += (
            driven[link_id] * links[link_id].length_m / links[link_id].free_flow_speed_mps
        )
        vehicles[number] += driven[link_id] if link_id in signal else 0
    enough = NEAR_RATIO * np.minimum.outer(vehicles, vehicles)
    near = (passed + passed.T > enough) | np.eye(len(junction_ids), dtype=bool)
    return Nearness(junction_ids, account, near, free_s / max(len(area.ways), 1))
