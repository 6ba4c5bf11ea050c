"""``traffic-brain world``: a SUMO scenario as the city, recorded as its devices would."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output

if TYPE_CHECKING:
    from sim_scenarios.defects import Defects
    from sim_scenarios.spec import ScenarioSpec


@click.group("world")
def command() -> None:
    """A simulated city: record it, or try a package in it."""


@command.command("record")
@click.argument("world")
@click.argument("folder", type=options.TARGET)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-11-02",
    show_default=True,
    help="The first service day.",
)
@click.option("--days", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--defects",
    type=options.FOLDER,
    help="A TOML file of how bad the feeds are; `none`: complete and exact, as they never are.",
)
@options.seed
@options.as_json
def record(
    world: str,
    folder: Path,
    day: datetime,
    days: int,
    defects: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Run WORLD and write FOLDER/feeds/<day> and, apart from them, FOLDER/truth/<day>.

    WORLD is a name from `traffic-brain scenarios`, or any .sumocfg file. Each day has a seed of
    its own: the first day SEED, the second SEED + 1, and so on.
    """
    from sim_scenarios.scenario import prepare
    from sim_scenarios.spec import find
    from traffic_brain.nightly.stages import record_stage

    spec = find(world)
    feed_defects = _defects(defects, spec)
    with tempfile.TemporaryDirectory() as workdir:
        prepared = prepare(spec, Path(workdir))
        stages = [
            record_stage(
                spec,
                prepared,
                folder / "feeds" / name,
                folder / "truth" / name,
                seed=seed + i,
                defects=feed_defects,
            )
            for i, name in enumerate(_names(day, days))
        ]
        output.make(*stages, as_json=as_json)


@command.command("evaluate")
@click.argument("world")
@click.argument("package", type=options.FOLDER)
@click.argument("result", type=options.TARGET)
@click.option("--days", type=click.IntRange(min=2), default=10, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Of the first day.")
@click.option("--workers", type=click.IntRange(min=1), help="Simulations at a time.")
@options.as_json
def evaluate(
    world: str,
    package: Path,
    result: Path,
    days: int,
    seed: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Drive WORLD under the plans in service and under PACKAGE; write RESULT/result.json.

    PACKAGE is the folder that a night leaves. Each day has a seed of its own, SEED, SEED + 1, and
    so on; choose seeds on which nothing was made or tried before. A night does the same as its
    last step.
    """
    from sim_scenarios.scenario import prepare
    from sim_scenarios.spec import find
    from traffic_brain.nightly.night import result_rows
    from traffic_brain.nightly.stages import evaluate_stage

    spec = find(world)
    with tempfile.TemporaryDirectory() as workdir:
        stage = evaluate_stage(
            spec,
            prepare(spec, Path(workdir)),
            package,
            result,
            seeds=range(seed, seed + days),
            workers=workers,
        )
        output.make(stage, as_json=as_json)
    if not as_json:
        text = (result / "result.json").read_text(encoding="utf-8")
        output.print_columns(result_rows(json.loads(text)))


def _defects(path: Path | None, spec: ScenarioSpec) -> Defects:
    """The world's own, where the file does not say otherwise."""
    from sim_scenarios.defects import NONE, Defects
    from traffic_brain.nightly.settings import read_toml

    if path == Path("none"):
        return NONE
    return Defects.of_table({**spec.conditions.defects, **(read_toml(path) if path else {})})


def _names(first: datetime, days: int) -> list[str]:
    return [(first + timedelta(days=i)).date().isoformat() for i in range(days)]
