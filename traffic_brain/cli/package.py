"""``traffic-brain package``: what a control room loads, and what it needs to go back."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("package")
@click.argument("city", type=options.FOLDER)
@click.argument("state", type=options.FOLDER)
@click.argument("plans", type=options.FOLDER)
@click.argument("verdict", type=options.FOLDER)
@click.argument("package", type=options.TARGET)
@click.option(
    "--report",
    type=options.FOLDER,
    help="A folder from `traffic-brain diagnose`: its corridors are switched one after the other. "
    "Without it, all plans are switched at once.",
)
@options.key
@options.as_json
def command(
    city: Path,
    state: Path,
    plans: Path,
    verdict: Path,
    package: Path,
    report: Path | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Pack what VERDICT has decided into PACKAGE.

    Plans to load, plans to go back to, what differs, in which order to switch, certificate and
    checksums.
    """
    from traffic_brain.nightly.stages import package_stage

    stage = package_stage(city, state, plans, verdict, package, diagnosis=report, key=key)
    output.make(stage, as_json=as_json)
