"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
"""What is read: whether it is there and good is judged by whoever reads it."""
TARGET = click.Path(path_type=Path, resolve_path=True)
"""A folder to write: ``.`` and ``..`` have no name that could be replaced."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Decides every random choice; the same seed gives the same bytes.",
)
key = click.option(
    "--key",
    type=FOLDER,
    help="A file of 32 random bytes or more that its owner alone can read: it signs packages.",
)
store = click.option(
    "--store",
    envvar="TRAFFIC_BRAIN_STORE",
    help="Where decisions are kept: a file, sqlite:///FILE, or postgresql://USER@HOST/NAME.  "
    "[default: $TRAFFIC_BRAIN_STORE, else the file decisions.sqlite beside PACKAGE]",
)
note = click.option("--note", required=True, help="Why; it stays in the audit log.")
history = click.option(
    "--history",
    type=FOLDER,
    multiple=True,
    help="STATE of an earlier day whose traffic counts as well; several times, the latest first.",
)
calendar = click.option(
    "--calendar",
    type=FOLDER,
    help="TOML with a table for each day that is not what its weekday says: [2026-10-01], below it "
    'day_type = "holiday", weather = "rain"; or CSV with service_day, day_type, weather.  '
    "[default: working from Monday to Friday, free on other days]",
)
