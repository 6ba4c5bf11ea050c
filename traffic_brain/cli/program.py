"""The group of all commands; the file of a command is read when the command is called for."""

from __future__ import annotations

from importlib import import_module

import click

import traffic_brain

COMMANDS = (
    "doctor",
    "scenarios",
    "network",
    "world",
    "fuse",
    "profile",
    "diagnose",
    "forecast",
    "plan-age",
    "optimize",
    "schedule",
    "check",
    "verify",
    "package",
    "approve",
    "reject",
    "modify",
    "rollback",
    "audit",
    "export",
    "plans-in",
    "effect",
    "nightly",
    "serve",
    "user",
    "bench",
)
"""In the order of the work, as ``--help`` shows them."""


class Program(click.Group):
    """Finds each command as ``command`` in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """All commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        command: click.Command = import_module(f"traffic_brain.cli.{module}").command
        return command


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 2 usage, 3 configuration, 4 data refused, 5 solver, 6 simulation, "
    "7 night finished in part.",
)
@click.version_option(traffic_brain.__version__, prog_name="traffic-brain")
@click.option("--debug", is_flag=True, expose_value=False, help="On an error, show the traceback.")
def program() -> None:
    """Signal timing for whole cities, from data the city already has."""
