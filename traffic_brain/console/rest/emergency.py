"""Emergency corridors: work one out, read them again. Nothing is switched."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints

from traffic_brain.console.refusals import Refusal
from traffic_brain.console.rest.shared import (
    ANY_READER,
    Body,
    NightId,
    Planner,
    TheDesk,
    new_router,
)
from traffic_brain.console.runs import now
from traffic_brain.console.views import emergency, search
from traffic_brain.report.timespace import Direction

router = new_router(ANY_READER)
Place = Annotated[str, StringConstraints(max_length=300)]


class Wanted(Body):
    """A route, by its first and last link or along a corridor, and how the vehicle drives."""

    from_link: Place = ""
    to_link: Place = ""
    corridor_id: Place = ""
    direction: Direction = Direction.OUT
    speed_kmh: Annotated[float, Field(ge=10, le=150)] = 50.0
    depart_s: Annotated[int, Field(ge=0, lt=86_400)]


@router.get("/nights/{night_id}/links")
def find_links(
    night_id: NightId,
    desk: TheDesk,
    q: Annotated[str, Query(max_length=search.LONGEST_QUERY)] = "",
) -> Any:
    """Links by name, id or pinyin, with the junctions at their ends."""
    return search.links_of(desk.library, desk.library.complete(night_id)).find(q)


@router.get("/nights/{night_id}/emergencies")
def read_emergencies(night_id: NightId, desk: TheDesk) -> Any:
    """The emergency corridors of a night, the newest first."""
    return desk.emergencies.of(desk.library.complete(night_id))


@router.post("/nights/{night_id}/emergencies")
def propose_emergency(night_id: NightId, body: Wanted, planner: Planner, desk: TheDesk) -> Any:
    """Greens to hold for an emergency vehicle, what they cost others, and the way back."""
    folder = desk.library.complete(night_id)
    if bool(body.corridor_id) == bool(body.from_link or body.to_link):
        raise Refusal("the route is not clear", "give two links, or a corridor")
    asked = emergency.Asked(
        speed_kmh=body.speed_kmh,
        depart_s=body.depart_s,
        from_link=body.from_link,
        to_link=body.to_link,
        corridor_id=body.corridor_id,
        direction=body.direction,
        who=planner.user.name,
        at=now(),
    )
    return desk.emergencies.save(folder, emergency.work_out(desk.library, folder, asked))


@router.get("/nights/{night_id}/emergencies/{emergency_id}")
def read_emergency(night_id: NightId, emergency_id: str, desk: TheDesk) -> Any:
    """One emergency corridor, as it was worked out."""
    return desk.emergencies.find(desk.library.complete(night_id), emergency_id)
