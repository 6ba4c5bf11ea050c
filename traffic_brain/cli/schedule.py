"""``traffic-brain schedule``: how many plans a day, and when each runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output
from traffic_brain.cli.past_days import calendar_of, inputs_of, states_in

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage


@click.command("schedule")
@click.argument("city", type=options.FOLDER)
@click.argument("states", type=options.FOLDER, nargs=-1, required=True)
@click.argument("out", type=options.TARGET)
@click.option(
    "--most-periods",
    type=click.IntRange(1, 16),
    default=6,
    show_default=True,
    help="So many plans a day at the most.",
)
@click.option(
    "--least-minutes",
    type=click.IntRange(15),
    default=60,
    show_default=True,
    help="No plan runs for less; whole quarters of an hour.",
)
@options.calendar
@options.seed
@options.as_json
def command(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    *,
    most_periods: int,
    least_minutes: int,
    calendar: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Find how many plans a day are worth it; write OUT.

    STATES are folders from `traffic-brain fuse`, one for each past day, or folders that hold them;
    days of one type are taken together. The delay that every change costs counts against it.
    OUT/schedule.json tells what was found, and how each controller gets into step;
    OUT/plan_windows.json is for `traffic-brain export PACKAGE --plan-windows`. Its plans keep the
    safety rules; SUMO has not checked them.
    """
    stage = schedule_stage(
        city,
        states,
        out,
        most_periods=most_periods,
        least_minutes=least_minutes,
        calendar=calendar,
        seed=seed,
    )
    output.make(stage, as_json=as_json)


def schedule_stage(
    city: Path,
    states: tuple[Path, ...],
    out: Path,
    *,
    most_periods: int,
    least_minutes: int,
    calendar: Path | None,
    seed: int,
) -> Stage:
    """States of past days into plans for the times of the day."""
    from optimizers.schedule.params import ScheduleParams
    from optimizers.schedule.solve import schedule
    from traffic_brain.nightly.runner import Stage
    from traffic_brain.progress import Progress

    params = ScheduleParams(most_periods=most_periods, least_period_s=60 * least_minutes)
    folders = states_in(states)

    def work(folder: Path, progress: Progress) -> dict[str, int]:
        known = calendar_of(calendar)
        return schedule(
            city, folders, folder, seed=seed, params=params, calendar=known, progress=progress
        )

    return Stage(
        name="schedule",
        inputs=inputs_of(city, folders, calendar=calendar),
        folders=(out,),
        work=work,
        configuration={"most_periods": most_periods, "least_minutes": least_minutes},
        seed=seed,
    )
