"""The pages: HTML made on the server from `views`, in the reader's language."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.encoders import jsonable_encoder
from starlette.responses import HTMLResponse, RedirectResponse, Response

from traffic_brain.console.access import Visitor, allowed, the_desk
from traffic_brain.console.accounts import Role
from traffic_brain.console.desk import Desk
from traffic_brain.console.nights import NightFolder
from traffic_brain.console.rendering import fragment, language_of, page
from traffic_brain.console.views import board, bottleneck, corridor, effect, junction
from traffic_brain.console.views.gains import gains
from traffic_brain.console.views.morning import morning, stage_status
from traffic_brain.deployment.formats.registry import FORMATS
from traffic_brain.report import tables, timespace
from traffic_brain.report.day_chart import day_chart
from traffic_brain.report.figures import link_name
from traffic_brain.report.junction_layout import junction_layout
from traffic_brain.report.page import script_json
from traffic_brain.report.paired import paired_figure
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
Reader = Annotated[Visitor, Depends(allowed(Role.VIEW))]
TheDesk = Annotated[Desk, Depends(the_desk)]
WORST = 8


@router.get("/login")
def login(request: Request) -> Response:
    """The page to log in."""
    return page(request, "login.html")


@router.get("/")
def home(request: Request, reader: Reader, desk: TheDesk) -> Response:
    """The latest night's morning page."""
    latest = desk.library.latest() or next(iter(desk.library.all()), None)
    if latest is None:
        return page(request, "no_nights.html", reader)
    address = request.app.state.addresses.of("morning_page", night_id=latest.night_id)
    return RedirectResponse(address, 303)


@router.get("/nights/{night_id}/morning", name="morning_page")
def morning_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """Yesterday against the four-week median, what is new, stale feeds, the night's status."""
    folder = desk.library.find(night_id)
    shown: dict[str, Any] = {"stages": stage_status(folder), "morning": None}
    if folder.is_complete:
        night = desk.library.night(folder)
        shown |= {
            "morning": morning(desk.library, folder),
            "worst": _ranked(desk, folder)[:WORST],
            "ids": [b.bottleneck_id for b in night.bottlenecks],
            "bottleneck_count": len(night.bottlenecks),
            "places": {b.link_id: link_name(night.network, b.link_id) for b in night.bottlenecks},
        }
    return page(request, "morning.html", reader, folder, **shown)


@router.get("/nights/{night_id}/map", name="map_page")
def map_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """The map and the ranked list, in step."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    rows = _ranked(desk, folder)
    ranked = desk.library.kept(
        folder,
        f"ranked {language_of(request)}",
        lambda: fragment(
            request,
            "ranked.html",
            folder=folder,
            rows=rows,
            ids=[b.bottleneck_id for b in night.bottlenecks],
            zone_of=[night.network.links[b.link_id].zone_id or "" for b in night.bottlenecks],
        ),
    )
    return page(
        request,
        "map.html",
        reader,
        folder,
        rows=rows,
        ranked=ranked,
        zones=list(night.network.zones.values()),
        bins=len(night.link_states.bins_s),
    )


@router.get("/nights/{night_id}/bottlenecks/{bottleneck_id}", name="bottleneck_page")
def bottleneck_page(
    request: Request, night_id: str, bottleneck_id: str, reader: Reader, desk: TheDesk
) -> Response:
    """One bottleneck."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    found = bottleneck.view(desk.library, folder, *bottleneck.find(night, bottleneck_id))
    return page(
        request,
        "bottleneck.html",
        reader,
        folder,
        found=found,
        chart=day_chart([(t, v) for t, v in found.speeds_kmh], "km/h"),
    )


@router.get("/nights/{night_id}/corridors", name="corridors_page")
def corridors_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """All corridors of a night."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    rows = [
        {
            "corridor": c,
            "length_m": timespace.distances_m(night.network, c)[-1],
            "delay_veh_h": sum(
                b.delay_veh_h for b in night.bottlenecks if b.junction_id in c.junction_ids
            ),
            "changes": any(j in night.proposed for j in c.junction_ids),
        }
        for c in night.corridors
    ]
    return page(request, "corridors.html", reader, folder, rows=rows)


@router.get("/nights/{night_id}/corridors/{corridor_id}", name="corridor_page")
def corridor_page(
    request: Request,
    night_id: str,
    corridor_id: str,
    reader: Reader,
    desk: TheDesk,
    proposal: Annotated[str, Query(max_length=20)] = "night",
) -> Response:
    """The time–space diagram whose offsets can be moved."""
    folder = desk.library.complete(night_id)
    chosen = desk.proposals.find(folder, proposal)
    night = desk.proposals.seen(chosen)
    found = corridor.find(night, corridor_id)
    return page(
        request,
        "corridor.html",
        reader,
        folder,
        corridor=found,
        proposal=chosen.proposal_id,
        shown=desk.library.kept(
            folder,
            f"corridor page {chosen.mark} {corridor_id}",
            lambda: _as_json(corridor.document(desk.library, chosen, night, found)),
        ),
    )


@router.get("/nights/{night_id}/junctions/{junction_id:path}", name="junction_page")
def junction_page(
    request: Request, night_id: str, junction_id: str, reader: Reader, desk: TheDesk
) -> Response:
    """One junction."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    found = junction.view(desk.library, folder, junction.find(night, junction_id))
    return page(
        request,
        "junction.html",
        reader,
        folder,
        found=found,
        corridors=bottleneck.corridors_at(night, junction_id),
        layout=junction_layout(night.network, junction_id, found.name),
        chart=day_chart(list(found.demand), "veh/h"),
    )


