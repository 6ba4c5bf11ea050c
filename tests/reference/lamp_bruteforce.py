"""The safety rules a second time, slow and obvious: second by second over the lamp pictures.

Shares no code with ``traffic_brain.model.rules`` and ``lamps``; reads only the picture of each
second (and the stages for the rules on stages). Returns (rule, where) pairs in their words.
"""

from __future__ import annotations

from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import SafetyStandard


class Film:
    """The lamps of one cycle, asked by group and second; seconds wrap round the cycle."""

    def __init__(self, plan: SignalPlan) -> None:
        self.pictures: list[str] = []
        for stage in plan.stages:
            self.pictures += [stage.picture] * stage.green_s
            for interval in stage.clearance:
                self.pictures += [interval.picture] * interval.duration_s
        self.cycle = len(self.pictures)

    def lamp(self, group: int, second: int) -> str:
        return self.pictures[second % self.cycle][group]

    def green(self, group: int, second: int) -> bool:
        return self.lamp(group, second) in "Gg"

    def came_from(self, group: int, second: int) -> str:
        """The lamp before a yellow, or '' if it was always yellow."""
        for back in range(self.cycle):
            if self.lamp(group, second - back) not in "yY":
                return self.lamp(group, second - back)
        return ""

    def streak(self, group: int, second: int, lamps: str) -> int:
        """Seconds from ``second`` on in which the lamp is one of ``lamps``, at most a cycle."""
        length = 0
        while length < self.cycle and self.lamp(group, second + length) in lamps:
            length += 1
        return length


def findings(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> set[tuple[str, str]]:
    """Every (rule, where) that the plan breaks, of the rules on lamps and times."""
    film = Film(plan)
    return {
        *_together(film, site),
        *_yellow(film, site, standard),
        *_intergreen(film, site, standard),
        *_waiting(film, site, standard),
        *_crossings(film, site, standard),
        *_stages(plan, standard),
    }


def _together(film: Film, site: JunctionRulesInput) -> set[tuple[str, str]]:
    found = set()
    for second in range(film.cycle):
        for a, b in site.junction.conflicts:
            lamps = film.lamp(a, second), film.lamp(b, second)
            if lamps[0] in "yY" and lamps[1] in "yY":
                continue
            sources = film.came_from(a, second), film.came_from(b, second)
            entering = all(source and source in "GgoO" for source in sources)
            a_waits = sources[0] != "G" and (a, b) in site.junction.yields
            b_waits = sources[1] != "G" and (b, a) in site.junction.yields
            if entering and not a_waits and not b_waits:
                yellow = lamps[0] in "yY" or lamps[1] in "yY"
                rule = "conflict_in_transition" if yellow else "conflicting_greens"
                picture = film.pictures[second]
                found.add((rule, f"groups {a} and {b} in picture {picture}"))
    return found


def _yellow(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> set[tuple[str, str]]:
    found = set()
    vehicles = set(range(site.junction.signal_group_count)) - site.pedestrian_groups
    for group in vehicles:
        for second in range(film.cycle):
            ends = film.green(group, second - 1) and not film.green(group, second)
            if not ends or film.lamp(group, second) in "oO":
                continue
            yellow = film.streak(group, second, "yY")
            if yellow < standard.yellow_min_s:
                found.add(("yellow", f"group {group}, too short"))
            if yellow > standard.yellow_max_s:
                found.add(("yellow", f"group {group}, too long"))
    return found


def _intergreen(
    film: Film, site: JunctionRulesInput, standard: SafetyStandard
) -> set[tuple[str, str]]:
    found = set()
    pairs = [p for a, b in site.junction.conflicts for p in ((a, b), (b, a))]
    for a, b in pairs:
        floor = 0 if a in site.pedestrian_groups else standard.yellow_min_s
        required = max(floor, site.intergreen_s.get((a, b), 0))
        for second in range(film.cycle):
            ends = film.green(a, second - 1) and not film.green(a, second)
            if not ends or film.green(b, second - 1):
                continue
            for waited in range(film.cycle):
                if film.green(b, second + waited):
                    if waited < required:
                        found.add(("intergreen", f"group {a} to group {b}"))
                    break
                if film.green(a, second + waited):
                    break
    return found


def _waiting(
    film: Film, site: JunctionRulesInput, standard: SafetyStandard
) -> set[tuple[str, str]]:
    found = set()
    for group in site.served_groups:
        longest = max(film.streak(group, second, "ryuY") for second in range(film.cycle))
        if longest == film.cycle:
            found.add(("movements_served", f"group {group}"))
        elif longest > standard.red_max_s:
            found.add(("max_red", f"group {group}"))
    return found


def _crossings(
    film: Film, site: JunctionRulesInput, standard: SafetyStandard
) -> set[tuple[str, str]]:
    found = set()
    for crossing in site.crossings:
        group = crossing.signal_group_idx
        required = standard.walk_s + crossing.length_m / standard.walking_speed_mps
        for second in range(film.cycle):
            starts = film.green(group, second) and not film.green(group, second - 1)
            always = all(film.green(group, s) for s in range(film.cycle))
            if (starts or always) and film.streak(group, second, "Gg") < required:
                found.add(("pedestrian_green", f"crossing of group {group}"))
    return found


def _stages(plan: SignalPlan, standard: SafetyStandard) -> set[tuple[str, str]]:
    found = set()
    for i, stage in enumerate(plan.stages):
        where = f"stage {stage.picture}"
        if stage.green_s < stage.min_green_s or stage.green_s < standard.green_min_s:
            found.add(("min_green", where))
        if stage.green_s > stage.max_green_s:
            found.add(("max_green", where))
        if any(other.picture == stage.picture for other in plan.stages[:i]):
            found.add(("stage_unique", where))
    return found
