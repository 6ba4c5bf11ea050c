"""``traffic-brain approve``: a person takes the responsibility, once, for what still holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from traffic_brain.cli import decisions, options


@click.command("approve")
@click.argument("package", type=options.FOLDER)
@click.argument("city", type=options.FOLDER, required=False)
@click.argument("state", type=options.FOLDER, required=False)
@options.note
@decisions.on
@options.store
@options.key
@options.as_json
def command(
    package: Path,
    city: Path | None,
    state: Path | None,
    note: str,
    on: datetime | None,
    store: str | None,
    key: Path | None,
    as_json: bool,
) -> None:
    """Approve PACKAGE, if nothing has changed since.

    It is proven again and compared with the network in CITY and the plans that run in STATE;
    without them, with the folders `city` and `state` beside it. It is refused when one of them
    has changed, and when the package was tampered with, is not shown better, has expired or is
    decided on already. With --key it must be signed.

    Write down the `log head`: `traffic-brain audit --head` proves later that nothing before it
    was changed.
    """
    from traffic_brain.deployment.approval import approve, by_me

    beside = package.resolve().parent
    by = by_me(note, decisions.day(on))
    with decisions.opened(store, package) as found:
        head = approve(
            found,
            package,
            city or beside / "city",
            state or beside / "state",
            by,
            decisions.secret(key),
        )
    decisions.tell(package, "approved", head, as_json=as_json)
