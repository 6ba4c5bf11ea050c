"""``traffic-brain rollback``: back to the plans before, at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from traffic_brain.cli import decisions, options


@click.command("rollback")
@click.argument("package", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option(
    "--at",
    type=click.DateTime(["%H:%M"]),
    default="03:00",
    show_default=True,
    help="When the first junction may leave its plan.",
)
@options.note
@options.store
@options.key
@options.as_json
def command(
    package: Path,
    out: Path,
    at: datetime,
    note: str,
    store: str | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Write OUT, a package that undoes the approved PACKAGE.

    It restores the former plans byte for byte, and says in which order to switch back. It needs
    no approval; the audit log says who ordered it.
    """
    from traffic_brain.deployment.approval import by_me
    from traffic_brain.deployment.rollback import roll_back

    by = by_me(note)
    first_s = at.hour * 3600 + at.minute * 60
    with decisions.opened(store, package) as found:
        head = roll_back(found, package, out, by, first_s=first_s, key=decisions.secret(key))
    decisions.tell(package, "rolled back", head, as_json=as_json, out=out)
