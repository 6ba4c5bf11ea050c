"""A planner changes greens and offsets of a package: the result is another package.

The new plans pass the rules and get a certificate like any others. What the check has shown, it
has shown of other plans: the new package holds no verdict and cannot be approved. It holds its
plans as a candidate too, so that ``check`` and ``package`` take it for a plans folder; what they
make of it can be approved. The package that was modified is decided on with that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from traffic_brain.deployment.about import SHORT_ID, Kind, package_id, read_about
from traffic_brain.deployment.approval import By, identify
from traffic_brain.deployment.audit import Head, State
from traffic_brain.deployment.package import Contents, new_folder, same_timing, write_package
from traffic_brain.deployment.rollback import logged
from traffic_brain.deployment.rollout import Band, bands_of_document
from traffic_brain.deployment.store import Proposal, Store
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import plan_to_dict, plans_from_dict, rules_inputs_from_dict
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Verdict


def modify(
    store: Store,
    package: Path,
    out: Path,
    plans: Sequence[SignalPlan],
    by: By,
    *,
    kept: Collection[str] = (),
    key: bytes | None = None,
) -> Head:
    """Write the new folder ``out``: the package with other plans; and log it.

    Args:
        plans: at junctions of the package; they take the place of its plans.
        kept: junctions that stay as they are in service.

    Returns the head of the audit log.

    Raises:
        ConfigurationError: ``out`` is there already, or the store fails.
        DataRefused: a plan breaks a rule or is for another junction, nothing is changed or left,
            the package was tampered with, or is decided already.
    """
    proposal = identify(package, key)
    verify(package)
    with new_folder(out) as folder:
        write_package(_contents(package, proposal, plans, kept), folder, key)
    made = Proposal(package_id(out), read_about(out))
    act = by.act(proposal.package_id, State.MODIFIED, made.package_id)
    return logged(lambda: store.act(proposal, act, made), out)


def retimed(
    plans: Sequence[SignalPlan],
    greens_s: Mapping[str, Sequence[int]],
    offsets_s: Mapping[str, int],
) -> list[SignalPlan]:
    """Those of the plans that get other greens (one per stage) or another offset.

    Args:
        greens_s, offsets_s: by junction id, in seconds; an offset counts in the new cycle.

    Raises:
        DataRefused: a junction has no plan here, or not so many stages; all are named.
    """
    known = {plan.junction_id: plan for plan in plans}
    asked = greens_s.keys() | offsets_s.keys()
    problems = [f"junction {j} has no plan in the package" for j in sorted(asked - known.keys())]
    problems += [
        f"junction {j} has {len(known[j].stages)} stages, not {len(greens)}"
        for j, greens in greens_s.items()
        if j in known and len(known[j].stages) != len(greens)
    ]
    if problems:
        raise DataRefused("the changes do not fit the package", "correct them", problems)
    found = []
    for junction_id in sorted(asked):
        plan = known[junction_id]
        if junction_id in greens_s:
            plan = plan.with_greens(tuple(greens_s[junction_id]), plan.plan_id)
        if junction_id in offsets_s:
            plan = replace(plan, offset_s=offsets_s[junction_id])
        found.append(plan)
    return found


def _contents(
    package: Path, proposal: Proposal, plans: Sequence[SignalPlan], kept: Collection[str]
) -> Contents:
    before = plans_from_dict(read_json(package / "plans.json"), "plans.json")
    former = plans_from_dict(read_json(package / "rollback.json"), "rollback.json")
    in_service = {plan.junction_id: plan for plan in former}
    after = _modified(before, plans, kept, in_service)
    short = proposal.package_id[:SHORT_ID]
    verdict = _not_checked(short)
    candidate = {
        "candidate_id": verdict.candidate_id,
        "description": f"package {short}, modified by hand",
        "predicted_delay_s_per_veh": None,
        "plans": [plan_to_dict(plan) for plan in after],
        "corridors": [],
    }
    changing = {plan.junction_id for plan in after}
    return Contents(
        about=replace(proposal.about, kind=Kind.MODIFIED, made_from=proposal.package_id),
        plans=after,
        in_service=in_service,
        sites=rules_inputs_from_dict(read_json(package / "network.json")),
        verdict=verdict,
        bands=_left(bands_of_document(read_json(package / "rollout.json")), changing),
        more={"candidates.json": to_json({"candidates": [candidate]})},
    )


def _modified(
    before: Sequence[SignalPlan],
    plans: Sequence[SignalPlan],
    kept: Collection[str],
    in_service: Mapping[str, SignalPlan],
) -> list[SignalPlan]:
    """The package's plans with those changes that change something, by junction id."""
    known = {plan.junction_id: plan for plan in before}
    asked = [plan.junction_id for plan in plans] + list(kept)
    problems = [f"junction {j} has no plan in the package" for j in sorted({*asked} - {*known})]
    problems += [f"junction {j} is named twice" for j in sorted(known) if asked.count(j) > 1]
    changed = {p.junction_id: p for p in plans if not same_timing(p, known.get(p.junction_id))}
    after = {j: _renamed(changed.get(j, plan), plan) for j, plan in known.items() if j not in kept}
    left = [after[j] for j in sorted(after) if not same_timing(after[j], in_service[j])]
    if not problems and not changed and not kept:
        problems.append("nothing is changed")
    if not problems and not left:
        problems.append("no plan is left; reject the package instead")
    if problems:
        raise DataRefused("the changes do not fit the package", "correct them", problems)
    return left


def _renamed(plan: SignalPlan, before: SignalPlan) -> SignalPlan:
    """Another timing under the same name would be taken for the one that was checked."""
    if plan != before and plan.plan_id == before.plan_id:
        return replace(plan, plan_id=f"{plan.plan_id}-m")
    return plan


def _left(bands: Sequence[Band], changing: Collection[str]) -> list[Band]:
    left = [
        Band(band.corridor_ids, tuple(j for j in band.junction_ids if j in changing))
        for band in bands
    ]
    return [band for band in left if band.junction_ids]


def _not_checked(short_id: str) -> Verdict:
    return Verdict(
        decision=Decision.INCONCLUSIVE,
        reason=f"not checked: package {short_id} was modified by hand",
        candidate_id=f"modified-{short_id}",
        seeds=(),
        in_service_delay_s_per_veh=(),
        proposed_delay_s_per_veh=(),
        change_s_per_veh=None,
        change_ratio=None,
    )
