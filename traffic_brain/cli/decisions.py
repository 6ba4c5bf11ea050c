"""What the commands that decide on a package share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import output

if TYPE_CHECKING:
    from traffic_brain.deployment.audit import Head
    from traffic_brain.deployment.store import Store


@contextmanager
def opened(store: str | None, package: Path, *, create: bool = True) -> Iterator[Store]:
    """The store that is asked for, else the one beside the package."""
    from traffic_brain.deployment.store import STORE_FILE, open_store

    where = store or str(package.resolve().with_name(STORE_FILE))
    with closing(open_store(where, create=create)) as found:
        yield found


def secret(key: Path | None) -> bytes | None:
    """The key in a file, if there is one."""
    from traffic_brain.deployment.signature import read_key

    return None if key is None else read_key(key)


def day(on: datetime | None) -> date | None:
    """The day of an option ``--on``."""
    return None if on is None else on.date()


def tell(package: Path, state: str, head: Head, *, as_json: bool, out: Path | None = None) -> None:
    """Print what a package has become, and the head of the audit log."""
    from traffic_brain.deployment.about import SHORT_ID, package_id

    decided = package_id(package)
    if as_json:
        document = {"package": decided, "state": state, "log_head": str(head)}
        output.print_json(document if out is None else {**document, "folder": str(out)})
        return
    rows = [("package", decided[:SHORT_ID]), ("state", state), ("log head", str(head))]
    output.print_columns(rows if out is None else [*rows, ("written", str(out))])


on = click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day that counts for the expiry; in a simulated city another one than today.",
)
