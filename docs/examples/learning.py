"""Agents that learn in sumo-rl's PettingZoo environment, and drive here as a controller.

    python learning.py cologne1 --episodes 20
    traffic-brain bench plans --maps cologne1 --seeds 5 --controller learning:Learned

One agent a junction, with a table of values (Q-learning; Watkins 1989). It sees which stage is
shown, before which one most vehicles stand, and about how many; its reward is sumo-rl's ``queue``.
"""

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from traffic_brain.errors import TrafficBrainError

LEARNED = Path("learned.json")
DECISION_S, YELLOW_S = 10, 3
RATE, DISCOUNT, CURIOSITY = 0.3, 0.8, 0.1
FEW, MANY = 3, 10


def state_of(stage, standing):
    """What an agent tells apart; ``standing``: vehicles before each stage."""
    most = int(np.argmax(standing))
    return f"{stage} {most} {sum(standing[most] > n for n in (0, FEW, MANY))}"


def environment(name, folder, seconds=None):
    """A world of this project as sumo-rl's parallel environment of PettingZoo."""
    import sumo

    os.environ.setdefault("SUMO_HOME", sumo.SUMO_HOME)
    import sumo_rl
    from gymnasium.spaces import Box

    from sim_scenarios.scenario import prepare
    from sim_scenarios.spec import find

    class Standing(sumo_rl.ObservationFunction):
        def __call__(self):
            ts, links = self.ts, self.ts.sumo.trafficlight.getControlledLinks(self.ts.id)
            count = ts.sumo.lane.getLastStepHaltingNumber
            standing = []
            for phase in ts.green_phases:
                lit = [a for a, lamp in zip(links, phase.state, strict=True) if lamp in "Gg"]
                standing.append(sum(count(lane) for lane in {way[0] for a in lit for way in a}))
            return np.array([ts.green_phase, *standing], dtype=np.float32)

        def observation_space(self):
            return Box(0.0, np.inf, (1 + self.ts.num_green_phases,))

    world = prepare(find(name), folder)
    routes = ET.parse(world.sumocfg).getroot().find(".//route-files")
    if routes is None:
        raise SystemExit(f"{name} has no file of routes, which sumo-rl asks for")
    return sumo_rl.parallel_env(
        net_file=str(world.net_file),
        route_file=routes.get("value"),
        begin_time=world.begin_s,
        num_seconds=seconds or world.end_s - world.begin_s,
        delta_time=DECISION_S,
        yellow_time=YELLOW_S,
        reward_fn="queue",
        observation_class=Standing,
        additional_sumo_cmd=f"-c {world.sumocfg} --no-step-log true",  # scale, detectors, steps
        sumo_warnings=False,
    )


def train(name, episodes, out=LEARNED, seed=0, seconds=None):
    """Let the agents of a world learn; returns Σ reward by episode.

    Kept are the tables at the end of the best episode.
    """
    rng, values, sums = np.random.default_rng(seed), {}, []
    with tempfile.TemporaryDirectory() as folder:
        env = environment(name, Path(folder), seconds)
        for episode in range(episodes):
            curious = CURIOSITY * (1 - episode / episodes)
            sums.append(drive(env, values, rng, curious, seed + episode))
            if sums[-1] == max(sums):
                out.write_text(json.dumps(values), encoding="utf-8")
            print(f"episode {episode + 1} of {episodes}: {sums[-1]:.0f}", flush=True)
        env.close()
    return sums


def drive(env, values, rng, curious, seed):
    """One episode, learning on the way."""
    seen, _ = env.reset(seed=seed)
    total = 0.0
    while env.agents:
        was, chosen = {}, {}
        for a, o in seen.items():
            was[a] = q = values_at(values, a, o)
            chosen[a] = int(rng.integers(len(q))) if rng.random() < curious else int(np.argmax(q))
        seen, rewards, *_ = env.step(chosen)
        for a, o in seen.items():
            after = rewards[a] + DISCOUNT * max(values_at(values, a, o))
            was[a][chosen[a]] += RATE * (after - was[a][chosen[a]])
            total += rewards[a]
    return total


def values_at(values, agent, seen):
    """The value of each stage where the agent stands."""
    state = state_of(int(seen[0]), seen[1:])
    return values.setdefault(agent, {}).setdefault(state, [0.0] * (len(seen) - 1))


class Learned:
    """The controller: what the agents have learned, in the working folder's ``learned.json``."""

    decision_s = DECISION_S
    reads = (LEARNED,)

    def start(self, network, junctions):
        """Read the tables; see the lanes before every stage."""
        self.values = json.loads(LEARNED.read_text(encoding="utf-8"))
        if unknown := set(junctions) - set(self.values):
            raise ValueError(
                f"{LEARNED} knows nothing of {min(unknown)}: train in this world first"
            )
        self.lanes = {j: [set() for _ in stages] for j, stages in junctions.items()}
        for c in network.connections:
            for stage, picture in enumerate(junctions.get(c.junction_id, ())):
                if c.signal_group_idx >= 0 and picture[c.signal_group_idx] in "Gg":
                    lane = f"{c.from_link}_{c.from_lane_idx}"
                    self.lanes[c.junction_id][stage].add(lane)
        return set().union(*(lanes for stages in self.lanes.values() for lanes in stages))

    def choose(self, seen):
        """The stage of the highest value; a state never met keeps what is shown."""
        chosen = {}
        for j, stages in self.lanes.items():
            standing = [sum(seen.standing[lane] for lane in lanes) for lanes in stages]
            known = self.values.get(j, {}).get(state_of(seen.stage_idx[j], standing))
            if known:
                chosen[j] = int(np.argmax(known))
        return chosen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Let agents learn in a world.")
    parser.add_argument("world")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    if told.episodes < 1:
        parser.error("at least one episode")
    warnings.filterwarnings("ignore", "The base environment")  # it tells of pictures
    try:
        train(told.world, told.episodes, seed=told.seed)
    except TrafficBrainError as error:
        parser.error(str(error))
