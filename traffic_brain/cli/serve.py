"""``traffic-brain serve``: the planner's console."""

from __future__ import annotations

import ctypes
import secrets
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import decisions, options

if TYPE_CHECKING:
    from traffic_brain.console.settings import Settings

FIRST = "planner"
"""The account that is made when there is none."""
STAY_S = 75
"""A reader's connection stays open so long: when it ends, he may just have asked for a page."""
SWITCH_S = 0.0005
"""Threads take turns so often: while one proves a package for seconds, the others' many short
steps each wait for a turn (Python's own 5 ms made pages four times as slow meanwhile)."""
HEAPS = 2
_M_ARENA_MAX = -8
"""From glibc's malloc.h."""


@click.command("serve")
@click.option(
    "--root",
    type=options.FOLDER,
    default="night",
    show_default=True,
    help="A night's folder, or a folder with several of them.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="A name or address under which browsers ask for this machine; several times for several.",
)
@click.option("--secure", is_flag=True, help="A proxy in front of the console speaks https.")
@decisions.on
@options.store
def command(
    root: Path,
    host: str,
    port: int,
    *,
    names: tuple[str, ...],
    secure: bool,
    on: datetime | None,
    store: str | None,
) -> None:
    """Show nights in the browser: see, decide, export, optimise.

    Listens at this machine alone unless told otherwise with --host and --name. Accounts are kept
    by `traffic-brain user`; when there is none, a first one is made and its password printed.
    """
    import uvicorn

    from traffic_brain.console.app import create_app
    from traffic_brain.console.settings import Settings
    from traffic_brain.errors import ConfigurationError

    if not root.is_dir():
        raise ConfigurationError(
            f"there is no folder {root}",
            "make a night first with 'traffic-brain nightly', or give another with --root",
        )
    shown = (*names, host) if host not in {"0.0.0.0", "::"} else names  # noqa: S104  compared
    settings = Settings(root.resolve(), store, decisions.day(on), shown, secure)
    app = create_app(settings)
    _first_account(settings)
    _few_heaps()
    sys.setswitchinterval(SWITCH_S)
    click.echo(f"http://{host}:{port}/   (stop with Ctrl-C)")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=STAY_S,
        proxy_headers=secure,  # without a proxy, whoever asks would choose his own address
    )


def _few_heaps() -> None:
    """Threads share two heaps: by glibc's own rule each would have one, and none shrinks again."""
    with suppress(OSError, AttributeError):  # another C library has another rule
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, HEAPS)


def _first_account(settings: Settings) -> None:
    """Somebody must be able to log in: a first approver, whose password is told once."""
    from traffic_brain.console.accounts import Accounts, Role
    from traffic_brain.console.database import Database

    accounts = Accounts(Database(settings.database))
    if accounts.users():
        return
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    accounts.add(FIRST, Role.APPROVE, password)
    click.echo(f"first account: {FIRST}   password: {password}   (further ones: user add)")
