"""Which plans of a network break which safety rule where: those in service, and all others.

The rules are those of :mod:`traffic_brain.model.rules`, applied to each plan by itself: nothing
is excused because it runs like this today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from traffic_brain.model.network import Junction, RoadNetwork
from traffic_brain.model.rules import (
    RULE_NAMES,
    JunctionRulesInput,
    Violation,
    judge,
    rules_inputs,
)
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import DEFAULT_STANDARD, SafetyStandard

HEADER = ("junction", "plan", "in service", "rule", "findings", "worst at", "detail")


@dataclass(frozen=True, slots=True)
class JudgedPlan:
    """A plan and every rule that it breaks."""

    junction_id: str
    plan_id: str
    in_service: bool
    findings: tuple[Violation, ...]

    @property
    def worst(self) -> dict[str, Violation]:
        """Of each broken rule the finding that misses its limit furthest."""
        found: dict[str, Violation] = {}
        for v in self.findings:
            if v.rule not in found or v.shortfall > found[v.rule].shortfall:
                found[v.rule] = v
        return found


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How often a rule is broken. ``plans``, ``junctions``: those with at least one finding."""

    plans_in_service: int
    further_plans: int
    junctions: int
    findings: int


@dataclass(frozen=True, slots=True)
class RulesReport:
    """All plans of a network, judged."""

    network: str
    judged: tuple[JudgedPlan, ...]
    not_judged: tuple[tuple[str, str], ...]
    """(junction id, why): junctions without a plan in service that could be read."""

    @property
    def counts(self) -> dict[str, RuleCount]:
        """By rule, in the order of ``RULE_NAMES``; rules that nothing breaks are left out."""
        found = {rule: self._count(rule) for rule in RULE_NAMES}
        return {rule: count for rule, count in found.items() if count.findings}

    def _count(self, rule: str) -> RuleCount:
        broken = [
            (plan, number)
            for plan in self.judged
            if (number := sum(v.rule == rule for v in plan.findings))
        ]
        in_service = sum(plan.in_service for plan, _ in broken)
        return RuleCount(
            plans_in_service=in_service,
            further_plans=len(broken) - in_service,
            junctions=len({plan.junction_id for plan, _ in broken}),
            findings=sum(number for _, number in broken),
        )

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The table: one row for each plan and rule that it breaks, columns as in ``HEADER``."""
        for plan in self.judged:
            numbers = Counter(v.rule for v in plan.findings)
            for rule, v in plan.worst.items():
                service = "yes" if plan.in_service else "no"
                place = (plan.junction_id, plan.plan_id, service)
                yield (*place, rule, str(numbers[rule]), v.where, v.detail)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON: ``{"network", "counts", "plans", "not_judged"}``."""
        return {
            "network": self.network,
            "counts": {
                rule: {
                    "plans_in_service": count.plans_in_service,
                    "further_plans": count.further_plans,
                    "junctions": count.junctions,
                    "findings": count.findings,
                }
                for rule, count in self.counts.items()
            },
            "plans": [
                {
                    "junction_id": plan.junction_id,
                    "plan_id": plan.plan_id,
                    "in_service": plan.in_service,
                    "findings": [
                        {
                            "rule": v.rule,
                            "where": v.where,
                            "detail": v.detail,
                            "shortfall": round(v.shortfall, 3),
                        }
                        for v in plan.findings
                    ],
                }
                for plan in self.judged
            ],
            "not_judged": [{"junction_id": j, "why": why} for j, why in self.not_judged],
        }


def rules_report(network: RoadNetwork, standard: SafetyStandard = DEFAULT_STANDARD) -> RulesReport:
    """Judge the plan in service and every further plan of each junction."""
    judged: list[JudgedPlan] = []
    not_judged: list[tuple[str, str]] = []
    for junction_id, site in rules_inputs(network).items():
        unknown = _unknown_groups(site)
        if unknown:
            groups = ", ".join(map(str, unknown))
            not_judged.append((junction_id, f"names signal groups that it has not: {groups}"))
            continue
        if site.junction.plan_in_service is None:
            not_judged.append((junction_id, _why_without_plan(site.junction)))
        for plan, in_service in _plans(site.junction):
            findings = tuple(judge(plan, site, standard=standard))
            judged.append(JudgedPlan(junction_id, plan.plan_id, in_service, findings))
    return RulesReport(network.name, tuple(judged), tuple(not_judged))


def _plans(junction: Junction) -> Iterator[tuple[SignalPlan, bool]]:
    if junction.plan_in_service is not None:
        yield junction.plan_in_service, True
    for plan in junction.other_plans:
        yield plan, False


def _why_without_plan(junction: Junction) -> str:
    reasons = "; ".join(junction.problems) or "no fixed plan in service"
    return f"{junction.control}: {reasons}"


def _unknown_groups(site: JunctionRulesInput) -> list[int]:
    """Groups beyond the junction's own: damaged data, which no rule could be applied to."""
    named = {
        *site.served_groups,
        *site.pedestrian_groups,
        *(g for pair in site.junction.conflicts | site.junction.yields for g in pair),
    }
    return sorted(named - set(range(site.junction.signal_group_count)))
