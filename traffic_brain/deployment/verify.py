"""Re-prove plans from the plans and the network alone.

Imports nothing but the standard library and the rules: no solver, no simulator, and none of
the code that made or certified the plans. ``python -m traffic_brain.deployment.verify FOLDER
[CITY [STATE]]`` does it without the rest of the program.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from traffic_brain.errors import ConfigurationError, DataRefused, TrafficBrainError
from traffic_brain.model.documents import (
    candidates_from_dict,
    plan_to_dict,
    plans_from_dict,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
)
from traffic_brain.model.reading import (
    Reader,
    as_number,
    as_text,
    digest,
    read_document,
    read_json,
)
from traffic_brain.model.rules import (
    RULE_NAMES,
    JunctionRulesInput,
    Violation,
    judge,
    outcome,
    retimable,
    violations,
)
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import DEFAULT_STANDARD

CHECKSUMS = "checksums.txt"
NOT_SUMMED = frozenset({CHECKSUMS, "manifest.json", "signature.txt"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven. ``inherited``: findings that the plans in service have as well."""

    plan_count: int
    rule_count: int
    inherited: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class _Certificate:
    junction_id: str
    plan_id: str
    inputs: Mapping[str, str]
    rules: Mapping[str, str]


def verify(folder: Path, city: Path | None = None, state: Path | None = None) -> Proof:
    """Prove a package, or the candidates of a plans folder.

    A package is proven against the network inside it, and with ``city`` also to be made for
    that network as it is now. Candidates are judged at ``city``; the plans in service are
    those observed in ``state``, else those registered in the city.

    Raises:
        ConfigurationError: the folder is neither, or candidates come without ``city``.
        DataRefused: with everything that could not be proven.
    """
    if (folder / "plans.json").is_file():
        return _verify_package(folder, city)
    if not (folder / "candidates.json").is_file():
        raise ConfigurationError(
            f"{folder} holds no plans (neither plans.json nor candidates.json)",
            "give the folder that 'package' or 'optimize' wrote",
        )
    if city is None:
        raise ConfigurationError(
            f"{folder} holds candidates, which are judged at their city", "give the city folder too"
        )
    return _verify_candidates(folder, city, state)


def _verify_package(folder: Path, city: Path | None) -> Proof:
    problems = _checksum_problems(folder)
    try:
        found = _judge_package(folder, city, problems)
    except DataRefused as error:
        if not problems:
            raise
        found, problems = [], [*problems, *error.problems]
    return _proof(f"package {folder}", found, problems)


def _judge_package(folder: Path, city: Path | None, problems: list[str]) -> list[list[Violation]]:
    """Findings of each plan of a package; what refuses it is noted in ``problems``."""
    plans = plans_from_dict(read_json(folder / "plans.json"), "plans.json")
    problems += _doubles(plan.junction_id for plan in plans)
    in_service = _plans_by_junction(folder / "rollback.json")
    sites = rules_inputs_from_dict(read_json(folder / "network.json"))
    if city is not None:
        now = rules_inputs_from_dict(read_json(city / "junctions.json"))
        problems += [
            f"junction {j}: the network has changed since the package was made"
            for j, site in sites.items()
            if j not in now or _network_digest(now[j]) != _network_digest(site)
        ]
    certificates = _certificates(folder / "certificate.json", problems)
    found = _judge_all(plans, sites, in_service, problems)
    for plan, findings in zip(plans, found, strict=True):
        certificate = certificates.pop((plan.junction_id, plan.plan_id), None)
        if certificate is None:
            problems.append(f"junction {plan.junction_id}: the plan has no certificate")
        elif plan.junction_id in sites and plan.junction_id in in_service:
            inputs = {
                "plan": digest(plan_to_dict(plan)),
                "in_service": digest(plan_to_dict(in_service[plan.junction_id])),
                "network": _network_digest(sites[plan.junction_id]),
            }
            problems += _certificate_problems(certificate, inputs, outcome(findings))
    problems += [f"junction {j}: certificate without a plan" for j, _ in certificates]
    problems += _binding_problems(folder, in_service)
    problems += _rollout_problems(folder, {plan.junction_id: plan.plan_id for plan in plans})
    return found


def _verify_candidates(folder: Path, city: Path, state: Path | None) -> Proof:
    candidates = candidates_from_dict(read_json(folder / "candidates.json"))
    sites = rules_inputs_from_dict(read_json(city / "junctions.json"))
    observed = None if state is None else state / "running_plans.json"
    if observed is not None and observed.is_file():
        in_service = _plans_by_junction(observed)
    else:
        registered = [site.junction.plan_in_service for site in sites.values()]
        in_service = {plan.junction_id: plan for plan in registered if plan is not None}
    problems: list[str] = []
    plans = [plan for listed in candidates.values() for plan in listed]
    found = _judge_all(plans, sites, in_service, problems)
    return _proof(f"plans {folder}", found, problems)


