"""The handbook's agents: they learn in sumo-rl's environment, and drive as a controller."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.plans.controlled import find_controller, run_controlled, source_digest
from benchmarks.plans.maps import read_map
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest
from traffic_brain.errors import ConfigurationError

SECONDS = 900
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

pytestmark = pytest.mark.skipif(
    find_spec("sumo_rl") is None, reason="sumo-rl is not installed: pip install traffic-brain[demo]"
)


@pytest.mark.filterwarnings("ignore:The base environment:UserWarning")
def test_agents_learn_and_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better after six short episodes than agents that know nothing, and never switch."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    learned = find_controller("learning:Learned")
    from learning import train

    sums = train("cologne1", 6, seconds=SECONDS)
    city = read_map("cologne1", tmp_path / "map")
    (junction_id,) = city.in_service
    stages = len(city.in_service[junction_id].stages)
    told = json.loads((tmp_path / "learned.json").read_text("utf-8"))
    assert {len(q) for q in told[junction_id].values()} == {stages}
    assert len(sums) == 6
    world = replace(city.world, end_s=city.world.begin_s + SECONDS)
    delays, digests = [], set()
    for values in (told, {junction_id: {}}):
        (tmp_path / "learned.json").write_text(json.dumps(values), encoding="utf-8")
        digests.add(source_digest(learned))
        folder = tmp_path / f"run-{len(delays)}"
        request = RunRequest(world, 1, folder, options=("--end", str(world.end_s)))
        delays.append(summarise(run_controlled(city, learned(), request)).delay_s_per_veh)
    assert delays[0] < 0.6 * delays[1]
    assert len(digests) == 2, "other tables are another run"
    (tmp_path / "learned.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="train in this world first"):
        run_controlled(city, learned(), request)
    (tmp_path / "learned.json").unlink()
    with pytest.raises(ConfigurationError, match="make it first"):
        source_digest(learned)
