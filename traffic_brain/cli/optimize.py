"""``traffic-brain optimize``: better cycles, splits and offsets, with bound and gap."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("optimize")
@click.argument("city", type=options.FOLDER)
@click.argument("state", type=options.FOLDER)
@click.argument("plans", type=options.TARGET)
@click.option(
    "--report",
    type=options.FOLDER,
    help="A folder from `traffic-brain diagnose`; without it, the diagnosis is made on the way.",
)
@click.option(
    "--refine",
    type=click.IntRange(min=1),
    metavar="N",
    help="Then refine cycles, splits, offsets and stages together in the city rebuilt in SUMO, "
    "with N steps of two sets of changes at the end (60 are usual); takes minutes.",
)
@click.option(
    "--free-protections",
    is_flag=True,
    help="Where stages are chosen anew or refined, a turn that is protected today may become a "
    "permitted one.",
)
@click.option(
    "--max-changes",
    type=click.IntRange(min=1),
    metavar="K",
    help="Change K junctions at the most: those that save most, with the front of what one more "
    "brings.  [default: all that may be retimed]",
)
@options.history
@options.seed
@options.as_json
def command(
    city: Path,
    state: Path,
    plans: Path,
    *,
    report: Path | None,
    refine: int | None,
    free_protections: bool,
    max_changes: int | None,
    history: tuple[Path, ...],
    seed: int,
    as_json: bool,
) -> None:
    """Find better plans for the demand in STATE; write PLANS."""
    from optimizers.params import OptimizeParams
    from optimizers.refinement import refuse_conflicts
    from optimizers.search import SearchParams
    from traffic_brain.nightly.runner import Nobody, run_stage
    from traffic_brain.nightly.stages import diagnose_stage, optimize_stage

    params = OptimizeParams(max_changes=max_changes or 0, free_protections=free_protections)
    search = SearchParams(tries=refine or 0, free_protections=free_protections)
    refuse_conflicts(params, search)
    with tempfile.TemporaryDirectory() as temporary:
        if report is None:
            report = Path(temporary, "diagnosis")
            run_stage(diagnose_stage(city, state, report), Nobody())
        stage = optimize_stage(
            city,
            state,
            report,
            plans,
            seed=seed,
            params=params,
            search=search,
            workers=len(os.sched_getaffinity(0)),
            history=history,
        )
        output.make(stage, as_json=as_json)
