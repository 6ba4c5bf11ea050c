"""Signals of a GMNS folder: their groups, plans and schedules.

Every movement that a signal controls, and every crosswalk that it serves, is a signal group of
its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from network_data.importers.gmns.controllers import Controllers, Service
from network_data.importers.gmns.lights import ON_RED, PERMITTED, PROTECTED, Lights, Site, group_of
from network_data.importers.gmns.movements import Turning
from network_data.importers.gmns.phases import PlanReader, TimingPhase
from network_data.importers.gmns.roads import Names, Roads, is_signal
from network_data.importers.gmns.schedule import (
    DAY_S,
    Span,
    schedule_of,
    spans_of,
    without_overlap,
)
from network_data.importers.gmns.tables import Row, Tables, known_id, shown
from network_data.importers.nema import (
    LONGEST_CYCLE_S,
    OffsetReference,
    Remark,
    RingOffset,
    plan_of_rings,
)
from network_data.loss_report import Loss
from traffic_brain.model.network import NO_SIGNAL
from traffic_brain.model.signals import EVERY_DAY, Interval, PlanWindow, SignalPlan, Stage

_REFERENCES: Mapping[str, OffsetReference] = {
    "begin_of_green": OffsetReference.FIRST_GREEN,
    "begin_of_yellow": OffsetReference.FIRST_YELLOW,
    "begin_of_red": OffsetReference.FIRST_RED,
}
_UNCONTROLLED = frozenset(
    {"no_control", "none", "yield", "stop", "stop_2_way", "stop_4_way", "4_stop", "free"}
)
PROTECTION_OF: Mapping[str, str] = {"G": PROTECTED, "g": PERMITTED, "s": ON_RED}
"""Lamp letter -> ``signal_phase_mvmt.protection``."""
_MOST_GROUPS = 10_000
NO_SIGNS = frozenset({"", "none", "no_control", "signal", "signal_with_rtor"})
"""Control types that tell nothing about who gives way."""
_CONTROLS = ("fixed", "actuated", "off", "rail")
_NO_PLAN = "no plan could be read"


def read_signals(tables: Tables, roads: Roads) -> list[Site]:
    """Every signal of a folder, those with a controller first."""
    book = Controllers(tables, roads)
    definitions = {row["timeday_id"]: row for row in tables["time_set_definitions"]}
    sites = list(_sites(tables, book))
    for site in sites:
        _Filler(book, site, definitions).fill()
    return sites


def _sites(tables: Tables, book: Controllers) -> Iterator[Site]:
    names = Names(tables.losses)
    nodes_of: dict[str, list[str]] = defaultdict(list)
    for node_id, controller in book.owner.items():
        if node_id in book.turnings_at:
            nodes_of[controller].append(node_id)
    for controller, row in book.rows.items():
        nodes = tuple(nodes_of[controller])
        if row is not None and row["opt_node_ids"]:
            known = book.roads.nodes
            nodes = tuple(n for n in row["opt_node_ids"].splitlines() if n in known)
        if nodes or (row is not None and row["opt_signal_group_count"]):
            yield Site(names.of("signal_controller", controller), controller, nodes, row)
        else:
            what = "signal_controller: runs no node that is known"
            tables.losses.note(Loss.DROPPED, what, f"controller {shown(controller)}")
            told, remedy = "controller without a node: left out", "name its movements' phases"
            tables.losses.to_fix(shown(controller), told, 0.0, remedy)
    for node_id in _signals_without_controller(tables, book):
        yield Site(names.of("node with a signal", node_id), "", (node_id,))


def _signals_without_controller(tables: Tables, book: Controllers) -> Iterator[str]:
    if tables["movement"].has("opt_controller_id"):
        return  # our own tables tell of every signal
    for node_id, turnings in book.turnings_at.items():
        words = (t.row.word("ctrl_type") for t in turnings if t.row is not None)
        told = any(word.startswith("signal") for word in words)
        if node_id not in book.owner and (told or book.roads.nodes[node_id].is_signal):
            yield node_id


# --- one signal -----------------------------------------------------------------------------


@dataclass
class _Filler:
    """Fills in groups, plans and schedule of one signal."""

    book: Controllers
    site: Site
    definitions: Mapping[str, Row]

    def __post_init__(self) -> None:
        self.tables, self.losses = self.book.tables, self.book.tables.losses
        self.here = self.book.phases_of.get(self.site.controller, {})
        self.plan_ids = self.book.plans_of.get(self.site.controller, [])

    def fill(self) -> None:
        site = self.site
        self._number_groups()
        named = [self._plan(plan) for plan in self.plan_ids if plan in self.book.first_copies]
        site.plans = tuple(_each_once(plan for plan, _ in named if plan is not None))
        self._schedule()
        actuated = {plan.plan_id for plan, is_actuated in named if plan and is_actuated}
        site.control = "actuated" if site.in_service in actuated else "fixed"
        if not site.plans:
            site.problems = (_NO_PLAN,)
            site.control = "off" if not self.here else "actuated"
        if site.plan_in_service is None:
            self._ask("signal without a plan in service", 0.0, "give its timing plan")
        if site.row is not None and site.row.table.has("opt_control"):
            told = site.row["opt_control"]
            site.control = told if told in _CONTROLS else site.control
            site.problems = tuple(site.row.raw("opt_problems").splitlines())

    # --- groups ---

    def _number_groups(self) -> None:
        """A group for each controlled movement, in the folder's order, then for each crosswalk."""
        site = self.site
        if self.tables["movement"].has("opt_signal_group"):
            self._take_groups()
        else:
            named = {m.movement for ps in self.here.values() for p in ps for m in self._served(p)}
            turnings = [t for n in site.node_ids for t in self.book.turnings_at.get(n, ())]
            driven = [t.mvmt_id for t in turnings if self._is_controlled(t, named)]
            site.group_of = {mvmt_id: group for group, mvmt_id in enumerate(driven)}
        site.group_count = max(site.group_of.values(), default=-1) + 1
        walks = [s.walk for ps in self.here.values() for p in ps for s in self._served(p) if s.walk]
        carried = self.book.carried_walks.get(site.controller, ())
        for walk_id in dict.fromkeys((*walks, *carried)):
            row = self.book.roads.walks[walk_id].row
            told = self.tables.whole(row, "opt_signal_group", 0, _MOST_GROUPS)
            site.walk_groups[walk_id] = site.group_count if told is None else told
            site.group_count = max(site.group_count, site.walk_groups[walk_id] + 1)
        if site.row is not None:
            told = self.tables.whole(site.row, "opt_signal_group_count", 0, _MOST_GROUPS)
            site.group_count = max(site.group_count, told or 0)

    def _served(self, phase: TimingPhase) -> list[Service]:
        return self.book.served.get(phase.row["timing_phase_id"], [])

    def _take_groups(self) -> None:
        """The groups that our own files tell."""
        for turning in self.book.carried.get(self.site.controller, ()):
            assert turning.row is not None
            told = self.tables.whole(turning.row, "opt_signal_group", NO_SIGNAL, _MOST_GROUPS)
            if told is not None and told != NO_SIGNAL:
                self.site.group_of[turning.mvmt_id] = told

    def _is_controlled(self, turning: Turning, named: set[str]) -> bool:
        word = turning.row.word("ctrl_type") if turning.row is not None else ""
        return turning.mvmt_id in named or is_signal(word) or word not in _UNCONTROLLED

    # --- plans ---

    def _plan(self, plan: str) -> tuple[SignalPlan | None, bool]:
        """A plan of the folder as ours, and whether it is actuated."""
        row = self.book.plans[plan]
        plan_id = row["opt_plan_id"] or plan
        phases = self.here.get(plan, [])
        exact = self._exact(plan, plan_id, phases)
        if exact is not None:
            return exact, False
        cycle_s = self.tables.number(row, "cycle_length", 1, LONGEST_CYCLE_S)
        junction_id = self.site.junction_id
        if not phases:
            self._ask(f"plan {plan_id} has no phases here", 0.0, "give signal_timing_phase")
            return None, False
        reader = PlanReader(self.tables, junction_id, plan_id, cycle_s, self._speed_of(phases))
        splits = reader.splits(phases)
        if splits is None:
            return None, False
        running = [p for p in phases if p.number in {q.phase for q in splits.phases}]
        groups = Lights(self.book, self.site).groups(running)
        offset = self._offset(plan, plan_id, sorted(p.phase for p in splits.phases))
        made = plan_of_rings(junction_id, plan_id, splits.phases, groups, offset, cycle_s)
        for guess in made.guesses:
            self.losses.note(Loss.GUESSED, f"signal timing: {guess.what}", self._where(plan, guess))
        for problem in made.problems:
            confidence = 0.0 if made.plan is None else 0.4
            told = f"plan {plan_id}: {problem}"
            self._ask(told, confidence, "compare with the controller's plan")
        if made.plan is None:
            return None, False
        walking = set(self.site.walk_groups.values())
        return _without_yellow(made.plan, walking), splits.is_actuated

    def _where(self, plan: str, remark: Remark) -> str:
        phase = "" if remark.phase is None else f" phase {remark.phase}"
        detail = f" ({remark.detail})" if remark.detail else ""
        return f"{self.site.junction_id} plan {plan}{phase}{detail}"

    def _speed_of(self, phases: Sequence[TimingPhase]) -> Speeds:
        links = self.book.roads.links
        speeds: dict[int, float] = {}
        for phase in phases:
            for service in self._served(phase):
                if service.movement:
                    link = links[self.book.turnings[service.movement].from_link]
                    now = speeds.get(phase.number, 0.0)
                    speeds[phase.number] = max(now, link.free_flow_speed_mps)
        return Speeds(speeds)

    # --- offsets ---

    def _offset(self, plan: str, plan_id: str, numbers: Sequence[int]) -> RingOffset:
        row = self.book.coordination.get((plan, self.site.controller))
        place = f"{self.site.junction_id} plan {plan_id}"
        first = numbers[:1]
        offset = None if row is None else self.tables.number(row, "offset", -DAY_S, DAY_S)
        if row is None or offset is None:
            what = "signal_coordination: none, the first phase begins at the clock's zero"
            self.losses.note(Loss.DEFAULTED, what, place)
            return RingOffset(0.0, tuple(first), OffsetReference.FIRST_GREEN)
        self._check_master(plan, row)
        phase = self.tables.whole(row, "coord_phase", 0, 999)
        if phase is None:
            phase = 2 if 2 in numbers else first[0]
            what = f"signal_coordination.coord_phase: phase {phase}"
            self.losses.note(Loss.GUESSED, what, row.place)
            self._ask(f"plan {plan_id}: no coord_phase, {phase} is taken", 0.4, "give coord_phase")
        word = row.word("coord_ref_to").replace(" ", "_")
        reference = _REFERENCES.get(word)
        if reference is None:
            reference = OffsetReference.FIRST_GREEN
            what = "signal_coordination.coord_ref_to: begin_of_green"
            self.losses.note(Loss.GUESSED, what, f"{row.place} ({shown(word)})")
            told = f"plan {plan_id}: what the offset refers to is not told, begin of green is taken"
            self._ask(told, 0.5, "give coord_ref_to")
        return RingOffset(offset, (phase,), reference)

    def _check_master(self, plan: str, row: Row) -> None:
        """All offsets count from one clock; a master with an offset of its own is asked about."""
        master = known_id(row["coord_contr_id"], self.book.rows)
        if row["coord_contr_id"] and master is None:
            what = "signal_coordination.coord_contr_id: no such controller"
            self.losses.note(Loss.DROPPED, what, row.place)
        if master is None or master == self.site.controller:
            return
        of_master = self.book.coordination.get((plan, master))
        own = 0.0 if of_master is None else self.tables.number(of_master, "offset", -DAY_S, DAY_S)
        if own:
            what = "signal_coordination.coord_contr_id: offsets count from one clock"
            self.losses.note(Loss.GUESSED, what, row.place)
            told = f"its master {shown(master)} has an offset of {own:g} s itself: "
            told += "both are counted from one clock"
            self._ask(told, 0.6, "give all offsets from one clock")

    # --- our own files ---

    def _exact(self, plan: str, plan_id: str, phases: Sequence[TimingPhase]) -> SignalPlan | None:
        """The plan of our own table of stages, as long as the tables of GMNS still agree."""
        rows = self.book.exact.get(plan)
        if rows is None:
            return None
        stages = list(self._stages(rows))
        told = [(p.min_s, p.clearance_s) for p in sorted(phases, key=lambda p: p.number)]
        ours = [(stage.green_s, stage.clearance_s) for stage in stages]
        row = self.book.coordination.get((plan, self.site.controller))
        offset = None if row is None else self.tables.whole(row, "offset", 0, DAY_S)
        phase = None if row is None else self.tables.whole(row, "coord_phase", 1, len(stages) or 1)
        pictures = [s.picture for s in stages] + [i.picture for s in stages for i in s.clearance]
        letters = {len(picture) for picture in pictures}
        fits = told == ours and letters == {self.site.group_count}
        fits = fits and all(map(self._shows, sorted(phases, key=lambda p: p.number), stages))
        if not fits or offset is None or phase is None or not stages:
            what = "opt_signal_stage: at odds with the tables of GMNS, which count"
            self.losses.note(Loss.DROPPED, what, f"{self.site.junction_id} plan {plan_id}")
            return None
        return SignalPlan(self.site.junction_id, plan_id, tuple(stages), offset, phase - 1)

    def _shows(self, phase: TimingPhase, stage: Stage) -> bool:
        """Whether a stage shows green to those that the phase serves, and to nobody else."""
        served = {group_of(self.site, s): s.protection for s in self._served(phase)}
        driven = {*self.site.group_of.values(), *self.site.walk_groups.values()}
        lamps = {g: PROTECTION_OF[stage.picture[g]] for g in driven if stage.picture[g] in "Ggs"}
        return served == lamps

    def _stages(self, rows: Iterable[Row]) -> Iterator[Stage]:
        by_stage: dict[str, list[Row]] = {}
        for row in rows:
            by_stage.setdefault(row["stage_idx"], []).append(row)

        def seconds(row: Row, column: str) -> int:
            return self.tables.whole(row, column, 0, DAY_S) or 0

        for green, *clearance in by_stage.values():
            yield Stage(
                picture=green["picture"],
                green_s=seconds(green, "duration_s"),
                clearance=tuple(
                    Interval(seconds(r, "duration_s"), r["picture"]) for r in clearance
                ),
                min_green_s=seconds(green, "min_green_s"),
                max_green_s=seconds(green, "max_green_s"),
            )

    # --- when they run ---

    def _schedule(self) -> None:
        site = self.site
        spans: dict[str, list[Span]] = {plan.plan_id: [] for plan in site.plans}
        is_ours = self.tables["signal_timing_plan"].has("opt_begin_s")
        for plan in self.plan_ids:
            row = self.book.plans[plan]
            plan_id = row["opt_plan_id"] or plan
            if plan_id in spans:
                spans[plan_id] += self._spans(row, is_ours=is_ours)
        told = site.row["opt_plan_in_service"] if site.row is not None else ""
        if is_ours and (not told or told in spans):
            site.in_service = told or None
            windows = [
                PlanWindow(site.junction_id, plan_id, s.begin_s, s.end_s, s.weekdays)
                for plan_id, listed in spans.items()
                for s in listed
            ]
            site.windows = without_overlap(site.junction_id, windows, self.losses)
            return
        found = schedule_of(site.junction_id, list(spans.items()), self.losses)
        site.in_service, site.windows = found.in_service, found.windows

    def _spans(self, row: Row, *, is_ours: bool) -> list[Span]:
        if not is_ours:
            return spans_of(self.tables, row, self.definitions)
        begin_s = self.tables.whole(row, "opt_begin_s", 0, DAY_S)
        end_s = self.tables.whole(row, "opt_end_s", 0, DAY_S)
        if begin_s is None or end_s is None:
            return []
        if begin_s >= end_s:
            what = f"{row.table.spec.name}: a time of no length"
            self.losses.note(Loss.DROPPED, what, row.place)
            return []
        bits = row["time_day"][:7]
        days = tuple(sorted(i or 7 for i, bit in enumerate(bits) if bit == "1"))
        return [Span(begin_s, end_s, days or EVERY_DAY)]

    def _ask(self, what: str, confidence: float, remedy: str) -> None:
        self.losses.to_fix(self.site.junction_id, what, confidence, remedy)


@dataclass(frozen=True)
class Speeds:
    """Phase number -> speed of the fastest approach that it serves, in m/s."""

    of_phase: Mapping[int, float]

    def __call__(self, number: int) -> float:
        return self.of_phase.get(number, 0.0)


def _each_once(plans: Iterable[SignalPlan]) -> Iterator[SignalPlan]:
    seen: set[str] = set()
    for plan in plans:
        if plan.plan_id not in seen:
            seen.add(plan.plan_id)
            yield plan


def _without_yellow(plan: SignalPlan, walking: set[int]) -> SignalPlan:
    """The plan with red where lamps for people on foot would show yellow: they have none."""

    def lamps(picture: str) -> str:
        return "".join(
            "r" if letter == "y" and group in walking else letter
            for group, letter in enumerate(picture)
        )

    stages = tuple(
        replace(
            stage,
            picture=lamps(stage.picture),
            clearance=tuple(Interval(i.duration_s, lamps(i.picture)) for i in stage.clearance),
        )
        for stage in plan.stages
    )
    return replace(plan, stages=stages)
