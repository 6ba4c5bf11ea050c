"""What the parts of the REST interface share: names in paths, refusals, who is asking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from traffic_brain.console.access import Visitor, allowed, the_desk
from traffic_brain.console.accounts import Role
from traffic_brain.console.desk import Desk
from traffic_brain.console.runs import Run

PREFIX = "/api"
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Offset = Annotated[int, Field(ge=0, lt=600)]
Green = Annotated[int, Field(ge=1, le=600)]
Pairs = Annotated[int, Field(ge=8, le=40)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
NightId = Annotated[str, Path(max_length=300, description="A folder name of `/api/nights`.")]
ProposalId = Annotated[str, Path(max_length=20, description="`night`, or a run such as R001.")]
Planner = Annotated[Visitor, Depends(allowed(Role.PLAN))]
Approver = Annotated[Visitor, Depends(allowed(Role.APPROVE))]
TheDesk = Annotated[Desk, Depends(the_desk)]
ANY_READER = Depends(allowed(Role.VIEW))
ANY_PLANNER = Depends(allowed(Role.PLAN))
ANY_APPROVER = Depends(allowed(Role.APPROVE))


class Failure(BaseModel):
    """What every refusal says."""

    error: str
    remedy: str
    problems: list[str]


class Body(BaseModel):
    """A request's body: nothing but what is asked for."""

    model_config = ConfigDict(extra="forbid")


_CODES = (400, 401, 403, 404, 405, 409, 413, 422, 429)


def file_of(kind: str) -> dict[int | str, dict[str, Any]]:
    """How an answer that is a file is described."""
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


def new_router(*dependencies: Any) -> APIRouter:
    """A router below `PREFIX` whose refusals are described."""
    responses: dict[int | str, dict[str, Any]] = {code: {"model": Failure} for code in _CODES}
    return APIRouter(prefix=PREFIX, responses=responses, dependencies=list(dependencies))


def run_document(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run_id": run.run_id,
        "kind": run.request.kind,
        "corridor_id": run.request.corridor_id,
        "who": run.request.who,
        "at": run.request.at,
        "status": run.status,
        "done_ratio": round(run.done_ratio, 3),
        "message": run.message,
    }
