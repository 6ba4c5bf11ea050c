"""Results for other programs and for papers: Parquet and LaTeX beside JSON and Markdown."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from traffic_brain.nightly.manifest import versions

TABLE, ORIGIN = "table.md", "origin.json"


def write_results(rows: Sequence[Mapping[str, Any]], table: str, out: Path) -> None:
    """Write ``figures.parquet`` (a line per run), ``table.md`` and ``table.tex`` into ``out``.

    ``origin.json`` beside them tells the command, date, commit, versions and cores.

    Args:
        rows: one per run, all of one kind.
        table: Markdown; its first table is the one that LaTeX gets (package ``booktabs``).
    """
    frame = pd.DataFrame(rows)
    frame.to_parquet(out / "figures.parquet", index=False)
    (out / TABLE).write_text(table, encoding="utf-8")
    (out / "table.tex").write_text(_latex(table), encoding="utf-8")
    told = json.dumps(origin(), indent=1, ensure_ascii=False)
    (out / ORIGIN).write_text(told + "\n", encoding="utf-8")


def origin() -> dict[str, Any]:
    """Where figures come from: what was run, when, on which commit, with what."""
    return {
        "command": shlex.join(["traffic-brain", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "versions": dict(versions()),
        "cores": os.cpu_count(),
    }


def _commit() -> str:
    """Of the checkout that these files lie in; ``+`` where files differ from it."""
    here = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run(
            [*here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*here, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return f"{commit}+" if changed else commit


def _latex(table: str) -> str:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    head, ways, body = cells[0], cells[1], cells[2:]
    sides = "".join("r" if way.endswith(":") else "l" for way in ways)
    frame = pd.DataFrame(body, columns=head)
    return str(frame.to_latex(index=False, escape=True, column_format=sides))
