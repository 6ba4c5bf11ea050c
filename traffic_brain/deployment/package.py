"""The package that leaves the house: plans, the way in and back, the evidence, checksums.

The last lock before the street: whatever the optimiser and the check have said, a plan that
breaks a safety rule makes :func:`build` refuse, with the rule named.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from traffic_brain.deployment.about import (
    ABOUT,
    CHECKSUMS,
    About,
    Kind,
    about_proposal,
    about_to_json,
)
from traffic_brain.deployment.certificate import certify
from traffic_brain.deployment.diff import write_diff
from traffic_brain.deployment.rollout import (
    FIRST_S,
    Band,
    bands_of,
    roll_out,
    rollout_text,
    rollout_to_dict,
)
from traffic_brain.deployment.signature import SIGNATURE, sign
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import (
    candidates_from_dict,
    corridor_from_dict,
    plans_from_dict,
    plans_to_json,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
    verdict_from_dict,
    verdict_to_dict,
)
from traffic_brain.model.findings import Corridor
from traffic_brain.model.reading import as_list, read_document, read_json, to_json
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Verdict


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a package says."""

    about: About
    plans: Sequence[SignalPlan]
    """By junction id; they differ from those in service."""
    in_service: Mapping[str, SignalPlan]
    sites: Mapping[str, JunctionRulesInput]
    """Of the junctions of ``plans`` at least."""
    verdict: Verdict
    bands: Sequence[Band]
    leaving: Mapping[str, SignalPlan] | None = None
    """The plans that run until the roll-out, where they are not those of ``in_service``."""
    first_s: int = FIRST_S
    """When the roll-out may begin, in seconds of the service day."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further files: text by name."""


def build(
    city: Path,
    state: Path,
    plans: Path,
    verdict: Path,
    out: Path,
    *,
    diagnosis: Path | None = None,
    key: bytes | None = None,
) -> dict[str, int]:
    """Write the package of one night into the existing empty folder ``out``.

    With the verdict DEPLOY, the judged candidate's plans that differ from those in service go
    out; with any other verdict the package holds no plan, and says why. ``diagnosis`` tells the
    corridors, whose bands the roll-out keeps whole; without it all plans are switched at once.
    With ``key`` the package is signed. Same inputs, same bytes. Returns row counts.

    Files: ``plans.json``, ``rollback.json`` (every plan in service), ``diff.csv``,
    ``certificate.json``, ``verdict.json``, ``network.json`` (what the rules know of the
    junctions), ``signals.add.xml`` (the plans for SUMO), ``rollout.json`` and ``rollout.txt``
    (in which order to switch), ``about.json`` (for what it was made, and until when it holds),
    ``checksums.txt`` (for ``sha256sum -c``), and with a key ``signature.txt``.

    Raises:
        DataRefused: an input is malformed, or a plan breaks a rule.
    """
    sites = rules_inputs_from_dict(read_json(city / "junctions.json"))
    in_service = plans_in_service(sites, state)
    judged = verdict_from_dict(read_json(verdict / "verdict.json"))
    proposed = _chosen(judged, read_json(plans / "candidates.json"), in_service)
    contents = Contents(
        about=about_proposal(city, state, in_service.values()),
        plans=proposed,
        in_service=in_service,
        sites=sites,
        verdict=judged,
        bands=bands_of(_corridors(diagnosis), [plan.junction_id for plan in proposed]),
    )
    write_package(contents, out, key)
    return {"plans": len(proposed), "rollback": len(in_service)}