@router.get("/nights/{night_id}/plans", name="plans_page")
def plans_page(
    request: Request,
    night_id: str,
    reader: Reader,
    desk: TheDesk,
    proposal: Annotated[str, Query(max_length=20)] = "night",
) -> Response:
    """Plans, verdict and certificate; approve, change, reject, export."""
    folder = desk.library.complete(night_id)
    chosen = desk.proposals.find(folder, proposal)
    night = desk.proposals.seen(chosen)
    return page(
        request,
        "plans.html",
        reader,
        folder,
        proposal=chosen.proposal_id,
        proposals=[p.proposal_id for p in desk.proposals.of(folder)],
        standing=desk.decisions.standing(chosen),
        shown=night,
        reason=translated(night.verdict.reason),
        **desk.library.kept(folder, f"plans page {chosen.mark}", lambda: _tables_of_plans(night)),
        formats=FORMATS,
    )


@router.get("/nights/{night_id}/runs", name="runs_page")
def runs_page(
    request: Request,
    night_id: str,
    reader: Reader,
    desk: TheDesk,
    corridor_id: Annotated[str, Query(max_length=300, alias="corridor")] = "",
) -> Response:
    """Start an optimisation, see its progress, cancel it."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    names = {c.corridor_id: c.name for c in night.corridors}
    return page(
        request,
        "runs.html",
        reader,
        folder,
        runs=desk.runs.of(folder),
        corridors=names,
        chosen=corridor_id,
    )


@router.get("/nights/{night_id}/effect", name="effect_page")
def effect_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """Before and after, by hour and weekday, beside control corridors."""
    folder = desk.library.complete(night_id)
    night = desk.library.night(folder)
    runs = night.world_runs
    return page(
        request,
        "effect.html",
        reader,
        folder,
        world=runs,
        figure=paired_figure(runs, of_medians=False) if runs and runs.proposed_s_per_veh else None,
        comparison=effect.compare(desk.library, folder),
    )


@router.get("/board", name="board_page")
def board_page(request: Request, reader: Reader, desk: TheDesk) -> Response:
    """The loop's board."""
    lines = board.lines(desk.library, desk.decisions)
    return page(
        request, "board.html", reader, desk.library.latest(), lines=lines, count=board.PER_NIGHT
    )


@router.get("/nights/{night_id}/log", name="log_page")
def log_page(request: Request, night_id: str, reader: Reader, desk: TheDesk) -> Response:
    """Decisions, and for approvers what was done with the console."""
    folder = desk.library.complete(night_id)
    journal = desk.journal.entries(100) if reader.user.role.may(Role.APPROVE) else None
    return page(
        request, "log.html", reader, folder, decisions=desk.decisions.log(folder), journal=journal
    )


@router.get("/interface", name="interface_page")
def interface_page(request: Request, reader: Reader, desk: TheDesk) -> Response:
    """The REST interface, listed from its own description."""
    rows = [
        (method.upper(), path, told.get("description") or told.get("summary", ""))
        for path, methods in request.app.openapi()["paths"].items()
        for method, told in methods.items()
    ]
    return page(request, "interface.html", reader, desk.library.latest(), rows=rows)


def _ranked(desk: Desk, folder: NightFolder) -> list[tables.BottleneckRow]:
    def make() -> list[tables.BottleneckRow]:
        return tables.ranked_bottlenecks(desk.library.night(folder))

    found: list[tables.BottleneckRow] = desk.library.kept(folder, "ranked", make)
    return found


def _paired(night: Night) -> dict[str, Any] | None:
    if not night.check.proposed_s_per_veh:
        return None
    return paired_figure(night.check, of_medians=True)


def _tables_of_plans(night: Night) -> dict[str, Any]:
    return {
        "plans": tables.plan_rows(night),
        "gains": gains(night),
        "certificate": tables.certificate_view(night),
        "figure": _paired(night),
    }


def _as_json(document: dict[str, Any]) -> dict[str, Any]:
    """What the template asks of a corridor's document, and the whole as text for the script."""
    return {
        "sets": list(document["sets"]),
        "junctions": document["junctions"],
        "travel_saved": document["travel_saved"],
        "data": script_json(jsonable_encoder(document)),
    }
