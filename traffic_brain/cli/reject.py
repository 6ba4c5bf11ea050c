"""``traffic-brain reject``: a package that shall not be deployed, and why."""

from __future__ import annotations

from pathlib import Path

import click

from traffic_brain.cli import decisions, options


@click.command("reject")
@click.argument("package", type=options.FOLDER)
@options.note
@options.store
@options.key
@options.as_json
def command(package: Path, note: str, store: str | None, key: Path | None, as_json: bool) -> None:
    """Reject PACKAGE, and keep the plans in service."""
    from traffic_brain.deployment.approval import by_me, reject

    by = by_me(note)
    with decisions.opened(store, package) as found:
        head = reject(found, package, by, decisions.secret(key))
    decisions.tell(package, "rejected", head, as_json=as_json)
