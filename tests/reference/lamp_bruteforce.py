"""The safety rules a second time, slow and obvious: second by second over the lamp pictures.

Shares no code with ``traffic_brain.model.rules`` and ``lamps``; reads only the lamp of each group
in each second (and the stages for the rules on stages). Findings are (rule, where) in their
words, with how far the limit is missed.
"""

from __future__ import annotations

from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import SafetyStandard

Findings = dict[tuple[str, str], float]
FORM_RULES = frozenset({"whole_seconds", "lamp_letters", "picture_length"})
PLACE_RULES = frozenset({"right_junction", "offset_range", "coordinated_stage"})


class Film:
    """The lamps of one cycle, asked by group and second; seconds wrap round the cycle."""

    def __init__(self, plan: SignalPlan) -> None:
        pictures: list[str] = []
        self.stage_of: list[int | None] = []
        for i, stage in enumerate(plan.stages):
            pictures += [stage.picture] * stage.green_s
            self.stage_of += [i] * stage.green_s
            for interval in stage.clearance:
                pictures += [interval.picture] * interval.duration_s
                self.stage_of += [None] * interval.duration_s
        self.pictures = pictures
        self.cycle = len(pictures)
        self.lamps = ["".join(lamps) for lamps in zip(*pictures, strict=True)]
        self.lit = [[lamp in "Gg" for lamp in lamps] for lamps in self.lamps]
        self.ends = [
            [second for second in range(self.cycle) if lit[second - 1] and not lit[second]]
            for lit in self.lit
        ]
        """Of each group the seconds in which it is not green any more."""

    def lamp(self, group: int, second: int) -> str:
        return self.lamps[group][second % self.cycle]

    def green(self, group: int, second: int) -> bool:
        return self.lit[group][second % self.cycle]

    def green_before(self, group: int, end: int) -> int:
        """Seconds for which the green lasted that ended then."""
        length = 0
        while self.green(group, end - 1 - length):
            length += 1
        return length

    def came_from(self, group: int) -> list[str]:
        """In each second the lamp, or the one before the yellow; '' if it was always yellow."""
        found = []
        for second in range(self.cycle):
            back = 0
            while back < self.cycle and self.lamp(group, second - back) in "yY":
                back += 1
            found.append("" if back == self.cycle else self.lamp(group, second - back))
        return found

    def streak(self, group: int, second: int, lamps: str) -> int:
        """Seconds from ``second`` on in which the lamp is one of ``lamps``, at most a cycle."""
        length = 0
        while length < self.cycle and self.lamp(group, second + length) in lamps:
            length += 1
        return length


def form(plan: SignalPlan, site: JunctionRulesInput) -> Findings:
    """What keeps the plan from being lamps in seconds at this junction."""
    found: Findings = {}
    if len(plan.stages) == 0:
        found["whole_seconds", "plan"] = 1.0
    for i, stage in enumerate(plan.stages):
        for seconds in [stage.green_s] + [interval.duration_s for interval in stage.clearance]:
            if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
                found["whole_seconds", f"stage {i}"] = 1.0
        for picture in [stage.picture] + [interval.picture for interval in stage.clearance]:
            if any(letter not in "GgyruoOsY" for letter in picture):
                found["lamp_letters", f"picture {picture!r}"] = 1.0
            if len(picture) != site.junction.signal_group_count:
                found["picture_length", f"picture {picture!r}"] = 1.0
    return found


def place(plan: SignalPlan, site: JunctionRulesInput) -> Findings:
    """Whether it is this junction's plan, and begins within its cycle."""
    found: Findings = {}
    cycle = 0
    for stage in plan.stages:
        cycle += stage.green_s
        for interval in stage.clearance:
            cycle += interval.duration_s
    if plan.junction_id != site.junction.junction_id:
        found["right_junction", "plan"] = 1.0
    if type(plan.offset_s) is not int or plan.offset_s < 0 or plan.offset_s >= cycle:
        found["offset_range", "plan"] = 1.0
    if not 0 <= plan.coordinated_stage_idx < len(plan.stages):
        found["coordinated_stage", "plan"] = 1.0
    return found


