"""How long work tells where it is, without knowing who is looking."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the share done in [0, 1] and a few words on what is going on."""

    def __call__(self, done_ratio: float, message: str) -> None: ...


def silent(done_ratio: float, message: str) -> None:
    """Progress that nobody looks at."""
