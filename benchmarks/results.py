"""Results for other programs and for papers: Parquet and LaTeX beside JSON and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def write_results(rows: Sequence[Mapping[str, Any]], table: str, out: Path) -> None:
    """Write ``figures.parquet`` (a line per run), ``table.md`` and ``table.tex`` into ``out``.

    Args:
        rows: one per run, all of one kind.
        table: Markdown; its first table is the one that LaTeX gets (package ``booktabs``).
    """
    frame = pd.DataFrame(rows)
    frame.to_parquet(out / "figures.parquet", index=False)
    (out / "table.md").write_text(table, encoding="utf-8")
    (out / "table.tex").write_text(_latex(table), encoding="utf-8")


def _latex(table: str) -> str:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    head, ways, body = cells[0], cells[1], cells[2:]
    sides = "".join("r" if way.endswith(":") else "l" for way in ways)
    frame = pd.DataFrame(body, columns=head)
    return str(frame.to_latex(index=False, escape=True, column_format=sides))
