"""The program ``traffic-brain``: one file per command, and `main`, which turns errors into lines.

Built on click: it reads arguments, writes help and completes names in a shell, needs nothing else,
and loads in a twentieth of a second, so that ``--help`` answers at once. Whatever is heavy is
imported inside the command that needs it.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

UNEXPECTED = 1
USAGE = 2
CONFIGURATION = 3
STOPPED = 130
"""128 + SIGINT, as shells count."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Linear algebra keeps to one thread: our matrices are too small to gain from more, and the number
    of cores shall not decide the last digit of a result.

    Every failure is one line on stderr: what happened and what to do. ``--debug``, anywhere among
    the arguments, adds the traceback.
    """
    import click

    from traffic_brain.cli.program import program

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = program.main(arguments, prog_name="traffic-brain", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped; what was finished is kept", STOPPED)
    except Exception as error:  # noqa: BLE001 the last stop before the person
        if debug:
            traceback.print_exc()
        return _fail(*_explain(error))
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    """The line for a person, and the exit code."""
    import click

    from traffic_brain.errors import TrafficBrainError

    if isinstance(error, TrafficBrainError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context else "traffic-brain"
        return f"{error.format_message().rstrip('.')} — see '{command} --help'", USAGE
    if isinstance(error, OSError) and error.filename:
        what = f"{error.strerror}: {error.filename}"
        return f"{what} — check that it is there and may be read and written", CONFIGURATION
    what = f"{type(error).__name__}: {error}"
    return f"{what} — a fault of the program; --debug shows where", UNEXPECTED


def _fail(line: str, code: int) -> int:
    print("traffic-brain: error:", " ".join(line.split()), file=sys.stderr)  # noqa: T201
    return code
