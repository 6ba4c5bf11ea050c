"""From a template and values to a page in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from traffic_brain.console.access import Visitor, desk_of
from traffic_brain.console.headers import PLOTLY_POLICY
from traffic_brain.console.nights import NightFolder
from traffic_brain.console.static_files import address
from traffic_brain.console.texts import code_say, in_language, say
from traffic_brain.report.figures import CONFIG, localise
from traffic_brain.report.link_map import LEVEL_COLOURS
from traffic_brain.report.page import script_json
from traffic_brain.report.texts import LANGUAGES, clock, number, percent

LANGUAGE_COOKIE = "tb_language"
_MENU = (
    ("nav.morning", "morning_page"),
    ("nav.map", "map_page"),
    ("nav.zones", "zones_page"),
    ("nav.corridors", "corridors_page"),
    ("nav.plans", "plans_page"),
    ("nav.runs", "runs_page"),
    ("nav.emergency", "emergency_page"),
    ("nav.effect", "effect_page"),
    ("nav.log", "log_page"),
)


def language_of(request: Request) -> str:
    """What the address asks for, else what was chosen before, else Chinese."""
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return asked if asked in LANGUAGES else LANGUAGES[0]


def page(
    request: Request,
    template: str,
    reader: Visitor | None = None,
    night: NightFolder | None = None,
    *,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """A page; remembers the language."""
    language = language_of(request)
    nights = desk_of(request).library.all() if reader else []
    text = fragment(
        request,
        template,
        other_language="en" if language == "zh" else "zh",
        other_address=_other_address(request, language),
        reader=reader,
        folder=night,
        nights=nights,
        menu=_menu(night),
        route=getattr(request.scope.get("route"), "name", ""),
        **values,
    )
    answer = HTMLResponse(text, status)
    if values.get("figure"):
        answer.headers["content-security-policy"] = PLOTLY_POLICY
    if request.query_params.get("lang") in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="strict")
    return answer


def _menu(night: NightFolder | None) -> Sequence[tuple[str, str]]:
    """Pages of a night; zones where its city has any."""
    if night is None or not night.is_complete:
        return _MENU[:1] if night else ()
    return [item for item in _MENU if night.has_zones or item[1] != "zones_page"]


def fragment(request: Request, template: str, **values: Any) -> Markup:
    """A part of a page, which may be kept for all readers of one language."""
    language = language_of(request)
    text = (
        _environment()
        .get_template(template)
        .render(
            language=language,
            url=request.app.state.addresses.of,
            t=lambda key, **filled: say(key, language, **filled),
            w=lambda text: in_language(text, language),
            code=lambda group, name: code_say(group, name, language),
            localised=lambda figure: localise(figure, language),
            **values,
        )
    )
    return Markup(text)  # noqa: S704  what the template was given is escaped by it


def _other_address(request: Request, language: str) -> str:
    """This page in the other language; never an address of another machine (``//elsewhere``)."""
    other = "en" if language == "zh" else "zh"
    path = quote("/" + request.scope["path"].lstrip("/\\"))
    return f"{path}?{request.url.include_query_params(lang=other).query}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("traffic_brain.console"), PackageLoader("traffic_brain.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "number": number, "percent": percent}
    environment.globals |= {
        "static": address,
        "data": script_json,
        "levels": LEVEL_COLOURS,
        "plotly_config": CONFIG,
    }
    return environment
