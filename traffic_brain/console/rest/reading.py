"""What a night has found, for reading."""

from __future__ import annotations

import gzip
import hashlib
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from pydantic import Field, StringConstraints

from traffic_brain.console.refusals import NotFound
from traffic_brain.console.rest.shared import (
    ANY_APPROVER,
    ANY_READER,
    Body,
    Name,
    NightId,
    Offset,
    TheDesk,
    file_of,
    new_router,
)
from traffic_brain.console.views import (
    board,
    bottleneck,
    city_map,
    corridor,
    junction,
    observed,
    search,
)
from traffic_brain.console.views import zones as zone_views
from traffic_brain.console.views.morning import morning, stage_status
from traffic_brain.report import tables

router = new_router(ANY_READER)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BYTES = "application/octet-stream"


class Try(Body):
    """Offsets to look at, by junction, on one of the corridor's sets of plans."""

    plans: Literal["registered", "running", "proposed"] = "running"
    proposal: Annotated[str, StringConstraints(max_length=20)] = "night"
    offsets_s: dict[Name, Offset] = Field(default_factory=dict, max_length=200)


@router.get("/nights")
def nights(desk: TheDesk) -> list[dict[str, Any]]:
    """Every night, the latest first."""
    return [
        {"night_id": n.night_id, "service_day": n.service_day, "is_complete": n.is_complete}
        for n in desk.library.all()
    ]


@router.get("/nights/{night_id}/morning")
def read_morning(night_id: NightId, desk: TheDesk) -> Any:
    """The night against the four weeks before."""
    return morning(desk.library, desk.library.complete(night_id))


@router.get("/nights/{night_id}/stages")
def read_stages(night_id: NightId, desk: TheDesk) -> Any:
    """How the stages of the night ended."""
    return stage_status(desk.library.find(night_id))


@router.get("/nights/{night_id}/map")
def read_map(night_id: NightId, desk: TheDesk, request: Request) -> Response:
    """Shapes, names and times of the map."""
    packed = city_map.packed_map(desk.library, desk.library.complete(night_id))
    return _unpacked(packed.document, "application/json", request)


@router.get("/nights/{night_id}/map/levels", responses=file_of(BYTES))
def read_levels(night_id: NightId, desk: TheDesk, request: Request) -> Response:
    """A byte for each [bin, link] of the map: index of the level, 255 for none."""
    packed = city_map.packed_map(desk.library, desk.library.complete(night_id))
    return _unpacked(packed.levels, BYTES, request)


@router.get("/nights/{night_id}/map/speeds", responses=file_of(BYTES))
def read_speeds(night_id: NightId, desk: TheDesk, request: Request) -> Response:
    """A byte for each [bin, link] of the map: km/h, 255 for none."""
    packed = city_map.packed_map(desk.library, desk.library.complete(night_id))
    return _unpacked(packed.speeds, BYTES, request)


@router.get("/nights/{night_id}/bottlenecks")
def read_bottlenecks(night_id: NightId, desk: TheDesk) -> Any:
    """Ranked bottlenecks, the worst first."""
    return tables.ranked_bottlenecks(desk.library.night(desk.library.complete(night_id)))


@router.get("/nights/{night_id}/bottlenecks/{bottleneck_id}")
def read_bottleneck(night_id: NightId, bottleneck_id: str, desk: TheDesk) -> Any:
    """One bottleneck with its evidence."""
    folder = desk.library.complete(night_id)
    found = bottleneck.find(desk.library.night(folder), bottleneck_id)
    return bottleneck.view(desk.library, folder, *found)


@router.get("/nights/{night_id}/corridors")
def read_corridors(night_id: NightId, desk: TheDesk) -> Any:
    """The corridors."""
    return desk.library.night(desk.library.complete(night_id)).corridors


@router.get("/nights/{night_id}/corridors/{corridor_id}")
def read_corridor(
    night_id: NightId,
    corridor_id: str,
    desk: TheDesk,
    proposal: Annotated[str, Query(max_length=20)] = "night",
) -> dict[str, Any]:
    """Lamps, travel times and delay tables of a corridor, from which the page draws."""
    folder = desk.library.complete(night_id)
    chosen = desk.proposals.find(folder, proposal)
    night = desk.proposals.seen(chosen)
    return corridor.document(desk.library, chosen, night, corridor.find(night, corridor_id))


