"""A package in the formats of others, each proved by reading it back before it is let go.

What was written is read, twice: with the mapping beside it, when it must be the same to the last
second or its loss report must say why not; and by itself, when everything that differs must stand
in the loss report. What a controller's format says by itself must also break no safety rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from network_data.city import load_city
from network_data.loss_report import FILE, LossReport
from traffic_brain.deployment.formats.locks import refusals
from traffic_brain.deployment.formats.plan_set import (
    Context,
    Difference,
    PlanSet,
    differences,
    plan_set_from_dict,
    windows_from_dict,
)
from traffic_brain.deployment.formats.registry import FORMATS, Format
from traffic_brain.deployment.formats.schedule import without_gaps
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import ConfigurationError, DataRefused, TrafficBrainError
from traffic_brain.model.documents import rules_inputs_from_dict
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.rules import judge, violations

READ_BACK = "read_back.json"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What an export gave back."""

    with_mapping: tuple[Difference, ...]
    alone: tuple[Difference, ...]
    """Without the stages of the mapping; not looked for where a format needs them."""


def export_package(
    package: Path,
    forms: Sequence[str],
    out: Path,
    *,
    city: Path | None = None,
    plan_windows: Path | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> dict[str, int]:
    """Write a proven package into a folder for each format inside the existing empty ``out``.

    ``city``: its roads, for UTDF and GMNS. ``plan_windows``: a document with ``windows``, and the
    further ``plans`` that run in them. Returns row counts.

    Raises:
        ConfigurationError: an unknown format; a format that needs roads, and no city.
        DataRefused: the package is not proven, holds no plan, or a format cannot take it; with
            everything, of all formats.
    """
    unknown = [form for form in forms if form not in FORMATS]
    if unknown or not forms:
        told = ", ".join(unknown) or "none"
        raise ConfigurationError(f"unknown format: {told}", f"choose among {', '.join(FORMATS)}")
    if city is None and any(FORMATS[form].needs_roads for form in forms):
        raise ConfigurationError(
            "UTDF and GMNS tell of signals on a road network", "give --city CITY"
        )
    verify(package, city)
    network = None if city is None else load_city(city)
    context = _context(package, network)
    plans = _plans(package, plan_windows)
    proven = {(p.junction_id, p.plan_id) for p in _own(package).plans}
    further = [p for p in plans.plans if (p.junction_id, p.plan_id) not in proven]
    problems = plans.problems() + refusals(further, context)[0]
    if problems:
        raise DataRefused("the plans cannot go out", "mend what is named", problems)
    return export_plans(plans, forms, out, context, settings)


def export_plans(
    plans: PlanSet,
    forms: Sequence[str],
    out: Path,
    context: Context,
    settings: Settings = DEFAULT_SETTINGS,
) -> dict[str, int]:
    """Write plans that are known to be safe into a folder for each format, and read them back.

    Raises:
        DataRefused: a format cannot take them, or what was read back differs and no loss report
            says why; with everything, of all formats.
    """
    problems: list[str] = []
    losses = 0
    for form in dict.fromkeys(forms):
        folder = out / form
        folder.mkdir()
        try:
            losses += _export(plans, FORMATS[form], folder, context, settings)
        except TrafficBrainError as error:
            listed = error.problems if isinstance(error, DataRefused) else ()
            problems += [f"{form}: {problem}" for problem in listed or (str(error),)]
    if problems:
        raise DataRefused("not exported", "leave these formats out, or mend the plans", problems)
    return {
        "plans": len(plans.plans),
        "windows": len(plans.windows),
        "formats": len(set(forms)),
        "losses": losses,
    }


def _export(
    plans: PlanSet, form: Format, folder: Path, context: Context, settings: Settings
) -> int:
    """Write, read back and compare one format; returns the kinds of losses."""
    full = without_gaps(plans, LossReport())
    losses = form.write(full, folder, context, settings)
    without_gaps(plans, losses)  # noted once more, in the report that stays with the files
    back = read_back(full, form, folder, context, losses)
    document = losses.as_dict()
    (folder / FILE).write_text(to_json(document), encoding="utf-8")
    told = {"with_mapping": back.with_mapping, "alone": back.alone}
    rows = {
        way: [{"attribute": attribute, "place": place} for attribute, place in found]
        for way, found in told.items()
    }
    (folder / READ_BACK).write_text(to_json({"format": form.name, **rows}), encoding="utf-8")
    return len(document["losses"])


def read_back(
    plans: PlanSet, form: Format, folder: Path, context: Context, losses: LossReport
) -> ReadBack:
    """Read what was written, and compare.

    Raises:
        DataRefused: it cannot be read, differs without a loss that says so, or says by itself
            something that is not safe.
    """
    noted = _noted(losses)
    problems: list[str] = []
    found: dict[str, tuple[Difference, ...]] = {}
    for way in ("with mapping", "alone"):
        alone = way == "alone"
        if alone and (form.needs_mapping or not form.has_mapping):
            found[way] = () if form.needs_mapping else found["with mapping"]
            continue
        reading = form.read(folder, context, ids_only=alone)
        problems += [f"read back {way}: {problem}" for problem in reading.problems]
        found[way] = tuple(differences(plans, reading.plan_set))
        problems += [
            f"read back {way}: {attribute} of {place} differs, and no loss says so"
            for attribute, place in found[way]
            if (attribute, place) not in noted
        ]
        if alone and form.for_controllers:
            problems += _unsafe_alone(plans, reading.plan_set, context)
    if problems:
        raise DataRefused(f"{form.name} does not give the plans back", "report this", problems)
    return ReadBack(found["with mapping"], found["alone"])


def _noted(losses: LossReport) -> set[Difference]:
    """Every attribute and place of a loss report; its texts begin with the attribute."""
    return {
        (row["what"].split(":")[0], place)
        for row in losses.as_dict()["losses"]
        for place in row["places"]
    }


def _unsafe_alone(plans: PlanSet, alone: PlanSet, context: Context) -> list[str]:
    """Rules that the tables break by themselves and the plans do not."""
    meant = {(plan.junction_id, plan.plan_id): plan for plan in plans.plans}
    found = [
        violation
        for plan in alone.plans
        for violation in violations(
            judge(
                plan,
                context.sites[plan.junction_id],
                meant.get((plan.junction_id, plan.plan_id)),
            )
        )
    ]
    return [f"what the tables say by themselves is not safe: {v}" for v in found]


# --- what goes out ------------------------------------------------------------------------


def _context(package: Path, network: RoadNetwork | None) -> Context:
    """The package's junctions, with the rest of the city where it is given."""
    sites = rules_inputs_from_dict(read_json(package / "network.json"))
    if network is None:
        return Context(sites)
    whole = Context.of_network(network)
    return replace(whole, sites={**whole.sites, **sites})


def _plans(package: Path, plan_windows: Path | None) -> PlanSet:
    """The package's plans, with windows and the further plans that run in them.

    Raises:
        DataRefused: no plan, or a document that is malformed.
    """
    own = _own(package)
    if not own.plans:
        raise DataRefused(f"{package} holds no plan", "its verdict.json says why")
    if plan_windows is None:
        return own
    document = read_json(plan_windows)
    windows = windows_from_dict(document, str(plan_windows))
    more = isinstance(document, dict) and "plans" in document
    further = plan_set_from_dict(document, str(plan_windows)).plans if more else ()
    return PlanSet((*own.plans, *further), windows)


def _own(package: Path) -> PlanSet:
    return plan_set_from_dict(read_json(package / "plans.json"), "plans.json")
