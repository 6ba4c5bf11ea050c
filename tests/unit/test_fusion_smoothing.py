"""The prior of similar links, the track through the bins, the waves, and camera gaps."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.fusion.gaps import camera_gaps
from traffic_brain.fusion.link_features import Traffic, link_features, nearness, reds_s
from traffic_brain.fusion.observations import ProbeSums
from traffic_brain.fusion.pace_fusion import Scatter, sampling_period_s
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.similar_links import LEAST_TAUGHT, levels
from traffic_brain.fusion.smoothing import FIRST_SWING_SD, Track, smoothed
from traffic_brain.fusion.waves import share_taken_over, wave_shift, waves_of
from traffic_brain.fusion.window import Window

PLACES = {name: (200.0 * i, 0.0) for i, name in enumerate("abcdef")}
STREET = [road(x, y, PLACES) for x, y in ("ab", "bc", "cd", "de", "ef")]
CITY = network(STREET, through("a-b", "b-c", "c-d", "d-e", "e-f"))
WINDOW = Window(0, 1500)


def tracked(observed: np.ndarray, variance: np.ndarray, sd: float, rounds: int = 6) -> Track:
    prior = np.full(len(observed), sd)
    track = Track.start(prior, observed.shape[1])
    free = np.zeros(observed.shape)
    for _ in range(rounds):
        track = smoothed(observed, variance, prior, free, 300, track)
    return track


def test_a_single_bin_is_the_textbook_mean() -> None:
    """Level 0 ± 0.5, a swing of its own of ± 0.3, and one observation 1 ± 0.5: all Gaussian.

    The weight of Student's t differs from one by little where the surprise is as usual.
    """
    track = tracked(np.array([[1.0]]), np.array([[0.25]]), 0.5, rounds=1)
    before, error = 0.25 + FIRST_SWING_SD**2, 0.25
    assert track.mean[0, 0] == pytest.approx(before / (before + error), abs=0.01)
    assert track.variance[0, 0] == pytest.approx(before * error / (before + error), abs=0.005)


def test_links_that_swing_are_told_from_links_that_do_not() -> None:
    rng = np.random.default_rng(3)
    observed = rng.normal(0.0, 0.03, (40, 24))
    observed[:20] += rng.normal(0.0, 0.5, (20, 24))
    track = tracked(observed, np.full(observed.shape, 0.03**2), 0.5)
    assert track.swing[:20].min() > 4 * track.swing[20:].max()


def test_a_jam_among_many_free_links_is_followed_and_they_stay_calm() -> None:
    """Two links of thirty jam for half the time: what is usual for all holds their jam back."""
    truth = np.zeros((30, 24))
    truth[:2, 12:] = 1.5
    jam: dict[bool, list[float]] = {False: [], True: []}
    calm: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(6):
        seen = truth + np.random.default_rng(seed).normal(0.0, 0.4, truth.shape)
        for told, waiting in ((False, np.zeros_like(truth)), (True, 1.0 - np.exp(-truth))):
            prior = np.full(len(truth), 0.3)
            track = Track.start(prior, truth.shape[1])
            for _ in range(8):
                track = smoothed(seen, np.full(truth.shape, 0.16), prior, waiting, 300, track)
            jam[told].append(float(track.mean[:2, 12:].mean()))
            calm[told].append(float(np.abs(track.mean[2:]).mean()))
    assert 1.5 - np.mean(jam[True]) < 0.7 * (1.5 - np.mean(jam[False]))
    assert np.mean(calm[True]) < 1.1 * np.mean(calm[False])


def test_the_time_between_samples_is_found_from_how_they_cluster() -> None:
    """Vehicles come independently and send a sample every ``period`` while they are on a link."""
    rng = np.random.default_rng(7)
    length, speed, interval_s, hours = rng.uniform(100, 400, 60), 12.0, 120, 2
    for period_s in (2.0, 5.0, 10.0):
        counts: dict[tuple[int, int], int] = defaultdict(int)
        for link, metres in enumerate(length):
            for begin_s in rng.uniform(0, 3600 * hours, 60):
                first_s = begin_s + rng.uniform(0, period_s)
                for at_s in np.arange(first_s, begin_s + metres / speed, period_s):
                    counts[link, int(at_s // interval_s)] += 1
        links = np.array([link for link, _ in counts])
        samples = np.array(list(counts.values()), dtype=float)
        nothing = np.zeros((60, 1))
        probes = ProbeSums(
            nothing,
            nothing,
            links,
            np.zeros_like(links),
            samples,
            np.full(len(links), speed),
            float(interval_s),
            3600.0 * hours / interval_s,
        )
        found = sampling_period_s(probes, length, np.full(60, 1 / speed))
        assert found == pytest.approx(period_s, rel=0.35)


def test_what_was_never_seen_keeps_the_prior() -> None:
    nothing = np.full((2, 6), np.nan)
    track = tracked(nothing, np.full((2, 6), np.inf), 0.5)
    assert track.mean == pytest.approx(np.zeros((2, 6)))
    assert (track.variance >= 0.2).all()


def test_gaps_lie_between_and_are_less_sure() -> None:
    observed = np.array([[0.2, np.nan, np.nan, 0.6]])
    variance = np.where(np.isfinite(observed), 1e-4, np.inf)
    track = tracked(observed, variance, 0.5)
    assert 0.15 < track.mean[0, 1] < track.mean[0, 2] < 0.6
    assert track.variance[0, 1] > track.variance[0, 0]


def test_a_jam_that_breaks_out_is_followed() -> None:
    observed = np.tile(np.repeat([0.0, 2.0], 10), (8, 1))
    observed += np.random.default_rng(1).normal(0.0, 0.1, observed.shape)
    track = tracked(observed, np.full(observed.shape, 0.01), 0.5)
    assert np.abs(track.mean[:, 9]).max() < 0.25
    assert np.abs(track.mean[:, 10] - 2.0).max() < 0.25
    assert track.step_weight[:, 10].mean() < 0.3 < track.step_weight[:, 5].mean()


def test_links_learn_from_links_like_them() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 3))
    true = 0.5 * features[:, 0] + 1.0
    seen = true + rng.normal(0.0, 0.05, 60)
    seen[50:] = np.nan
    found = levels(features, np.eye(60), seen, np.full(60, 0.05**2))
    assert np.abs(found.mean - true)[50:].max() < 0.3
    off = (found.mean - true) / found.sd
    assert np.abs(off).max() < 4.0
    few = levels(
        features, np.eye(60), np.where(np.arange(60) < LEAST_TAUGHT - 1, seen, np.nan), seen
    )
    assert few.mean == pytest.approx(np.zeros(60))


def test_a_link_is_left_out_of_its_own_prior() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(40, 2))
    seen = rng.normal(0.0, 0.05, 40)
    seen[7] = 5.0
    assert abs(levels(features, np.eye(40), seen, np.full(40, 0.01)).mean[7]) < 1.0


def test_nearness_is_a_likeness() -> None:
    near = nearness(CITY)
    assert np.diag(near) == pytest.approx(np.ones(5))
    assert np.linalg.eigvalsh(near).min() > -1e-9
    assert near[0, 1] > near[0, 2] > near[0, 4]


def test_reds_of_a_plan() -> None:
    plan = two_stage_plan("J")
    assert list(reds_s(plan, (0,))) == [30.0]
    assert list(reds_s(plan, (1,))) == [40.0]
    assert list(reds_s(plan, (0, 1))) == [5.0, 5.0]


def test_a_red_makes_its_link_slower() -> None:
    places = {**PLACES}
    links = [road("a", "b", places, junction_id="J"), *STREET[1:]]
    city = network(links, through("a-b", "b-c", "c-d", "d-e", "e-f"), [two_stage_plan("J")])
    plan = city.junctions["J"].plan_in_service
    assert plan is not None
    found = link_features(city, Traffic({"J": plan}, {("a-b", "b-c"): 100.0}, 1.0))
    assert found.expected_log_ratio[0] > found.expected_log_ratio[2]


def test_a_jam_is_told_up_the_road_and_not_down_it() -> None:
    log_ratio = np.zeros((5, 8))
    log_ratio[2, 4:] = 2.0
    shift = wave_shift(waves_of(CITY, 300), log_ratio, np.full((5, 8), 0.01), np.full((5, 1), 1.0))
    assert shift[1, 6] > 0.2
    assert shift[1, 6] > shift[1, 2]
    assert share_taken_over(np.ones((9, 9)), np.full((9, 9), 0.5), np.full((9, 9), 0.1)) == 0.5
    assert share_taken_over(shift, np.full(shift.shape, np.nan), shift) == 0.0


def test_times_between_cameras() -> None:
    """Three vehicles from b to d take 50 s; one stops over; the links between share the time."""
    trips = [
        Trip(("a-b", "b-c", "c-d"), (10.0 + i, 30.0 + i, 60.0 + i + wait), (True, False, True))
        for i, wait in enumerate((0.0, 0.0, 0.0, 900.0))
    ]
    found = camera_gaps(trips, CITY, WINDOW)
    assert list(found.took_s) == [50.0]
    assert list(found.vehicles) == [3.0]
    assert list(found.link) == [1, 2]
    pace = found.pace_alone(np.ones((5, 5)), np.full(5, 200.0))
    assert pace[[1, 2], 0] == pytest.approx([25.0 / 200.0] * 2)
    assert np.isfinite(pace).sum() == 2


def test_vehicles_that_wait_scatter_more() -> None:
    scatter = Scatter(0.05, 0.5)
    assert scatter.of_vehicle(np.array([0.9, 1.0, 2.0])) == pytest.approx([0.05, 0.05, 0.175])
