"""``traffic-brain user``: the accounts of the console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output

if TYPE_CHECKING:
    from traffic_brain.console.accounts import Accounts

root = click.option(
    "--root",
    type=options.FOLDER,
    default="night",
    show_default=True,
    help="The folder that the console serves.",
)


@click.group("user")
def command() -> None:
    """Keep the accounts of the console.

    Roles: `view` reads; `plan` also exports, tries offsets and starts optimisations; `approve`
    also decides on packages.
    """


@command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(["view", "plan", "approve"]), required=True)
@click.password_option(help="Asked for when it is not given.")
@root
def add(name: str, role: str, password: str, root: Path) -> None:
    """Add the account NAME."""
    from traffic_brain.console.accounts import Role

    _accounts(root).add(name, Role(role), password)
    click.echo(f"added {name}, role {role}")


@command.command("password")
@click.argument("name")
@click.password_option(help="Asked for when it is not given.")
@root
def password(name: str, password: str, root: Path) -> None:
    """Change a password; ends the account's sessions."""
    _accounts(root).change_password(name, password)
    click.echo(f"changed the password of {name}")


@command.command("remove")
@click.argument("name")
@root
def remove(name: str, root: Path) -> None:
    """Remove an account, its sessions and its tokens."""
    _accounts(root).remove(name)
    click.echo(f"removed {name}")


@command.command("token")
@click.argument("name")
@click.option("--label", default="", help="What it is for.")
@root
def token(name: str, label: str, root: Path) -> None:
    """Print a new token for the REST interface, once; it may do what NAME may do."""
    click.echo(_accounts(root).new_token(name, label))


@command.command("list")
@root
@options.as_json
def show(root: Path, as_json: bool) -> None:
    """List the accounts."""
    users = _accounts(root).users()
    if as_json:
        output.print_json([{"name": user.name, "role": user.role.value} for user in users])
    else:
        output.print_columns([("name", "role"), *((u.name, u.role.value) for u in users)])


def _accounts(root: Path) -> Accounts:
    from traffic_brain.console.accounts import Accounts
    from traffic_brain.console.database import Database
    from traffic_brain.console.settings import Settings
    from traffic_brain.errors import ConfigurationError

    if not root.is_dir():
        raise ConfigurationError(
            f"there is no folder {root}", "give the folder of the nights with --root"
        )
    return Accounts(Database(Settings(root.resolve()).database))
