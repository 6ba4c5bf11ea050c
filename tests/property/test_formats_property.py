"""200 random valid plans through every format: the identity, windows and losses included.

More of the same, 10,000 a format and with planted violations: ``python -m benchmarks.formats``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from network_data.loss_report import LossReport
from tests.reference.format_cases import Batch, made_batch, real_batch
from traffic_brain.deployment.formats.exporting import read_back
from traffic_brain.deployment.formats.plan_set import PlanSet
from traffic_brain.deployment.formats.registry import FORMATS
from traffic_brain.deployment.formats.schedule import without_gaps
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS
from traffic_brain.errors import DataRefused

LEAST_PLANS, BATCHES = 200, 10
WITHOUT_WEEK = frozenset({"sumo"})
WITH_LIMITS = frozenset({"ntcip1202", "utdf"})
"""Formats with room for so many phases only, or for nobody on foot."""
randoms = st.integers(0, 2**63).map(Random)


@pytest.mark.parametrize("name", FORMATS)
def test_the_round_trip_is_the_identity(name: str) -> None:
    form = FORMATS[name]
    if form.needs_roads and real_batch(Random(0)) is None:
        pytest.skip("no map is installed")
    count = 0

    @settings(
        deadline=None,
        max_examples=BATCHES,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(randoms)
    def on_a_batch(random: Random) -> None:
        nonlocal count
        batch = real_batch(random) if form.needs_roads else made_batch(random, 20)
        assert batch is not None
        count += _round_trip(name, batch)

    while count < LEAST_PLANS:
        on_a_batch()


def _round_trip(name: str, batch: Batch) -> int:
    """How many plans came back the same; those that a format refuses do not count."""
    form = FORMATS[name]
    plans = without_gaps(batch.plans, LossReport())
    with tempfile.TemporaryDirectory() as folder:
        try:
            losses = form.write(plans, Path(folder), batch.context, DEFAULT_SETTINGS)
        except DataRefused:
            assert name in WITH_LIMITS
            return _round_trip(name, _half(batch)) if len(plans.by_junction) > 1 else 0
        back = read_back(plans, form, Path(folder), batch.context, losses)
    lost = {attribute for attribute, _ in back.with_mapping}
    if name in WITHOUT_WEEK:
        lost -= {"PlanWindow", "PlanWindow that was not there"}
    assert lost == set()
    return len(plans.plans)


def _half(batch: Batch) -> Batch:
    """The plans of every other junction."""
    kept = sorted(batch.plans.by_junction)[::2]
    plans = tuple(p for p in batch.plans.plans if p.junction_id in kept)
    windows = tuple(w for w in batch.plans.windows if w.junction_id in kept)
    return Batch(PlanSet(plans, windows), batch.context)
