"""The web application: routes, guards around them, and how errors are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from threading import Thread

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response

import traffic_brain
from traffic_brain.console import emergency_pages, pages, static_files, zone_pages
from traffic_brain.console.access import visitor
from traffic_brain.console.addresses import Addresses
from traffic_brain.console.desk import Desk, open_desk
from traffic_brain.console.headers import GuardHeaders, LimitBody
from traffic_brain.console.journalist import Journalist
from traffic_brain.console.refusals import NotAllowed, NotLoggedIn, Refusal, TooOften
from traffic_brain.console.rendering import page
from traffic_brain.console.rest import deciding, emergency, reading, running, sessions
from traffic_brain.console.rest.shared import PREFIX
from traffic_brain.console.settings import Settings
from traffic_brain.console.views import city_map, delay_tables, search
from traffic_brain.console.views.brief import brief
from traffic_brain.errors import DataRefused, TrafficBrainError

THREADS = 16
"""That answer at once: more of them share the same interpreter, and each holds memory."""


def create_app(settings: Settings, *, warm: bool = True) -> FastAPI:
    """The console.

    Args:
        warm: load the latest night at once, so that nobody waits for it.

    Raises:
        ConfigurationError: the root or its database cannot be used.
    """
    desk = open_desk(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        if warm:
            Thread(target=warm_up, args=(desk,), daemon=True).start()
        yield
        desk.close()

    app = FastAPI(
        title="traffic-brain console",
        version=traffic_brain.__version__,
        description="The planner's console: figures and acts. Send `Authorization: Bearer TOKEN`.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
    )
    app.state.desk = desk
    for part in (sessions, reading, deciding, running, emergency):
        app.include_router(part.router)
    shown = (pages, zone_pages, emergency_pages)
    for part in shown:
        app.include_router(part.router)
    app.include_router(static_files.router)
    app.state.addresses = Addresses(route for part in shown for route in part.router.routes)
    app.add_middleware(LimitBody)
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts, www_redirect=False
    )
    app.add_middleware(Journalist, journal=desk.journal)
    app.add_middleware(GuardHeaders)
    app.add_exception_handler(TrafficBrainError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Exception, _tell_fault)
    return app


def warm_up(desk: Desk) -> None:
    """Make what the first reader of the latest night would wait for."""
    night = desk.library.latest()
    if night is None:
        return
    try:
        brief(desk.library, night)
        city_map.packed_map(desk.library, night)
        search.index_of(desk.library, night)
        delay_tables.feeds_of(desk.library, night)
    except TrafficBrainError:
        return  # whoever opens the page is told


def _tell(request: Request, error: Exception) -> Response:
    """A refusal with its reason; paths of this machine stay here."""
    assert isinstance(error, TrafficBrainError)
    status = error.status if isinstance(error, Refusal) else _status_of(error)
    desk: Desk = request.app.state.desk
    hidden = str(desk.library.root.parent)
    listed = error.problems if isinstance(error, DataRefused) else ()
    body = {
        "error": error.what.replace(hidden, "…"),
        "remedy": error.remedy.replace(hidden, "…"),
        "problems": [problem.replace(hidden, "…") for problem in listed],
    }
    return _answer(request, status, body, error)


def _status_of(error: TrafficBrainError) -> int:
    """Data that say no are a conflict with how things stand; the rest is asked for wrongly."""
    return 409 if isinstance(error, DataRefused) else 400


def _tell_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    body = {"error": "the request is malformed", "remedy": "see /openapi.json"}
    return _answer(request, 422, {**body, "problems": problems}, error)


def _tell_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": str(error.detail), "remedy": "see /openapi.json", "problems": []}
    answer = _answer(request, error.status_code, body, error)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _tell_fault(request: Request, error: Exception) -> Response:
    """A fault of the program: the log has it, the reader does not."""
    body = {"error": "a fault of the console", "remedy": "its log tells more", "problems": []}
    return _answer(request, 500, body, error)


def _answer(
    request: Request, status: int, body: Mapping[str, object], error: Exception
) -> Response:
    """JSON for programs; for people a page, or the way to log in."""
    if request.url.path.startswith(PREFIX):
        answer: Response = JSONResponse(dict(body), status)
    elif isinstance(error, NotLoggedIn):
        return RedirectResponse("/login", 303)
    else:
        try:
            reader = visitor(request)
        except (NotLoggedIn, NotAllowed, TooOften):
            return RedirectResponse("/login", 303)
        latest = request.app.state.desk.library.latest()
        answer = page(request, "error.html", reader, latest, status=status, told=body)
    if isinstance(error, NotLoggedIn):
        answer.headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooOften):
        answer.headers["retry-after"] = str(error.wait_s)
    return answer
