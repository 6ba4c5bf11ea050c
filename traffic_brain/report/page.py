"""One self-contained HTML page of a night: no server, and no request leaves it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from traffic_brain.model.verdict import Decision, Interval95
from traffic_brain.report import tables
from traffic_brain.report.corridors import corridor_views
from traffic_brain.report.figures import CONFIG, Figure, link_name
from traffic_brain.report.link_map import LEVEL_COLOURS, map_data, map_figure
from traffic_brain.report.paired import paired_figure
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night, Pairs, Row, load_night
from traffic_brain.report.texts import WORDS, Words, clock, code_words, number, percent, words
from traffic_brain.report.workbook import workbook
from traffic_brain.report.zone_pages import write_zone_pages


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the head."""

    label: Words
    value: str | Words
    unit: Words | str
    note: str | Words


def write(
    *,
    city: Path,
    state: Path,
    diagnosis: Path,
    plans: Path,
    verdict: Path,
    package: Path,
    world: Path | None,
    out: Path,
) -> None:
    """Write a night's report from its folders into ``out``, which exists.

    That is ``index.html``, ``night.xlsx`` and, where the city has grid zones, ``zones/``.
    The same folders give the same bytes.

    Raises:
        ConfigurationError: ``city`` is not a city folder.
        DataRefused: a file is missing or damaged, or not of this program's version.
    """
    night = load_night(
        city=city,
        state=state,
        diagnosis=diagnosis,
        plans=plans,
        verdict=verdict,
        package=package,
        world=world,
    )
    (out / "index.html").write_text(render(night), encoding="utf-8", newline="\n")
    (out / "night.xlsx").write_bytes(workbook(night))
    write_zone_pages(night, _environment(), _source("page.css"), out)


def render(night: Night) -> str:
    """The page as text."""
    environment = _environment()
    corridors, diagrams = corridor_views(night)
    figures = {"figure-map": map_figure(night.network, night.bottlenecks, night.junctions)}
    figures |= diagrams | _paired_figures(night)
    scripts = [get_plotlyjs(), _source("page.js")]
    data = {
        "title": _title(night),
        "shown": words("plans.shown"),
        "config": CONFIG,
        "buttons": {
            key.removeprefix("plotly."): text
            for key, text in WORDS.items()
            if key.startswith("plotly.")
        },
        "figures": figures,
        "map": map_data(night.network, night.link_states, night.bottlenecks),
    }
    return environment.get_template("page.html").render(
        night=night,
        title=_title(night),
        policy=content_policy(scripts),
        scripts=[Markup(script) for script in scripts],  # noqa: S704  our own and Plotly's
        style=Markup(_source("page.css")),  # noqa: S704  our own
        data=script_json(data),
        reason=translated(night.verdict.reason),
        description=translated(night.candidate.description) if night.candidate else "",
        tiles=_tiles(night),
        change=_change_text(night.verdict.change_ratio),
        bottlenecks=tables.ranked_bottlenecks(night),
        waited=_waited_notes(night),
        levels=LEVEL_COLOURS,
        corridors=corridors,
        plans=tables.plan_rows(night),
        candidate_facts=_candidate_facts(night),
        refinement=_refinement_notes(night.refinement),
        feeds=tables.feed_rows(night),
        quarantine=tables.quarantine_rows(night),
        health=tables.health_rows(night),
        runs=tables.run_rows(night),
        world_facts=tables.world_facts(night),
        calibration=tables.facts(night.calibration),
        certificate=tables.certificate_view(night),
        definitions=_DEFINITIONS,
        figures=figures,
    )


