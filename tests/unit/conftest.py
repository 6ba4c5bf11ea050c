"""What the unit tests share: one recorded day, made once, and the beginning of a short night."""

from __future__ import annotations

import pytest

from tests.unit.short_night import ShortNight, short_night_in
from tests.unit.small_day import SmallDay, recorded_and_fused


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> SmallDay:
    """A day of the world ``small``; read it, and break copies only."""
    return recorded_and_fused(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def short_night(tmp_path_factory: pytest.TempPathFactory) -> ShortNight:
    """A quarter of an hour, fused and diagnosed; read it, and break copies only."""
    return short_night_in(tmp_path_factory.mktemp("short"))
