"""Max-pressure and max-wave, which see every vehicle and choose a stage every ten seconds.

After the definitions published with RESCO (Ault, Sharon: Reinforcement Learning Benchmarks for
Traffic Signal Control, NeurIPS 2021): at each decision the stage is shown whose movements score
highest, after 3 s of yellow where lamps change. Max-wave scores all vehicles within 200 m of the
stop lines that the stage lets go; max-pressure the vehicles that stand there, less those that stand
on the lanes they lead to, if these end at a signal, summed over movements: a shared lane counts
once for each that the stage lets go. Stages are those of the plan in file. Vehicles are counted on
the lanes themselves and, where a lane is shorter than 200 m and no signal lies behind it, on those
before it.
"""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from benchmarks.plans.maps import Map
from sim_scenarios.run import RunRequest, RunResult, run
from traffic_brain.errors import SimulationError
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

DECISION_S = 10
YELLOW_S = 3
SEEN_M = 200.0


@dataclass(frozen=True)
class Watched:
    """Lanes of one stage at one junction: where its vehicles come from and go to."""

    picture: str
    before: tuple[tuple[str, ...], ...]
    """Of each connection that the stage lets go: its lane, and those before it that are seen."""
    after: tuple[tuple[str, ...], ...]
    """Of each of them: the lane it leads to, if a signal ends it."""


def run_greedy(map_: Map, kind: str, request: RunRequest) -> RunResult:
    """Run SUMO with ``max_pressure`` or ``max_wave`` at every signal that has stages in file."""
    watched = {j: _watched(map_.network, plan) for j, plan in map_.in_service.items()}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    options = (*request.options, "--remote-port", str(port), "--num-clients", "1")
    outcome: list[RunResult | SimulationError] = []

    def serve() -> None:
        asked = RunRequest(
            request.scenario, request.seed, request.folder, request.additional, options
        )
        try:
            outcome.append(run(asked))
        except SimulationError as error:
            outcome.append(error)

    server = threading.Thread(target=serve)
    server.start()
    try:
        _control(port, watched, kind, request.scenario.end_s)
    finally:
        server.join()
    if isinstance(outcome[0], SimulationError):
        raise outcome[0]
    return RunResult(request, outcome[0].wall_clock_s)


def _control(port: int, watched: dict[str, list[Watched]], kind: str, end_s: int) -> None:
    import traci

    connection = traci.connect(port, numRetries=200, waitBetweenRetries=0.1)
    try:
        sets = (x for ws in watched.values() for w in ws for x in w.before + w.after)
        lanes = sorted({lane for lanes in sets for lane in lanes})
        count = traci.constants.LAST_STEP_VEHICLE_NUMBER
        standing = traci.constants.LAST_STEP_VEHICLE_HALTING_NUMBER
        for lane in lanes:
            connection.lane.subscribe(lane, [count, standing])
        shown = {j: ws[0].picture for j, ws in watched.items()}
        for junction_id, picture in shown.items():
            connection.trafficlight.setRedYellowGreenState(junction_id, picture)
        now_s = int(connection.simulation.getTime())
        while now_s < end_s:
            seen: dict[str, dict[int, Any]] = connection.lane.getAllSubscriptionResults()
            wanted = {}
            for junction_id, stages in watched.items():
                scores = [_score(w, seen, kind, count, standing) for w in stages]
                best = max(range(len(stages)), key=lambda i: (scores[i], -i))
                current = [w.picture for w in stages].index(shown[junction_id])
                chosen = current if seen and scores[current] >= scores[best] else best
                wanted[junction_id] = stages[chosen].picture
            changed = [j for j in watched if wanted[j] != shown[j]]
            for j in changed:
                yellow = _between(shown[j], wanted[j])
                connection.trafficlight.setRedYellowGreenState(j, yellow)
            if changed:
                connection.simulationStep(float(min(now_s + YELLOW_S, end_s)))
            for j in changed:
                connection.trafficlight.setRedYellowGreenState(j, wanted[j])
            shown = wanted
            now_s += DECISION_S
            connection.simulationStep(float(min(now_s, end_s)))
    finally:
        connection.close()


def _score(w: Watched, seen: dict[str, dict[int, Any]], kind: str, count: int, still: int) -> int:
    if not seen:
        return 0
    if kind == "max_wave":
        return sum(int(seen[lane][count]) for lane in {x for lanes in w.before for x in lanes})
    standing = sum(int(seen[lane][still]) for lanes in w.before for lane in lanes)
    return standing - sum(int(seen[lane][still]) for lanes in w.after for lane in lanes)


def _between(shown: str, wanted: str) -> str:
    return "".join(
        "y" if a in "Gg" and b not in "Gg" else a for a, b in zip(shown, wanted, strict=True)
    )


def _watched(network: RoadNetwork, plan: SignalPlan) -> list[Watched]:
    found = []
    for stage in plan.stages:
        served = [
            c
            for c in network.connections
            if c.junction_id == plan.junction_id
            and c.signal_group_idx >= 0
            and stage.picture[c.signal_group_idx] in "Gg"
        ]
        before = (tuple(_upstream(network, c.from_link, c.from_lane_idx)) for c in served)
        after = (
            (f"{c.to_link}_{c.to_lane_idx}",) if network.links[c.to_link].junction_id else ()
            for c in served
        )
        found.append(Watched(stage.picture, tuple(before), tuple(after)))
    return found


def _upstream(network: RoadNetwork, link_id: str, lane_idx: int) -> list[str]:
    """The lane, and those that lead into it within ``SEEN_M`` without a signal between."""
    found: dict[str, None] = {}
    waiting = [(link_id, lane_idx, 0.0)]
    into = _into(network)
    while waiting:
        link, lane, away_m = waiting.pop()
        found[f"{link}_{lane}"] = None
        away_m += network.links[link].length_m
        if away_m < SEEN_M:
            for before, its_lane in into.get((link, lane), ()):
                if f"{before}_{its_lane}" not in found:
                    waiting.append((before, its_lane, away_m))
    return list(found)


_INTO: dict[int, dict[tuple[str, int], list[tuple[str, int]]]] = {}


def _into(network: RoadNetwork) -> dict[tuple[str, int], list[tuple[str, int]]]:
    if id(network) not in _INTO:
        into: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
        for c in network.connections:
            if c.junction_id is None:
                into[c.to_link, c.to_lane_idx].append((c.from_link, c.from_lane_idx))
        _INTO[id(network)] = into
    return _INTO[id(network)]
