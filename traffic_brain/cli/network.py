"""``traffic-brain network``: road networks into city folders, out of them, and judged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output
from traffic_brain.errors import DataRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from network_data.checks import Problem
    from network_data.rules_report import RulesReport
    from traffic_brain.nightly.runner import Stage

FORMATS = ("gmns", "utdf", "sumo")


@click.group("network")
def command() -> None:
    """Import, generate, check and export road networks."""


@command.command("import")
@click.argument("source", type=options.FOLDER)
@click.argument("city", type=options.TARGET)
@click.option(
    "--additional",
    type=options.FOLDER,
    multiple=True,
    help="A SUMO additional file with signal programs; may be given several times.",
)
@options.as_json
def import_(source: Path, city: Path, additional: tuple[Path, ...], as_json: bool) -> None:
    """Import SOURCE into the folder CITY.

    SOURCE is a SUMO .net.xml[.gz], an OpenStreetMap .osm[.gz], a GMNS folder or a UTDF .csv.

    What was dropped, defaulted or guessed stands in CITY/loss_report.json, with a list of what
    is to be fixed, the least certain first.
    """
    from traffic_brain.nightly.stages import import_stage

    _make_city(import_stage(source, additional, city), city, as_json=as_json)


@command.command("generate")
@click.argument("city", type=options.TARGET)
@click.option(
    "--junctions",
    type=click.IntRange(min=1),
    default=2380,
    show_default=True,
    help="How many junctions have signals.",
)
@options.seed
@options.as_json
def generate(city: Path, junctions: int, seed: int, as_json: bool) -> None:
    """Make up a city in the folder CITY, with signals, grid zones, names and demand."""
    from traffic_brain.nightly.stages import generate_stage

    _make_city(generate_stage(city, junctions=junctions, seed=seed), city, as_json=as_json)


@command.command("check")
@click.argument("city", type=options.FOLDER)
@options.as_json
def check(city: Path, as_json: bool) -> None:
    """Tell every problem of the network in CITY at once; exit code 4 when there is one.

    Safety rules that the plans in service or further plans break are listed as well. They are
    findings about the city and no problem of its data: they do not change the exit code.
    """
    from network_data.checks import problems, unsound
    from network_data.city import load_city
    from network_data.rules_report import rules_report

    network = load_city(city)
    found = problems(network)
    report = None if unsound(found) else rules_report(network)
    if as_json:
        rows = [{"rule": p.rule, "where": p.where, "detail": p.detail} for p in found]
        rules = None if report is None else report.as_dict()
        output.print_json({"city": str(city), "problems": rows, "rules": rules})
    else:
        _print_problems(found)
        _print_findings(report)
    if found:
        raise DataRefused(f"{city} has {len(found)} problems", "see the lines above")


def _print_problems(found: Sequence[Problem]) -> None:
    output.print_columns((p.rule, p.where, p.detail) for p in found)
    if found:
        click.echo()
    output.print_columns(Counter(p.rule for p in found).items())
    click.echo(f"{len(found)} problems")


def _print_findings(report: RulesReport | None) -> None:
    if report is None:
        click.echo("safety rules: not judged before the problems are mended")
        return
    rows = list(report.rows())
    if rows:
        from network_data.rules_report import HEADER

        click.echo()
        output.print_columns([HEADER, *rows])
        click.echo()
        counted = [
            (rule, c.plans_in_service, c.further_plans, c.junctions, c.findings)
            for rule, c in report.counts.items()
        ]
        header = ("rule", "plans in service", "further plans", "junctions", "findings")
        output.print_columns([header, *counted])
    findings = sum(count.findings for count in report.counts.values())
    click.echo(
        f"{findings} findings against the safety rules in {len(report.judged)} plans; "
        f"{len(report.not_judged)} junctions without a plan to judge"
    )


@command.command("export")
@click.argument("city", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    required=True,
    help="gmns: a folder of tables; utdf: a .csv; sumo: an additional file with all programs.",
)
@options.as_json
def export(city: Path, out: Path, form: str, as_json: bool) -> None:
    """Write the network in CITY to OUT in another format.

    OUT is a folder for gmns, and a file for utdf and sumo. What the format cannot hold stands in
    a loss report inside the folder, or beside the file.
    """
    from traffic_brain.cli.progress import bars
    from traffic_brain.nightly.export import export_city

    exported = export_city(city, form, out, bars())
    if as_json:
        output.print_json(exported.as_dict())
        return
    output.print_columns(
        [
            ("written", exported.out),
            ("kinds of losses", f"{exported.losses:,}"),
            ("loss report", exported.loss_report),
        ]
    )


@command.command("schema")
@options.as_json
def schema(as_json: bool) -> None:
    """Print the tables of a city folder: every attribute with type, unit, range and meaning."""
    from network_data import schema

    if as_json:
        output.print_json(schema.as_dict())
    else:
        click.echo(schema.as_markdown())


def _make_city(stage: Stage, city: Path, *, as_json: bool) -> None:
    """Run the stage that makes a city, and tell what is in it."""
    from network_data.loss_report import FILE
    from network_data.summary import summary_of
    from traffic_brain.cli.progress import bars
    from traffic_brain.nightly.runner import run_stage

    result = run_stage(stage, bars())
    summary, report = summary_of(city), city / FILE
    if as_json:
        output.print_json(
            {
                "stage": result.name,
                "folders": [str(city)],
                "unchanged": result.unchanged,
                "rows": dict(result.rows),
                "summary": summary,
                "loss_report": str(report) if report.is_file() else None,
            }
        )
        return
    rows = [("unchanged" if result.unchanged else "written", str(city))]
    rows += [(name.replace("_", " "), f"{number:,}") for name, number in summary.items()]
    rows += [("loss report", str(report))] if report.is_file() else []
    output.print_columns(rows)
