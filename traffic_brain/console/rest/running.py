"""Runs: start, follow and cancel optimisations and checks."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from traffic_brain.console.accounts import Role
from traffic_brain.console.refusals import NotAllowed, Refusal
from traffic_brain.console.rest.shared import (
    ANY_READER,
    Body,
    Name,
    NightId,
    Offset,
    Pairs,
    Planner,
    Seed,
    TheDesk,
    new_router,
    run_document,
)
from traffic_brain.console.runs import Kind, Request, now
from traffic_brain.console.views import corridor

router = new_router(ANY_READER)


class Start(Body):
    """A run: an optimisation of a corridor, or with offsets, a check of what was set by hand."""

    corridor_id: Name
    proposal: Annotated[str, StringConstraints(max_length=20)] = "night"
    offsets_s: dict[Name, Offset] = Field(default_factory=dict, max_length=200)
    confirm_seeds: Pairs = 8
    candidates: Annotated[int, Field(ge=1, le=9)] = 3
    seed: Seed = 1


@router.get("/nights/{night_id}/runs")
def read_runs(night_id: NightId, desk: TheDesk) -> list[dict[str, Any]]:
    """The runs of a night, the newest first."""
    return [run_document(run) for run in desk.runs.of(desk.library.complete(night_id))]


@router.post("/nights/{night_id}/runs")
def start_run(night_id: NightId, body: Start, planner: Planner, desk: TheDesk) -> dict[str, Any]:
    """Optimise a corridor, or check offsets that were set by hand."""
    folder = desk.library.complete(night_id)
    proposal = desk.proposals.find(folder, body.proposal)
    night = desk.proposals.seen(proposal)
    found = corridor.find(night, body.corridor_id)
    strangers = [j for j in body.offsets_s if j not in found.junction_ids or j not in night.running]
    if strangers:
        raise Refusal("an offset is for no junction of this corridor with a plan")
    request = Request(
        kind=Kind.CHECK if body.offsets_s else Kind.OPTIMISE,
        corridor_id=found.corridor_id,
        seed=body.seed,
        confirm_seeds=body.confirm_seeds,
        candidates=body.candidates,
        who=planner.user.name,
        at=now(),
        offsets_s=dict(body.offsets_s),
        from_run=proposal.run.run_id if proposal.run else "",
    )
    return run_document(desk.runs.start(folder, request))


@router.get("/nights/{night_id}/runs/{run_id}")
def read_run(night_id: NightId, run_id: str, desk: TheDesk) -> dict[str, Any]:
    """How a run stands."""
    return run_document(desk.runs.find(desk.library.complete(night_id), run_id))


@router.post("/nights/{night_id}/runs/{run_id}/cancel")
def cancel_run(night_id: NightId, run_id: str, planner: Planner, desk: TheDesk) -> dict[str, Any]:
    """End a run: one's own, or as an approver anybody's."""
    folder = desk.library.complete(night_id)
    run = desk.runs.find(folder, run_id)
    if run.request.who != planner.user.name and not planner.user.role.may(Role.APPROVE):
        raise NotAllowed("the run is somebody else's", "ask an approver to cancel it")
    desk.runs.cancel(run)
    return run_document(desk.runs.find(folder, run_id))
