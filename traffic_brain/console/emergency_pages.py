"""The pages of the emergency corridors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from traffic_brain.console.access import Visitor, allowed
from traffic_brain.console.accounts import Role
from traffic_brain.console.rendering import page
from traffic_brain.console.rest.shared import TheDesk
from traffic_brain.report.emergency_chart import emergency_chart, seconds_clock

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Reader = Annotated[Visitor, Depends(allowed(Role.VIEW))]


@router.get("/nights/{night_id}/emergency", name="emergency_page")
def emergency_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """Choose a route for an emergency vehicle; those that were worked out before."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    worst = night.bottlenecks[0].start_s if night.bottlenecks else night.summary["begin_s"]
    return page(
        request,
        "emergency.html",
        reader,
        folder,
        corridors=night.corridors,
        depart_s=int(worst),
        found=desk.emergencies.of(folder),
    )


@router.get("/nights/{night_id}/emergency/{emergency_id}", name="emergency_result_page")
def emergency_result_page(
    request: Request, night_id: str, emergency_id: str, reader: Reader, desk: TheDesk
) -> Response:
    """One emergency corridor, to look at and to print."""
    folder = desk.library.complete(night_id)
    found = desk.emergencies.find(folder, emergency_id)
    return page(
        request,
        "emergency_result.html",
        reader,
        folder,
        found=found,
        chart=emergency_chart(found, f"{found['from']} → {found['to']}"),
        seconds=seconds_clock,
    )
