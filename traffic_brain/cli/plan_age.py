"""``traffic-brain plan-age``: what keeping each plan costs, and what to retime next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage

FIRST = 10


@click.command("plan-age")
@click.argument("city", type=options.FOLDER)
@click.argument("state", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@options.as_json
def command(city: Path, state: Path, out: Path, *, as_json: bool) -> None:
    """Tell what keeping each plan costs, and what to retime next.

    OUT/plan_age.parquet has every junction that ran a fixed plan: vehicle-hours over the hours of
    STATE that other greens in the same cycle would save, by the formula of the manual and by the
    queue model, what to retime next first. It is a watch, not a proposal.
    """
    output.make(plan_age_stage(city, state, out), as_json=as_json)
    if not as_json:
        _print_first(out)


def plan_age_stage(city: Path, state: Path, out: Path) -> Stage:
    """A state into what each junction's greens cost."""
    from network_data.city import load_city
    from traffic_brain.diagnosis.plan_age import plan_ages, write_plan_ages
    from traffic_brain.fusion.state import load_state
    from traffic_brain.nightly.runner import Stage
    from traffic_brain.progress import Progress

    def work(folder: Path, progress: Progress) -> dict[str, int]:
        network = load_city(city)
        known = load_state(state, network)
        progress(0.1, "greens of today")
        return write_plan_ages(plan_ages(network, known), folder)

    return Stage(name="plan age", inputs={"city": city, "state": state}, folders=(out,), work=work)


def _print_first(out: Path) -> None:
    import pyarrow.parquet as pq

    from traffic_brain.diagnosis.plan_age import FILE

    rows = pq.read_table(out / FILE).slice(0, FIRST).to_pylist()
    head = ("junction", "lost veh·h", "saved veh·h", "greens now", "greens of today", "")
    told = [
        (
            row["junction_id"],
            f"{row['lost_veh_h']:.1f}",
            f"{row['saved_veh_h']:.1f}",
            " ".join(map(str, row["greens_s"])),
            " ".join(map(str, row["new_greens_s"])),
            "redesign, do not retime" if row["is_redesign"] else "",
        )
        for row in rows
    ]
    if told:
        output.print_columns([head, *told])
