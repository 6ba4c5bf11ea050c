"""``traffic-brain nightly``: the whole loop in one command."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from traffic_brain.cli import options, output


@click.command("nightly")
@click.option("--config", type=options.FOLDER, help="A file such as night.toml.")
@click.option("--city", type=options.FOLDER, help="A folder from `traffic-brain network import`.")
@click.option("--feeds", type=options.FOLDER, help="Its feeds: a folder for each day, YYYY-MM-DD.")
@click.option(
    "--world",
    help="Instead of a city: a name from `traffic-brain scenarios`, or any .sumocfg file.",
)
@click.option(
    "--out", type=options.FOLDER, help="Where it works, such as nights/{day}.  [default: night]"
)
@click.option("--seed", type=click.IntRange(min=0), help="Decides every random choice.")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The service day.  [default: the latest that has feeds]",
)
@click.option(
    "--evaluation-seeds",
    type=click.IntRange(min=2),
    help="Days in the world on which the old and the new plans are compared.",
)
@click.option("--workers", type=click.IntRange(min=0), help="Simulations at a time; 0: all cores.")
@click.option("--status", is_flag=True, help="How the last night went; exit code 7 if it did not.")
@options.as_json
def command(
    config: Path | None,
    day: datetime | None,
    status: bool,
    as_json: bool,
    **told: str | int | Path | None,
) -> None:
    """The whole loop, from a day of feeds to the page.

    Record or read a day, find queues and causes, propose plans, check them in SUMO against the
    plans in service, pack them, and write the page. Without any option: the demonstration city.
    A night that was interrupted goes on where it was; what is unchanged is not made again.

    \b
    A city of your own:
      traffic-brain network import city.net.xml.gz city
      traffic-brain nightly --city city --feeds feeds --out night
    """  # noqa: D301 (click looks for the backspace itself)
    from traffic_brain.cli.progress import bars_or_lines
    from traffic_brain.nightly.night import run_night
    from traffic_brain.nightly.settings import read_settings

    overrides = {**told, "service_day": day.date() if day else None}
    settings = read_settings(config, overrides)
    if status:
        _tell_status(settings.root, as_json=as_json)
        return
    summary = run_night(settings, bars_or_lines())
    if as_json:
        output.print_json(summary.document())
    else:
        output.print_columns(summary.table())


def _tell_status(root: Path, *, as_json: bool) -> None:
    from traffic_brain.errors import NightIncomplete
    from traffic_brain.nightly.status import night_status

    found = night_status(root)
    if as_json:
        output.print_json(found.document())
    else:
        output.print_columns(found.table())
    if not found.healthy:
        click.get_current_context().exit(NightIncomplete.exit_code)
