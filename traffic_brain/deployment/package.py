"""The package that leaves the house: plans, rollback, diff, certificate, verdict, checksums.

The last lock before the street: whatever the optimiser and the check have said, a plan that
breaks a safety rule makes :func:`build` refuse, with the rule named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from traffic_brain.deployment.certificate import certify
from traffic_brain.deployment.diff import write_diff
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import (
    candidates_from_dict,
    plans_from_dict,
    plans_to_json,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
    verdict_from_dict,
    verdict_to_dict,
)
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Verdict

CHECKSUMS = "checksums.txt"


def build(city: Path, state: Path, plans: Path, verdict: Path, out: Path) -> dict[str, int]:
    """Write the package of one night into the existing empty folder ``out``.

    With the verdict DEPLOY, the judged candidate's plans that differ from those in service go
    out; with any other verdict the package holds no plan, and says why. Files: ``plans.json``,
    ``rollback.json`` (every plan in service), ``diff.csv``, ``certificate.json``,
    ``verdict.json``, ``network.json`` (what the rules know of the junctions),
    ``signals.add.xml`` (the plans for SUMO) and ``checksums.txt`` (for ``sha256sum -c``).
    Same inputs, same bytes. Returns row counts.

    Raises:
        DataRefused: an input is malformed, or a plan breaks a rule.
    """
    from sim_scenarios.programs import write_programs

    sites = rules_inputs_from_dict(read_json(city / "junctions.json"))
    in_service = plans_in_service(sites, state)
    judged = verdict_from_dict(read_json(verdict / "verdict.json"))
    proposed = _chosen(judged, read_json(plans / "candidates.json"), in_service)
    certificate = certify(proposed, sites, in_service)

    names = {junction_id: site.junction.name for junction_id, site in sites.items()}
    told = {"decision": judged.decision.value, "reason": judged.reason}
    texts = {
        "plans.json": plans_to_json(proposed, candidate_id=judged.candidate_id, **told),
        "rollback.json": plans_to_json(in_service[j] for j in sorted(in_service)),
        "certificate.json": to_json(certificate),
        "verdict.json": to_json(verdict_to_dict(judged)),
        "network.json": to_json(rules_inputs_to_dict(sites[p.junction_id] for p in proposed)),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    write_diff(proposed, in_service, names, out / "diff.csv")
    write_programs(proposed, out / "signals.add.xml")
    _write_checksums(out)
    return {"plans": len(proposed), "rollback": len(in_service)}


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
    return [plans[j] for j in sorted(plans) if not _same_timing(plans[j], in_service.get(j))]


def _by_junction(plans: list[SignalPlan], where: str) -> dict[str, SignalPlan]:
    found = {plan.junction_id: plan for plan in plans}
    if len(found) < len(plans):
        ids = [plan.junction_id for plan in plans]
        double = sorted({j for j in ids if ids.count(j) > 1})
        raise DataRefused(f"{where} holds two plans for one junction", "leave one of them", double)
    return found


def _same_timing(plan: SignalPlan, running: SignalPlan | None) -> bool:
    return running is not None and replace(plan, plan_id=running.plan_id) == running


def _write_checksums(folder: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    ]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
