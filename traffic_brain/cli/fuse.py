"""``traffic-brain fuse``: the feeds of a service day into the state of the city."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("fuse")
@click.argument("city", type=options.FOLDER)
@click.argument("feeds", type=options.FOLDER)
@click.argument("state", type=options.TARGET)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that read large feeds; the state does not depend on it.",
)
@click.option("--cluster", metavar="TCP://…", help="An existing Dask cluster that reads them.")
@options.seed
@options.as_json
def command(
    city: Path,
    feeds: Path,
    state: Path,
    *,
    workers: int,
    cluster: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Fuse the feeds of one service day into STATE.

    CITY is a folder from `traffic-brain network import`; FEEDS is the folder of the day, named
    YYYY-MM-DD.
    """
    from traffic_brain.executor import Engine
    from traffic_brain.nightly.stages import fuse_stage

    engine = Engine(workers, cluster)
    output.make(fuse_stage(city, feeds, state, seed=seed, engine=engine), as_json=as_json)
