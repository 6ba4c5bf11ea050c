"""Logging in and out, and who is asking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import StringConstraints

from traffic_brain.console.access import COOKIE, Visitor, address_of, allowed, refuse_foreign
from traffic_brain.console.accounts import SESSION_S, Role
from traffic_brain.console.refusals import NotLoggedIn, TooOften
from traffic_brain.console.rest.shared import Body, TheDesk, new_router

router = new_router()
Reader = Annotated[Visitor, Depends(allowed(Role.VIEW))]


class LogIn(Body):
    """Name and password."""

    name: Annotated[str, StringConstraints(max_length=100)]
    password: Annotated[str, StringConstraints(max_length=1000)]


@router.post("/session")
def log_in(body: LogIn, request: Request, response: Response, desk: TheDesk) -> dict[str, Any]:
    """Log in with a browser: sets the session's cookie."""
    refuse_foreign(request)
    request.state.who = "-"
    named, address = f"{body.name} {address_of(request)}", address_of(request)
    # counted before the password is looked at: guesses that come all at once are slowed as well
    if (wait_s := desk.addresses.take(address) or desk.guesses.take(named)) > 0:
        raise TooOften(wait_s)
    found = desk.accounts.log_in(body.name, body.password)
    if found is None:
        raise NotLoggedIn("account or password is wrong", "try again")
    desk.guesses.clear(named)
    desk.addresses.give_back(address)
    if before := request.cookies.get(COOKIE):
        desk.accounts.log_out(before)  # a browser has one session
    secret, session = found
    request.state.who = session.user.name
    response.set_cookie(
        COOKIE,
        secret,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=desk.settings.secure_cookies or request.url.scheme == "https",
    )
    return {"name": session.user.name, "role": session.user.role, "csrf": session.csrf}


@router.get("/session")
def who_am_i(reader: Reader) -> dict[str, Any]:
    """Who is asking, and what he may do."""
    return {"name": reader.user.name, "role": reader.user.role}


@router.delete("/session")
def log_out(reader: Reader, request: Request, response: Response, desk: TheDesk) -> dict[str, Any]:
    """End the browser's session."""
    secret = request.cookies.get(COOKIE)
    if secret:
        desk.accounts.log_out(secret)
        response.delete_cookie(COOKIE)
    return {"name": reader.user.name}