def content_policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: these scripts, by their hashes, and nothing else.

    Plotly writes style sheets at run time, and turns a figure into a picture through a blob.
    """
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def script_json(data: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(
        data,
        default=_words_as_json,
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  every character that could end the element is escaped


def both(text: Words | str) -> Markup | str:
    """Words in both languages, one of which the page shows; other text as it is."""
    if not isinstance(text, Words):
        return text
    if text.zh == text.en:
        return escape(text.zh)
    return Markup('<span lang="zh-CN">{}</span><span lang="en">{}</span>').format(text.zh, text.en)


_DEFINITIONS = tuple(
    (words(f"definition.{name}"), words(f"definition.{name}.is"))
    for name in (
        "delay",
        "change",
        "interval",
        "bottleneck",
        "savable",
        "offset",
        "bandwidth",
        "saturation",
        "imbalance",
    )
)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("traffic_brain.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"both": both, "clock": clock, "number": number, "percent": percent}
    environment.globals |= {"t": lambda key, **values: both(words(key, **values))}
    environment.globals |= {"words": words, "code_words": code_words, "w": both}
    return environment


def _source(name: str) -> str:
    return files("traffic_brain.report").joinpath("templates", name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _words_as_json(value: object) -> Mapping[str, str]:
    if isinstance(value, Words):
        return {"zh": value.zh, "en": value.en}
    raise TypeError(f"{type(value).__name__} has no place in a figure")


def _title(night: Night) -> Words:
    place = f"{night.network.name} · {night.summary['service_day']}"
    name = words("page.title")
    return Words(f"{name.zh} · {place}", f"{name.en} · {place}")


def _tiles(night: Night) -> list[Tile]:
    summary, bottlenecks = night.summary, night.bottlenecks
    refused = summary["rows_quarantined"]
    share = refused / summary["rows_read"] if summary["rows_read"] else None
    delay = sum(b.delay_veh_h for b in bottlenecks)
    return [
        _change_tile(night.verdict.change_ratio),
        _world_tile(night.world_runs),
        Tile(
            words("head.bottlenecks"),
            number(len(bottlenecks), 0),
            "",
            words("head.bottlenecks.delay", delay=number(delay)),
        ),
        Tile(
            words("head.plans"),
            number(len(night.proposed), 0),
            "",
            _plans_note(night),
        ),
        Tile(
            words("head.rows_used"),
            number(summary["rows_used"], 0),
            "",
            words("head.rows_read", rows=number(summary["rows_read"], 0)),
        ),
        Tile(
            words("head.quarantined"),
            number(refused, 0),
            "",
            words("head.quarantined.share", share=percent(share)),
        ),
    ]


def _plans_note(night: Night) -> Words:
    if night.proposed and night.verdict.decision is not Decision.DEPLOY:
        return words("head.plans.kept")
    return words("head.plans.of", count=number(len(night.network.junctions), 0))


def _change_text(change: Interval95 | None) -> dict[str, str] | None:
    if change is None:
        return None
    return {name: percent(getattr(change, name), signed=True) for name in ("mean", "low", "high")}


def _change_tile(change: Interval95 | None) -> Tile:
    shown = _change_text(change)
    if shown is None:
        return Tile(words("head.change"), "–", "", words("head.no_interval"))
    note = words("head.interval", low=shown["low"], high=shown["high"])
    return Tile(words("head.change"), shown["mean"], "", note)


def _world_tile(world: Pairs | None) -> Tile:
    label = words("head.world")
    if world is None:
        return Tile(label, words("head.no_world.value"), "", words("head.no_world"))
    old = number(fmean(world.in_service_s_per_veh))
    if not world.proposed_s_per_veh:
        return Tile(label, old, words("unit.s_per_veh"), words("head.world.kept"))
    new = number(fmean(world.proposed_s_per_veh))
    shown = _change_text(world.change_ratio)
    note = words("head.world.change", **shown) if shown else words("head.no_interval")
    return Tile(label, f"{old} → {new}", words("unit.s_per_veh"), note)


def _paired_figures(night: Night) -> dict[str, Figure]:
    runs = {"figure-check": night.check, "figure-world": night.world_runs}
    return {
        name: paired_figure(found, of_medians=name == "figure-check")
        for name, found in runs.items()
        if found and found.proposed_s_per_veh
    }


def _waited_notes(night: Night) -> list[Words]:
    """Queues that reach beyond the map, where no feed sees them."""
    return [
        words(
            "map.waited",
            name=link_name(night.network, row["link_id"]),
            vehicles=number(row["vehicles"], 0),
            delay=number(row["delay_veh_h"]),
        )
        for row in night.summary.get("waited_before_the_map", ())
    ]


def _refinement_notes(told: Row | None) -> list[Words]:
    """What the search in the rebuilt city found, and why nothing came of it."""
    if told is None:
        return []
    found = []
    if "delay_s_per_veh" in told:
        old, new = (number(told[k]) for k in ("in_service_s_per_veh", "delay_s_per_veh"))
        found.append(words("refinement.found", old=old, new=new))
    if "skipped" in told:
        why = translated(told["skipped"])
        found.append(words("refinement.skipped", why=why))
    return found


def _candidate_facts(night: Night) -> list[Words]:
    if night.candidate is None:
        return []
    facts = night.candidate.facts
    found = []
    if facts.get("predicted_delay_s_per_veh") is not None:
        found.append(words("candidate.predicted", delay=number(facts["predicted_delay_s_per_veh"])))
    if facts.get("gap") is not None:
        found.append(words("candidate.gap", gap=percent(facts["gap"])))
    if facts.get("status"):
        found.append(words("candidate.status", status=facts["status"]))
    return found