@router.get("/nights/{night_id}/corridors/{corridor_id}/observed")
def read_observed(
    night_id: NightId,
    corridor_id: str,
    desk: TheDesk,
    hour: Annotated[int | None, Query(ge=0, le=47)] = None,
) -> Any:
    """Observed trajectories of one hour, the busiest if none is chosen, over one cycle."""
    folder = desk.library.complete(night_id)
    found = corridor.find(desk.library.night(folder), corridor_id)
    return observed.layer(desk.library, folder, found, hour)


@router.post("/nights/{night_id}/corridors/{corridor_id}/try")
def try_offsets(night_id: NightId, corridor_id: str, body: Try, desk: TheDesk) -> Any:
    """Bands, delay and safety rules with other offsets; changes nothing."""
    folder = desk.library.complete(night_id)
    chosen = desk.proposals.find(folder, body.proposal)
    night = desk.proposals.seen(chosen)
    found = corridor.find(night, corridor_id)
    shown = corridor.document(desk.library, chosen, night, found)
    judged = corridor.rules_of(desk.library, folder)
    return corridor.tried(night, found, body.plans, body.offsets_s, shown, judged)


@router.get("/nights/{night_id}/junctions/{junction_id:path}")
def read_junction(night_id: NightId, junction_id: str, desk: TheDesk) -> Any:
    """A junction: plan, stages, demand, devices."""
    folder = desk.library.complete(night_id)
    place = junction.find(desk.library.night(folder), junction_id)
    found = junction.view(desk.library, folder, place)
    return {
        "junction_id": junction_id,
        "name": found.name,
        "indices": dict(found.indices),
        "plan": found.plan,
        "proposed": found.proposed,
        "stages": found.stages,
        "windows": found.windows,
        "devices": found.devices,
        "demand": found.demand,
    }


@router.get("/nights/{night_id}/search")
def find_anything(
    night_id: NightId,
    desk: TheDesk,
    q: Annotated[str, Query(max_length=search.LONGEST_QUERY)] = "",
) -> Any:
    """Junctions, roads, corridors and bottlenecks by name, id or pinyin."""
    return search.index_of(desk.library, desk.library.complete(night_id)).find(q)


@router.get("/nights/{night_id}/zones")
def read_zones(night_id: NightId, desk: TheDesk) -> Any:
    """The grid zones, those with most delay first."""
    return zone_views.zones_of(desk.library, desk.library.complete(night_id)).summaries()


@router.get("/nights/{night_id}/zones/{zone_id:path}")
def read_zone(night_id: NightId, zone_id: str, desk: TheDesk) -> Any:
    """One grid zone: junctions, links, bottlenecks, plans to change."""
    return zone_views.find(desk.library, desk.library.complete(night_id), zone_id)


@router.get("/nights/{night_id}/workbook", responses=file_of(XLSX))
def read_workbook(
    night_id: NightId, desk: TheDesk, zone: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """The night as a spreadsheet (xlsx), for the whole city or for one zone."""
    from traffic_brain.report.workbook import workbook

    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    if zone and zone not in night.network.zones:
        raise NotFound("there is no such zone", "choose one of the map's list")
    name = f"{folder.service_day}{'-zone' if zone else ''}.xlsx"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    zones = zone_views.zones_of(desk.library, folder)
    return Response(workbook(night, zone or None, zones), media_type=XLSX, headers=headers)


@router.get("/board")
def read_board(desk: TheDesk) -> Any:
    """The loop's board: from bottleneck to effect."""
    return board.lines(desk.library, desk.decisions)


@router.get("/nights/{night_id}/decisions")
def read_decisions(night_id: NightId, desk: TheDesk) -> Any:
    """The audit log of decisions on packages."""
    return desk.decisions.log(desk.library.complete(night_id))


@router.get("/journal", dependencies=[ANY_APPROVER])
def read_journal(desk: TheDesk) -> Any:
    """What was done with the console, the newest first."""
    return desk.journal.entries()


def _unpacked(gzipped: bytes, kind: str, request: Request) -> Response:
    """A body that was compressed once; in plain for whoever does not understand that.

    A browser may keep it, and asks each time whether it still is what it has.
    """
    mark = f'"{hashlib.blake2b(gzipped, digest_size=16).hexdigest()}"'
    headers = {
        "vary": "accept-encoding, cookie",
        "etag": mark,
        "cache-control": "private, no-cache",
    }
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(gzipped, media_type=kind, headers=headers)
    return Response(gzip.decompress(gzipped), media_type=kind, headers=headers)
