"""Notes in the journal whatever changes something, takes plans away, or was refused."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from traffic_brain.console.journal import Journal
from traffic_brain.console.throttle import Throttle

REFUSED = frozenset({400, 401, 403, 413, 421, 429})
REFUSALS_A_MINUTE = 120
"""Of one address that are written down: a flood of them must not fill the disk."""


class Journalist:
    """ASGI middleware; what only computes (``/try``) is not noted."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal
        self._refusals = Throttle(REFUSALS_A_MINUTE, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            request = Request(scope)
            if self._is_worth_noting(request, status):
                who = str(scope.get("state", {}).get("who", "-"))
                address = request.client.host if request.client else "-"
                act = f"{request.method} {unquote(request.url.path)}"
                await run_in_threadpool(self._journal.note, who, address, act, status)

    def _is_worth_noting(self, request: Request, status: int) -> bool:
        path = request.url.path
        if status in REFUSED:
            address = request.client.host if request.client else "-"
            if self._refusals.wait_s(address) > 0:
                return False
            self._refusals.note(address)
            return True
        if request.method in {"GET", "HEAD", "OPTIONS"}:
            return "/export/" in path
        return not path.endswith("/try")
