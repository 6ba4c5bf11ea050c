"""The roll-out: bands whole, offsets met to the second, and safe lamps on the way there."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from tests.reference.valid_plans import made_case
from tests.unit.deployment.decided import Decided
from tests.unit.test_package import K_PLAN, K_SITE
from tests.unit.test_rules import PLAN, SITE, A, B
from traffic_brain.deployment.package import build
from traffic_brain.deployment.rollout import (
    FIRST_S,
    MAX_CYCLES,
    QUIET_S,
    STRETCH_RATIO,
    WATCH_S,
    Band,
    Step,
    Way,
    bands_of,
    bands_of_document,
    roll_out,
    rollout_text,
    rollout_to_dict,
)
from traffic_brain.deployment.verify import verify
from traffic_brain.model.documents import corridor_to_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import JunctionRulesInput, judge, violations
from traffic_brain.model.signals import SignalPlan


def corridor(name: str, *junctions: str) -> Corridor:
    return Corridor(name, name, junctions, ((),) * (len(junctions) - 1), (), 100.0, 0.0)


def test_junctions_of_a_corridor_and_of_those_it_crosses_switch_together() -> None:
    corridors = [
        corridor("C1", "a", "b", "c", "d"),
        corridor("C2", "x", "y"),
        corridor("C3", "d", "e"),
        corridor("C4", "p", "q"),
    ]
    bands = bands_of(corridors, ["a", "c", "d", "e", "x", "y", "s", "t"])
    assert bands == [
        Band(("C2",), ("x", "y")),
        Band(("C1", "C3"), ("a", "c", "d", "e")),
        Band((), ("s", "t")),
    ]


def test_a_junction_that_keeps_its_plan_joins_no_corridors() -> None:
    bands = bands_of([corridor("C1", "a", "k"), corridor("C2", "k", "b")], ["a", "b"])
    assert bands == [Band(("C1",), ("a",)), Band(("C2",), ("b",))]


def test_a_corridor_that_joins_two_bands_makes_them_one() -> None:
    corridors = [corridor("C1", "a"), corridor("C2", "b"), corridor("C3", "a", "b")]
    assert bands_of(corridors, ["a", "b"]) == [Band(("C1", "C2", "C3"), ("a", "b"))]


def test_no_corridor_known_means_all_at_once() -> None:
    assert bands_of([], ["b", "a"]) == [Band((), ("a", "b"))]
    assert bands_of([corridor("C", "a")], []) == []


# --- one junction --------------------------------------------------------------------------


def retimed(old: SignalPlan, site: JunctionRulesInput, random: Random) -> SignalPlan:
    """Another safe timing of the same stages, with another offset."""
    for _ in range(50):
        greens = tuple(
            random.randint(max(5, s.min_green_s), min(60, s.max_green_s)) for s in old.stages
        )
        plan = old.with_greens(greens, "new")
        if not violations(judge(plan, site, old)):
            return plan.with_offset(random.randrange(plan.cycle_s))
    return replace(old.with_offset(random.randrange(old.cycle_s)), plan_id="new")


def street(way: Way, begins_s: int, greens_s: tuple[tuple[int, ...], ...]) -> Iterator[str]:
    """The lamps from ``begins_s`` on, second by second, as a controller plays the transition."""
    for greens in greens_s:
        yield from way.old.with_greens(greens, "transition").pictures()


def test_a_transition_ends_to_the_second_where_the_offset_asks_and_keeps_the_rules() -> None:
    random = Random(20261121)
    found = 0
    for _ in range(150):
        case = made_case(random)
        way = Way(retimed(case.plan, case.site, random), case.plan, case.site)
        switch_s = random.randrange(FIRST_S, FIRST_S + 600)
        switch = way.switch(switch_s)
        assert switch_s <= switch.starts_s < switch_s + way.new.cycle_s
        assert (switch.starts_s - way.new.first_stage_offset_s) % way.new.cycle_s == 0
        if switch.transition is None:
            continue
        found += 1
        begins_s, greens_s = switch.transition.begins_s, switch.transition.greens_s
        assert (begins_s - way.old.first_stage_offset_s) % way.old.cycle_s == 0
        assert len(list(street(way, begins_s, greens_s))) == switch.starts_s - begins_s
        assert len(greens_s) <= MAX_CYCLES
        for greens in greens_s:
            cycle = way.old.with_greens(greens, way.old.plan_id)
            assert violations(judge(cycle, case.site, way.old)) == []
            assert abs(cycle.cycle_s - way.old.cycle_s) <= STRETCH_RATIO * way.old.cycle_s
        assert way.new.pictures()[0] == way.old.pictures()[0]
    assert found > 120


def test_a_small_shift_back_shortens_and_a_small_shift_on_stretches() -> None:
    for shift_s, greens in ((-4, (28, 28)), (4, (32, 32))):
        new = replace(PLAN.with_offset(PLAN.offset_s + shift_s), plan_id="new")
        transition = Way(new, PLAN, SITE).switch(FIRST_S).transition
        assert transition is not None
        assert transition.greens_s == (greens,)


def test_other_splits_alone_need_no_transition() -> None:
    transition = Way(PLAN.with_greens((34, 26), "new"), PLAN, SITE).switch(FIRST_S).transition
    assert transition is not None
    assert transition.greens_s == ()


def test_other_stages_are_left_to_the_controller() -> None:
    turned = replace(PLAN, stages=(B, A), plan_id="new")
    assert Way(turned, PLAN, SITE).switch(FIRST_S).transition is None
    fixed = replace(PLAN, stages=tuple(replace(s, max_green_s=30, min_green_s=30) for s in (A, B)))
    way = Way(replace(fixed.with_offset(20), plan_id="new"), fixed, SITE)
    assert way.switch(FIRST_S).transition is None


# --- a city --------------------------------------------------------------------------------


def city(random: Random, size: int) -> tuple[list[Way], list[Corridor]]:
    ways = []
    for i in range(size):
        case = made_case(random)
        name = f"j{i:02}"
        site = replace(case.site, junction=replace(case.site.junction, junction_id=name))
        old = replace(case.plan, junction_id=name)
        ways.append(Way(retimed(old, site, random), old, site))
    names = [way.new.junction_id for way in ways]
    corridors = [
        corridor(f"C{i}", *random.sample(names, random.randint(2, 5))) for i in range(size // 6)
    ]
    return ways, corridors


def rolled_out(ways: list[Way], corridors: list[Corridor]) -> list[Step]:
    new = {way.new.junction_id: way.new for way in ways}
    old = {way.old.junction_id: way.old for way in ways}
    return roll_out(bands_of(corridors, new), new, old, {j.new.junction_id: j.site for j in ways})


@pytest.mark.parametrize("seed", range(5))
def test_no_band_is_ever_half_broken(seed: int) -> None:
    """Issue: at any second before the transition and after it, a corridor runs one set of plans."""
    ways, corridors = city(Random(seed), 40)
    steps = rolled_out(ways, corridors)
    step_of = {s.junction_id: step for step in steps for s in step.switches}
    assert set(step_of) == {way.new.junction_id for way in ways}
    for found in corridors:
        (step,) = {id(step_of[j]): step_of[j] for j in found.junction_ids}.values()
        starts = [s.starts_s for s in step.switches if s.junction_id in found.junction_ids]
        assert max(starts) - step.switch_s < step.cycle_s
    for before, after in pairwise(steps):
        if after.night == before.night:
            assert after.begins_s >= before.whole_s + before.cycle_s + WATCH_S
        else:
            assert after.night == before.night + 1
    for step in steps:
        assert step.switch_s % step.cycle_s == 0
        assert FIRST_S <= step.begins_s <= FIRST_S + QUIET_S


def test_what_does_not_fit_into_one_night_goes_into_the_next() -> None:
    ways, _ = city(Random(1), 40)
    steps = rolled_out(ways, [corridor(way.new.junction_id, way.new.junction_id) for way in ways])
    assert len(steps) == 40
    nights = [step.night for step in steps]
    assert nights == sorted(nights)
    assert nights[-1] > 1


def test_the_order_in_a_package(night: Decided) -> None:
    proposed = replace(K_PLAN, plan_id="moved").with_offset(12)
    night.write_candidates(best=[PLAN.with_greens((36, 26), "retimed"), proposed])
    diagnosis, out = night.root / "diagnosis", night.root / "out"
    for folder in (diagnosis, out):
        folder.mkdir()
    rows = [corridor_to_dict(corridor("C1", "J", "K"))]
    (diagnosis / "corridors.json").write_text(to_json(rows), "utf-8")
    build(*night.folders[:-1], out, diagnosis=diagnosis)
    assert verify(out).plan_count == 2
    document = json.loads((out / "rollout.json").read_text("utf-8"))
    (step,) = document["steps"]
    assert (step["corridors"], step["night"]) == (["C1"], 1)
    assert {j["junction_id"]: j["to_plan"] for j in step["junctions"]} == {
        "J": "retimed",
        "K": "moved",
    }
    assert bands_of_document(document) == [Band(("C1",), ("J", "K"))]
    text = (out / "rollout.txt").read_text("utf-8")
    assert text.startswith("切换顺序 · Roll-out")
    assert f"J {SITE.junction.name}: day → retimed" in text
    assert step["switch"] in text


def test_nothing_to_switch_is_said() -> None:
    assert "no plan changes" in rollout_text([], {}, "headline")
    assert rollout_to_dict([], {})["steps"] == []


def test_a_junction_without_another_name_is_named_once() -> None:
    way = Way(replace(K_PLAN, plan_id="moved").with_offset(12), K_PLAN, K_SITE)
    text = rollout_text(rolled_out([way], []), {"K": "K"}, "headline")
    assert "  K: day → moved" in text
