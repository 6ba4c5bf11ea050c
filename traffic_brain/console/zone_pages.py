"""The pages of the grid zones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from traffic_brain.console.access import Visitor, allowed
from traffic_brain.console.accounts import Role
from traffic_brain.console.nights import NightFolder
from traffic_brain.console.rendering import page
from traffic_brain.console.rest.shared import TheDesk
from traffic_brain.console.views import zones
from traffic_brain.report.zone_map import zone_map
from traffic_brain.report.zone_pages import map_key
from traffic_brain.report.zones import WORST_LINKS

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Reader = Annotated[Visitor, Depends(allowed(Role.VIEW))]


@router.get("/nights/{night_id}/zones", name="zones_page")
def zones_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """All grid zones, those with most delay first."""
    folder = desk.library.complete(night_id)
    found = zones.zones_of(desk.library, folder).summaries()
    return page(
        request, "zones.html", reader, folder, zones=found, link=_zone_links(request, folder)
    )


@router.get("/nights/{night_id}/zones/{zone_id:path}", name="zone_page")
def zone_page(
    request: Request, night_id: str, zone_id: str, reader: Reader, desk: TheDesk
) -> Response:
    """One grid zone."""
    folder = desk.library.complete(night_id)
    found = zones.find(desk.library, folder, zone_id)
    return page(
        request,
        "zone_report.html",
        reader,
        folder,
        zone=found,
        picture=zone_map(desk.library.night(folder).network, found),
        map_key=map_key(),
        most_links=WORST_LINKS,
        link=_zone_links(request, folder),
    )


def _zone_links(request: Request, folder: NightFolder) -> Callable[[str, str, str], Markup]:
    """Where the parts of a zone's report point."""
    pages = {
        "zone": ("zone_page", "zone_id"),
        "junction": ("junction_page", "junction_id"),
        "bottleneck": ("bottleneck_page", "bottleneck_id"),
    }

    def link(kind: str, name: str, text: str) -> Markup:
        route, part = pages[kind]
        address = request.app.state.addresses.of(route, night_id=folder.night_id, **{part: name})
        return Markup('<a href="{}">{}</a>').format(address, text)

    return link
