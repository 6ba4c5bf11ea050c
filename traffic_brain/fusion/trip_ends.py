"""Where trips begin and end: how readily a vehicle stays on a link, as cameras tell.

Whoever is read by one camera and never again has ended its trip, or has left by ways that no camera
watches. Of a Markov chain over the links, with the turning shares of the balanced flows, the second
is known; the share that begins or ends on each link is then the one under which as many readings
are the first and the last of their vehicle as were. A city of through roads has a tenth of that of
an inner town. Readings near the end of the window are no last ones, and those near its beginning no
first ones, as the rest of their trips lies outside. Between cameras that stand far apart little
changes with the share: then the usual one holds (log-normal prior).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork

USUAL_SHARE = 0.03
"""Share of vehicles that begin or end on a link, against those that merely pass it."""
SHARES = tuple(float(s) for s in np.geomspace(0.001, 0.06, 15))
PRIOR_LOG_SD = 1.0
READINGS_RELATIVE_SD = 0.04
"""Error of the chain's number of first and last readings: vehicles do not choose by turning shares
alone."""
MARGIN_S = 600
"""At either end of the window, where trips are cut off."""
VALUE_ROUNDS = 60

Floats = NDArray[np.float64]
Flows = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Unseen:
    """A vehicle's way from link to link, forward or backward, until a camera sees it.

    onward: [from link, to link], shares; rows of links that lead nowhere are empty.
    """

    onward: csr_array
    forward: bool

    def stay(self, share: float) -> Floats:
        """float64[link]: of those on a link, who end (or began) there: all where no way goes on."""
        leads_on = np.diff(self.onward.indptr) > 0
        return np.where(leads_on, share, 1.0)

    def value(self, stay: Floats, missed: Floats) -> Floats:
        """float64[link]: probability that no camera sees the rest of the trip of who is on a link.

        Vehicles are seen where they *leave* a link: forward, ending on it is not leaving it;
        backward, every link was left.
        """
        value = np.ones(len(stay))
        leaves = np.diff(self.onward.indptr) == 0  # the map; who ends there passes its end
        for _ in range(VALUE_ROUNDS):
            passing = (1.0 - stay) * (self.onward @ value)
            if self.forward:
                value = np.where(leaves, missed, stay + missed * passing)
            else:
                value = missed * (stay + passing)
        return np.asarray(value)

    def beyond(self, stay: Floats, value: Floats) -> Floats:
        """float64[link]: the same, of who was just seen to leave a link."""
        passing = np.asarray(self.onward @ value)
        return passing if self.forward else stay + (1.0 - stay) * passing


def unseen(network: RoadNetwork, flows: Flows, *, forward: bool) -> Unseen:
    """The chain of the turning shares of ``flows``."""
    idx = network.link_idx
    turns = [(a, b) if forward else (b, a) for (a, b), veh in flows.items() if veh > 0]
    weights = [veh for veh in flows.values() if veh > 0]
    rows = np.array([idx[a] for a, _ in turns], np.int64)
    columns = np.array([idx[b] for _, b in turns], np.int64)
    total = np.bincount(rows, weights, len(idx))
    shares = np.array(weights) / total[rows]
    return Unseen(csr_array((shares, (rows, columns)), shape=(len(idx), len(idx))), forward)


Reading = tuple[str, float, bool, bool]
"""Link that was left, second of the service day, whether the trip's first, and its last reading."""


def stay_share(
    network: RoadNetwork,
    flows: Flows,
    missed: Floats,
    readings: Iterable[Reading],
    window: Window,
) -> float:
    """Share of vehicles that begin or end on each link they drive on.

    Args:
        flows: vehicles by turn. missed: float64[link], of those who leave it, who are not read.
    """
    told = list(readings)
    sides = []
    for forward in (True, False):
        chain = unseen(network, flows, forward=forward)
        leads_on = np.diff(chain.onward.indptr) > 0
        inside = [
            (network.link_idx[link], last if forward else first)
            for link, at_s, first, last in told
            if (at_s < window.end_s - MARGIN_S if forward else at_s > window.begin_s + MARGIN_S)
            and leads_on[network.link_idx[link]]  # where all end, an end tells nothing
        ]
        seen = np.bincount([i for i, _ in inside], minlength=len(network.links))
        ends = sum(end for _, end in inside)
        if ends:
            sides.append((chain, seen, ends))

    def misfit(share: float) -> float:
        found = (np.log(share / USUAL_SHARE) / PRIOR_LOG_SD) ** 2
        for chain, seen, ends in sides:
            stay = chain.stay(share)
            beyond = chain.beyond(stay, chain.value(stay, missed))
            chance = float(seen @ (beyond * (1.0 - beyond)))
            error = float(seen @ beyond) - ends
            found += error**2 / ((READINGS_RELATIVE_SD * ends) ** 2 + chance)
        return float(found)

    return min(SHARES, key=misfit) if sides else USUAL_SHARE
