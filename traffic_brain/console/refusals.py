"""Why the console refuses a request: each with the HTTP status that answers it."""

from __future__ import annotations

from traffic_brain.errors import TrafficBrainError


class Refusal(TrafficBrainError):
    """A request that is answered with a reason instead of a result."""

    status = 400


class NotFound(Refusal):
    """There is no such night, corridor, junction or run."""

    status = 404


class NotLoggedIn(Refusal):
    """Nobody, or nobody who is known, asks."""

    status = 401


class NotAllowed(Refusal):
    """The role does not allow it, or the request was not sent by one of our pages."""

    status = 403


class Conflict(Refusal):
    """Something else has happened already, or is under way."""

    status = 409


class TooOften(Refusal):
    """Wait a while."""

    status = 429

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__("too many attempts", f"wait {self.wait_s} s and try again")
