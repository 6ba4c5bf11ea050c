"""What has been read of a format so far: plans, windows, problems, and where each came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.mapping import KnownJunction, KnownPlan, Mapping
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, normal, stage_place
from traffic_brain.deployment.formats.stage_rows import Alphabet, Origin, Row, understood
from traffic_brain.model.rules import JunctionRulesInput, cycle_sum
from traffic_brain.model.signals import PlanWindow, SignalPlan, Stage

LONGEST_S = 86_400
"""No time in a plan is longer than a day."""
_CONFIDENCE = {Origin.CITY: 0.9, Origin.USUAL: 0.6}


@dataclass(frozen=True)
class ToldPlan:
    """A plan as a table of stages tells of it."""

    plan_id: str
    rows: Sequence[Row]
    offset_s: int
    coordinated_idx: int | None
    """None: the format does not say."""
    cycle_s: int | None
    """None: the format does not say."""


@dataclass
class Reading:
    """Plans and windows of a source, and everything that is wrong with it."""

    form: str
    context: Context
    mapping: Mapping | None = None
    plans: list[SignalPlan] = field(default_factory=list)
    windows: list[PlanWindow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    losses: LossReport = field(default_factory=LossReport)
    origins: dict[str, Origin] = field(default_factory=dict)
    """Where the lamps of each stage were known from, by its place."""
    expires_min: dict[str, int] = field(default_factory=dict)
    """By junction: minutes after which the plan ends by itself."""
    _ids: set[tuple[str, str]] = field(default_factory=set)

    @property
    def plan_set(self) -> PlanSet:
        """What was read, windows in normal form."""
        return PlanSet(tuple(self.plans), tuple(normal(self.windows)))

    def junction(self, name: str) -> tuple[JunctionRulesInput, KnownJunction | None] | None:
        """The junction that the format calls ``name``; None, with the problem noted."""
        known = None if self.mapping is None else self.mapping.named(name)
        junction_id = name if known is None else known.junction_id
        site = self.context.sites.get(junction_id)
        if site is None:
            self.problems.append(
                f"junction {name}: no junction of the city, and mapping.json does not name it"
            )
            return None
        return site, known

    def add_rows(
        self,
        told: ToldPlan,
        site: JunctionRulesInput,
        alphabet: Alphabet,
        known: KnownPlan | None,
    ) -> None:
        """Add a plan that was told as rows; what cannot be understood is a problem."""
        junction_id = site.junction.junction_id
        numbers = tuple(row.number for row in told.rows)
        stages = known.stages if known is not None and known.stage_numbers == numbers else ()
        found, origins, problems = understood(told.rows, site, alphabet, stages)
        here = f"junction {junction_id}, plan {told.plan_id}"
        self.problems += [f"{here}: {problem}" for problem in problems]
        if not problems:
            self.add_stages(told, site, found, origins, known)

    def add_stages(
        self,
        told: ToldPlan,
        site: JunctionRulesInput,
        stages: Sequence[Stage],
        origins: Sequence[Origin],
        known: KnownPlan | None,
    ) -> None:
        """Add a plan whose stages are known, and hold its cycle to what the format states."""
        plan = SignalPlan(
            site.junction.junction_id,
            told.plan_id,
            tuple(stages),
            told.offset_s,
            self._coordinated(told, site, stages, known),
        )
        cycle_s = told.cycle_s if told.cycle_s is not None or known is None else known.cycle_s
        if cycle_s is not None:
            found = cycle_sum(plan.junction_id, plan.splits_s, cycle_s)
            self.problems += [str(violation) for violation in found]
        if (plan.junction_id, plan.plan_id) in self._ids:
            self.problems.append(f"plan {plan.plan_id} of junction {plan.junction_id} comes twice")
        self._ids.add((plan.junction_id, plan.plan_id))
        self.plans.append(plan)
        for idx, origin in enumerate(origins):
            self._note_origin(stage_place(plan, idx), plan, origin)

    def _coordinated(
        self,
        told: ToldPlan,
        site: JunctionRulesInput,
        stages: Sequence[Stage],
        known: KnownPlan | None,
    ) -> int:
        if told.coordinated_idx is not None:
            return told.coordinated_idx
        if known is not None and len(known.stages) == len(stages):
            return known.coordinated_stage_idx
        pictures = [stage.picture for stage in stages]
        for plan in site.junction.plans:
            if [stage.picture for stage in plan.stages] == pictures:
                return plan.coordinated_stage_idx
        place = f"{site.junction.junction_id} {told.plan_id}"
        self.losses.note(Loss.GUESSED, "SignalPlan.coordinated_stage_idx: the first", place)
        return 0

    def _note_origin(self, place: str, plan: SignalPlan, origin: Origin) -> None:
        self.origins[place] = origin
        if origin in _CONFIDENCE:
            self.losses.note(Loss.GUESSED, f"Stage.clearance: by the {origin.value}", place)
            self.losses.to_fix(
                plan.junction_id,
                f"plan {plan.plan_id}: lamps of clearances taken from the {origin.value}",
                _CONFIDENCE[origin],
                "compare with what the controller shows",
            )
