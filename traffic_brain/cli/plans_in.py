"""``traffic-brain plans-in``: plans from a file of any format, held to the rules."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output
from traffic_brain.cli.export import FORMATS


@click.command("plans-in")
@click.argument("source", type=options.FOLDER)
@click.argument("city", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="The format of SOURCE; without it, told by its names and first element.",
)
@options.as_json
def command(source: Path, city: Path, out: Path, form: str | None, as_json: bool) -> None:
    """Read plans from other formats.

    The plans of SOURCE, at the junctions of CITY, go to the folder OUT. SOURCE is a file or a
    folder of any format of 'export', GA/T 1049.2 of 2013 as well. OUT gets plans.json and the
    sheet "what I understood" (understood.html and .json), to be compared with the source and
    signed. A plan that breaks a safety rule is refused, with the rule named; all problems are
    told at once.
    """
    from traffic_brain.deployment.formats.importing import import_plans
    from traffic_brain.nightly.runner import Stage

    inputs = {"source": source, "city": city}
    mapping = source.parent / "mapping.json"
    if source.is_file() and mapping.is_file():
        inputs["mapping"] = mapping
    stage = Stage(
        name="plans in",
        inputs=inputs,
        folders=(out,),
        work=lambda folder, _: import_plans(source, city, folder, form),
        configuration={"format": form, "source": source.name},
    )
    output.make(stage, as_json=as_json)
