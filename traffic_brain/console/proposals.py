"""What can be decided on: the plans of a night, or of a run that a planner has started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.refusals import NotFound
from traffic_brain.console.runs import MODIFIED, Run, Runs, Status
from traffic_brain.nightly.folders import judged_plans
from traffic_brain.report.saved import Night, with_proposal

OWN = "night"
"""Name of the night's own proposal, beside those of its runs (R001, …)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Folders of a set of plans with its verdict and package."""

    night: NightFolder
    proposal_id: str
    root: Path
    run: Run | None = None

    @property
    def mark(self) -> str:
        """Tells it from others of the same name: folders of runs may be cleared away."""
        return f"{self.proposal_id} {self.run.request.at if self.run else ''}"

    @property
    def plans(self) -> Path:
        """What was checked: a package that was changed by hand stands for a plans folder."""
        modified = self.root / MODIFIED
        return modified if modified.is_dir() else self.root / "plans"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict"

    @property
    def package(self) -> Path:
        return self.root / "package"


class Proposals:
    """The proposals of each night."""

    def __init__(self, library: Library, runs: Runs) -> None:
        self._library = library
        self._runs = runs

    def of(self, night: NightFolder) -> list[Proposal]:
        """The night's own first, then those of its runs that have ended, the newest first."""
        own = [Proposal(night, OWN, night.root)] if night.is_complete else []
        ended = [run for run in self._runs.of(night) if run.status is Status.DONE]
        return own + [Proposal(night, run.run_id, run.folder, run) for run in ended]

    def find(self, night: NightFolder, proposal_id: str) -> Proposal:
        """One proposal of a night.

        Raises:
            NotFound: there is none of this name.
        """
        for proposal in self.of(night):
            if proposal.proposal_id == proposal_id:
                return proposal
        raise NotFound("there are no such plans", "choose those of the night or of a run")

    def seen(self, proposal: Proposal) -> Night:
        """The night with these plans instead of its own."""
        night = self._library.night(proposal.night)
        if proposal.run is None:
            return night
        found = self._library.kept(
            proposal.night,
            f"proposal {proposal.mark}",
            lambda: with_proposal(
                night,
                plans=judged_plans(proposal.plans, proposal.verdict),
                verdict=proposal.verdict,
                package=proposal.package,
            ),
        )
        return cast("Night", found)
