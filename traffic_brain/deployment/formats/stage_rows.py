"""Stages as a controller's table has them: green, yellow and all-red seconds, a lamp per group.

No such table says what every lamp shows in every second of a clearance. Its usual meaning: a
group whose green ends shows yellow, then red; people on foot have red at once; a group that is
green in the next stage as well stays green. :func:`usual_stage` is that meaning,
:func:`understood` takes a stage that is known from elsewhere where the table agrees with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.plan_set import PlanSet, differences, stage_place
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

YELLOWS = frozenset("yY")
_ONLY_HERE = "only in mapping.json; other programs take the usual meaning"


class Origin(StrEnum):
    """Where the lamps of a stage were known from."""

    FILE = "file"
    MAPPING = "mapping"
    CITY = "city"
    USUAL = "usual meaning"


@dataclass(frozen=True, slots=True)
class Row:
    """A stage in a table. Seconds; ``green_s`` is all that comes before the first yellow."""

    number: int
    green_s: int
    yellow_s: int
    all_red_s: int
    lamps: str | None
    """A letter per signal group in the format's alphabet; None: the format has no lamps."""
    early_ends: frozenset[tuple[int, int]] = frozenset()
    """(signal group, seconds by which its green ends before that of the stage)."""
    min_green_s: int | None = None
    max_green_s: int | None = None

    @property
    def split_s(self) -> int:
        return self.green_s + self.yellow_s + self.all_red_s


@dataclass(frozen=True)
class Alphabet:
    """Which of our lamp letters a format can tell apart: letter -> the letter that stands for it.

    ``None`` as ``letters``: the format has no lamps at all. ``early_ends``: whether it can tell
    that a group ends before the others.
    """

    letters: Mapping[str, str] | None
    early_ends: bool = False

    def shown(self, picture: str) -> str | None:
        """A picture in the letters of the format."""
        if self.letters is None:
            return None
        return "".join(self.letters.get(letter, "r") for letter in picture)


def row_of(stage: Stage, number: int, alphabet: Alphabet) -> Row:
    """A stage as a row: what lies before the first yellow of its clearance counts as green."""
    lead_s, yellow_s, all_red_s = _parts(stage.clearance)
    return Row(
        number,
        stage.green_s + lead_s,
        yellow_s,
        all_red_s,
        alphabet.shown(stage.picture),
        frozenset(_early_ends(stage, lead_s)) if alphabet.early_ends else frozenset(),
        stage.min_green_s + lead_s,
        stage.max_green_s + lead_s,
    )


def understood(
    rows: Sequence[Row],
    site: JunctionRulesInput,
    alphabet: Alphabet,
    known: Sequence[Stage] = (),
) -> tuple[list[Stage], list[Origin], list[str]]:
    """Stages of a plan's rows, where each is known from, and the rows that cannot be understood.

    ``known``: the mapping's stages of this plan in the rows' order; empty where there are none.
    """
    found: list[Stage | None] = []
    origins: list[Origin] = []
    for idx, row in enumerate(rows):
        after = rows[(idx + 1) % len(rows)]
        stage, origin = _known(row, after, idx, len(rows), site, alphabet, known)
        found.append(stage)
        origins.append(origin)
    problems = [
        f"stage {row.number}: no lamps are known for it, neither by mapping.json nor by a plan "
        "of the city with as many stages"
        for row, stage in zip(rows, found, strict=True)
        if stage is None and row.lamps is None
    ]
    if problems:
        return [], origins, problems
    pictures = [
        stage.picture if stage else own_letters(row.lamps or "", site)
        for row, stage in zip(rows, found, strict=True)
    ]
    stages = []
    for idx, (row, stage) in enumerate(zip(rows, found, strict=True)):
        after_picture = pictures[(idx + 1) % len(rows)]
        meant = stage or usual_stage(row, pictures[idx], after_picture, site.groups_on_foot)
        stages.append(_with_limits(meant, row))
    return stages, origins, []


def usual_stage(row: Row, picture: str, after: str, on_foot: frozenset[int]) -> Stage:
    """The usual meaning of a row between the picture of its green and that of the next stage."""
    early = dict(row.early_ends)
    first_s = row.green_s - max(early.values(), default=0)

    def lamp(group: int, second: int) -> str:
        letter, then = picture[group], after[group]
        if letter not in GREENS:
            return letter if second < row.green_s or letter == then else "r"
        stays = then in GREENS and group not in early
        if stays:
            weaker = "g" if "g" in (letter, then) else "G"
            return letter if second < row.green_s else weaker
        end_s = row.green_s - early.get(group, 0)
        if second < end_s:
            return letter
        return "y" if group not in on_foot and second < end_s + row.yellow_s else "r"

    seconds = (
        "".join(lamp(group, second) for group in range(len(picture)))
        for second in range(first_s, row.split_s)
    )
    return Stage(picture, first_s, tuple(_intervals(seconds)))


