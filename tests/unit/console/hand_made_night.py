"""The report's hand-made night, with a real package: what can be shown and decided on."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.unit.report_night import write_night
from traffic_brain.deployment.package import build
from traffic_brain.model.reading import to_json
from traffic_brain.nightly.manifest import MANIFEST

STAGES = ("city", "state", "diagnosis", "plans", "verdict", "package", "world", "report")


def hand_made_night(folder: Path) -> Path:
    """Write a complete night into ``folder``; its service day is 2026-03-02."""
    folders = write_night(folder)
    shutil.rmtree(folders.package)
    folders.package.mkdir()
    build(
        folders.city,
        folders.state,
        folders.plans,
        folders.verdict,
        folders.package,
        diagnosis=folders.diagnosis,
    )
    for stage in STAGES:
        manifest = folder / stage / MANIFEST
        if not manifest.exists():
            manifest.write_text(to_json({"stage": stage}), encoding="utf-8")
    return folder
