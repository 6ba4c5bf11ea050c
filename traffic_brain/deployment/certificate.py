"""The safety certificate: which rule each plan was held to, with which result, on which inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import plan_to_dict, rules_inputs_to_dict
from traffic_brain.model.reading import digest
from traffic_brain.model.rules import (
    JunctionRulesInput,
    Violation,
    judge,
    outcome,
    retimable,
    violations,
)
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import DEFAULT_STANDARD, SafetyStandard


def certify(
    plans: Iterable[SignalPlan],
    sites: Mapping[str, JunctionRulesInput],
    in_service: Mapping[str, SignalPlan],
    standard: SafetyStandard = DEFAULT_STANDARD,
) -> dict[str, Any]:
    """The certificate document of plans that break no rule, by junction id.

    ``{"standard": {...}, "certificates": [{"junction_id", "plan_id", "inputs": {"plan",
    "in_service", "network": SHA-256}, "rules": {rule: "pass" | "inherited"}, "inherited":
    [{"rule", "where", "detail"}]}]}``. ``inherited``: the plan in service breaks the rule at the
    same place, and the new plan no more than it does. A hard conflict goes out not even inherited.

    Raises:
        DataRefused: plans break rules, each named; or a junction or its plan is not known.
    """
    certificates = []
    refused: list[str] = []
    for plan in plans:
        site = sites.get(plan.junction_id)
        running = in_service.get(plan.junction_id)
        if site is None:
            refused.append(f"junction {plan.junction_id} is not in the network")
        elif running is None:
            refused.append(f"junction {plan.junction_id} has no plan in service to go back to")
        else:
            found = judge(plan, site, running, standard)
            refused.extend(str(violation) for violation in violations(found))
            if replace(plan, plan_id=running.plan_id) != running:  # who goes back changes nothing
                here = f"junction {plan.junction_id} must be held"
                refused.extend(f"{here}: {reason}" for reason in retimable(site, plan, standard))
            certificates.append(_certificate(plan, site, running, found))
    if refused:
        raise DataRefused(
            "plans that must not go out", "keep the plans in service, and mend these", refused
        )
    return {"standard": asdict(standard), "certificates": certificates}


def _certificate(
    plan: SignalPlan, site: JunctionRulesInput, running: SignalPlan, found: list[Violation]
) -> dict[str, Any]:
    return {
        "junction_id": plan.junction_id,
        "plan_id": plan.plan_id,
        "inputs": {
            "plan": digest(plan_to_dict(plan)),
            "in_service": digest(plan_to_dict(running)),
            "network": digest(rules_inputs_to_dict([site])),
        },
        "rules": outcome(found),
        "inherited": [{"rule": v.rule, "where": v.where, "detail": v.detail} for v in found],
    }