def write_package(contents: Contents, out: Path, key: bytes | None = None) -> None:
    """Write a package into the existing empty folder ``out``; nothing if a plan breaks a rule.

    Raises:
        DataRefused: plans break rules, each named.
    """
    from sim_scenarios.programs import write_programs

    c = contents
    leaving = c.in_service if c.leaving is None else c.leaving
    certificate = certify(c.plans, c.sites, c.in_service)
    names = {plan.junction_id: c.sites[plan.junction_id].junction.name for plan in c.plans}
    by_junction = {plan.junction_id: plan for plan in c.plans}
    steps = roll_out(c.bands, by_junction, leaving, c.sites, first_s=c.first_s)
    told = {"decision": c.verdict.decision.value, "reason": c.verdict.reason}
    texts = {
        ABOUT: about_to_json(c.about),
        "plans.json": plans_to_json(c.plans, candidate_id=c.verdict.candidate_id, **told),
        "rollback.json": plans_to_json(c.in_service[j] for j in sorted(c.in_service)),
        "certificate.json": to_json(certificate),
        "verdict.json": to_json(verdict_to_dict(c.verdict)),
        "network.json": to_json(rules_inputs_to_dict(c.sites[j] for j in by_junction)),
        "rollout.json": to_json(rollout_to_dict(steps, names)),
        "rollout.txt": rollout_text(steps, names, _headline(c.about)),
        **c.more,
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    write_diff(c.plans, leaving, names, out / "diff.csv")
    write_programs(c.plans, out / "signals.add.xml")
    _write_checksums(out)
    if key is not None:
        signed = sign((out / CHECKSUMS).read_bytes(), key)
        (out / SIGNATURE).write_text(signed, encoding="utf-8")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place ``out`` when the block has ended well.

    Raises:
        ConfigurationError: there is something at ``out`` already.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigurationError(f"{out} is there already", "give a new folder")
    aside = out.with_name(f".tmp-{out.name}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for path in (*aside.iterdir(), aside):
            _bring_to_disk(path)
        aside.rename(out)
        _bring_to_disk(out.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def plans_in_service(sites: Mapping[str, JunctionRulesInput], state: Path) -> dict[str, SignalPlan]:
    """The plan that runs at each junction: as observed in ``state``, else as registered.

    Raises:
        DataRefused: ``running_plans.json`` is malformed, or names a junction twice.
    """
    observed = state / "running_plans.json"
    if observed.is_file():
        return _by_junction(plans_from_dict(read_json(observed), str(observed)), str(observed))
    registered = {j: site.junction.plan_in_service for j, site in sites.items()}
    return {j: plan for j, plan in registered.items() if plan is not None}


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _corridors(diagnosis: Path | None) -> list[Corridor]:
    if diagnosis is None:
        return []
    document = read_json(diagnosis / "corridors.json")
    rows = read_document(document, "corridors.json", as_list)
    return [corridor_from_dict(row) for row in rows]


def _headline(about: About) -> str:
    if about.kind is Kind.ROLLBACK:
        return "回退顺序 · The way back to the plans before"
    return (
        f"切换顺序 · Roll-out. 数据日 service day {about.service_day}; "
        f"须在此日前批准 approve before {about.expires}\n"
        "回退 the way back: traffic-brain rollback PACKAGE OUT --note WHY; "
        "rollback.json holds every plan in service"
    )


def _chosen(
    verdict: Verdict, candidates: object, in_service: Mapping[str, SignalPlan]
) -> list[SignalPlan]:
    """The plans that go out, by junction id; none unless the verdict is DEPLOY."""
    offered = candidates_from_dict(candidates)
    if verdict.decision is not Decision.DEPLOY:
        return []
    if verdict.candidate_id not in offered:
        raise DataRefused(
            f"the verdict is on candidate {verdict.candidate_id!r}, which the plans do not hold",
            "run the check on these plans again",
        )
    plans = _by_junction(offered[verdict.candidate_id], f"candidate {verdict.candidate_id}")
    return [plans[j] for j in sorted(plans) if not same_timing(plans[j], in_service.get(j))]


def _by_junction(plans: list[SignalPlan], where: str) -> dict[str, SignalPlan]:
    found = {plan.junction_id: plan for plan in plans}
    if len(found) < len(plans):
        ids = [plan.junction_id for plan in plans]
        double = sorted({j for j in ids if ids.count(j) > 1})
        raise DataRefused(f"{where} holds two plans for one junction", "leave one of them", double)
    return found


def same_timing(plan: SignalPlan, running: SignalPlan | None) -> bool:
    """Whether two plans show the same lamps at every second, whatever they are called."""
    return running is not None and replace(plan, plan_id=running.plan_id) == running


def _write_checksums(folder: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
