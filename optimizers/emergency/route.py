"""The quickest way between two links, for an emergency vehicle."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from math import inf

from traffic_brain.model.network import RoadNetwork


def shortest_route(
    network: RoadNetwork, start: str, end: str, travel_s: Mapping[str, float]
) -> tuple[str, ...] | None:
    """The links of the quickest way from one link to another, both included; None: there is none.

    Args:
        travel_s: travel time of links; free flow where one is missing.
    """

    def cost(link_id: str) -> float:
        link = network.links[link_id]
        return travel_s.get(link_id, link.length_m / link.free_flow_speed_mps)

    best = {start: cost(start)}
    came: dict[str, str] = {}
    queue = [(best[start], start)]
    while queue:
        spent, here = heapq.heappop(queue)
        if here == end:
            way = [end]
            while way[-1] != start:
                way.append(came[way[-1]])
            return tuple(way[::-1])
        if spent > best[here]:
            continue
        for onward in network.successors[here]:
            reached = spent + cost(onward)
            if network.links[onward].car_lanes and reached < best.get(onward, inf):
                best[onward], came[onward] = reached, here
                heapq.heappush(queue, (reached, onward))
    return None
