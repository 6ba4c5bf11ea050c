"""A night as a spreadsheet, for the whole city or for one grid zone; each time the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from traffic_brain.report import tables
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, clock, code_words, words
from traffic_brain.report.zones import ZoneReport, Zones

Cell = str | int | float | None

_MOMENT = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""Stands for the time of writing."""
_DATES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


def workbook(night: Night, zone_id: str | None = None, zones: Zones | None = None) -> bytes:
    """Sheets of texts in Chinese and English.

    Of the city: summary, zones where it has any, bottlenecks, plans, feeds. Of a zone: summary,
    bottlenecks, plans, its junctions and its links.

    Args:
        zone_id: only what lies in this zone; None: everything.
        zones: of the night, if they are at hand.

    Raises:
        KeyError: the city has no such zone.
    """
    book = Workbook()
    book.properties.creator = "traffic-brain"
    book.properties.created = book.properties.modified = _MOMENT
    book.remove(book.worksheets[0])
    zones = zones or Zones(night)
    bottlenecks = _bottlenecks(night, zones, zone_id)
    plans = _plans(night, zones, zone_id)
    counts = (len(bottlenecks), len(plans))
    _sheet(book, words("nav.summary"), (), _summary(night, zone_id, counts))
    if night.network.zones and zone_id is None:
        _sheet(book, words("zone.zone"), _ZONES, _zones(zones))
    _sheet(book, words("head.bottlenecks"), _BOTTLENECKS, bottlenecks)
    _sheet(book, words("nav.plans"), _PLANS, plans)
    if zone_id is not None:
        found = zones.report(zone_id)
        _sheet(book, words("zone.junctions"), _JUNCTIONS, _junctions(found))
        _sheet(book, words("zone.link"), _LINKS, _links(found))
    else:
        _sheet(book, words("nav.data"), _FEEDS, _feeds(night))
    buffer = io.BytesIO()
    book.save(buffer)
    return _without_times(buffer)


_BOTTLENECKS = (
    Words("名次", "rank"),
    Words("路段", "link"),
    Words("路口", "junction"),
    Words("网格", "zone"),
    Words("时间", "time"),
    Words("堵因", "cause"),
    words("list.delay"),
    words("list.savable"),
    Words("证据", "evidence"),
    words("shares.title"),
)
_PLANS = (
    words("plans.junction"),
    Words("网格", "zone"),
    Words("现行周期（秒）", "cycle in service (s)"),
    Words("建议周期（秒）", "cycle proposed (s)"),
    Words("现行相位差（秒）", "offset in service (s)"),
    Words("建议相位差（秒）", "offset proposed (s)"),
    words("plans.stages"),
    words("plans.savable"),
)
_FEEDS = (words("data.feed"), words("data.read"), words("data.used"), words("data.refused"))
_ZONES = (
    words("zone.zone"),
    Words("编号", "id"),
    words("zone.junctions"),
    words("zone.km"),
    words("head.bottlenecks"),
    words("list.delay"),
    words("list.savable"),
    words("zone.congested"),
    words("head.plans"),
)
_JUNCTIONS = (
    words("plans.junction"),
    Words("编号", "id"),
    words("zone.saturation"),
    words("zone.imbalance"),
    words("plans.delay"),
    words("zone.changes"),
)
_LINKS = (
    words("zone.link"),
    Words("编号", "id"),
    words("zone.length"),
    words("zone.mean_speed"),
    words("zone.least_speed"),
    words("zone.congested"),
)


def _summary(night: Night, zone_id: str | None, counts: tuple[int, int]) -> list[Sequence[Cell]]:
    verdict = night.verdict
    zone = night.network.zones[zone_id] if zone_id else None
    rows: list[Sequence[Cell]] = [
        (_both(Words("城市", "city")), night.network.name),
        (_both(Words("运行日", "service day")), str(night.summary["service_day"])),
        (_both(Words("网格", "zone")), (zone.name or zone.zone_id) if zone else "*"),
        (_both(words("nav.verdict")), _both(code_words("decision", verdict.decision.value))),
        (_both(words("verdict.reason")), _both(translated(verdict.reason))),
        (_both(words("head.bottlenecks")), counts[0]),
        (_both(words("head.plans")), counts[1]),
    ]
    return rows


def _bottlenecks(night: Night, source: Zones, zone_id: str | None) -> list[Sequence[Cell]]:
    zones = [night.network.links[b.link_id].zone_id for b in night.bottlenecks]
    return [
        (
            row.rank,
            row.place,
            row.junction,
            zone or "",
            f"{clock(found.start_s)}–{clock(found.end_s)}",
            _both(row.cause),
            round(row.delay_veh_h, 2),
            round(row.savable_veh_h, 2),
            _both(row.evidence),
            _both(row.shares),
        )
        for row, found, zone in zip(source.ranked, night.bottlenecks, zones, strict=True)
        if zone_id in (None, zone)
    ]


def _plans(night: Night, source: Zones, zone_id: str | None) -> list[Sequence[Cell]]:
    junctions = night.network.junctions
    return [
        (
            row.name,
            junctions[row.junction_id].zone_id or "",
            row.old_cycle_s,
            row.new_cycle_s,
            row.old_offset_s,
            row.new_offset_s,
            ", ".join(f"{stage.old_s}→{stage.new_s}" for stage in row.stages),
            round(row.savable_veh_h, 2),
        )
        for row in source.plans
        if zone_id in (None, junctions[row.junction_id].zone_id)
    ]


def _feeds(night: Night) -> list[Sequence[Cell]]:
    return [(_both(feed), *counts) for feed, *counts in tables.feed_rows(night)]


def _zones(zones: Zones) -> list[Sequence[Cell]]:
    return [
        (
            z.name,
            z.zone_id,
            z.junctions,
            round(z.length_km, 2),
            z.bottlenecks,
            round(z.delay_veh_h, 2),
            round(z.savable_veh_h, 2),
            _rounded(z.congested_ratio, 4),
            z.plans_changed,
        )
        for z in zones.summaries()
    ]


def _junctions(found: ZoneReport) -> list[Sequence[Cell]]:
    return [
        (
            j.name,
            j.junction_id,
            _rounded(j.saturation_ratio, 3),
            _rounded(j.imbalance_ratio, 3),
            _rounded(j.delay_veh_h, 2),
            _both(words("zone.yes")) if j.changes else "",
        )
        for j in found.junctions
    ]


def _links(found: ZoneReport) -> list[Sequence[Cell]]:
    return [
        (
            k.name,
            k.link_id,
            round(k.length_m, 1),
            _rounded(k.mean_kmh, 1),
            _rounded(k.least_kmh, 1),
            _rounded(k.congested_ratio, 4),
        )
        for k in found.links
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _both(text: Words) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"


def _sheet(
    book: Workbook, title: Words, header: Sequence[Words], rows: Sequence[Sequence[Cell]]
) -> None:
    sheet: Worksheet = book.create_sheet(_both(title)[:31])
    if header:
        sheet.append([_both(name) for name in header])
        sheet.freeze_panes = "A2"
        for cell in sheet[1]:
            cell.font = Font(bold=True)
    for row in rows:
        sheet.append(list(row))
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # a name that begins with '=' is no formula
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    for column in sheet.columns:
        longest = max((len(str(cell.value or "")) for cell in column), default=0)
        sheet.column_dimensions[column[0].column_letter].width = min(max(10, 1.3 * longest), 60)


def _without_times(made: io.BytesIO) -> bytes:
    """The workbook without the time at which it was written."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(made) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _DATES.sub(
                    rb"\g<1>" + _MOMENT.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), content
                )
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
