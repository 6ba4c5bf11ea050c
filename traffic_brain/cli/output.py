"""What commands print: one JSON document for a machine, aligned columns for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from traffic_brain.nightly.runner import Stage, StageResult


def print_json(document: object) -> None:
    """Print one JSON document to stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True))


def print_columns(rows: Iterable[Sequence[object]]) -> None:
    """Print rows of texts to stdout, each column as wide as its widest text but the last."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)][:-1]
    for *cells, last in texts:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, last]).rstrip())


def make(*stages: Stage, as_json: bool) -> None:
    """Run stages, each folder written as a whole or not at all, and tell how they ended."""
    from traffic_brain.cli.progress import bars
    from traffic_brain.nightly.runner import run_stage

    watcher = bars()
    results = [run_stage(stage, watcher) for stage in stages]
    if as_json:
        documents = [
            _document(stage, result) for stage, result in zip(stages, results, strict=True)
        ]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for stage, result in zip(stages, results, strict=True):
        state = "unchanged" if result.unchanged else "written"
        print_columns((state, folder) for folder in stage.folders)
        print_columns((k.replace("_", " "), f"{count:,}") for k, count in result.rows.items())


def _document(stage: Stage, result: StageResult) -> dict[str, object]:
    return {
        "stage": result.name,
        "folders": [str(folder) for folder in stage.folders],
        "unchanged": result.unchanged,
        "rows": dict(result.rows),
    }
