"""How often something may be tried: a window that slides over the last attempts of each key."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

MOST_KEYS = 10_000


class Throttle:
    """At most ``most`` events of one key in ``window_s`` seconds; threads may share it."""

    def __init__(
        self, most: int, window_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._window_s = window_s
        self._clock = clock
        self._events: dict[str, deque[float]] = {}
        self._lock = Lock()

    def wait_s(self, key: str) -> float:
        """Seconds until the next event of this key is allowed; 0: now."""
        with self._lock:
            return self._wait_s(key)

    def note(self, key: str) -> None:
        """Count an event."""
        with self._lock:
            self._note(key)

    def take(self, key: str) -> float:
        """Count an event if it is allowed, in one step, so that many at once are not let through.

        Returns:
            0 if it was; else seconds until one is, and none was counted.
        """
        with self._lock:
            wait_s = self._wait_s(key)
            if wait_s == 0.0:
                self._note(key)
            return wait_s

    def give_back(self, key: str) -> None:
        """Forget a key's last event: it was none of those that are to be slowed."""
        with self._lock:
            if self._events.get(key):
                self._events[key].pop()

    def clear(self, key: str) -> None:
        """Forget a key's events."""
        with self._lock:
            self._events.pop(key, None)

    def _wait_s(self, key: str) -> float:
        events = self._recent(key)
        if events is None or len(events) < self._most:
            return 0.0
        return max(self._window_s - (self._clock() - events[0]), 0.001)

    def _note(self, key: str) -> None:
        if key not in self._events and len(self._events) >= MOST_KEYS:
            self._forget()
        self._events.setdefault(key, deque(maxlen=self._most)).append(self._clock())

    def _recent(self, key: str) -> deque[float] | None:
        events = self._events.get(key)
        while events and self._clock() - events[0] >= self._window_s:
            events.popleft()
        return events

    def _forget(self) -> None:
        """Room for new keys: those at rest go, and if there are none, the eldest half."""
        for key in [key for key in self._events if not self._recent(key)]:
            del self._events[key]
        if len(self._events) >= MOST_KEYS:
            for key in list(self._events)[: MOST_KEYS // 2]:
                del self._events[key]
