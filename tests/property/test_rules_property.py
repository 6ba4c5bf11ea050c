"""Made-up and real junctions: valid plans pass, planted violations are found and named.

The judge here is ``traffic_brain.model.rules``; the second opinion, second by second over the
lamp pictures, is ``tests.reference.lamp_bruteforce``. More of the same, 10,000 plans and up:
``python -m benchmarks.mutations``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference.mutations import PLANTERS, disagreement, judged, trial, unnoticed
from tests.reference.valid_plans import Case, made_case, real_case
from traffic_brain.model.documents import (
    plan_from_dict,
    plan_to_dict,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
)
from traffic_brain.model.reading import from_json, to_json
from traffic_brain.model.rules import RULE_NAMES, judge, violations
from traffic_brain.model.signals import Interval, Stage

SLOW_BY_NATURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
randoms = st.integers(0, 2**63).map(Random)
made_cases = randoms.map(made_case)
LEAST_PLANS = 2000


def test_every_planted_violation_is_named_and_brute_force_agrees() -> None:
    """On made-up junctions and on those of the maps that are installed."""
    count = 0

    @settings(SLOW_BY_NATURE, max_examples=LEAST_PLANS // 35)
    @given(randoms)
    def on_a_random_plan(random: Random) -> None:
        nonlocal count
        plans, failures = trial(random)
        count += plans
        assert failures == []

    on_a_random_plan()
    assert count >= LEAST_PLANS


def test_every_rule_on_plans_has_a_planter() -> None:
    """``cycle_sum`` is planted in the document."""
    planted: Counter[str] = Counter()
    for seed in range(25):
        case = made_case(Random(seed))
        for plant in PLANTERS:
            found = plant(case, Random(seed))
            if found is not None:
                assert (
                    unnoticed(found, case, judged(found.plan, found.site, case.plan, found.limits))
                    == ""
                )
                planted[found.rule] += 1
    assert set(planted) == set(RULE_NAMES) - {"cycle_sum"}


@settings(SLOW_BY_NATURE, max_examples=15)
@given(randoms)
def test_valid_plans_of_real_junctions_pass(random: Random) -> None:
    case = real_case(random)
    assert judge(case.plan, case.site) == []
    assert judge(case.plan, case.site, case.plan) == []
    running = case.site.junction.plan_in_service
    if running is not None:
        assert disagreement(judged(case.plan, case.site, running)) == ""
        assert disagreement(judged(running, case.site, case.plan)) == ""
        assert violations(judge(running, case.site, running)) == []


@SLOW_BY_NATURE
@given(made_cases, randoms)
def test_brute_force_agrees_on_any_lamps(case: Case, random: Random) -> None:
    """Lamps, seconds and right of way drawn at random: mostly far from a plan for a street."""
    count = case.site.junction.signal_group_count
    stages = tuple(
        Stage(
            "".join(random.choice("GGGgrrrsoOy") for _ in range(count)),
            random.randint(1, 40),
            tuple(
                Interval(
                    random.randint(1, 7),
                    "".join(random.choice("GgyyyrruoYs") for _ in range(count)),
                )
                for _ in range(random.randint(0, 4))
            ),
        )
        for _ in range(random.randint(1, 5))
    )
    plan = replace(case.plan, stages=stages, offset_s=0, coordinated_stage_idx=0)
    assert disagreement(judged(plan, case.site, case.plan)) == ""
    assert violations(judge(plan, case.site, plan)) == []


@SLOW_BY_NATURE
@given(made_cases, randoms)
def test_greens_between_their_limits_and_any_offset_stay_safe(case: Case, random: Random) -> None:
    """What the optimiser may touch can break no rule but the longest red."""
    greens = tuple(random.randint(stage.green_s, stage.max_green_s) for stage in case.plan.stages)
    plan = case.plan.with_greens(greens, "new").with_offset(random.randrange(1000))
    assert {v.rule for v in judge(plan, case.site, case.plan)} <= {"max_red"}


@SLOW_BY_NATURE
@given(made_cases)
def test_documents_return_what_went_in(case: Case) -> None:
    text = to_json(plan_to_dict(case.plan))
    assert plan_from_dict(from_json(text, "plan")) == case.plan
    assert to_json(plan_to_dict(plan_from_dict(from_json(text, "plan")))) == text
    city = to_json(rules_inputs_to_dict([case.site]))
    assert rules_inputs_from_dict(from_json(city, "city")) == {"J": case.site}
