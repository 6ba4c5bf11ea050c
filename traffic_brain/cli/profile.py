"""``traffic-brain profile``: what is usual on days of a type, and what to expect tomorrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output
from traffic_brain.cli.past_days import calendar_of, inputs_of, states_in

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage


@click.command("profile")
@click.argument("city", type=options.FOLDER)
@click.argument("states", type=options.FOLDER, nargs=-1, required=True)
@click.argument("out", type=options.TARGET)
@click.option(
    "--day",
    help="The day to expect, as YYYY-MM-DD.  [default: the day after the last of STATES]",
)
@options.calendar
@options.as_json
def command(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    day: str | None,
    calendar: Path | None,
    as_json: bool,
) -> None:
    """Learn what is usual, and what to expect tomorrow, for OUT.

    STATES are folders from `traffic-brain fuse`, one for each past day, or folders that hold them.
    Travel time and flow of every link, demand of every movement, by day type, with 95 % intervals.
    """
    output.make(profile_stage(city, states, out, day=day, calendar=calendar), as_json=as_json)


def profile_stage(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    *,
    day: str | None = None,
    calendar: Path | None = None,
) -> Stage:
    """States of past days into profiles by day type and those of the day to come."""
    from network_data.city import load_city
    from traffic_brain.clock import parse_service_day
    from traffic_brain.fusion.day_profiles import day_after, profiles
    from traffic_brain.nightly.runner import Stage
    from traffic_brain.progress import Progress

    folders = states_in(states)
    to_come = parse_service_day(day) if day else day_after(folders)

    def work(folder: Path, progress: Progress) -> dict[str, int]:
        known = calendar_of(calendar)
        return profiles(load_city(city), folders, known, to_come, folder, progress=progress)

    return Stage(
        name="profile",
        inputs=inputs_of(city, folders, calendar=calendar),
        folders=(out,),
        work=work,
        configuration={"day": str(to_come)},
    )
