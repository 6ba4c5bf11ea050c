"""A folder is replaced as a whole or not at all, whenever the power goes.

A new folder grows as ``.tmp-<name>-<process>`` beside the old one. When it is complete, the old
one is renamed to ``.old-<name>``, the new one takes its place, and the old one becomes a ``.tmp-``
that is deleted. What a crash leaves: a ``.tmp-`` is never of use to anybody; an ``.old-`` is
complete, and goes back to its place if that is empty.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from traffic_brain.errors import ConfigurationError
from traffic_brain.nightly.manifest import MANIFEST, read_manifest

_TEMPORARY = re.compile(r"\.tmp-(?P<name>.+)-\d+")
_ASIDE = re.compile(r"\.old-(?P<name>.+)")


@contextmanager
def fresh(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target``, gone when the block ends unless `replace` took it."""
    folder = target.with_name(f".tmp-{target.name}-{os.getpid()}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace(target: Path, new: Path) -> None:
    """Put the complete folder ``new``, made by `fresh`, in the place of ``target``."""
    _sync_tree(new)
    aside = target.with_name(f".old-{target.name}")
    if target.exists():
        target.rename(aside)
    new.rename(target)
    _sync(target.parent)
    if aside.exists():
        aside.rename(new)  # a torn delete must not look like a complete folder


def recover(target: Path) -> None:
    """Clear away what a crash left beside ``target``, and put back what it had taken away."""
    _settle_all(target.parent, only=target.name)


def recover_all(root: Path) -> None:
    """`recover` for every folder in ``root`` and one level below it."""
    _settle_all(root)
    for entry in sorted(root.iterdir()):
        if entry.is_dir() and not (entry / MANIFEST).exists():
            _settle_all(entry)


def refuse_foreign(target: Path, stage: str) -> None:
    """Make sure that ``target`` can be replaced without loss of what somebody else put there.

    Raises:
        ConfigurationError: it is a file, or holds something that this stage has not written.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    manifest = read_manifest(target) if target.is_dir() else None
    if manifest is None:
        raise ConfigurationError(
            f"{target} holds something that is not a result of traffic-brain",
            "give another folder, or move this one away",
        )
    if manifest.get("stage") != stage:
        raise ConfigurationError(
            f"{target} holds a result of '{manifest.get('stage')}', not of '{stage}'",
            "give another folder, or move this one away",
        )


def _settle_all(parent: Path, only: str | None = None) -> None:
    if not parent.is_dir():
        return
    for entry in sorted(parent.iterdir(), reverse=True):  # each .tmp- before the .old-
        if (match := _TEMPORARY.fullmatch(entry.name)) and only in {None, match["name"]}:
            _delete(entry)
        if (match := _ASIDE.fullmatch(entry.name)) and only in {None, match["name"]}:
            _put_back(entry, entry.with_name(match["name"]))


def _put_back(aside: Path, target: Path) -> None:
    if not (aside / MANIFEST).exists():
        return  # not made here: a stage's folder always has a manifest
    if not target.exists():
        aside.rename(target)
        return
    garbage = target.with_name(f".tmp-{target.name}-{os.getpid()}")
    aside.rename(garbage)
    _delete(garbage)


def _delete(folder: Path) -> None:
    """Delete what nobody needs; a simulation that outlives its night may still write into it."""
    for _ in range(9):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(folder)  # and now tell what is in the way


def _sync_tree(folder: Path) -> None:
    """Bring every file and folder to the disk, the folder itself last."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync(Path(parent, name))
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def judged_plans(plans: Path, verdict: Path) -> Path:
    """The plans folder that holds the candidate of a verdict.

    Of a city that was checked area by area it is the verdict's own folder: it holds what passed.
    """
    return verdict if (verdict / "candidates.json").is_file() else plans
