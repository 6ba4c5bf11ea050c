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


@command.command("plans")
@click.option(
    "--maps",
    default="cologne1,cologne3,cologne8,ingolstadt1,ingolstadt7",
    show_default=True,
    help="Worlds by name or .sumocfg files, with commas between; all: every recorded one.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--redrawn",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Also so many days on which trips are drawn anew, each up to 120 s off.",
)
@click.option(
    "--contenders", metavar="NAMES", help="Only these, with semicolons between; default: all."
)
@click.option(
    "--controller",
    "controllers",
    metavar="MODULE:CLASS",
    multiple=True,
    help="A controller of your own beside them; several times for several.",
)
@click.option(
    "--out",
    type=options.TARGET,
    default="bench-plans",
    show_default=True,
    help="Figures, table, and a file per run: what is there already is not run again.",
)
@click.option(
    "--evaluations",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="What each round of our search may spend on its queue model; 0: SUMO alone decides.",
)
@click.option(
    "--tries",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Changes that our search lets SUMO judge at the end.",
)
@options.seed
def plans(
    *,
    maps: str,
    seeds: int,
    redrawn: int,
    contenders: str | None,
    controllers: tuple[str, ...],
    out: Path,
    evaluations: int,
    tries: int,
    seed: int,
) -> None:
    """Plans from true demand in SUMO: those in file, of SUMO's tools, greedy control, ours."""
    from optimizers.search import SearchParams
    from traffic_brain.cli.progress import bars_or_lines
    from traffic_brain.errors import ConfigurationError

    measuring = _benchmark("benchmarks.plans.measure")
    named = [c.strip() for c in contenders.split(";")] if contenders else measuring.CONTENDERS
    unknown = sorted(set(named) - set(measuring.CONTENDERS))
    if unknown:
        raise ConfigurationError(
            f"no contender is called {', '.join(unknown)}",
            f"known are: {'; '.join(measuring.CONTENDERS)}",
        )
    for name in controllers:
        measuring.find_controller(name)
    out.mkdir(parents=True, exist_ok=True)
    with bars_or_lines().stage("bench") as progress:
        rows = measuring.measure(
            measuring.recorded_worlds() if maps == "all" else [m.strip() for m in maps.split(",")],
            seeds,
            out,
            contenders=[*named, *controllers],
            redrawn=redrawn,
            search=measuring.Search(seed, SearchParams(evaluations=evaluations, tries=tries)),
            progress=progress,
        )
    click.echo(measuring.markdown(rows), nl=False)


@command.command("loop")
@click.option(
    "--worlds",
    default="cologne1,cologne3,cologne8,ingolstadt1,ingolstadt7",
    show_default=True,
    help="By name, or paths of .sumocfg files, with commas between.",
)
@click.option("--days", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Of each day."
)
@click.option(
    "--feeds",
    type=click.Choice(["clean", "faulty", "both"]),
    default="both",
    show_default=True,
    help="As recorded, with one fault a night, or each in its turn.",
)
@click.option(
    "--out",
    type=options.TARGET,
    default="bench-loop",
    show_default=True,
    help="Nights, days and figures: what is there already is not run again.",
)
@click.option(
    "--refine",
    "tries",
    type=click.IntRange(min=0),
    help="Changes that each night tries in the rebuilt city; 0: plans are not refined. Left out: "
    "as nights do of themselves, 30 where up to 8 junctions may be retimed and 8,000 vehicles "
    "drove, else none.",
)
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Simulations at a time.")
@options.seed
def loop(
    *,
    worlds: str,
    days: int,
    runs: int,
    feeds: str,
    out: Path,
    tries: int | None,
    workers: int,
    seed: int,
) -> None:
    """Several days in a row: each night sees feeds only; the next day runs what was deployed."""
    from traffic_brain.cli.progress import bars_or_lines

    measuring = _benchmark("benchmarks.loop.measure")
    table = _benchmark("benchmarks.loop.table")
    out.mkdir(parents=True, exist_ok=True)
    with bars_or_lines().stage("bench") as progress:
        figures = measuring.measure(
            [name.strip() for name in worlds.split(",")],
            out.resolve(),
            days=days,
            runs=runs,
            arms=measuring.ARMS if feeds == "both" else (feeds,),
            seed=seed,
            tries=tries,
            workers=workers,
            progress=progress,
        )
    click.echo(table.write(figures, out), nl=False)


