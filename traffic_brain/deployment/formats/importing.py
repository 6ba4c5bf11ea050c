"""Plans in: what a file of any format says, held to the rules, and a sheet of it to be signed."""

from __future__ import annotations

from pathlib import Path

from network_data.city import load_city
from traffic_brain.deployment.formats.locks import refusals
from traffic_brain.deployment.formats.plan_set import Context, plan_set_to_dict
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.registry import FORMATS, format_of
from traffic_brain.deployment.formats.understood import sheet, sheet_page
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.reading import to_json

PLANS = "plans.json"
UNDERSTOOD, PAGE = "understood.json", "understood.html"


def import_plans(source: Path, city: Path, out: Path, form: str | None = None) -> dict[str, int]:
    """Read plans into the existing empty folder ``out``: the plans, and what was understood.

    Files: ``plans.json`` (a plans document), ``understood.json`` and ``understood.html`` (to be
    printed, compared with the source and signed). Returns row counts.

    Raises:
        ConfigurationError: an unknown format, or no city folder.
        DataRefused: with everything that cannot be read or breaks a rule; nothing is written.
    """
    context = Context.of_network(load_city(city))
    reading = read_plans(source, context, form)
    document = sheet(reading, source, context)
    (out / PLANS).write_text(to_json(plan_set_to_dict(reading.plan_set)), encoding="utf-8")
    (out / UNDERSTOOD).write_text(to_json(document), encoding="utf-8")
    (out / PAGE).write_text(sheet_page(document), encoding="utf-8")
    return {
        "plans": len(reading.plans),
        "windows": len(reading.plan_set.windows),
        "to_fix": len(document["to_fix"]),
    }


def read_plans(source: Path, context: Context, form: str | None = None) -> Reading:
    """Read plans of any format and hold them to the rules.

    Raises:
        ConfigurationError: an unknown format.
        DataRefused: with every problem of the source and every rule that a plan breaks.
    """
    if form is not None and form not in FORMATS:
        raise ConfigurationError(f"unknown format: {form}", f"choose among {', '.join(FORMATS)}")
    chosen = FORMATS[form] if form is not None else format_of(source)
    reading = chosen.read(source, context)
    problems = list(reading.problems)
    if reading.windows:
        problems += reading.plan_set.problems()
    broken, _ = refusals(reading.plans, context)
    problems += broken
    if problems:
        raise DataRefused(
            f"{source} ({chosen.name}) is not taken",
            "mend the plans where they come from, and export them again",
            list(dict.fromkeys(problems)),
        )
    return reading
