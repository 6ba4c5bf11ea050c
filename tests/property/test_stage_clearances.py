"""Stages of a plan in any order: what lies between two that follow each other breaks no rule."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from optimizers.stage_choice import with_stages
from tests.reference.valid_plans import made_case
from traffic_brain.model.lamps import clearances, yellows_after_green
from traffic_brain.model.rules import judge, least_clearances_s, violations
from traffic_brain.model.signals import GREENS, SignalPlan, Stage

BETWEEN = {"conflicting_greens", "conflict_in_transition", "yellow", "min_green"}


def other_stages(plan: SignalPlan, random: Random) -> list[Stage]:
    """Those of a plan in another order, one left out now and then, one with fewer greens."""
    stages = list(plan.stages)
    random.shuffle(stages)
    if len(stages) > 2 and random.random() < 0.5:
        stages.pop()
    if random.random() < 0.4:
        fewer = "".join(
            "r" if x in GREENS and random.random() < 0.3 else x for x in stages[0].picture
        )
        stages[0] = replace(stages[0], picture=fewer)
    return stages


@pytest.mark.parametrize("first", range(0, 800, 200))
def test_each_pair_has_its_clearance_between_stages_in_another_order(first: int) -> None:
    seen = 0
    for number in range(first, first + 200):
        random = Random(number)
        case = made_case(random)
        stages = other_stages(case.plan, random)
        pictures = {stage.picture for stage in stages}
        if len(pictures) < len(stages) or not all(set(p) & set(GREENS) for p in pictures):
            continue
        least_s = least_clearances_s(case.site, case.plan)
        plan = with_stages(case.plan, stages, least_s)
        broken = violations(judge(plan, case.site, case.plan))
        assert not [v for v in broken if v.rule in BETWEEN]
        for change in clearances(plan, case.site.junction):
            assert not change.direct or change.length_s >= least_s[change.pair]
        for group in case.site.groups_on_foot:
            if yellows_after_green(case.plan, group):
                assert not any(yellows_after_green(plan, group))
        seen += 1
    assert seen > 100
