"""Rows of the page's tables: saved values put side by side, worded for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from traffic_brain.model.findings import Bottleneck
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import RULE_NAMES, Severity
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night, Row
from traffic_brain.report.stage_words import stages_gone_and_come
from traffic_brain.report.texts import Words, clock, code_words, number, percent, words

DEVICES_LISTED = 12


@dataclass(frozen=True, slots=True)
class BottleneckRow:
    """One bottleneck of the list beside the map; bar lengths are shares of the worst delay."""

    rank: int
    place: str
    junction: str
    time: str
    cause: Words
    cause_code: str
    delay_veh_h: float
    savable_veh_h: float
    delay_ratio: float
    savable_ratio: float
    passive_count: int
    evidence: Words
    shares: Words
    """Of each cause, with its interval; empty where no counterfactual was driven."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the bar of one cycle: a stage's green, or the clearance after it."""

    stage: int
    seconds: int
    share_percent: float
    green: bool


@dataclass(frozen=True, slots=True)
class StageChange:
    """Green of one stage, in service and proposed."""

    stage: int
    old_s: int
    new_s: int

    @property
    def delta(self) -> str:
        return f"{self.new_s - self.old_s:+d}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One junction of the table of proposed plans."""

    junction_id: str
    name: str
    old_cycle_s: int | None
    new_cycle_s: int
    old_offset_s: int | None
    new_offset_s: int
    stages: tuple[StageChange, ...]
    """Empty where the stages themselves differ, so that seconds cannot be compared."""
    gone: tuple[str, ...]
    """Stages of the old plan that the new one does not show, in words."""
    come: tuple[str, ...]
    """Those that only the new plan shows."""
    old_bar: tuple[Segment, ...]
    new_bar: tuple[Segment, ...]
    savable_veh_h: float
    delay_veh_h: float | None
    largest_s: int


@dataclass(frozen=True, slots=True)
class HealthRow:
    """Devices of one feed with the same finding."""

    feed: Words
    finding: Words
    devices: tuple[str, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.devices)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that the plan in service breaks at one place, and the new plan no more than it."""

    junction: str
    rule: Words
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """At how many junctions a rule is kept, or was broken already."""

    rule: Words
    passed: int
    inherited: int


@dataclass(frozen=True, slots=True)
class CertificateView:
    """The certificate for people: rules with their outcomes, and the findings behind them."""

    plans: int
    outcomes: tuple[RuleOutcome, ...]
    inherited: tuple[Finding, ...]
    limits: tuple[tuple[Words, str], ...]


def ranked_bottlenecks(night: Night) -> list[BottleneckRow]:
    """Bottlenecks in the order of diagnosis, which ranks them."""
    network = night.network
    worst = max((b.delay_veh_h for b in night.bottlenecks), default=0.0) or 1.0
    return [
        BottleneckRow(
            rank=rank,
            place=link_name(network, b.link_id),
            junction=junction_name(network, b.junction_id) if b.junction_id else "",
            time=f"{clock(b.start_s)}–{clock(b.end_s)}",
            cause=code_words("cause", b.cause.value),
            cause_code=b.cause.value,
            delay_veh_h=b.delay_veh_h,
            savable_veh_h=b.savable_veh_h,
            delay_ratio=b.delay_veh_h / worst,
            savable_ratio=min(b.savable_veh_h, b.delay_veh_h) / worst,
            passive_count=len(b.passive_links),
            evidence=translated(b.evidence),
            shares=share_words(b),
        )
        for rank, b in enumerate(night.bottlenecks, start=1)
    ]


def share_words(found: Bottleneck) -> Words:
    """The counterfactual shares in one line; empty where none were driven."""
    told = [
        (
            code_words("cause", share.cause.value),
            percent(share.share_ratio, 0),
            percent(share.low_ratio, 0),
            percent(share.high_ratio, 0),
        )
        for share in found.shares
    ]
    lines = [
        "; ".join(
            f"{getattr(cause, way)} {share} [{low}, {high}]" for cause, share, low, high in told
        )
        for way in ("zh", "en")
    ]
    return Words(*lines)


def plan_rows(night: Night) -> list[PlanRow]:
    """Proposed plans, those that can save most first."""
    savable: defaultdict[str, float] = defaultdict(float)
    for found in night.bottlenecks:
        if found.junction_id:
            savable[found.junction_id] += found.savable_veh_h
    rows = [
        _plan_row(
            night.network,
            night.running.get(junction_id),
            plan,
            savable[junction_id],
            night.junctions.get(junction_id, {}).get("delay_veh_h"),
        )
        for junction_id, plan in night.proposed.items()
    ]
    return sorted(rows, key=lambda r: (-r.savable_veh_h, -(r.delay_veh_h or 0.0), r.junction_id))


def quarantine_rows(night: Night) -> list[tuple[Words, str, int, Words]]:
    """(feed, reason code, rows, what it means), most rows first."""
    rows = sorted(night.quarantine, key=lambda r: (-r["rows"], r["feed"], r["reason"]))
    return [
        (code_words("feed", r["feed"]), r["reason"], r["rows"], code_words("reason", r["reason"]))
        for r in rows
    ]


def feed_rows(night: Night) -> list[tuple[Words, int, int, int]]:
    """(feed, rows read, rows used, rows quarantined)."""
    return [
        (
            code_words("feed", feed),
            counted["rows_read"],
            counted["rows_read"] - counted["rows_quarantined"],
            counted["rows_quarantined"],
        )
        for feed, counted in night.summary.get("feeds", {}).items()
    ]


def health_rows(night: Night) -> list[HealthRow]:
    """Findings on devices, gathered by feed and code; stretches without data are joined."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in night.health:
        device = row["detail"] if row["device_id"] == "*" else row["device_id"]
        found[row["feed"], row["code"]].append(device)
    return [
        HealthRow(
            code_words("feed", feed),
            code_words("health", code),
            tuple(devices[:DEVICES_LISTED]),
            len(devices),
        )
        for (feed, code), devices in sorted(found.items())
    ]


