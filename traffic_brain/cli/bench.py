"""``traffic-brain bench``: speed at the size of a city, beside peers, on this machine."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from traffic_brain.cli import options, output


@click.group("bench")
def command() -> None:
    """Measure the program on this machine."""


@command.command("feeds")
@click.option("--full", is_flag=True, help="The whole day: 225 million rows, not a tenth of them.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--cluster", metavar="TCP://…", help="An existing Dask cluster, for our part.")
@click.option("--keep", is_flag=True, help="Keep the day's files for the next time.")
@click.option(
    "--json", "figures_file", type=click.Path(path_type=Path), help="Write the figures to a file."
)
@options.seed
def feeds(
    full: bool, workers: int, cluster: str | None, keep: bool, figures_file: Path | None, seed: int
) -> None:
    """A day of feeds like Hefei's: make it, fuse it, beside DuckDB and Polars.

    What is measured beside comes with: pip install 'traffic-brain[bench]'.
    """
    from traffic_brain.cli.progress import bars_or_lines

    measuring = _benchmark("benchmarks.feeds.measure")
    with bars_or_lines().stage("bench") as progress:
        figures = measuring.measure(
            measuring.FULL if full else measuring.TENTH,
            seed,
            workers=workers,
            cluster=cluster,
            keep=keep,
            progress=progress,
        )
    output.print_columns(measuring.lines(figures))
    if figures_file:
        measuring.write_figures(figures, figures_file)


def _benchmark(module: str) -> Any:
    """The benchmark's module; benchmarks are no part of what is installed."""
    from traffic_brain.errors import ConfigurationError

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "benchmarks":
            raise
        raise ConfigurationError(
            "the benchmarks are not part of the installed package",
            "unpack the source archive and run: pip install -e '.[bench]'",
        ) from error
