"""What all tests share: reproducible property tests, and the browser where there is one."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import settings

# The same examples on every machine and every day: a test that fails, fails for everybody.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; tests that look at a page are skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium here: apt-get install chromium")
