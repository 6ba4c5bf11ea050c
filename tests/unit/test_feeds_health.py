"""Devices that are unwell are found, and set right or left out; well ones are left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from tests.unit.small_day import DAY, SmallDay
from traffic_brain.feeds import checkpoint, internet, police
from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.feeds.clocks import clock_errors, heap_of_differences_s
from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.hand_run import hand_runs, without_hand_runs
from traffic_brain.feeds.health import (
    Health,
    checkpoint_set_right,
    examine,
    internet_set_right,
    police_set_right,
)
from traffic_brain.feeds.internet import InternetDay
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.feeds.provider_clock import provider_ahead_s
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.model.network import RoadNetwork


@dataclass(frozen=True)
class Feeds:
    police: PoliceDay
    checkpoint: CheckpointDay
    internet: InternetDay
    network: RoadNetwork

    def examined(self) -> Health:
        return examine(self.police, self.checkpoint, self.internet, self.network)

    def with_passes(self, passes: pd.DataFrame) -> Feeds:
        """With other police passes, and without counts that would tell."""
        ordered = passes.sort_values(["detector_id", "time_s"], kind="stable", ignore_index=True)
        none = self.police.counts.iloc[:0]
        return replace(self, police=replace(self.police, passes=ordered, counts=none))

    @property
    def busiest(self) -> str:
        return str(self.police.passes["detector_id"].value_counts().index[0])


@pytest.fixture(scope="module")
def well(day: SmallDay) -> Feeds:
    network, quarantine = day.network, Quarantine()
    return Feeds(
        police.read(day.feeds / "police", network, DAY, quarantine),
        checkpoint.read(day.feeds / "checkpoint", network, DAY, quarantine),
        internet.read(day.feeds / "internet", network, DAY, quarantine),
        network,
    )


def told(health: Health, code: str) -> dict[str, Finding]:
    return {f.device_id: f for f in health.findings if f.code == code}


def test_well_feeds_are_left_alone(well: Feeds) -> None:
    health = well.examined()
    assert health == Health()
    assert police_set_right(well.police, health, Quarantine()) is well.police
    assert checkpoint_set_right(well.checkpoint, health) is well.checkpoint
    assert internet_set_right(well.internet, health) is well.internet


def test_a_count_that_stands_still(well: Feeds) -> None:
    detector = well.busiest
    rows = well.police.counts["detector_id"] == detector
    counts = well.police.counts.assign(count=well.police.counts["count"].where(~rows, 17))
    stuck = replace(well, police=replace(well.police, counts=counts))
    assert set(told(stuck.examined(), "stuck")) == {detector}


@pytest.mark.parametrize("every_s", [1.0, 6.0])
def test_a_detector_that_beats(well: Feeds, every_s: float) -> None:
    detector = well.busiest
    passes = well.police.passes
    own = passes[passes["detector_id"] == detector].iloc[:1]
    beat = own.loc[own.index.repeat(300)].assign(time_s=600.3 + every_s * np.arange(300))
    ill = well.with_passes(pd.concat([passes[passes["detector_id"] != detector], beat]))
    health = ill.examined()
    found = told(health, "stuck")[detector]
    assert found.junction_ids == (well.police.detectors["junction_id"][detector],)
    quarantine = Quarantine()
    right = police_set_right(ill.police, health, quarantine)
    assert quarantine.as_table().to_pylist() == [
        {"feed": "police", "reason": "unwell_device", "rows": 300}
    ]
    assert detector not in set(right.passes["detector_id"])
    assert len(right.passes) == len(ill.police.passes) - 300


def test_a_detector_that_sends_what_another_sends(well: Feeds) -> None:
    passes, detectors = well.police.passes, well.police.detectors
    one = well.busiest
    beside = detectors.index[
        (detectors["junction_id"] == detectors["junction_id"][one]) & (detectors.index != one)
    ]
    other = str(beside[0])
    copy = passes[passes["detector_id"] == one].assign(
        detector_id=other,
        link_id=detectors["link_id"][other],
        lane_idx=detectors["lane_idx"][other],
    )
    ill = well.with_passes(pd.concat([passes[passes["detector_id"] != other], copy]))
    found = told(ill.examined(), "duplicate_stream")
    assert set(found) == {max(one, other, key=list(detectors.index).index)}
    (copied,) = found.values()
    assert copied.detail == f"sends what {min(one, other, key=list(detectors.index).index)} sends"


def test_passes_that_get_lost(well: Feeds) -> None:
    detector = well.busiest
    passes = well.police.passes
    own = np.flatnonzero(passes["detector_id"] == detector)
    kept = passes.drop(index=own[np.arange(len(own)) % 10 > 2]).reset_index(drop=True)
    ill = replace(well, police=replace(well.police, passes=kept))
    assert set(told(ill.examined(), "low_hits")) >= {detector}


def watched_twice(well: Feeds) -> str:
    """A link with a camera and detectors, at a junction with another such link."""
    detectors = well.police.detectors.drop_duplicates("link_id").set_index("link_id")
    counted = well.police.passes["link_id"].value_counts()
    links = [
        str(link)
        for link in well.checkpoint.passes["link_id"].value_counts().index
        if counted.get(link, 0) > 100
    ]
    at = [detectors["junction_id"][link] for link in links]
    return next(link for link, junction in zip(links, at, strict=True) if at.count(junction) > 1)


def test_a_camera_that_reads_little(well: Feeds) -> None:
    link = watched_twice(well)
    passes = well.checkpoint.passes
    own = np.flatnonzero(passes["link_id"] == link)
    kept = passes.drop(index=own[np.arange(len(own)) % 10 > 2]).reset_index(drop=True)
    ill = replace(well, checkpoint=replace(well.checkpoint, passes=kept))
    sites = {site for site, at in well.checkpoint.sites.items() if at == link}
    assert set(told(ill.examined(), "low_hits")) == sites


def test_a_detector_that_falls_silent(well: Feeds) -> None:
    detector = well.busiest
    passes = well.police.passes
    lost = (passes["detector_id"] == detector) & passes["time_s"].between(900, 3000)
    ill = well.with_passes(passes[~lost])
    found = told(ill.examined(), "silent")
    assert set(found) == {detector}
    assert found[detector].detail == "900-3000 s of the day"


def with_own_greens(well: Feeds) -> tuple[Feeds, str, str]:
    """Feeds of an approach whose two lanes have green at other times, and their detectors."""
    register = well.police.detectors
    link, rows = next((k, r) for k, r in register.groupby("link_id") if len(r) >= 2)
    one, other = rows.index[:2]
    junction = rows["junction_id"].iloc[0]
    plan = well.network.junctions[junction].plan_in_service
    assert plan is not None
    groups = plan.signal_group_count
    a, b = next(
        (a, b)
        for a in range(groups)
        for b in range(groups)
        if all(not (s.picture[a] in "Gg" and s.picture[b] in "Gg") for s in plan.stages)
        and all(any(s.picture[g] in "Gg" for s in plan.stages) for g in (a, b))
    )
    group = {int(register["lane_idx"][one]): a, int(register["lane_idx"][other]): b}
    connections = tuple(
        replace(c, signal_group_idx=group.get(c.from_lane_idx, a)) if c.from_link == link else c
        for c in well.network.connections
    )
    log = well.police.signal_log[well.police.signal_log["junction_id"] == junction]
    passes = well.police.passes[~well.police.passes["detector_id"].isin([one, other])]
    for detector, letter in ((one, a), (other, b)):
        green = log.loc[log["picture"].str[letter].isin(["G", "g"]), "time_s"].to_numpy()
        own = {k: register[k][detector] for k in ("link_id", "lane_idx")}
        times_s = np.concatenate([green + 2.5, green + 5.1, green + 8.3])
        own_passes = pd.DataFrame({"detector_id": detector, **own, "time_s": times_s})
        passes = pd.concat([passes, own_passes])
    feeds = replace(well, network=replace(well.network, connections=connections))
    return feeds.with_passes(passes), str(one), str(other)


def test_swapped_lanes_are_swapped_back(well: Feeds) -> None:
    right, one, other = with_own_greens(well)
    assert right.examined() == Health()
    lane_idx = right.police.detectors["lane_idx"]
    swapped = {one: int(lane_idx[other]), other: int(lane_idx[one])}
    passes = right.police.passes
    passes = passes.assign(
        lane_idx=passes["detector_id"].map(swapped).fillna(passes["lane_idx"]).astype(np.int64)
    )
    register = right.police.detectors.assign(
        lane_idx=pd.Series(lane_idx.to_dict() | swapped, dtype=np.int64)
    )
    ill = replace(right, police=replace(right.police, detectors=register, passes=passes))
    health = ill.examined()
    assert set(told(health, "swapped_lanes")) == {one, other}
    mended = police_set_right(ill.police, health, Quarantine())
    pd.testing.assert_frame_equal(mended.passes, right.police.passes)
    assert mended.detectors["lane_idx"].to_dict() == lane_idx.to_dict()


@pytest.mark.parametrize("ahead_s", [90.0, -90.0, 25.0])
def test_a_camera_whose_clock_is_wrong(well: Feeds, ahead_s: float) -> None:
    link = watched_twice(well)
    passes = well.checkpoint.passes
    moved = passes["time_s"] + ahead_s * (passes["link_id"] == link)
    passes = passes.assign(time_s=moved).sort_values(["token", "time_s"], ignore_index=True)
    ill = replace(well, checkpoint=replace(well.checkpoint, passes=passes))
    health = ill.examined()
    assert list(health.ahead_s) == [("checkpoint", link)]
    assert health.ahead_s["checkpoint", link] == pytest.approx(ahead_s, abs=4)
    sites = {site for site, at in well.checkpoint.sites.items() if at == link}
    assert set(told(health, "clock_drift")) == sites
    right = checkpoint_set_right(ill.checkpoint, health).passes
    was = well.checkpoint.passes
    assert right["time_s"].sum() == pytest.approx(was["time_s"].sum(), rel=2e-4)


def test_two_feeds_whose_clocks_differ_are_told_of_and_left(well: Feeds) -> None:
    passes = well.police.passes.assign(time_s=well.police.passes["time_s"] + 90)
    log = well.police.signal_log.assign(time_s=well.police.signal_log["time_s"] + 90)
    ill = replace(well, police=replace(well.police, passes=passes, signal_log=log))
    health = ill.examined()
    found = told(health, "clock_drift")
    assert set(found) == {"*"}
    assert "behind of police" in found["*"].detail
    assert "the provider's goes with checkpoint" in found["*"].detail
    assert not health.ahead_s
    nothing = InternetDay(well.internet.speeds.iloc[:0], 0)
    alone = replace(ill, internet=nothing).examined()
    assert "not known" in told(alone, "clock_drift")["*"].detail


@pytest.mark.parametrize("ahead_s", [90.0, -60.0, 240.0])
def test_a_provider_whose_clock_is_wrong(well: Feeds, ahead_s: float) -> None:
    ill = replace(well, internet=ahead(well.internet, ahead_s))
    health = ill.examined()
    assert health.provider_ahead_s == pytest.approx(ahead_s, abs=15)
    (found,) = told(health, "clock_drift").values()
    assert (found.feed, found.device_id) == ("internet", "*")
    assert "of police" in found.detail
    assert "set right" in found.detail
    right = internet_set_right(ill.internet, health).speeds["time_s"]
    assert right.mean() == pytest.approx(well.internet.speeds["time_s"].mean(), abs=15)


def test_of_a_provider_and_one_other_nobody_knows_who_is_right(well: Feeds) -> None:
    unread = replace(well.checkpoint, passes=well.checkpoint.passes.iloc[:0])
    ill = replace(well, internet=ahead(well.internet, 90.0), checkpoint=unread)
    health = ill.examined()
    (found,) = [f for f in health.findings if f.feed == "internet"]
    assert "90 s ahead of police; which is right is not known" in found.detail
    assert health.provider_ahead_s == 0.0


def test_of_evenly_spread_vehicles_no_providers_clock_is_known(well: Feeds) -> None:
    link = well.police.passes["link_id"].iloc[0]
    passes = pd.DataFrame({"link_id": link, "time_s": np.arange(0.0, 7200.0, 6.0)})
    reports = {"link_id": link, "time_s": np.arange(0.0, 7200.0, 120.0), "interval_s": 120.0}
    speeds = pd.DataFrame(reports).assign(speed_mps=5.0, sample_count=np.arange(60) % 3 + 1)
    assert provider_ahead_s(InternetDay(speeds, 60), passes, well.network) is None
    assert provider_ahead_s(InternetDay(speeds, 60), passes.iloc[:3], well.network) is None


def ahead(internet: InternetDay, seconds: float) -> InternetDay:
    return replace(
        internet, speeds=internet.speeds.assign(time_s=internet.speeds["time_s"] + seconds)
    )


def test_detectors_that_pass_on_red(well: Feeds) -> None:
    junction = well.police.detectors["junction_id"][well.busiest]
    own = well.police.passes["detector_id"].map(well.police.detectors["junction_id"]) == junction
    cycle_s = well.network.junctions[junction].plan_in_service.cycle_s  # type: ignore[union-attr]
    moved = well.police.passes["time_s"] + own * (cycle_s / 2)
    ill = well.with_passes(well.police.passes.assign(time_s=moved))
    found = [f for f in ill.examined().findings if f.code == "clock_drift"]
    assert any(f.junction_ids == (junction,) for f in found)


@pytest.mark.parametrize(("factor", "unit"), [(1 / 1.609344, "mph"), (1 / 3.6, "m/s")])
@pytest.mark.parametrize("since_s", [0.0, 1800.0])
def test_a_unit_that_changed(well: Feeds, factor: float, unit: str, since_s: float) -> None:
    speeds = well.internet.speeds
    changed = speeds["speed_mps"].where(speeds["time_s"] < since_s, speeds["speed_mps"] * factor)
    ill = replace(well, internet=InternetDay(speeds.assign(speed_mps=changed), len(speeds)))
    health = ill.examined()
    (found,) = told(health, "unit_changed").values()
    assert unit in found.detail
    assert found.detail.startswith(f"{since_s:.0f}-")
    right = internet_set_right(ill.internet, health)
    np.testing.assert_allclose(right.speeds["speed_mps"], speeds["speed_mps"], rtol=1e-9)


def test_a_link_that_shows_one_jam_for_hours(well: Feeds) -> None:
    link = str(well.internet.speeds["link_id"].iloc[0])
    time_s = 120.0 * np.arange(60)
    jam = pd.DataFrame(
        {"link_id": link, "time_s": time_s, "interval_s": 120, "speed_mps": 2.5, "sample_count": 1}
    )
    speeds = well.internet.speeds
    speeds = pd.concat([speeds[speeds["link_id"] != link], jam], ignore_index=True)
    ill = replace(well, internet=InternetDay(speeds, len(speeds)))
    assert set(told(ill.examined(), "stuck")) == {link}


# --- junctions run by hand ------------------------------------------------------------------------


def test_a_junction_that_police_ran_by_hand(well: Feeds) -> None:
    log = well.police.signal_log
    junction = str(log["junction_id"].iloc[0])
    rows = log[log["junction_id"] == junction]
    by_hand = rows["time_s"].between(1000, 2200)
    first, last = rows.index[by_hand][0], rows.index[by_hand][-1]
    rng = np.random.default_rng(2)
    lengths = np.where(
        rows["picture"][by_hand].str.contains("y"), 3.0, rng.uniform(8, 90, by_hand.sum())
    )
    moved = log["time_s"].copy()
    begun = moved[first] + np.concatenate([[0], np.cumsum(lengths)])
    inside = begun < 2200
    hand = rows.loc[first:last].iloc[: inside.sum() - 1].assign(time_s=begun[inside][:-1])
    log = pd.concat([log.drop(index=rows.index[by_hand]), hand])
    log = log.sort_values(["junction_id", "time_s"], kind="stable", ignore_index=True)
    runs = hand_runs(log)
    assert {run.junction_id for run in runs} == {junction}
    covered = sum(min(run.end_s, 2200) - max(run.begin_s, 1000) for run in runs)
    assert covered > 0.75 * 1200
    assert min(run.begin_s for run in runs) > 850
    assert max(run.end_s for run in runs) < 2350
    left = without_hand_runs(log, runs)
    assert len(left) < len(log)
    assert set(left["junction_id"]) == set(log["junction_id"])


def test_a_log_that_says_so_is_believed(well: Feeds) -> None:
    log = well.police.signal_log
    junction = str(log["junction_id"].iloc[-1])
    by_hand = (log["junction_id"] == junction) & log["time_s"].between(600, 900)
    log = log.assign(control=np.where(by_hand, "manual", "plan"))
    ill = replace(well, police=replace(well.police, signal_log=log))
    health = ill.examined()
    found = told(health, "hand_run")
    assert set(found) == {junction}
    assert found[junction].junction_ids == (junction,)
    assert (
        len(police_set_right(ill.police, health, Quarantine()).signal_log)
        == len(log) - by_hand.sum()
    )


def test_a_log_with_holes_is_not_run_by_hand(well: Feeds) -> None:
    log = well.police.signal_log
    kept = log[np.random.default_rng(5).random(len(log)) > 0.2].reset_index(drop=True)
    assert hand_runs(kept) == []


# --- clocks ---------------------------------------------------------------------------------------


def test_differences_heap_up_where_clocks_differ() -> None:
    rng = np.random.default_rng(7)
    for ahead_s in (-200.0, -31.0, 0.0, 3.0, 147.0):
        times_s = np.sort(rng.uniform(0, 3600, 300))
        seen = times_s[rng.random(300) < 0.9] + ahead_s + rng.normal(0, 0.6, (300,))[:1]
        found = heap_of_differences_s(seen, times_s)
        assert found is not None
        assert found == pytest.approx(ahead_s, abs=3)
    assert heap_of_differences_s(rng.uniform(0, 3600, 300), rng.uniform(0, 3600, 300)) is None
    assert heap_of_differences_s(np.zeros(5), np.zeros(5)) is None


def test_no_comparisons_are_no_errors() -> None:
    assert not clock_errors([]).ahead_s
