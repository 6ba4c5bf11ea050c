"""``traffic-brain check``: candidates against the plans in service, in SUMO."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("check")
@click.argument("city", type=options.FOLDER)
@click.argument("state", type=options.FOLDER)
@click.argument("plans", type=options.FOLDER)
@click.argument("verdict", type=options.TARGET)
@click.option(
    "--diagnosis",
    type=options.FOLDER,
    help="A folder from `traffic-brain diagnose`: of a city that is checked area by area, where "
    "most can be saved comes first.",
)
@options.history
@options.seed
@options.as_json
def command(
    city: Path,
    state: Path,
    plans: Path,
    verdict: Path,
    *,
    diagnosis: Path | None,
    history: tuple[Path, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Simulate PLANS against the plans in service for VERDICT.

    The demand is the one that STATE holds, rebuilt from the feeds; the seeds are paired. A city too
    large for one simulation is checked area by area.
    """
    from sim_scenarios.check import CheckParams
    from traffic_brain.nightly.stages import check_stage

    stage = check_stage(
        city,
        state,
        plans,
        verdict,
        seed=seed,
        params=CheckParams(),
        history=history,
        diagnosis=diagnosis,
    )
    output.make(stage, as_json=as_json)
