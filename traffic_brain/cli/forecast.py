"""``traffic-brain forecast``: early warning, with its measured skill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output
from traffic_brain.cli.past_days import calendar_of, inputs_of, states_in

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage


@click.command("forecast")
@click.argument("city", type=options.FOLDER)
@click.argument("states", type=options.FOLDER, nargs=-1, required=True)
@click.argument("out", type=options.TARGET)
@click.option(
    "--so-far",
    type=options.FOLDER,
    help="STATE of the day until now: the next hour is forecast as well.",
)
@click.option("--day", help="The day to forecast.  [default: that of --so-far, or the day after]")
@options.calendar
@options.as_json
def command(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    *,
    so_far: Path | None,
    day: str | None,
    calendar: Path | None,
    as_json: bool,
) -> None:
    """Forecast congestion of tomorrow and the next hour for OUT.

    STATES are folders from `traffic-brain fuse`, one for each past day, or folders that hold them.
    OUT/skill.json tells how good it was on the latest of them, beside "same as now" and "same as
    last".
    """
    stage = forecast_stage(city, states, out, so_far=so_far, day=day, calendar=calendar)
    output.make(stage, as_json=as_json)


def forecast_stage(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    *,
    so_far: Path | None,
    day: str | None,
    calendar: Path | None,
) -> Stage:
    """States of past days, and of the day so far, into what is to come."""
    from network_data.city import load_city
    from traffic_brain.clock import parse_service_day
    from traffic_brain.diagnosis.early_warning import history_of, write_warning
    from traffic_brain.fusion.day_profiles import day_after
    from traffic_brain.fusion.state import load_state
    from traffic_brain.nightly.runner import Stage
    from traffic_brain.progress import Progress

    folders = states_in(states)
    given = parse_service_day(day) if day else None

    def work(folder: Path, progress: Progress) -> dict[str, int]:
        known, network = calendar_of(calendar), load_city(city)
        today = load_state(so_far, network) if so_far else None
        here = parse_service_day(today.service_day) if today else day_after(folders)
        progress(0.0, "reading the days so far")
        past = history_of(network, [load_state(one, network) for one in folders], known)
        return write_warning(network, past, known.type_of(given or here), folder, today, progress)

    return Stage(
        name="forecast",
        inputs=inputs_of(city, folders, calendar=calendar, so_far=so_far),
        folders=(out,),
        work=work,
        configuration={"day": str(given)},
    )