def run_rows(night: Night) -> list[Row]:
    """Every simulation run of the check, by candidate, phase and seed."""
    return sorted(night.runs, key=lambda r: (r["phase"], r["candidate_id"], r["seed"]))


def certificate_view(night: Night) -> CertificateView:
    """The package's safety certificate."""
    certificates = night.certificate["certificates"]
    counts = {rule: Counter(c["rules"].get(rule) for c in certificates) for rule in RULE_NAMES}
    return CertificateView(
        plans=len(certificates),
        outcomes=tuple(
            RuleOutcome(code_words("rule", rule), count["pass"], count[Severity.INHERITED])
            for rule, count in counts.items()
        ),
        inherited=tuple(
            Finding(
                junction_name(night.network, c["junction_id"]),
                code_words("rule", found["rule"]),
                found["where"],
                found["detail"],
            )
            for c in certificates
            for found in c["inherited"]
        ),
        limits=tuple(facts(night.certificate["standard"])),
    )


def world_facts(night: Night) -> list[tuple[Words, str]]:
    """What else the runs in the world tell: medians, and who never got in or was teleported."""
    if night.world is None:
        return []
    found = [
        (words("world.median"), [night.world["before_median_s"], night.world["after_median_s"]])
    ]
    found += [
        (words(f"world.{name}"), [_total(night.world[side], name) for side in _SIDES])
        for name in ("vehicles", "not_inserted", "teleports")
    ]
    return [
        (name, " → ".join(_fact(value) for value in values if value is not None))
        for name, values in found
    ]


def facts(values: Row) -> list[tuple[Words, str]]:
    """A JSON object as (name, value) lines; objects in it are told field by field."""
    found: list[tuple[Words, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += facts(value)
        else:
            found.append((code_words("fact", name), _fact(value)))
    return found


def _plan_row(
    network: RoadNetwork,
    old: SignalPlan | None,
    new: SignalPlan,
    savable_veh_h: float,
    delay_veh_h: float | None,
) -> PlanRow:
    longest = max(new.cycle_s, old.cycle_s if old else 0)
    stages = _stage_changes(old, new)
    gone, come = stages_gone_and_come(network, old, new)
    return PlanRow(
        junction_id=new.junction_id,
        name=junction_name(network, new.junction_id),
        old_cycle_s=old.cycle_s if old else None,
        new_cycle_s=new.cycle_s,
        old_offset_s=old.offset_s if old else None,
        new_offset_s=new.offset_s,
        stages=stages,
        gone=gone,
        come=come,
        old_bar=_bar(old, longest) if old else (),
        new_bar=_bar(new, longest),
        savable_veh_h=savable_veh_h,
        delay_veh_h=delay_veh_h,
        largest_s=max((abs(s.new_s - s.old_s) for s in stages), default=0),
    )


def _stage_changes(old: SignalPlan | None, new: SignalPlan) -> tuple[StageChange, ...]:
    if old is None or [s.picture for s in old.stages] != [s.picture for s in new.stages]:
        return ()
    return tuple(
        StageChange(i, a.green_s, b.green_s)
        for i, (a, b) in enumerate(zip(old.stages, new.stages, strict=True), start=1)
    )


def _bar(plan: SignalPlan, longest_s: int) -> tuple[Segment, ...]:
    found = []
    for i, stage in enumerate(plan.stages, start=1):
        found.append(Segment(i, stage.green_s, round(100 * stage.green_s / longest_s, 3), True))
        if stage.clearance_s:
            share = round(100 * stage.clearance_s / longest_s, 3)
            found.append(Segment(i, stage.clearance_s, share, False))
    return tuple(found)


_SIDES = ("in_service", "proposed")


def _total(runs: Sequence[Row], name: str) -> int | None:
    return sum(run[name] for run in runs) if runs else None


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return number(value, 0 if value.is_integer() else 2)
    if isinstance(value, int):
        return number(value, 0)
    if isinstance(value, list | tuple):
        value = "; ".join(map(str, value)) or None
    return "–" if value is None else str(value)