def _judge_all(
    plans: list[SignalPlan],
    sites: Mapping[str, JunctionRulesInput],
    in_service: Mapping[str, SignalPlan],
    problems: list[str],
) -> list[list[Violation]]:
    """Findings of each plan; what refuses one is noted in ``problems``."""
    found: list[list[Violation]] = []
    for plan in plans:
        site, running = sites.get(plan.junction_id), in_service.get(plan.junction_id)
        findings: list[Violation] = []
        if site is None:
            problems.append(f"junction {plan.junction_id} is not in the network")
        elif running is None:
            problems.append(f"junction {plan.junction_id} has no plan in service to go back to")
        else:
            findings = judge(plan, site, running)
            if replace(plan, plan_id=running.plan_id) != running:
                here = f"junction {plan.junction_id} must be held"
                problems += [f"{here}: {reason}" for reason in retimable(site, plan)]
        problems += [str(violation) for violation in violations(findings)]
        found.append(findings)
    return found


def _certificate_problems(
    certificate: _Certificate, inputs: Mapping[str, str], results: Mapping[str, str]
) -> list[str]:
    here = f"junction {certificate.junction_id}: certificate"
    problems = [
        f"{here} was made for another {name}"
        for name, proven in inputs.items()
        if certificate.inputs.get(name) != proven
    ]
    return problems + [
        f"{here} says {certificate.rules.get(rule, 'nothing')} on rule {rule}, proven is {result}"
        for rule, result in results.items()
        if certificate.rules.get(rule) != result
    ]


def _certificates(path: Path, problems: list[str]) -> dict[tuple[str, str], _Certificate]:
    document = read_json(path)

    def parse(value: object, where: str, noted: list[str]) -> list[_Certificate]:
        reader = Reader(value, where, noted)
        if reader.mapping("standard", as_number) != asdict(DEFAULT_STANDARD):
            problems.append("the certificate rests on another safety standard")
        return reader.objects("certificates", _certificate)

    listed = read_document(document, "certificate.json", parse)
    return {(c.junction_id, c.plan_id): c for c in listed}


def _certificate(value: object, where: str, problems: list[str]) -> _Certificate:
    reader = Reader(value, where, problems)
    return _Certificate(
        reader.text("junction_id"),
        reader.text("plan_id"),
        reader.mapping("inputs", as_text),
        reader.mapping("rules", as_text),
    )


def _checksum_problems(folder: Path) -> list[str]:
    path = folder / CHECKSUMS
    if not path.is_file():
        return [f"{CHECKSUMS} is missing"]
    listed: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        checksum, _, name = line.partition("  ")
        listed[name] = checksum
    there = {p.name for p in folder.iterdir() if p.is_file()} - NOT_SUMMED
    problems = [f"{name} is not in {CHECKSUMS}" for name in sorted(there - set(listed))]
    problems += [f"{name} is missing" for name in sorted(set(listed) - there)]
    return problems + [
        f"{name} has been changed (its checksum differs)"
        for name in sorted(there & set(listed))
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != listed[name]
    ]


def _binding_problems(folder: Path, in_service: Mapping[str, SignalPlan]) -> list[str]:
    """Whether about.json speaks of the plans in service that the package holds."""
    bound = read_document(
        read_json(folder / "about.json"),
        "about.json",
        lambda value, where, problems: Reader(value, where, problems).text("in_service"),
    )
    held = digest([plan_to_dict(in_service[j]) for j in sorted(in_service)])
    return [] if bound == held else ["about.json speaks of other plans in service"]


def _rollout_problems(folder: Path, plan_ids: Mapping[str, str]) -> list[str]:
    """Whether the roll-out switches every junction to its plan, once, and no other."""

    def parse(value: object, where: str, problems: list[str]) -> list[tuple[str, str]]:
        listed = Reader(value, where, problems).objects("steps", step)
        return [switch for switches in listed for switch in switches]

    def step(value: object, where: str, problems: list[str]) -> list[tuple[str, str]]:
        return Reader(value, where, problems).objects("junctions", switch)

    def switch(value: object, where: str, problems: list[str]) -> tuple[str, str]:
        reader = Reader(value, where, problems)
        return reader.text("junction_id"), reader.text("to_plan")

    switched = read_document(read_json(folder / "rollout.json"), "rollout.json", parse)
    if sorted(switched) == sorted(plan_ids.items()):
        return []
    return ["rollout.json does not switch each junction once to its plan"]


def _doubles(junction_ids: Iterable[str]) -> list[str]:
    counts = Counter(junction_ids)
    return [f"junction {j}: {count} plans at once" for j, count in counts.items() if count > 1]


def _plans_by_junction(path: Path) -> dict[str, SignalPlan]:
    return {p.junction_id: p for p in plans_from_dict(read_json(path), path.name)}


def _network_digest(site: JunctionRulesInput) -> str:
    return digest(rules_inputs_to_dict([site]))


def _proof(what: str, found: list[list[Violation]], problems: list[str]) -> Proof:
    if problems:
        raise DataRefused(
            f"{what} is not proven safe", "do not use it; make the package again", problems
        )
    inherited = tuple(finding for findings in found for finding in findings)
    return Proof(len(found), len(RULE_NAMES), inherited)


def main(arguments: list[str]) -> int:
    """Verify from the command line; returns the exit code."""
    try:
        proof = verify(*(Path(argument) for argument in arguments))
    except TrafficBrainError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    inherited = [f"inherited: {finding}\n" for finding in proof.inherited]
    proven = f"{proof.plan_count} plans proven against {proof.rule_count} rules\n"
    sys.stdout.write("".join([*inherited, proven]))
    return 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit("usage: python -m traffic_brain.deployment.verify FOLDER [CITY [STATE]]")
    sys.exit(main(sys.argv[1:]))
