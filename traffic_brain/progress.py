"""How long work tells where it is, without knowing who is looking."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the share done in [0, 1] and a few words on what is going on."""

    def __call__(self, done_ratio: float, message: str) -> None: ...


def silent(done_ratio: float, message: str) -> None:
    """Progress that nobody looks at."""


def part(progress: Progress, begin_ratio: float, end_ratio: float) -> Progress:
    """Progress of one part of the whole."""

    def tell(done_ratio: float, message: str) -> None:
        progress(begin_ratio + (end_ratio - begin_ratio) * done_ratio, message)

    return tell
