"""``traffic-brain effect``: what a change of plans did, beside junctions that were left alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage


@click.command("effect")
@click.argument("city", type=options.FOLDER)
@click.argument("before", type=options.FOLDER)
@click.argument("after", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option(
    "--package",
    type=options.FOLDER,
    help="What was deployed: junctions whose plans it changes are the treated ones.  "
    "[default: those whose running plans differ between BEFORE and AFTER]",
)
@click.option("--junction", "junctions", multiple=True, help="A treated junction; repeatable.")
@options.calendar
@click.option(
    "--report",
    type=options.FOLDER,
    help="A folder from `traffic-brain diagnose`: its corridors are told from end to end.",
)
@options.as_json
def command(
    *,
    city: Path,
    before: Path,
    after: Path,
    out: Path,
    package: Path | None,
    junctions: tuple[str, ...],
    calendar: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Tell what a change of plans did, from days before and after.

    BEFORE and AFTER are folders from `traffic-brain fuse`, or folders that hold one for each
    service day. Three days on each side are the least; five tell much more. The answer may be that
    no effect is shown.
    """
    stage = effect_stage(
        city,
        before,
        after,
        out,
        package=package,
        junctions=junctions,
        calendar=calendar,
        report=report,
    )
    output.make(stage, as_json=as_json)
    if not as_json:
        click.echo((out / "effect.md").read_text(encoding="utf-8").splitlines()[2].strip("*"))


def effect_stage(
    city: Path,
    before: Path,
    after: Path,
    out: Path,
    *,
    package: Path | None = None,
    junctions: tuple[str, ...] = (),
    calendar: Path | None = None,
    report: Path | None = None,
) -> Stage:
    """States of two sides into the effect of what was changed between them."""
    from network_data.city import load_city
    from traffic_brain.diagnosis.effect.days import read_days
    from traffic_brain.diagnosis.effect.evaluate import evaluate, package_junctions, read_corridors
    from traffic_brain.diagnosis.effect.page import write_effect
    from traffic_brain.fusion.day_types import Calendar, read_calendar
    from traffic_brain.nightly.runner import Stage
    from traffic_brain.progress import Progress

    def work(folder: Path, progress: Progress) -> dict[str, int]:
        network = load_city(city)
        progress(0.1, "days before")
        days_before = read_days(before, network)
        progress(0.5, "days after")
        days_after = read_days(after, network)
        progress(0.9, "comparing")
        treated = {*junctions, *(package_junctions(package) if package else ())}
        known = read_calendar(calendar) if calendar else Calendar()
        found = evaluate(
            network,
            days_before,
            days_after,
            treated=treated,
            calendar=known,
            corridors=read_corridors(report) if report else (),
        )
        return write_effect(found, folder)

    inputs = {"city": city, "before": before, "after": after}
    further = {"package": package, "calendar": calendar, "report": report}
    return Stage(
        name="effect",
        inputs=inputs | {name: path for name, path in further.items() if path is not None},
        folders=(out,),
        work=work,
        configuration={"junctions": sorted(junctions)},
    )
