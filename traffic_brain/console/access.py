"""Who asks, and whether he may: sessions for browsers, tokens for programs.

A browser's request that changes something must also carry the page's own CSRF text, and come from
one of our pages; a token needs neither, since no browser sends it by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Depends, Request

from traffic_brain.console.accounts import Role, User
from traffic_brain.console.desk import Desk
from traffic_brain.console.refusals import NotAllowed, NotLoggedIn, TooOften

COOKIE = "tb_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is known."""

    user: User
    csrf: str
    """What his pages must send; empty for a program with a token."""


def desk_of(request: Request) -> Desk:
    """Everything that the console works with."""
    desk: Desk = request.app.state.desk
    return desk


async def the_desk(request: Request) -> Desk:
    """`desk_of` as a dependency, without the detour through a thread."""
    return desk_of(request)


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else "unknown"


def visitor(request: Request) -> Visitor:
    """Who asks.

    Raises:
        NotLoggedIn: nobody who is known.
        NotAllowed: a change that none of our pages has sent.
        TooOften: too many changes in a minute.
    """
    found = _by_token(request) or _by_session(request)
    request.state.who = found.user.name
    if request.method not in _SAFE:
        _throttle(request, found.user.name)
    return found


def allowed(role: Role) -> Callable[..., Awaitable[Visitor]]:
    """A dependency: the visitor, if his role includes this one; looking needs no thread."""

    async def check(found: Visitor = Depends(visitor)) -> Visitor:  # noqa: B008  FastAPI's way
        if not found.user.role.may(role):
            raise NotAllowed(
                f"your account may not do this: it needs the role '{role.value}'",
                "ask whoever keeps the accounts",
            )
        return found

    return check


def refuse_foreign(request: Request) -> None:
    """Refuse what a page of another site sends.

    Raises:
        NotAllowed: the browser says that it comes from elsewhere.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise NotAllowed("the request comes from another site", "use the console's own pages")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise NotAllowed("the request comes from another site", "use the console's own pages")


def _by_token(request: Request) -> Visitor | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    desk = desk_of(request)
    user = desk.accounts.holder(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:  # a known token is never slowed by what its neighbours guess
        if (wait_s := desk.guesses.take(f"token {address_of(request)}")) > 0:
            raise TooOften(wait_s)
        raise NotLoggedIn("the token is not known", "get one with: traffic-brain user token NAME")
    return Visitor(user, "")


def _by_session(request: Request) -> Visitor:
    secret = request.cookies.get(COOKIE)
    session = desk_of(request).accounts.session(secret) if secret else None
    if session is None:
        raise NotLoggedIn("nobody is logged in", "log in, or send a token")
    if request.method not in _SAFE:
        request.state.who = session.user.name
        refuse_foreign(request)
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            raise NotAllowed("the page's own mark is missing", "load the page again")
    return Visitor(session.user, session.csrf)


def _throttle(request: Request, name: str) -> None:
    if (wait_s := desk_of(request).changes.take(name)) > 0:
        raise TooOften(wait_s)
