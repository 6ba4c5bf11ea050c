"""The one border to SUMO's signal conventions: our plans out, SUMO's programs in.

The importer and the writers of ``network_data`` need both directions too, so they are defined
there; what a prepared world runs is asked here.
"""

from __future__ import annotations

from network_data.importers.sumo.programs import plans_of, read_programs
from network_data.writers.sumo_signals import write_programs
from sim_scenarios.scenario import PreparedScenario
from traffic_brain.model.signals import SignalPlan

__all__ = ["plans_in_service", "plans_of", "read_programs", "write_programs"]


def plans_in_service(scenario: PreparedScenario) -> dict[str, SignalPlan]:
    """The fixed plans that run in a world from its begin, by junction id.

    Controllers that run no fixed plan (actuated, off) are left out. Raises DataRefused when a
    file cannot be read.
    """
    net, additional = scenario.network_sources()
    programs = read_programs(net, additional, at_s=scenario.begin_s)
    converted = plans_of({j: p for j, p in programs.items() if p.kind == "static"})
    return {j: c.plan for j, c in converted.items() if c.plan is not None}
