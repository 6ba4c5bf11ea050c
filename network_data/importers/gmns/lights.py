"""Which phases light the signal groups of a GMNS signal, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from network_data.importers.gmns.controllers import Controllers, Service
from network_data.importers.gmns.phases import TimingPhase
from network_data.importers.gmns.tables import Row, shown
from network_data.importers.nema import GroupPhases
from network_data.loss_report import Loss
from traffic_brain.model.network import Turn
from traffic_brain.model.signals import PlanWindow, SignalPlan

PROTECTED, PERMITTED, ON_RED = "protected", "permitted", "rtor"


@dataclass
class Site:
    """A signal: its place, its groups, its plans."""

    junction_id: str
    controller: str
    """GMNS id; empty: a signal that no controller is told of."""
    node_ids: tuple[str, ...]
    row: Row | None = None
    group_of: dict[str, int] = field(default_factory=dict)
    """Movement id -> signal group."""
    walk_groups: dict[str, int] = field(default_factory=dict)
    """Crosswalk (link id) -> signal group."""
    group_count: int = 0
    plans: tuple[SignalPlan, ...] = ()
    in_service: str | None = None
    windows: tuple[PlanWindow, ...] = ()
    control: str = "fixed"
    problems: tuple[str, ...] = ()

    @property
    def plan_in_service(self) -> SignalPlan | None:
        return next((p for p in self.plans if p.plan_id == self.in_service), None)

    @property
    def other_plans(self) -> tuple[SignalPlan, ...]:
        return tuple(p for p in self.plans if p.plan_id != self.in_service)


def group_of(site: Site, service: Service) -> int | None:
    """The signal group of a movement or a crosswalk; None: none here."""
    if service.movement:
        return site.group_of.get(service.movement)
    return site.walk_groups.get(service.walk)


@dataclass
class Lights:
    """Finds the phases of each group of a signal."""

    book: Controllers
    site: Site

    def groups(self, phases: Sequence[TimingPhase]) -> list[GroupPhases]:
        """The phases that light each group; ``phases``: those that run."""
        protected: dict[int, set[int]] = defaultdict(set)
        permitted: dict[int, set[int]] = defaultdict(set)
        on_red = self._on_red()
        for phase in phases:
            for service in self._served(phase):
                group = group_of(self.site, service)
                if group is None:
                    continue
                protection = service.protection or self._settled(service, phase, phases)
                if protection == ON_RED:
                    on_red.add(group)
                elif protection == PERMITTED and service.movement:
                    permitted[group].add(phase.number)
                else:
                    protected[group].add(phase.number)
        self._light_forgotten(protected, permitted, on_red)
        return [
            GroupPhases(
                frozenset(protected[group]),
                frozenset(permitted[group]),
                on_red=group in on_red,
            )
            for group in range(self.site.group_count)
        ]

    def _served(self, phase: TimingPhase) -> list[Service]:
        return self.book.served.get(phase.row["timing_phase_id"], [])

    def _settled(self, service: Service, phase: TimingPhase, phases: Sequence[TimingPhase]) -> str:
        """Protection where none is told: turns give way to those who cross them meanwhile."""
        if not service.movement:
            return PROTECTED
        turning = self.book.turnings[service.movement]
        beside = [s for p in phases if _together(p, phase) for s in self._served(p)]
        others = [self.book.turnings[s.movement] for s in beside if s.movement]
        left = turning.turn in (Turn.LEFT, Turn.UTURN) and any(
            other.turn is Turn.THROUGH and other.from_link != turning.from_link for other in others
        )
        right = turning.turn is Turn.RIGHT and any(s.walk for s in beside)
        if not (left or right):
            return PROTECTED
        what = "signal_phase_mvmt.protection: permitted, as others cross it in that phase"
        self.book.tables.losses.note(Loss.GUESSED, what, f"movement {shown(service.movement)}")
        return PERMITTED

    def _on_red(self) -> set[int]:
        """Right turns that may go on red: ``ctrl_type`` signal_with_RTOR."""
        return {
            group
            for mvmt_id, group in self.site.group_of.items()
            if (turning := self.book.turnings[mvmt_id]).turn is Turn.RIGHT
            and turning.row is not None
            and turning.row.word("ctrl_type") == "signal_with_rtor"
        }

    def _light_forgotten(
        self,
        protected: Mapping[int, set[int]],
        permitted: Mapping[int, set[int]],
        on_red: set[int],
    ) -> None:
        """Movements of no phase go, giving way, with the others of their approach.

        Where phases serve nobody at all, it is the plan that is asked about, not its movements.
        """
        if not (protected or permitted):
            return
        beside: dict[str, set[int]] = defaultdict(set)
        for mvmt_id, group in self.site.group_of.items():
            beside[self._approach(mvmt_id)] |= protected[group] | permitted[group]
        for mvmt_id, group in self.site.group_of.items():
            if protected[group] or permitted[group] or group in on_red:
                continue
            phases = beside[self._approach(mvmt_id)]
            if not phases:
                self._ask(f"movement {shown(mvmt_id)} is in no phase", 0.0, "name its phase")
                continue
            permitted[group].update(phases)
            what = "signal_phase_mvmt: movement of no phase, permitted with its approach"
            self.book.tables.losses.note(Loss.GUESSED, what, f"movement {shown(mvmt_id)}")
            told = f"movement {shown(mvmt_id)} is in no phase: permitted with its approach"
            self._ask(told, 0.5, "name its phase in signal_phase_mvmt")

    def _approach(self, mvmt_id: str) -> str:
        return self.book.turnings[mvmt_id].from_link

    def _ask(self, what: str, confidence: float, remedy: str) -> None:
        self.book.tables.losses.to_fix(self.site.junction_id, what, confidence, remedy)


def _together(a: TimingPhase, b: TimingPhase) -> bool:
    """Whether two phases may run at one time: the same one, or of two rings before one barrier."""
    if a.number == b.number:
        return True
    if a.place is None or b.place is None:
        return False
    return a.place[0] == b.place[0] and a.place[1] != b.place[1]
