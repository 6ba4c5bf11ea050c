"""Candidates for a whole city, divided among its areas, and what passes put together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim_scenarios.areas.choose import CheckedArea
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.documents import candidates_from_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.verdict import Decision, Verdict

CANDIDATES_FILE = "candidates.json"
CITY = "areas"
"""The candidate that holds the plans of all areas that passed."""

MOST_CANDIDATES = 4
"""That an area is screened for, of those that were made for the city."""

Entry = Mapping[str, Any]
"""A candidate as candidates.json has it."""


@dataclass(frozen=True)
class AreaVerdict:
    """What was found of one area."""

    area: CheckedArea
    verdict: Verdict
    runs: int
    ring: tuple[str, ...]
    """Junctions around it, which kept their plans in its simulations."""
    is_judged: bool
    """The gate has judged; else the budget was spent, or SUMO failed."""
    failure: str = ""

    @property
    def is_checked(self) -> bool:
        """Plans were compared; not so where the area was not calibrated, or no plan may run."""
        return self.runs > 0


def read_candidates(plans: Path) -> list[Entry]:
    """The candidates of a plans folder.

    Raises:
        ConfigurationError: there is no candidates.json.
        DataRefused: it cannot be read.
    """
    path = plans / CANDIDATES_FILE
    if not path.is_file():
        raise ConfigurationError(
            f"{plans} is not a plans folder (no {path.name})",
            "make one with: traffic-brain optimize CITY STATE PLANS",
        )
    document = read_json(path)
    candidates_from_dict(document)
    return list(document["candidates"])


def write_candidates(offered: Iterable[Entry], area: CheckedArea, plans: Path) -> None:
    """Make the plans folder of an area: the candidates expected best that change it."""
    plans.mkdir(parents=True)
    here = ({**entry, "plans": _inside(entry, area)} for entry in offered)
    found = [entry for entry in here if entry["plans"]][:MOST_CANDIDATES]
    (plans / CANDIDATES_FILE).write_text(to_json({"candidates": found}), encoding="utf-8")


def passed_candidate(
    offered: Iterable[Entry], corridors: Iterable[Corridor], found: Sequence[AreaVerdict]
) -> dict[str, Any] | None:
    """The plans of the areas that passed, with their corridors' bands; None where none passed."""
    by_id = {entry["candidate_id"]: entry for entry in offered}
    members = {c.corridor_id: set(c.junction_ids) for c in corridors}
    plans: list[Entry] = []
    bands: list[Entry] = []
    passed = [one for one in found if one.verdict.decision is Decision.DEPLOY]
    for one in passed:
        entry = by_id[one.verdict.candidate_id]
        plans += _inside(entry, one.area)
        bands += [
            band
            for band in entry.get("corridors", ())
            if members.get(band["corridor_id"], {""}) <= set(one.area.junction_ids)
        ]
    if not passed:
        return None
    return {
        "candidate_id": CITY,
        "description": f"what passed in {len(passed)} areas",
        "predicted_delay_s_per_veh": None,
        "plans": sorted(plans, key=lambda plan: str(plan["junction_id"])),
        "corridors": sorted(bands, key=lambda band: str(band["corridor_id"])),
    }


def _inside(entry: Entry, area: CheckedArea) -> list[Entry]:
    here = set(area.junction_ids)
    return [plan for plan in entry["plans"] if plan["junction_id"] in here]
