"""The roads at some junctions, with the plans that are to be told in a format of networks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.network import RoadNetwork


def roads_of(context: Context, what: str) -> RoadNetwork:
    """The road network of the context.

    Raises:
        ConfigurationError: there is none; ``what`` names the format that needs it.
    """
    if context.network is None:
        raise ConfigurationError(
            f"{what} tells of signals on a road network, and there is none", "give --city CITY"
        )
    return context.network


def roads_with(network: RoadNetwork, plans: PlanSet) -> RoadNetwork:
    """Links, movements and lamps at the junctions of the plans, whose plans are these alone."""
    by_junction = plans.by_junction
    cut = _around(network, by_junction.keys())
    junctions = {
        junction_id: replace(
            junction,
            plan_in_service=by_junction[junction_id][0],
            other_plans=tuple(by_junction[junction_id][1:]),
        )
        for junction_id, junction in cut.junctions.items()
    }
    return replace(cut, junctions=junctions, plan_windows=plans.windows)


def _around(network: RoadNetwork, junction_ids: Collection[str]) -> RoadNetwork:
    connections = tuple(c for c in network.connections if c.junction_id in junction_ids)
    used = {link_id for c in connections for link_id in (c.from_link, c.to_link)}
    return replace(
        network,
        links={k: link for k, link in network.links.items() if k in used},
        connections=connections,
        movements={k: m for k, m in network.movements.items() if m.junction_id in junction_ids},
        junctions={k: j for k, j in network.junctions.items() if k in junction_ids},
        crossings=tuple(c for c in network.crossings if c.junction_id in junction_ids),
        detectors=(),
        intergreens_s={k: s for k, s in network.intergreens_s.items() if k in junction_ids},
    )
