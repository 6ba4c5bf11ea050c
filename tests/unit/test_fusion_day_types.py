"""Types of days from the calendar, and what is usual on days of a type."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.stats import t as student

from tests.unit.small_day import SmallDay
from traffic_brain.cli import main
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.fusion.day_profiles import PRIOR_DAYS, expected, profiles, spread
from traffic_brain.fusion.day_types import Calendar, DayType, alike, read_calendar

MONDAY, SATURDAY = date(2026, 3, 2), date(2026, 3, 7)


# --- the calendar ----------------------------------------------------------------------------


def written(folder: Path, text: str, name: str = "calendar.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_calendar_the_weekday_tells() -> None:
    assert Calendar().type_of(MONDAY) == DayType("working")
    assert Calendar().type_of(SATURDAY) == DayType("free")
    assert str(DayType("free", "rain")) == "free, rain"


TOML = """
[2026-03-07]            # a Saturday that is worked
day_type = "working"
[2026-10-01]
day_type = "holiday"
weather = "rain"
[2026-03-02]
weather = "snow"
"""
CSV = """service_day,day_type,weather
2026-03-07,working,
2026-10-01,holiday,rain
2026-03-02,,snow
"""


@pytest.mark.parametrize(("text", "name"), [(TOML, "c.toml"), (CSV, "c.csv")])
def test_the_calendar_has_the_last_word(tmp_path: Path, text: str, name: str) -> None:
    calendar = read_calendar(written(tmp_path, text, name))
    assert calendar.type_of(SATURDAY) == DayType("working")
    assert calendar.type_of(date(2026, 10, 1)) == DayType("holiday", "rain")
    assert calendar.type_of(MONDAY) == DayType("working", "snow")


def test_a_bad_calendar_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    text = 'soon = "holiday"\n[2026-02-30]\nday_type = "x"\n[2026-03-01]\nkind = "y"\n'
    with pytest.raises(DataRefused) as refused:
        read_calendar(written(tmp_path, text + "[2026-03-02]\nweather = 3\n"))
    problems = "; ".join(refused.value.problems)
    assert "'soon' is not a day" in problems
    assert "'2026-02-30' is not a day" in problems
    assert "2026-03-01: kind is not known" in problems
    assert "2026-03-01 says neither" in problems
    assert "2026-03-02: weather is no text" in problems
    with pytest.raises(DataRefused, match="cannot be read"):
        read_calendar(written(tmp_path, "[2026-03-02"))
    with pytest.raises(DataRefused, match="cannot be read"):
        read_calendar(tmp_path / "nowhere.toml")


def test_a_type_with_few_days_learns_from_days_next_like_it() -> None:
    days = {
        date(2026, 3, n): kind
        for n, kind in enumerate(
            [DayType("working")] * 5 + [DayType("free")] * 2 + [DayType("working", "rain")] * 2, 2
        )
    }
    numbers = [day.day for day in alike(DayType("working", "rain"), days, 2)]
    assert numbers == [9, 10]
    numbers = [day.day for day in alike(DayType("working", "snow"), days, 2)]
    assert numbers == [2, 3, 4, 5, 6, 9, 10]
    assert [day.day for day in alike(DayType("holiday"), days, 2)] == [7, 8]
    assert len(alike(DayType("holiday"), {MONDAY: DayType("working")}, 2)) == 1


# --- what is usual ---------------------------------------------------------------------------


def test_the_next_day_follows_students_t() -> None:
    """One link, one bin: mean, and the textbook's interval with a prior worth ``PRIOR_DAYS``."""
    values = np.array([1.0, 2.0, 4.0])[:, None, None]
    found = expected(values, np.array([2.0]))
    freedom = 2 + PRIOR_DAYS
    variance = (values.var() * 3 + PRIOR_DAYS * 2.0) / freedom
    reach = student.ppf(0.975, freedom) * np.sqrt(variance * (1 + 1 / 3))
    assert found.value[0, 0] == pytest.approx(7 / 3)
    assert found.high[0, 0] - found.value[0, 0] == pytest.approx(reach)
    assert found.value[0, 0] - found.low[0, 0] == pytest.approx(reach)
    assert found.days[0, 0] == 3


def test_what_no_day_or_only_one_saw_is_not_guessed() -> None:
    values = np.array([[[np.nan, 1.0]], [[np.nan, np.nan]]])
    found = expected(values, spread(values, [0, 0]))
    assert np.isnan(found.value[0, 0])
    assert found.value[0, 1] == 1.0
    assert np.isnan(found.low).all()


@pytest.mark.parametrize("days", [2, 5, 20])
def test_intervals_cover_the_next_day(days: int) -> None:
    """Links differ in mean and spread; days are told with gaps."""
    rng = np.random.default_rng(days)
    size = rng.uniform(0.1, 0.5, (1, 60, 1))
    values = rng.normal(3.0, 1.0, (1, 60, 24)) + size * rng.normal(size=(days + 1, 60, 24))
    past = np.where(rng.random((days, 60, 24)) < 0.1, np.nan, values[:-1])
    found = expected(past, spread(past, [0] * days))
    known = np.isfinite(found.low)
    inside = (found.low <= values[-1]) & (values[-1] <= found.high)
    assert 0.93 < inside[known].mean() < 0.985


