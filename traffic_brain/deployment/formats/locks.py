"""The lock of every import: the rules that judge a plan before it leaves the house."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from traffic_brain.deployment.formats.plan_set import Context
from traffic_brain.model.rules import Violation, judge, retimable, violations
from traffic_brain.model.signals import SignalPlan


def refusals(plans: Iterable[SignalPlan], context: Context) -> tuple[list[str], list[Violation]]:
    """Why plans must not be taken, each rule named; and findings that the city has already.

    A plan is judged at its junction against the plan in service there. One that is in service
    is taken as it is.
    """
    refused: list[str] = []
    inherited: list[Violation] = []
    for plan in plans:
        site = context.sites.get(plan.junction_id)
        if site is None:
            refused.append(f"junction {plan.junction_id}: no junction of the city")
            continue
        running = site.junction.plan_in_service
        found = judge(plan, site, running)
        broken = violations(found)
        refused += [f"{violation} (plan {plan.plan_id})" for violation in broken]
        inherited += [finding for finding in found if finding not in broken]
        if not broken and (running is None or replace(plan, plan_id=running.plan_id) != running):
            here = f"junction {plan.junction_id} must be held (plan {plan.plan_id})"
            refused += [f"{here}: {reason}" for reason in retimable(site, plan)]
    return refused, inherited
