"""The audit log: every decision in the order it was taken, each entry sealed upon the one before.

An entry's digest covers all it says and the digest of its predecessor, so that a changed, removed
or inserted entry breaks the chain there. What a chain cannot show is that its end was cut off:
the store keeps count and digest of the last entry apart (the *head*), and whoever wrote a head
down, as ``approve`` prints it, can hold the log to it later, even if both were rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from traffic_brain.errors import ConfigurationError
from traffic_brain.model.reading import digest

NOTHING_BEFORE = "0" * 64
"""What the first entry takes for the digest of its predecessor."""
_WRITTEN_HEAD = re.compile(r"(?P<count>\d{1,9}):(?P<digest>[0-9a-f]{12,64})")


class State(StrEnum):
    """What became of a package; nobody has decided on a proposed or an expired one."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    MODIFIED = "modified"
    """Changed by hand into another package, which is proposed in its place."""
    EXPIRED = "expired"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to a package, and why."""

    package_id: str
    state: str
    """The `State` that the package gets by it."""
    who: str
    """An account name, nothing else about the person."""
    note: str
    at: str
    """When: ISO 8601, UTC, to the second."""
    on_day: str
    """The city's day that counted for the expiry, YYYY-MM-DD."""
    other_id: str | None = None
    """The package that this one was made into, or from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An act in the log."""

    seq: int
    """1, 2, 3, … without a gap."""
    act: Act
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """How many entries there are, and the digest of the last."""

    count: int = 0
    digest: str = NOTHING_BEFORE

    def __str__(self) -> str:
        return f"{self.count}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """A head as it was written down: the count and at least 12 letters of the digest.

        Raises:
            ConfigurationError: the text is no such thing.
        """
        found = _WRITTEN_HEAD.fullmatch(text.strip().lower())
        if found is None:
            raise ConfigurationError(
                f"{text!r} is not the head of an audit log",
                "write it as 'traffic-brain approve' printed it, for example 17:1f0c5e9a3b7d",
            )
        return cls(int(found["count"]), found["digest"])


@dataclass(frozen=True, slots=True)
class Trail:
    """The log as it is found, with what the store says apart from it."""

    entries: Sequence[Entry]
    head: Head
    states: Mapping[str, str]
    """State by package."""

    def flaw(self, written: Head | None = None) -> tuple[int, str] | None:
        """How many entries are sound, and what is wrong with the next; None: all is whole.

        Args:
            written: a head that was noted down earlier.
        """
        last = Head()
        for entry in self.entries:
            problem = _entry_problem(entry, last)
            if problem:
                return last.count, f"entry {last.count + 1} {problem}"
            last = Head(entry.seq, entry.digest)
        if last != self.head:
            return last.count, _head_problem(last, self.head)
        if written is not None and not self._holds(written):
            return last.count, f"the head {written} that was written down is not in the log"
        problem = self._state_problem()
        return (last.count, problem) if problem else None

    def _holds(self, written: Head) -> bool:
        heads = [Head(), *(Head(entry.seq, entry.digest) for entry in self.entries)]
        return written.count < len(heads) and heads[written.count].digest.startswith(written.digest)

    def _state_problem(self) -> str:
        told = {entry.act.package_id: entry.act.state for entry in self.entries}
        for package_id in sorted(told.keys() | self.states.keys()):
            log, store = told.get(package_id, "unknown"), self.states.get(package_id, "unknown")
            if log != store:
                return f"package {package_id[:12]} is {store} in the store, {log} in the log"
        return ""


def seal(act: Act, head: Head) -> Entry:
    """The entry that follows upon ``head``."""
    seq = head.count + 1
    return Entry(seq, act, head.digest, _digest(seq, act, head.digest))


def _digest(seq: int, act: Act, previous: str) -> str:
    return digest({"seq": seq, **asdict(act), "previous": previous})


def _entry_problem(entry: Entry, last: Head) -> str:
    if entry.seq != last.count + 1:
        return f"is missing (entry {entry.seq} follows upon entry {last.count})"
    if entry.previous != last.digest:
        return "does not follow upon the one before it"
    if entry.digest != _digest(entry.seq, entry.act, entry.previous):
        return "has been changed"
    return ""


def _head_problem(last: Head, head: Head) -> str:
    if last.count < head.count:
        return (
            f"entry {last.count + 1} is missing: the log was cut off, it had {head.count} entries"
        )
    if last.count > head.count:
        return f"entry {head.count + 1} was added past the {head.count} that the store has counted"
    return f"entry {last.count} is not the one that the store has as its last"