def own_letters(lamps: str, site: JunctionRulesInput) -> str:
    """Lamps of a format that has one green: permitted where a conflicting green goes first."""
    lit = {group for group, letter in enumerate(lamps) if letter in GREENS}

    def letter(group: int) -> str:
        if group not in lit:
            return lamps[group]
        waits = any((group, other) in site.junction.yields for other in lit)
        return "g" if waits else "G"

    return "".join(letter(group) for group in range(len(lamps)))


def note_losses(
    plan: SignalPlan,
    rows: Sequence[Row],
    site: JunctionRulesInput,
    alphabet: Alphabet,
    losses: LossReport,
) -> None:
    """Note what of a plan its rows do not say: by the usual meaning, and with the city's stages."""
    if any(row.lamps is None for row in rows):
        for idx in range(len(plan.stages)):
            for name in ("picture", "clearance"):
                losses.note(Loss.DROPPED, f"Stage.{name}: {_ONLY_HERE}", stage_place(plan, idx))
        return
    plain = _plain(plan, rows, site)
    in_city = replace(plan, stages=tuple(understood(rows, site, alphabet)[0]))
    read = (PlanSet((plain,)), PlanSet((in_city,)))
    found = dict.fromkeys(d for other in read for d in differences(PlanSet((plan,)), other))
    for attribute, place in found:
        losses.note(Loss.DROPPED, f"{attribute}: {_ONLY_HERE}", place)


def _plain(plan: SignalPlan, rows: Sequence[Row], site: JunctionRulesInput) -> SignalPlan:
    """What the rows say to somebody who knows the junction, and neither mapping nor its plans."""
    pictures = [own_letters(row.lamps or "", site) for row in rows]
    stages = [
        _with_limits(
            usual_stage(row, pictures[i], pictures[(i + 1) % len(rows)], site.groups_on_foot),
            row,
        )
        for i, row in enumerate(rows)
    ]
    return replace(plan, stages=tuple(stages))


# --- details ------------------------------------------------------------------------------


def _known(
    row: Row,
    after: Row,
    idx: int,
    count: int,
    site: JunctionRulesInput,
    alphabet: Alphabet,
    known: Sequence[Stage],
) -> tuple[Stage | None, Origin]:
    """A known stage that shows what the row says, before one that shows what the next says."""
    if len(known) == count:
        stage = _fitting(row, after, known[idx], known[(idx + 1) % count], alphabet)
        if stage is not None:
            return stage, Origin.MAPPING
    for plan in site.junction.plans:
        stages = plan.stages
        if row.lamps is None and len(stages) != count:
            continue
        for i in range(len(stages)) if row.lamps is not None else (idx,):
            stage = _fitting(row, after, stages[i], stages[(i + 1) % len(stages)], alphabet)
            if stage is not None:
                return stage, Origin.CITY
    return None, Origin.USUAL


def _fitting(
    row: Row, after: Row, stage: Stage, follower: Stage, alphabet: Alphabet
) -> Stage | None:
    """The stage with the row's green, if the row says what it shows."""
    lead_s, yellow_s, all_red_s = _parts(stage.clearance)
    if (yellow_s, all_red_s) != (row.yellow_s, row.all_red_s):
        return None
    if alphabet.early_ends and frozenset(_early_ends(stage, lead_s)) != row.early_ends:
        return None
    for told, picture in ((row.lamps, stage.picture), (after.lamps, follower.picture)):
        if told is not None and told != alphabet.shown(picture):
            return None
    return replace(stage, green_s=row.green_s - lead_s)


def _with_limits(stage: Stage, row: Row) -> Stage:
    lead_s, _, _ = _parts(stage.clearance)
    low, high = row.min_green_s, row.max_green_s
    return replace(
        stage,
        min_green_s=stage.min_green_s if low is None else low - lead_s,
        max_green_s=stage.max_green_s if high is None else high - lead_s,
    )


def _parts(clearance: Sequence[Interval]) -> tuple[int, int, int]:
    """Seconds before the first yellow, the longest yellow of one group, and what is left.

    Where groups end one after the other their yellows together are longer than any of them.
    """
    lit = [i for i, interval in enumerate(clearance) if YELLOWS & set(interval.picture)]
    total_s = sum(i.duration_s for i in clearance)
    if not lit:
        return 0, 0, total_s
    lead_s = sum(i.duration_s for i in clearance[: lit[0]])
    yellow_s = max(
        sum(i.duration_s for i in clearance if i.picture[group] in YELLOWS)
        for group in range(len(clearance[0].picture))
    )
    return lead_s, yellow_s, total_s - lead_s - yellow_s


def _early_ends(stage: Stage, lead_s: int) -> Iterator[tuple[int, int]]:
    """Groups whose green ends before the first yellow, and how many seconds before."""
    for group, letter in enumerate(stage.picture):
        gone_s = 0
        for interval in stage.clearance:
            if gone_s >= lead_s or letter not in GREENS:
                break
            if interval.picture[group] not in GREENS:
                yield group, lead_s - gone_s
                break
            gone_s += interval.duration_s


def _intervals(seconds: Iterator[str]) -> Iterator[Interval]:
    """Seconds after the green as intervals; the first ones may still show the green."""
    for picture, same in groupby(seconds):
        yield Interval(len(list(same)), picture)
