"""``traffic-brain export``: a package in the formats of others, each proved by reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from traffic_brain.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traffic_brain.deployment.formats.settings import Settings

FORMATS = ("ga1049", "gbt20999", "ntcip1202", "utdf", "gmns", "sumo", "xlsx", "json")


@click.command("export")
@click.argument("package", type=options.FOLDER)
@click.argument("out", type=options.TARGET)
@click.option(
    "--format",
    "forms",
    type=click.Choice(FORMATS),
    multiple=True,
    required=True,
    help="A format; may be given several times.",
)
@click.option("--city", type=options.FOLDER, help="The city folder: utdf and gmns need its roads.")
@click.option(
    "--plan-windows",
    type=options.FOLDER,
    help="A JSON document with 'windows', when several plans a day exist: when each runs; and "
    "'plans', the further ones.",
)
@click.option(
    "--ids",
    type=options.FOLDER,
    help="A JSON document {junction_id: id in the department's systems}.",
)
@click.option(
    "--agency",
    default="000000",
    show_default=True,
    help="ga1049: six digits of the agency, for CrossIDs that are made up.",
)
@click.option(
    "--pilot-min",
    type=click.IntRange(1, 1440),
    help="ga1049: plans that end by themselves after so many minutes (CenterPlan).",
)
@click.option(
    "--weekday",
    type=click.IntRange(1, 7),
    default=1,
    show_default=True,
    help="sumo: the day whose windows are written, 1 is Monday.",
)
@options.as_json
def command(
    package: Path,
    out: Path,
    *,
    forms: tuple[str, ...],
    city: Path | None,
    plan_windows: Path | None,
    ids: Path | None,
    agency: str,
    pilot_min: int | None,
    weekday: int,
    as_json: bool,
) -> None:
    """Write the plans of PACKAGE in other formats.

    The folder OUT gets a folder for each. The package is proven first. Every format is read
    back at once: what differs stands in its loss report, and anything else that differs refuses
    the export. Formats: GA/T 1049.2 messages, GB/T 20999 tables (unverified), NTCIP 1202
    tables, UTDF, GMNS, SUMO, timing sheets to print (xlsx, 中文 and English), and JSON.
    """
    from traffic_brain.deployment.formats.exporting import export_package
    from traffic_brain.deployment.formats.settings import Settings
    from traffic_brain.nightly.runner import Stage

    names = {} if ids is None else _names(ids)
    settings = Settings(agency, names, pilot_min, weekday=weekday)
    given = {"package": package, "city": city, "plan_windows": plan_windows, "ids": ids}
    stage = Stage(
        name="export plans",
        inputs={name: path for name, path in given.items() if path is not None},
        folders=(out,),
        work=lambda folder, _: export_package(
            package, forms, folder, city=city, plan_windows=plan_windows, settings=settings
        ),
        configuration={"formats": sorted(set(forms)), **_as_dict(settings)},
    )
    output.make(stage, as_json=as_json)


def _names(path: Path) -> Mapping[str, str]:
    from traffic_brain.model.reading import as_mapping, as_text, read_document, read_json

    def parse(value: object, where: str, problems: list[str]) -> dict[str, str]:
        found = as_mapping(value, where, problems)
        return {j: as_text(name, f"{where}, {j}", problems) for j, name in found.items()}

    return read_document(read_json(path), str(path), parse)


def _as_dict(settings: Settings) -> dict[str, object]:
    return {
        "agency": settings.agency,
        "pilot_min": settings.pilot_min,
        "weekday": settings.weekday,
    }
