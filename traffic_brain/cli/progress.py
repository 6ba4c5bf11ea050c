"""Progress on stderr: a bar for each stage on a terminal, lines in a log, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from traffic_brain.nightly.runner import Nobody, Watcher
from traffic_brain.progress import Progress

LINE_EVERY_S = 5.0


def bars() -> Watcher:
    """Bars on a terminal; nothing where nobody looks."""
    return Bars() if sys.stderr.isatty() else Nobody()


def bars_or_lines() -> Watcher:
    """Bars on a terminal; in a log, a line whenever a stage begins, goes on or ends."""
    return Bars() if sys.stderr.isatty() else Lines()


class Bars:
    """A bar per stage, which stays on the screen when the stage has ended."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Draw the bar of a stage."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Drawing

        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", markup=False),
        )
        with Drawing(*columns, console=Console(stderr=True)) as drawing:
            task = drawing.add_task(name, total=1.0, message="")
            yield lambda done_ratio, message: drawing.update(
                task, completed=done_ratio, message=message
            )
            drawing.update(task, completed=1.0, message="")

    def unchanged(self, name: str) -> None:
        """Tell that a stage's result is there already."""
        click.echo(f"{name:<10} unchanged", err=True)


class Lines:
    """Lines for a log, at most one in `LINE_EVERY_S` while a stage goes on."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Tell begin and end of a stage, and now and then how far it is."""
        start_s = spoken_s = time.monotonic()
        click.echo(f"{name}: begins", err=True)

        def tell(done_ratio: float, message: str) -> None:
            nonlocal spoken_s
            if time.monotonic() - spoken_s >= LINE_EVERY_S:
                spoken_s = time.monotonic()
                click.echo(f"{name}: {done_ratio:.0%} {message}", err=True)

        yield tell
        click.echo(f"{name}: done in {time.monotonic() - start_s:.1f} s", err=True)

    def unchanged(self, name: str) -> None:
        """Tell that a stage's result is there already."""
        click.echo(f"{name}: unchanged", err=True)
