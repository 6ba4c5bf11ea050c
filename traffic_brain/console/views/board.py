"""The loop's board: each night's worst bottlenecks from finding to effect, in one line each."""

from __future__ import annotations

from dataclasses import dataclass

from traffic_brain.console.decisions import Decisions
from traffic_brain.console.nights import Library
from traffic_brain.console.proposals import OWN, Proposal
from traffic_brain.console.views.brief import Head, brief

PER_NIGHT = 5
MOST_NIGHTS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One bottleneck on its way round the loop."""

    night_id: str
    service_day: str
    rank: int
    head: Head
    is_treated: bool
    """A plan of the night's package changes its junction."""
    verdict: str
    decision: str
    """What became of the package."""
    effect_ratio: float | None
    """Change of delay in the (simulated) world after the package; None: not measured."""
    came_back: bool
    """The next night found it again."""


def lines(library: Library, decisions: Decisions) -> list[Line]:
    """The board, the latest night first."""
    nights = [n for n in library.all() if n.is_complete][:MOST_NIGHTS]
    found = []
    later: set[str] | None = None
    for night in nights:
        now = brief(library, night)
        standing = decisions.standing(Proposal(night, OWN, night.root))
        change = (now.world or {}).get("change_ratio")
        found += [
            Line(
                night_id=night.night_id,
                service_day=night.service_day,
                rank=rank,
                head=head,
                is_treated=head.junction_id in now.plan_junctions,
                verdict=now.decision,
                decision=standing.state.value,
                effect_ratio=change["mean"] if change else None,
                came_back=later is not None and head.link_id in later,
            )
            for rank, head in enumerate(now.heads[:PER_NIGHT], start=1)
        ]
        later = {head.link_id for head in now.heads}
    return found
