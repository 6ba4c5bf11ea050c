"""A night as a spreadsheet, for the whole city or for one grid zone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from traffic_brain.report import tables
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, clock, code_words, words

Cell = str | int | float | None

_MOMENT = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""Stands for the time of writing, so that the same night gives the same cells."""


def workbook(night: Night, zone_id: str | None = None) -> bytes:
    """Sheets: summary, bottlenecks, plans, feeds; texts in Chinese and English.

    Args:
        zone_id: only what lies in this zone; None: everything.
    """
    book = Workbook()
    book.properties.creator = "traffic-brain"
    book.properties.created = book.properties.modified = _MOMENT
    book.remove(book.worksheets[0])
    _sheet(book, words("nav.summary"), (), _summary(night, zone_id))
    _sheet(book, words("head.bottlenecks"), _BOTTLENECKS, _bottlenecks(night, zone_id))
    _sheet(book, words("nav.plans"), _PLANS, _plans(night, zone_id))
    _sheet(book, words("nav.data"), _FEEDS, _feeds(night))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


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


def _summary(night: Night, zone_id: str | None) -> list[Sequence[Cell]]:
    verdict = night.verdict
    zone = night.network.zones.get(zone_id) if zone_id else None
    rows: list[Sequence[Cell]] = [
        (_both(Words("城市", "city")), night.network.name),
        (_both(Words("运行日", "service day")), str(night.summary["service_day"])),
        (_both(Words("网格", "zone")), (zone.name or zone.zone_id) if zone else "*"),
        (_both(words("nav.verdict")), _both(code_words("decision", verdict.decision.value))),
        (_both(words("verdict.reason")), _both(translated(verdict.reason))),
        (_both(words("head.bottlenecks")), len(_bottlenecks(night, zone_id))),
        (_both(words("head.plans")), len(_plans(night, zone_id))),
    ]
    return rows


def _bottlenecks(night: Night, zone_id: str | None) -> list[Sequence[Cell]]:
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
        )
        for row, found, zone in zip(
            tables.ranked_bottlenecks(night), night.bottlenecks, zones, strict=True
        )
        if zone_id in (None, zone)
    ]


def _plans(night: Night, zone_id: str | None) -> list[Sequence[Cell]]:
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
        for row in tables.plan_rows(night)
        if zone_id in (None, junctions[row.junction_id].zone_id)
    ]


def _feeds(night: Night) -> list[Sequence[Cell]]:
    return [(_both(feed), *counts) for feed, *counts in tables.feed_rows(night)]


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
