"""``traffic-brain network``: road networks into city folders."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output
from traffic_brain.errors import DataRefused


@click.group("network")
def command() -> None:
    """Import and check road networks."""


@command.command("import")
@click.argument("source", type=options.FOLDER)
@click.argument("city", type=options.TARGET)
@click.option(
    "--additional",
    type=options.FOLDER,
    multiple=True,
    help="A SUMO additional file with signal programs; may be given several times.",
)
@options.as_json
def import_(source: Path, city: Path, additional: tuple[Path, ...], as_json: bool) -> None:
    """Import SOURCE, a SUMO .net.xml[.gz], into the folder CITY.

    What could not be taken over stands in CITY/loss_report.json.
    """
    from traffic_brain.nightly.stages import import_stage

    output.make(import_stage(source, additional, city), as_json=as_json)


@command.command("check")
@click.argument("city", type=options.FOLDER)
@options.as_json
def check(city: Path, as_json: bool) -> None:
    """Tell every problem of the network in CITY at once."""
    from network_data.checks import problems
    from network_data.city import load_city

    found = [str(problem) for problem in problems(load_city(city))]
    if as_json:
        output.print_json({"city": str(city), "problems": found})
    else:
        for problem in found:
            click.echo(problem)
        click.echo(f"{len(found)} problems")
    if found:
        raise DataRefused(f"{city} has {len(found)} problems", "see the lines above")
