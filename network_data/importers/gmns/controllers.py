"""Who runs what in a GMNS folder: controllers, their nodes, plans and phases, indexed.

Which nodes a controller runs follows from the movements that its phases serve; where nobody says,
a controller runs the node of the same id. A plan that several controllers share
(``signal_coordination``) is parted by the nodes of its phases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from network_data.importers.gmns.movements import Turning
from network_data.importers.gmns.phases import TimingPhase, timing_phase
from network_data.importers.gmns.roads import Roads, Walk
from network_data.importers.gmns.tables import Row, Tables, by_key, known_id, shown
from network_data.loss_report import Loss


@dataclass(frozen=True, slots=True)
class Service:
    """A row of ``signal_phase_mvmt``: a movement or a crosswalk that a phase serves."""

    movement: str
    """Id of the movement; empty: a crosswalk."""
    walk: str
    protection: str


@dataclass
class Controllers:
    """The signal tables of a folder; ids are those of the folder."""

    tables: Tables
    roads: Roads

    def __post_init__(self) -> None:
        self.turnings: dict[str, Turning] = {t.mvmt_id: t for t in self.roads.turnings}
        self.exact = by_key(self.tables["opt_signal_stage"], "timing_plan_id")
        self.definitions = {r["timeday_id"]: r for r in self.tables["time_set_definitions"]}

    @cached_property
    def rows(self) -> dict[str, Row | None]:
        """Every controller, with its row if it has one."""
        found: dict[str, Row | None] = {}
        for row in self.tables["signal_controller"]:
            found[row["controller_id"]] = row
        named = [
            (row, row["controller_id"])
            for name in ("signal_timing_plan", "signal_coordination", "signal_phase")
            for row in self.tables[name]
        ]
        for row, controller in named:
            if controller and known_id(controller, found) is None:
                found[controller] = None
                what = f"{row.table.spec.name}.controller_id: not in signal_controller"
                self.tables.losses.note(Loss.GUESSED, what, row.place)
        found.pop("", None)
        return found

    @cached_property
    def plans(self) -> dict[str, Row]:
        return {row["timing_plan_id"]: row for row in self.tables["signal_timing_plan"]}

    @cached_property
    def coordination(self) -> dict[tuple[str, str], Row]:
        """(plan, controller) -> where its offset is told."""
        found: dict[tuple[str, str], Row] = {}
        for row in self.tables["signal_coordination"]:
            plan = known_id(row["timing_plan_id"], self.plans)
            if plan is None:
                self.tables.drop(row, "of a plan that is not there")
                continue
            owner = row["controller_id"] or self.plans[plan]["controller_id"]
            controller = known_id(owner, self.rows)
            if controller is None or (plan, controller) in found:
                self.tables.drop(row, "of no controller, or told twice")
                continue
            found[plan, controller] = row
        for plan, row in self.plans.items():
            owner = known_id(row["controller_id"], self.rows) or ""
            if row["offset"] or row["coord_phase"]:  # as older files have it
                found.setdefault((plan, owner), row)
        return found

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The controllers of each plan, its own first."""
        found: dict[str, list[str]] = {}
        for plan, row in self.plans.items():
            controller = known_id(row["controller_id"], self.rows)
            found[plan] = [controller] if controller is not None else []
            if controller is None:
                self.tables.drop(row, "plan of no controller")
        for plan, controller in self.coordination:
            if controller not in found[plan]:
                found[plan].append(controller)
        return found

    @cached_property
    def plans_of(self) -> dict[str, list[str]]:
        """Controller -> its plans, in the folder's order."""
        found: dict[str, list[str]] = defaultdict(list)
        for plan, users in self.users.items():
            for controller in users:
                found[controller].append(plan)
        return found

    @cached_property
    def turnings_at(self) -> dict[str, list[Turning]]:
        """Node -> its movements, in the folder's order."""
        found: dict[str, list[Turning]] = defaultdict(list)
        for turning in self.roads.turnings:
            found[turning.node_id].append(turning)
        return found

    @cached_property
    def carried(self) -> dict[str, list[Turning]]:
        """Controller -> its movements, as our own files tell them."""
        found: dict[str, list[Turning]] = defaultdict(list)
        for turning in self.roads.turnings:
            if turning.row is not None and turning.row["opt_controller_id"]:
                found[turning.row["opt_controller_id"]].append(turning)
        return found

    @cached_property
    def carried_walks(self) -> dict[str, list[str]]:
        """Controller -> its crosswalks, as our own files tell them."""
        found: dict[str, list[str]] = defaultdict(list)
        for walk_id, walk in self.roads.walks.items():
            if walk.row["opt_controller_id"]:
                found[walk.row["opt_controller_id"]].append(walk_id)
        return found

    @cached_property
    def phases(self) -> dict[str, list[TimingPhase]]:
        """The phases of each plan, in the folder's order."""
        older = {row["signal_phase_id"]: row for row in self.tables["signal_phase"]}
        numbered = {(r["controller_id"], r["signal_phase_num"]): r for r in older.values()}
        found: dict[str, list[TimingPhase]] = {plan: [] for plan in self.plans}
        for row in self.tables["signal_timing_phase"]:
            plan = known_id(row["timing_plan_id"], self.plans)
            if plan is None:
                self.tables.drop(row, "of a plan that is not there")
                continue
            if self.exact and plan not in self.first_copies:
                continue
            by_number = numbered.get((self.plans[plan]["controller_id"], row["signal_phase_num"]))
            by_id = known_id(row["signal_phase_id"], older)
            told = by_number or (older[by_id] if by_id is not None else None)
            phase = timing_phase(self.tables, row, told)
            if phase is not None:
                found[plan].append(phase)
        return found

    @cached_property
    def first_copies(self) -> set[str]:
        """Plans that are not a copy of another one for another window."""
        first: dict[tuple[str, str], str] = {}
        for plan, row in self.plans.items():
            first.setdefault((row["controller_id"], row["opt_plan_id"] or plan), plan)
        return set(first.values())

    @cached_property
    def served(self) -> dict[str, list[Service]]:
        """What each timing phase serves, by its id."""
        found: dict[str, list[Service]] = defaultdict(list)
        by_number = self._ids_by_number
        phase_ids = {p.row["timing_phase_id"]: 0 for ps in self.phases.values() for p in ps}
        for row in self.tables["signal_phase_mvmt"]:
            phase_id = known_id(row["timing_phase_id"], phase_ids)
            if phase_id is None and row["timing_phase_id"] in self._copied_phases:
                continue
            service = self._service(row)
            if service is None:
                continue
            if phase_id is not None:
                found[phase_id].append(service)
                continue
            named = by_number.get((row["controller_id"], row["signal_phase_num"]), [])
            named = named or by_number.get(("", row["signal_phase_id"]), [])
            if not named:
                self.tables.drop(row, "of a phase that is not there")
            for one in dict.fromkeys(named):
                found[one].append(service)
        self._lend(found)
        return found

    def _lend(self, served: dict[str, list[Service]]) -> None:
        """Give a plan that serves nothing what the first plan of its controller serves."""
        lenders: dict[str, dict[int, list[Service]]] = {}
        for plan, phases in self.phases.items():
            if len(self.users[plan]) != 1:
                continue
            controller = self.users[plan][0]
            by_number = {p.number: served.get(p.row["timing_phase_id"], []) for p in phases}
            if any(by_number.values()):
                lenders.setdefault(controller, by_number)
            elif controller in lenders:
                for phase in phases:
                    served[phase.row["timing_phase_id"]] = lenders[controller].get(phase.number, [])
                what = "signal_phase_mvmt: none of this plan, those of the controller's first plan"
                self.tables.losses.note(Loss.GUESSED, what, f"plan {shown(plan)}")
                told = f"plan {shown(plan)}: its phases serve what they serve in the first plan"
                remedy = "give signal_phase_mvmt of the plan"
                self.tables.losses.to_fix(controller, told, 0.7, remedy)

    @cached_property
    def _copied_phases(self) -> set[str]:
        """Phases of plans that only repeat another one for a further window."""
        kept = self.first_copies if self.exact else set(self.plans)
        return {
            row["timing_phase_id"]
            for row in self.tables["signal_timing_phase"]
            if row["timing_plan_id"] not in kept
        }

    @cached_property
    def _ids_by_number(self) -> dict[tuple[str, str], list[str]]:
        """(controller, phase number), or ("", signal_phase_id), -> timing phases: older files."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for plan, phases in self.phases.items():
            for phase in phases:
                phase_id = phase.row["timing_phase_id"]
                for controller in self.users[plan]:
                    found[controller, str(phase.number)].append(phase_id)
                if phase.row["signal_phase_id"]:
                    found["", phase.row["signal_phase_id"]].append(phase_id)
        return found

    def _service(self, row: Row) -> Service | None:
        protection = row.word("protection")
        if protection not in ("", "protected", "permitted", "rtor"):
            what = "signal_phase_mvmt.protection: taken as protected"
            self.tables.losses.note(Loss.GUESSED, what, f"{row.place} ({shown(protection)})")
            protection = "protected"
        movement = known_id(row["mvmt_id"], self.turnings)
        if movement is not None:
            return Service(movement, "", protection)
        walk = known_id(row["link_id"], self.roads.walks)
        if walk is not None and not row["mvmt_id"]:
            return Service("", walk, protection)
        known = known_id(row["mvmt_id"], self._movement_ids) is not None
        if not known:  # a movement that was left out is told already
            self.tables.drop(row, "movement or crosswalk that is not there")
        return None

    @cached_property
    def _movement_ids(self) -> dict[str, None]:
        return {row["mvmt_id"]: None for row in self.tables["movement"]}

    def nodes_of(self, phase: TimingPhase) -> set[str]:
        """The nodes whose traffic a phase serves; a crosswalk's nodes by their parents."""
        found = set()
        for service in self.served.get(phase.row["timing_phase_id"], ()):
            if service.movement:
                found.add(self.turnings[service.movement].node_id)
            else:
                found |= self._parents(self.roads.walks[service.walk])
        return found

    def _parents(self, walk: Walk) -> set[str]:
        nodes = self.roads.nodes
        rows = (nodes[n].row for n in walk.vertices)
        found = (known_id(row["parent_node_id"], nodes) for row in rows)
        return {n for n in found if n is not None}

    @cached_property
    def owner(self) -> dict[str, str]:
        """Node -> the controller that runs it: the first of `_claims` counts."""
        found: dict[str, str] = {}
        for node_id, controller in self._claims():
            found.setdefault(node_id, controller)
        placed = set(found.values())
        for controller in self.rows:
            named_alike = known_id(controller, self.roads.nodes)
            if controller not in placed and named_alike is not None:
                found.setdefault(named_alike, controller)
        for node_id, node in self.roads.nodes.items():
            parent = known_id(node.row["parent_node_id"], self.roads.nodes)
            if node.is_signal and parent in found:
                found.setdefault(node_id, found[parent])
        return found

    def _claims(self) -> Iterator[tuple[str, str]]:
        """(node, controller) as told by node, by controller, by the phases that serve it."""
        for node_id, node in self.roads.nodes.items():
            for column in ("opt_controller_id", "controller_id"):
                controller = known_id(node.row[column], self.rows)
                if node.row[column] and controller is not None:
                    yield node_id, controller
        for controller, row in self.rows.items():
            told = known_id(row["node_id"], self.roads.nodes) if row is not None else None
            if told is not None:
                yield told, controller
        if self.tables["node"].has("opt_controller_id"):
            return  # our own tables tell of every node
        for node_id, votes in self._votes().items():
            listed = [controller for controller, _ in votes.most_common()]
            if len(listed) > 1:
                told_of = f"node {node_id} is served by controllers {', '.join(listed)}"
                remedy = "serve a node by one controller"
                self.tables.losses.to_fix(node_id, told_of, 0.3, remedy)
            for controller in listed:
                yield node_id, controller

    def _votes(self) -> dict[str, Counter[str]]:
        """Node -> how many phases of which controller serve it; shared plans vote by node id."""
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        for plan, phases in self.phases.items():
            users = self.users[plan]
            for phase in phases:
                for node_id in self.nodes_of(phase):
                    here = users if len(users) == 1 else [u for u in users if u == node_id]
                    votes[node_id].update(here)
        return votes

    @cached_property
    def phases_of(self) -> dict[str, dict[str, list[TimingPhase]]]:
        """Controller -> plan -> its phases there, each number once."""
        found: dict[str, dict[str, list[TimingPhase]]] = defaultdict(lambda: defaultdict(list))
        for plan, phases in self.phases.items():
            users = self.users[plan]
            last = users[:1]
            for phase in phases:
                here = users
                if len(users) > 1:
                    owners = self._owners(phase)
                    here = [u for u in users if u in owners]
                if not here:
                    what = "phase of a plan of several controllers: that of the row before"
                    self.tables.losses.note(Loss.GUESSED, what, phase.row.place)
                last = here or last
                for controller in last:
                    found[controller][plan].append(phase)
        return {
            controller: {plan: self._once(controller, ps) for plan, ps in by_plan.items()}
            for controller, by_plan in found.items()
        }

    def _owners(self, phase: TimingPhase) -> set[str]:
        return {self.owner[n] for n in self.nodes_of(phase) if n in self.owner}

    def _once(self, controller: str, phases: Iterable[TimingPhase]) -> list[TimingPhase]:
        """Phases without a second one of the same number."""
        by_number: dict[int, list[TimingPhase]] = {}
        for phase in phases:
            by_number.setdefault(phase.number, []).append(phase)
        found = []
        for number, listed in by_number.items():
            if len(listed) == 1:
                found.append(listed[0])
                continue
            here = [phase for phase in listed if controller in self._owners(phase)]
            kept = (here or listed)[0]
            found.append(kept)
            for phase in listed:
                if phase is not kept:
                    self.tables.drop(phase.row, "second phase of the same number")
                    told = f"phase {number} comes twice: the first with movements here counts"
                    self.tables.losses.to_fix(controller, told, 0.3, "tell each phase once")
        return found
