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
