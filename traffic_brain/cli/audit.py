"""``traffic-brain audit``: who decided what, when and why, and whether the log is whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import decisions, options, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traffic_brain.deployment.audit import Entry


@click.command("audit")
@click.argument("package", type=options.FOLDER, default="night/package")
@click.option("--head", help="A `log head` that was written down: it must be in the log.")
@options.store
@options.as_json
def command(package: Path, head: str | None, store: str | None, as_json: bool) -> None:
    """Print every decision, and prove that none was changed.

    Reads the store beside PACKAGE, or the one that --store names. Where the log is not whole, the
    sound entries are printed and the first one that is not is named.
    """
    from traffic_brain.deployment.audit import Head
    from traffic_brain.errors import DataRefused

    written = None if head is None else Head.parse(head)
    with decisions.opened(store, package, create=False) as found:
        trail = found.trail()
    flaw = trail.flaw(written)
    sound = trail.entries if flaw is None else trail.entries[: flaw[0]]
    if as_json:
        entries = [asdict(entry) for entry in sound]
        whole = {"entries": entries, "log_head": str(trail.head), "whole": flaw is None}
        output.print_json(whole)
    else:
        output.print_columns(_rows(sound))
    if flaw is not None:
        raise DataRefused(
            "the audit log is not whole: " + flaw[1], "compare the store with a copy of it"
        )
    if not as_json:
        click.echo(f"{len(sound)} entries, none changed; log head {trail.head}")


def _rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    from traffic_brain.deployment.about import SHORT_ID

    rows: list[tuple[str, ...]] = [("entry", "at", "who", "package", "became", "note")]
    for entry in entries:
        act = entry.act
        note = " ".join(act.note.split())
        short = act.package_id[:SHORT_ID]
        rows.append((str(entry.seq), act.at, act.who, short, act.state, note))
    return rows
