"""Proposals: what stands in them, approve, reject, change, export."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import Field, StringConstraints

from traffic_brain.console.decisions import Changes
from traffic_brain.console.desk import Desk
from traffic_brain.console.proposals import Proposal
from traffic_brain.console.refusals import Conflict
from traffic_brain.console.rest.shared import (
    ANY_PLANNER,
    ANY_READER,
    Approver,
    Body,
    Green,
    Name,
    NightId,
    Note,
    Offset,
    Pairs,
    ProposalId,
    Seed,
    TheDesk,
    file_of,
    new_router,
    run_document,
)
from traffic_brain.console.runs import Kind, Request, now
from traffic_brain.deployment.formats.registry import FORMATS
from traffic_brain.report import tables

router = new_router(ANY_READER)
ZIP = "application/zip"
Form = Literal["ga1049", "gbt20999", "ntcip1202", "utdf", "gmns", "sumo", "xlsx", "json"]


class Decide(Body):
    """Why, and of which package: if another has taken its place meanwhile, nothing is decided."""

    note: Note
    package_id: Annotated[str, StringConstraints(max_length=64)] = ""


class Change(Decide):
    """Other greens and offsets, by junction; and junctions that stay as they are."""

    greens_s: dict[Name, list[Green]] = Field(default_factory=dict, max_length=500)
    offsets_s: dict[Name, Offset] = Field(default_factory=dict, max_length=500)
    kept: list[Name] = Field(default_factory=list, max_length=500)
    confirm_seeds: Pairs = 8
    seed: Seed = 1


@router.get("/nights/{night_id}/proposals")
def read_proposals(night_id: NightId, desk: TheDesk) -> list[dict[str, Any]]:
    """What can be decided on: the night's own plans, and those of runs that have ended."""
    found = desk.proposals.of(desk.library.complete(night_id))
    return [_proposal(desk, proposal) for proposal in found]


@router.get("/nights/{night_id}/proposals/{proposal_id}")
def read_proposal(night_id: NightId, proposal_id: ProposalId, desk: TheDesk) -> dict[str, Any]:
    """Plans, verdict and standing of one proposal."""
    proposal = desk.proposals.find(desk.library.complete(night_id), proposal_id)
    night = desk.proposals.seen(proposal)
    return {
        **_proposal(desk, proposal),
        "verdict": night.verdict,
        "plans": tables.plan_rows(night),
    }


@router.post("/nights/{night_id}/proposals/{proposal_id}/approve")
def approve(
    night_id: NightId, proposal_id: ProposalId, body: Decide, approver: Approver, desk: TheDesk
) -> dict[str, Any]:
    """Approve a package, if nothing has changed since it was made."""
    proposal = _seen(desk, night_id, proposal_id, body)
    head = desk.decisions.approve(proposal, approver.user.name, body.note)
    return {"state": "approved", "log_head": str(head)}


@router.post("/nights/{night_id}/proposals/{proposal_id}/reject")
def reject(
    night_id: NightId, proposal_id: ProposalId, body: Decide, approver: Approver, desk: TheDesk
) -> dict[str, Any]:
    """Reject a package."""
    proposal = _seen(desk, night_id, proposal_id, body)
    head = desk.decisions.reject(proposal, approver.user.name, body.note)
    return {"state": "rejected", "log_head": str(head)}


@router.post("/nights/{night_id}/proposals/{proposal_id}/change")
def change(
    night_id: NightId, proposal_id: ProposalId, body: Change, approver: Approver, desk: TheDesk
) -> dict[str, Any]:
    """Change a package and check the changed one in a run."""
    folder = desk.library.complete(night_id)
    proposal = _seen(desk, night_id, proposal_id, body)
    changes = Changes(body.greens_s, body.offsets_s, body.kept)
    who = approver.user.name
    request = Request(
        Kind.CHECK, "", body.seed, body.confirm_seeds, 1, who, now(), dict(body.offsets_s)
    )
    run = desk.runs.start(
        folder,
        request,
        lambda run: desk.decisions.modify(proposal, who, body.note, changes, run),
    )
    return {"state": "modified", **run_document(run)}


@router.get(
    "/nights/{night_id}/proposals/{proposal_id}/export/{form}",
    dependencies=[ANY_PLANNER],
    responses=file_of(ZIP),
)
def export(night_id: NightId, proposal_id: ProposalId, form: Form, desk: TheDesk) -> Response:
    """A package in one format, read back and compared, as a zip archive."""
    proposal = desk.proposals.find(desk.library.complete(night_id), proposal_id)
    body = desk.decisions.export(proposal, FORMATS[form].name)
    name = f"{desk.decisions.standing(proposal).package_id[:12]}-{form}.zip"
    disposition = f'attachment; filename="{name}"'
    return Response(body, media_type=ZIP, headers={"content-disposition": disposition})


def _seen(desk: Desk, night_id: str, proposal_id: str, body: Decide) -> Proposal:
    """The proposal that is decided on, if it still is what its planner saw."""
    proposal = desk.proposals.find(desk.library.complete(night_id), proposal_id)
    if body.package_id and body.package_id != desk.decisions.standing(proposal).package_id:
        raise Conflict("the package has changed since it was shown", "load the page again")
    return proposal


def _proposal(desk: Desk, proposal: Proposal) -> dict[str, Any]:
    standing = desk.decisions.standing(proposal)
    return {
        "proposal_id": proposal.proposal_id,
        "package_id": standing.package_id,
        "state": standing.state,
        "expires": standing.expires,
        "is_expired": standing.is_expired,
        "may_be_approved": standing.may_be_approved,
        "plans_count": standing.plan_count,
    }