@command.command("night")
@click.option("--junctions", type=click.IntRange(min=4), default=60, show_default=True)
@click.option(
    "--minutes",
    type=click.IntRange(10, 90),
    default=30,
    show_default=True,
    help="Of the morning peak that is recorded.",
)
@click.option("--out", type=options.TARGET, default="bench-night", show_default=True)
@click.option("--workers", type=click.IntRange(min=0), default=0, help="Simulations at a time.")
@options.seed
def night(junctions: int, minutes: int, out: Path, workers: int, seed: int) -> None:
    """A night of a generated city, from raw feeds to the page: seconds and memory by stage."""
    from traffic_brain.cli.progress import bars_or_lines

    measuring = _benchmark("benchmarks.night")
    with bars_or_lines().stage("bench") as progress:
        figures = measuring.measure(
            junctions, minutes, out, seed=seed, workers=workers, progress=progress
        )
    output.print_columns(measuring.lines(figures))


@command.command("compare")
@click.argument("a", type=options.FOLDER)
@click.argument("b", type=options.FOLDER)
def compare(a: Path, b: Path) -> None:
    """What changed beyond noise from A to B: two --out folders of `bench plans` or `bench loop`."""
    comparing = _benchmark("benchmarks.compare")
    for line in comparing.lines(comparing.read_measured(a), comparing.read_measured(b)):
        click.echo(line)


@command.command("city")
@click.option("--junctions", type=click.IntRange(min=9), default=2380, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option(
    "--cpu-s", type=click.FloatRange(min=1), default=300.0, show_default=True, help="For each city."
)
@click.option(
    "--cycle-s",
    type=click.IntRange(min=30, max=300),
    help="Common cycle; default: the shortest that every junction can run.",
)
@click.option(
    "--out",
    type=options.TARGET,
    default="bench-city",
    show_default=True,
    help="Cities and figures; a city that is there is not made again.",
)
@click.option("--seed", type=click.IntRange(min=0), default=101, show_default=True, help="First.")
def city(
    junctions: int, seeds: int, cpu_s: float, cycle_s: int | None, out: Path, seed: int
) -> None:
    """Offsets of generated cities: cost, proven bound, and the gap after 50, 120, 300 CPU s."""
    from traffic_brain.cli.progress import bars_or_lines
    from traffic_brain.model.reading import to_json

    measuring = _benchmark("benchmarks.city.measure")
    out.mkdir(parents=True, exist_ok=True)
    request = measuring.Request(junctions, tuple(range(seed, seed + seeds)), cpu_s, cycle_s)
    with bars_or_lines().stage("bench") as progress:
        rows = measuring.measure(request, out, progress)
    document = {"cities": rows, "summary": measuring.summary(rows)}
    (out / "figures.json").write_text(to_json(document), encoding="utf-8")
    click.echo(measuring.markdown(rows), nl=False)


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


SUITES = {
    "fusion": ("benchmarks.fusion", "The fused state against the truth of recorded worlds."),
    "diagnosis": ("benchmarks.diagnosis", "Planted faults: heads of queues, causes, savings."),
    "check": ("benchmarks.gate", "Whether the check passes what is better, and nothing else."),
}
"""Suites with options of their own: what follows their name goes to them."""


def _suite(name: str, module: str, told: str) -> click.Command:
    @click.command(
        name,
        help=told,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    @click.pass_context
    def run(context: click.Context) -> None:
        import runpy
        import sys

        _benchmark("benchmarks")
        sys.argv = [f"traffic-brain bench {name}", *context.args]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as ended:  # how argparse leaves
            context.exit(ended.code if isinstance(ended.code, int) else 0)

    return run


for _name, (_module, _told) in SUITES.items():
    command.add_command(_suite(_name, _module, _told))
