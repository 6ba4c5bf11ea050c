"""What the unit tests share: one recorded day, made once."""

from __future__ import annotations

import pytest

from tests.unit.small_day import SmallDay, recorded_and_fused


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> SmallDay:
    """A day of the world ``small``; read it, and break copies only."""
    return recorded_and_fused(tmp_path_factory.mktemp("small"))
