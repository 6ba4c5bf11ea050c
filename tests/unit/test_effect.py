"""Before and after on a street made by hand: what is compared, left out, claimed and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.effect_city import JUNCTIONS, MONDAYS, street, week, write_city, write_state
from tests.unit.hand_made import two_stage_plan
from traffic_brain.cli import main
from traffic_brain.diagnosis.effect.change import Finding, holm
from traffic_brain.diagnosis.effect.days import Day, read_days, same_timing
from traffic_brain.diagnosis.effect.evaluate import Effect, evaluate
from traffic_brain.diagnosis.effect.units import catchments, junction_units, neighbours
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.fusion.day_types import read_calendar
from traffic_brain.model.findings import Corridor

TREATED = ("j10", "j11", "j12")
NEXT = ("j09", "j13")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Day]]:
    """Five days before; five after with nothing but 15 % more everywhere, and with a gain."""
    root, city = tmp_path_factory.mktemp("sides"), street()
    rain = dict.fromkeys(JUNCTIONS, 1.15)
    gain = rain | dict.fromkeys(TREATED, 1.15 * 0.9)
    found = {}
    for name, monday, factors, retimed in (
        ("before", MONDAYS[0], {}, ()),
        ("after", MONDAYS[1], rain, ()),
        ("better", MONDAYS[1], gain, TREATED),
    ):
        for n, day in enumerate(week(monday)):
            seed = n + 10 * len(name)
            write_state(root / name / day, city, day, factors=factors, retimed=retimed, seed=seed)
        found[name] = read_days(root / name, city)
    return found


def compared(before: list[Day], after: list[Day], **options: object) -> Effect:
    return evaluate(street(), before, after, **options)  # type: ignore[arg-type]


def test_a_catchment_ends_at_the_signal_behind() -> None:
    city = street()
    assert catchments(city)["j01"] == ("mj01-j01", "j00-mj01")
    assert neighbours(city)["j01"] == {"j00", "j02"}


def test_a_change_is_found_beside_what_happens_everywhere(sides: dict[str, list[Day]]) -> None:
    found = compared(sides["before"], sides["better"])
    change = found.together
    assert change.junctions == TREATED
    assert found.neighbours == NEXT
    assert not set(change.controls) & {*TREATED, *NEXT}
    assert change.finding is Finding.BETTER
    assert change.ratio is not None
    assert change.veh_h_per_day is not None
    assert change.s_per_veh is not None
    assert change.ratio.low < -0.1 < change.ratio.high
    assert change.ratio.high - change.ratio.low < 0.12
    assert change.plain_ratio is not None
    assert change.plain_ratio > 0
    # Of 3 x 30 x 12 vehicles a day each loses about 2.3 s less than it would have.
    assert change.veh_h_per_day.mean == pytest.approx(change.s_per_veh.mean * 1080 / 3600)
    assert change.s_per_veh.mean == pytest.approx(-2.3, abs=0.8)


def test_what_happens_everywhere_is_no_effect(sides: dict[str, list[Day]]) -> None:
    found = compared(sides["before"], sides["after"], treated=TREATED)
    assert found.together.finding is Finding.NOT_SHOWN
    assert {c.finding for c in found.each} == {Finding.NOT_SHOWN}
    assert found.together.plain_ratio == pytest.approx(0.15, abs=0.05)


def test_few_days_and_other_kinds_of_days_are_not_decided(sides: dict[str, list[Day]]) -> None:
    before, after = sides["before"], sides["better"]
    one = compared(before[:1], after[:1]).together
    assert one.finding is Finding.NOT_DECIDED
    weekend = [
        replace(d, service_day=n) for d, n in zip(after, ("2026-03-14", "2026-03-15"), strict=False)
    ]
    other = compared(before, weekend).together
    assert other.finding is Finding.NOT_DECIDED
    assert "kind of day" in other.why
    assert other.ratio is None


def test_a_calendar_parts_the_days(sides: dict[str, list[Day]], tmp_path: Path) -> None:
    calendar = tmp_path / "calendar.csv"
    lines = [
        f"{d.service_day},working,{'rain' if n == 0 else 'dry'}"
        for side in ("before", "better")
        for n, d in enumerate(sides[side])
    ]
    calendar.write_text("\n".join(["service_day,day_type,weather", *lines]), encoding="utf-8")
    found = compared(sides["before"], sides["better"], calendar=read_calendar(calendar))
    assert found.kinds["2026-03-02"].weather == "rain"
    assert found.together.finding is Finding.BETTER
    calendar.write_text("service_day,day_type\nsoon,working\n2026-03-02,\n", encoding="utf-8")
    with pytest.raises(DataRefused, match=r"'soon'.*2026-03-02"):
        read_calendar(calendar)


def test_everything_treated_leaves_nothing_to_compare_with(sides: dict[str, list[Day]]) -> None:
    found = compared(sides["before"], sides["better"], treated=JUNCTIONS)
    assert found.together.finding is Finding.NOT_DECIDED
    assert found.together.before_s_per_veh == pytest.approx(20.0, abs=1.0)


def test_a_day_of_another_plan_is_left_out(sides: dict[str, list[Day]]) -> None:
    odd = replace(sides["better"][0], plans=sides["before"][0].plans)
    found = compared(sides["before"], [odd, *sides["better"][1:]])
    assert list(found.days_left_out) == [odd.service_day]
    assert "j10" in found.days_left_out[odd.service_day]
    assert found.together.finding is Finding.BETTER


def test_a_clock_that_is_a_second_off_is_no_other_plan() -> None:
    plan = two_stage_plan("j10", offset_s=59)
    late = replace(plan, offset_s=1, plan_id="other")
    assert same_timing(plan, late)
    assert not same_timing(plan, replace(plan, offset_s=5))
    assert not same_timing(plan, two_stage_plan("j10", greens_s=(31, 19), offset_s=59))
    assert not same_timing(plan, None)


def test_hours_run_by_hand_are_left_out_on_every_day(tmp_path: Path) -> None:
    city = street()
    for n, name in enumerate(week(MONDAYS[0])[:2]):
        told = {"j10": "25200-26100 s of the day"} if n == 0 else {}
        write_state(tmp_path / name, city, name, seed=n, hand_runs=told)
    days = read_days(tmp_path, city)
    units = junction_units(city, days)
    used = units.used[units.names.index("j10")]
    assert used.tolist() == [False] * 3 + [True] * 9
    assert (units.vehicles[units.names.index("j10"), :, :3] == 0).all()
    assert units.used[units.names.index("j11")].all()


def test_what_was_not_seen_one_day_is_left_out_on_all(sides: dict[str, list[Day]]) -> None:
    blind = sides["before"][0].vehicles.copy()
    blind[:, :2] = np.nan
    days = [replace(sides["before"][0], vehicles=blind), sides["before"][1]]
    assert (~junction_units(street(), days).used[:, :2]).all()


def test_many_looks_must_be_clearer(sides: dict[str, list[Day]]) -> None:
    each = compared(sides["before"], sides["better"]).each
    just = [replace(c, p_value=0.03) for c in each]
    assert {c.finding for c in holm(just)} == {Finding.NOT_SHOWN}
    assert holm(just[:1])[0].finding is Finding.BETTER


def test_corridors_are_told_in_minutes(sides: dict[str, list[Day]]) -> None:
    street_links = tuple(street().links)
    row = JUNCTIONS[9:14]
    first = street_links.index("mj09-j09") + 1
    path = street_links[first : first + 2 * (len(row) - 1)]
    paths = tuple(path[i : i + 2] for i in range(0, len(path), 2))
    corridor = Corridor("C01", "street", row, paths, ((),) * 4, 360.0, 0.0)
    elsewhere = replace(corridor, corridor_id="C02", junction_ids=JUNCTIONS[:3])
    found = compared(sides["before"], sides["better"], corridors=[corridor, elsewhere])
    (one,) = found.corridors
    assert (one.corridor_id, one.direction) == ("C01", "out")
    # Four times 300 m at 10 m/s and 20 s of delay.
    assert one.before_min == pytest.approx(4 * 50 / 60, rel=0.02)
    assert one.minutes is not None
    assert one.minutes.mean == pytest.approx(-3 * 2.3 / 60, abs=0.05)
    assert one.minutes.low < one.minutes.mean < one.minutes.high


def test_refusals(sides: dict[str, list[Day]], tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match=r"junction zz is not in this city; .* before and after"):
        compared(sides["before"], sides["before"], treated=["zz"])
    with pytest.raises(DataRefused, match="no junction ran another plan"):
        compared(sides["before"], sides["after"])
    with pytest.raises(ConfigurationError, match="is not a state folder, and holds none"):
        read_days(tmp_path, street())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    city = write_city(tmp_path / "city")
    factors = dict.fromkeys(TREATED, 0.8)
    for side, monday, changed in (("before", MONDAYS[0], {}), ("after", MONDAYS[1], factors)):
        for n, day in enumerate(week(monday)[:3]):
            folder = tmp_path / side / day
            write_state(folder, city, day, factors=changed, retimed=tuple(changed), seed=n)
    folders = [str(tmp_path / name) for name in ("city", "before", "after", "out")]
    assert main(["effect", *folders]) == 0
    assert "delay fell" in capsys.readouterr().out
    document = json.loads((tmp_path / "out/effect.json").read_text("utf-8"))
    assert document["together"]["finding"] == "better"
    assert [c["name"] for c in document["each"]] == list(TREATED)
    page = (tmp_path / "out/effect.md").read_text("utf-8")
    assert all(day in page for day in week(MONDAYS[0])[:3])
    assert main(["effect", *folders]) == 0
    assert "unchanged" in capsys.readouterr().out
    (tmp_path / "after" / week(MONDAYS[1])[0] / "link_state.parquet").write_bytes(b"")
    assert main(["effect", *folders]) == 4
    assert "cannot be compared" in capsys.readouterr().err