def on_lamps(plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    """Every rule that a well-formed plan breaks on the street."""
    film = Film(plan)
    return {
        **_together(film, site),
        **_yellow(film, site, standard),
        **_intergreen(film, site, standard),
        **_waiting(film, site, standard),
        **_crossings(film, site, standard),
        **_between_stages(film, site, standard),
        **_stages(plan, standard),
    }


def findings(plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    """Every rule that the plan breaks by itself."""
    broken_form = form(plan, site)
    if broken_form:
        return {**broken_form, **(place(plan, site) if plan.stages else {})}
    return {**place(plan, site), **on_lamps(plan, site, standard)}


def refused(
    now: Findings,
    plan: SignalPlan,
    site: JunctionRulesInput,
    in_service: SignalPlan,
    standard: SafetyStandard,
) -> set[tuple[str, str]]:
    """What is new or worse than in the plan in service; ``now``: findings of the plan."""
    if form(plan, site) or form(in_service, site):
        return set(now)
    before = on_lamps(in_service, site, standard)
    worse = {key for key, missed in now.items() if missed > before.get(key, 0.0)}
    return worse | _shorter_than_before(plan, site, in_service) | _looser(plan, in_service)


def _together(film: Film, site: JunctionRulesInput) -> Findings:
    found: Findings = {}
    entering = {"G", "g", "o", "O"}
    sources = [film.came_from(group) for group in range(site.junction.signal_group_count)]
    for a, b in site.junction.conflicts:
        for second in range(film.cycle):
            source_a, source_b = sources[a][second], sources[b][second]
            if source_a not in entering or source_b not in entering:
                continue
            yellows = (film.lamps[a][second] in "yY") + (film.lamps[b][second] in "yY")
            a_waits = source_a != "G" and (a, b) in site.junction.yields
            b_waits = source_b != "G" and (b, a) in site.junction.yields
            if yellows < 2 and not a_waits and not b_waits:
                rule = "conflict_in_transition" if yellows else "conflicting_greens"
                found[rule, f"groups {a} and {b} in picture {film.pictures[second]}"] = 1.0
    return found


def _yellow(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for group in range(site.junction.signal_group_count):
        if _on_foot(site, group):
            continue
        for second in film.ends[group]:
            dark = film.streak(group, second, "oO")
            if dark and film.green(group, second + dark):
                continue
            yellow = 0 if dark else film.streak(group, second, "yY")
            if yellow < standard.yellow_min_s:
                _keep_worst(
                    found, "yellow", f"group {group}, too short", standard.yellow_min_s - yellow
                )
            if yellow > standard.yellow_max_s:
                _keep_worst(
                    found, "yellow", f"group {group}, too long", yellow - standard.yellow_max_s
                )
    return found


def _intergreen(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for pair in site.junction.conflicts:
        for a, b in (pair, (pair[1], pair[0])):
            for end in film.ends[a]:
                waited: float | None = _wait(film, a, b, end)
                if waited is None:
                    continue
                required = site.intergreen_s.get((a, b), 0)
                if _on_foot(site, a):
                    walked = film.green_before(a, end) - standard.walk_s
                    waited += max(0, walked)
                elif required < standard.yellow_min_s:
                    required = standard.yellow_min_s
                if waited < required:
                    where = f"group {a} to group {b}"
                    _keep_worst(found, "intergreen", where, required - waited)
    return found


def _on_foot(site: JunctionRulesInput, group: int) -> bool:
    """Whether a group's lamp is for people on foot alone."""
    walked = any(crossing.signal_group_idx == group for crossing in site.crossings)
    return walked and not any(group in groups for groups in site.movements or ())


def _wait(film: Film, a: int, b: int, end: int) -> int | None:
    """Seconds from the end of a's green to b's; None: b was on before, or a comes again first."""
    if film.green(b, end - 1):
        return None
    for waited in range(film.cycle):
        if film.green(b, end + waited):
            return waited
        if film.green(a, end + waited):
            return None
    return None


def _waiting(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for group in site.served_groups:
        if all(lamp in "ryuY" for lamp in film.lamps[group]):
            found["movements_served", f"group {group}"] = 1.0
            continue
        for second in range(film.cycle):
            if film.lamp(group, second - 1) in "ryuY":
                continue
            red = film.streak(group, second, "ryuY")
            if red > standard.red_max_s:
                _keep_worst(found, "max_red", f"group {group}", red - standard.red_max_s)
    return found


def _crossings(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for crossing in site.crossings:
        group = crossing.signal_group_idx
        required = standard.walk_s + crossing.length_m / standard.walking_speed_mps
        lit = [film.green_before(group, end) for end in film.ends[group]]
        if all(film.green(group, second) for second in range(film.cycle)):
            lit = [film.cycle]
        for seconds in lit:
            if seconds < required:
                _keep_worst(
                    found, "pedestrian_green", f"crossing of group {group}", required - seconds
                )
    return found


def _between_stages(film: Film, site: JunctionRulesInput, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for group in range(site.junction.signal_group_count):
        for end in film.ends[group]:
            length = film.green_before(group, end)
            in_a_stage = any(
                film.stage_of[(end - 1 - back) % film.cycle] is not None for back in range(length)
            )
            if not in_a_stage and length < standard.green_min_s:
                where = f"group {group} between stages"
                _keep_worst(found, "min_green", where, standard.green_min_s - length)
    return found


def _stages(plan: SignalPlan, standard: SafetyStandard) -> Findings:
    found: Findings = {}
    for i, stage in enumerate(plan.stages):
        where = f"stage {stage.picture}"
        required = max(stage.min_green_s, standard.green_min_s)
        if stage.green_s < required:
            _keep_worst(found, "min_green", where, required - stage.green_s)
        if stage.green_s > stage.max_green_s:
            _keep_worst(found, "max_green", where, stage.green_s - stage.max_green_s)
        again = sum(1 for other in plan.stages[:i] if other.picture == stage.picture)
        if again:
            _keep_worst(found, "stage_unique", where, again)
    return found


def _shorter_than_before(
    plan: SignalPlan, site: JunctionRulesInput, in_service: SignalPlan
) -> set[tuple[str, str]]:
    now, before = Film(plan), Film(in_service)
    given = _waits(before, site, stage_between=False)
    longest = max(given.values(), default=0)
    shorter = {
        pair
        for pair, waited in _waits(now, site, stage_between=False).items()
        if waited < given.get(pair, longest)
    }
    round_about = _waits(before, site, stage_between=True)
    shorter |= {
        pair
        for pair, waited in _waits(now, site, stage_between=True).items()
        if pair in given and waited < given[pair] and waited < round_about.get(pair, waited + 1)
    }
    return {("intergreen", f"group {a} to group {b}") for a, b in shorter}


def _waits(
    film: Film, site: JunctionRulesInput, *, stage_between: bool
) -> dict[tuple[int, int], int]:
    """The shortest wait of each ordered pair in which a whole stage passes, or none."""
    found: dict[tuple[int, int], int] = {}
    for pair in site.junction.conflicts:
        for a, b in (pair, (pair[1], pair[0])):
            for end in film.ends[a]:
                waited = _wait(film, a, b, end)
                if waited is None:
                    continue
                passed = [film.stage_of[(end + s) % film.cycle] for s in range(waited)]
                whole = any(
                    i is not None and passed.count(i) == film.stage_of.count(i) for i in set(passed)
                )
                if whole == stage_between:
                    found[a, b] = min(waited, found.get((a, b), waited))
    return found


def _looser(plan: SignalPlan, in_service: SignalPlan) -> set[tuple[str, str]]:
    found = set()
    for stage in plan.stages:
        old = [other for other in in_service.stages if other.picture == stage.picture]
        if not old:
            continue
        if stage.min_green_s < old[-1].min_green_s or stage.max_green_s > old[-1].max_green_s:
            found.add(("green_limits_kept", f"stage {stage.picture}"))
    return found


def _keep_worst(found: Findings, rule: str, where: str, missed: float) -> None:
    found[rule, where] = max(missed, found.get((rule, where), 0.0))
