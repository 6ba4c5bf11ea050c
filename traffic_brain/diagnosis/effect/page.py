"""The effect of a change as a document for machines and a page for people, 中文 and English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from traffic_brain.diagnosis.effect.change import Change, Finding
from traffic_brain.diagnosis.effect.corridors import CorridorChange
from traffic_brain.diagnosis.effect.evaluate import Effect
from traffic_brain.model.reading import to_json
from traffic_brain.model.verdict import Interval95

DOCUMENT, PAGE = "effect.json", "effect.md"
FINDINGS = {
    Finding.BETTER: "延误减少 delay fell",
    Finding.WORSE: "延误增加 delay rose",
    Finding.NOT_SHOWN: "未见效果 no effect shown",
    Finding.NOT_DECIDED: "不能判定 not decided",
}
DIGITS = 6


def write_effect(effect: Effect, out: Path) -> dict[str, int]:
    """Write ``effect.json`` and ``effect.md`` into the existing folder ``out``."""
    (out / DOCUMENT).write_text(to_json(document(effect)), encoding="utf-8")
    (out / PAGE).write_text("\n".join(page(effect)) + "\n", encoding="utf-8")
    return {
        "days_before": len(effect.days_before),
        "days_after": len(effect.days_after),
        "treated_junctions": len(effect.together.junctions),
        "control_junctions": len(effect.together.controls),
    }


def document(effect: Effect) -> dict[str, Any]:
    """All figures of an effect; `to_json` takes it."""
    found: dict[str, Any] = _rounded(asdict(effect))
    return found


def headline(change: Change) -> str:
    """One sentence: what was found, in percent, seconds and vehicle-hours."""
    told = f"{FINDINGS[change.finding]} ({change.why})"
    if change.ratio is None or change.s_per_veh is None or change.veh_h_per_day is None:
        return told
    return (
        f"{told}: {_percent(change.ratio)}, {_number(change.s_per_veh)} s/veh, "
        f"{_number(change.veh_h_per_day)} veh·h a day"
    )


def page(effect: Effect) -> Iterator[str]:
    """The lines of the page."""
    change = effect.together
    yield from ("# 效果评估 Effect", "", f"**{headline(change)}**", "")
    yield "| | |"
    yield "|---|---|"
    rows: list[tuple[str, object]] = [
        ("实施前 days before", ", ".join(effect.days_before)),
        ("实施后 days after", ", ".join(effect.days_after)),
        ("处理路口 treated", ", ".join(change.junctions)),
        ("对照路口 controls", ", ".join(change.controls) or "–"),
        ("相邻路口，不计入 neighbours, left out", ", ".join(effect.neighbours) or "–"),
        ("实施前 before, s/veh", _plain(change.before_s_per_veh)),
        ("实施后 after, s/veh", _plain(change.after_s_per_veh)),
        ("实施前 before, veh·h a day", _plain(change.before_veh_h_per_day)),
        ("实施后 after, veh·h a day", _plain(change.after_veh_h_per_day)),
        (
            "直接对比，未调整 plain change, nothing adjusted",
            "–" if change.plain_ratio is None else f"{change.plain_ratio:+.1%}",
        ),
        ("p", "–" if change.p_value is None else f"{change.p_value:.3f}"),
    ]
    rows += [("剔除日期 day left out", f"{d}: {why}") for d, why in effect.days_left_out.items()]
    rows += [
        ("剔除时段 5-min bins left out", f"{why}: {bins}")
        for why, bins in effect.bins_left_out.items()
        if bins
    ]
    rows += [("注意 note", warning) for warning in effect.warnings]
    yield from (f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)
    yield from ("", "## 各路口 Junction by junction", "")
    yield "| 路口 junction | 结论 finding | % | s/veh | veh·h |"
    yield "|---|---|---|---|---|"
    yield from (_junction_row(one) for one in effect.each)
    if effect.corridors:
        yield from ("", "## 干线 Corridors, from end to end", "")
        yield "| 干线 corridor | 结论 finding | 前 before, min | 后 after, min | % | min |"
        yield "|---|---|---|---|---|---|"
        yield from (_corridor_row(one) for one in effect.corridors)
    yield from ("", "## 逐日 Day by day", "")
    yield "| 日期 day | 类型 kind | 相对对照 against the controls |"
    yield "|---|---|---|"
    days: Sequence[str] = (*effect.days_before, *effect.days_after)
    for day, contrast in zip(days, change.contrasts, strict=False):
        kind = effect.kinds[day]
        yield f"| {day} | {_cell(str(kind))} | {_percent_of_log(contrast)} |"
    yield ""
    yield (
        "延误变化 = 处理路口 − 对照路口（双重差分），区间 95%。 "
        "The change is that of the treated junctions less that of their controls (difference in "
        "differences), with its 95 % interval; what stands below 0 is less delay. Single junctions "
        "are claimed only where they are clear among all of them (Holm)."
    )


def _junction_row(change: Change) -> str:
    figures = (
        "–" if change.ratio is None else _percent(change.ratio),
        "–" if change.s_per_veh is None else _number(change.s_per_veh),
        "–" if change.veh_h_per_day is None else _number(change.veh_h_per_day),
    )
    return "| " + " | ".join((_cell(change.name), FINDINGS[change.finding], *figures)) + " |"


def _corridor_row(one: CorridorChange) -> str:
    arrow = {"out": "→", "back": "←"}[one.direction]
    cells = (
        f"{_cell(one.name)} {arrow}",
        FINDINGS[one.finding],
        f"{one.before_min:.2f}",
        f"{one.after_min:.2f}",
        "–" if one.ratio is None else _percent(one.ratio),
        "–" if one.minutes is None else _number(one.minutes),
    )
    return "| " + " | ".join(cells) + " |"


def _percent(one: Interval95) -> str:
    return f"{one.mean:+.1%} [{one.low:+.1%}, {one.high:+.1%}]"


def _percent_of_log(value: float) -> str:
    return f"{value:+.1%}"


def _number(one: Interval95) -> str:
    return f"{one.mean:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _rounded(value: Any) -> Any:
    """Numbers to ``DIGITS``: what lies behind differs between machines."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
