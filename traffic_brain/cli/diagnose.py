"""``traffic-brain diagnose``: where queues begin, why, and which junctions belong together."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("diagnose")
@click.argument("city", type=options.FOLDER)
@click.argument("state", type=options.FOLDER)
@click.argument("report", type=options.TARGET)
@options.as_json
def command(city: Path, state: Path, report: Path, as_json: bool) -> None:
    """Find bottlenecks, their causes and corridors for REPORT."""
    from traffic_brain.nightly.stages import diagnose_stage

    output.make(diagnose_stage(city, state, report), as_json=as_json)