def test_spread_is_that_between_days_of_one_type() -> None:
    """Working days carry 100 more than free ones, and are alike but for 1 ± 1."""
    rng = np.random.default_rng(1)
    kinds = [0, 0, 0, 1, 1, 1]
    level = np.array(kinds)[:, None, None] * 100.0
    found = spread(level + rng.normal(size=(6, 4, 200)), kinds)
    assert found == pytest.approx(np.ones(4), rel=0.25)


# --- folders ---------------------------------------------------------------------------------

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04", "2026-03-07", "2026-03-08")


@pytest.fixture(scope="module")
def history(day: SmallDay, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days, each 2 % slower than the last; on the free ones all takes twice as long."""
    folder = tmp_path_factory.mktemp("history")
    for n, name in enumerate(DAYS):
        state = folder / name
        shutil.copytree(day.state, state)
        summary = json.loads((state / "summary.json").read_text("utf-8")) | {"service_day": name}
        (state / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        links = pq.read_table(state / "link_state.parquet")
        idx = links.column_names.index("travel_time_s")
        factor = (2.0 if n > 2 else 1.0) * 1.02**n
        slower = pc.multiply(links["travel_time_s"], factor)
        pq.write_table(links.set_column(idx, "travel_time_s", slower), state / "link_state.parquet")
    return folder


def test_profiles_of_a_week_and_tomorrow(day: SmallDay, history: Path, tmp_path: Path) -> None:
    calendar = written(tmp_path, '[2026-03-09]\nday_type = "free"\n')
    arguments = [str(day.city), str(history), str(tmp_path / "out"), "--calendar", str(calendar)]
    assert main(["profile", *arguments]) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text("utf-8"))
    assert summary["tomorrow"] == {"service_day": "2026-03-09", "day_type": "free"}
    assert summary["learnt_from"]["free"] == ["2026-03-07", "2026-03-08"]
    was = day.fused("link_state")["travel_time_s"].to_numpy()
    told = pq.read_table(tmp_path / "out/link_profiles.parquet")
    for kind, middle in (("working", 1.02), ("free", 2 * 1.02**3.5)):
        rows = told.filter(pc.equal(told["day_type"], kind))
        usual = rows["travel_time_s"].to_numpy()
        assert usual == pytest.approx(was * middle, abs=0.02)
        assert (rows["travel_time_low_s"].to_numpy() <= usual).all()
        assert (rows["travel_time_high_s"].to_numpy() >= usual).all()
        assert rows["travel_time_days"].to_pylist()[0] == (3 if kind == "working" else 2)
    ahead = pq.read_table(tmp_path / "out/tomorrow_links.parquet")
    assert set(ahead["day_type"].to_pylist()) == {"free"}
    assert ahead.num_rows == len(was)
    turns = pq.read_table(tmp_path / "out/tomorrow_movements.parquet")
    assert turns["demand_vph"].to_numpy() == pytest.approx(
        day.fused("movement_demand")["demand_vph"].to_numpy(), abs=0.02
    )


def test_the_same_days_make_the_same_bytes(day: SmallDay, history: Path, tmp_path: Path) -> None:
    states = [history / name for name in DAYS]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        profiles(day.network, states, Calendar(), date(2026, 3, 9), tmp_path / name)
        states.reverse()
    for file in sorted(path.name for path in (tmp_path / "a").iterdir()):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_days_that_tell_twice_are_refused(day: SmallDay, history: Path, tmp_path: Path) -> None:
    twice = [history / DAYS[0], history / DAYS[0], history / DAYS[1]]
    with pytest.raises(DataRefused) as refused:
        profiles(day.network, twice, Calendar(), date(2026, 3, 3), tmp_path)
    assert len(refused.value.problems) == 2
    with pytest.raises(ConfigurationError, match="no past day"):
        profiles(day.network, [], Calendar(), MONDAY, tmp_path)
    with pytest.raises(ConfigurationError, match="not a state folder"):
        profiles(day.network, [tmp_path], Calendar(), MONDAY, tmp_path)


def test_a_state_of_another_city_is_refused(day: SmallDay, history: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(history / DAYS[0], other)
    links = pq.read_table(other / "link_state.parquet")
    names = pa.array([f"x{name}" for name in links["link_id"].to_pylist()])
    idx = links.column_names.index("link_id")
    pq.write_table(links.set_column(idx, "link_id", names), other / "link_state.parquet")
    with pytest.raises(DataRefused, match="another network"):
        profiles(day.network, [other], Calendar(), MONDAY.replace(day=9), tmp_path)
