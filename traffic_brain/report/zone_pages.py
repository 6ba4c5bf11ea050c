"""The static report's pages and workbooks for each grid zone: no script, no server.

``zones/index.html`` lists the zones, ``zones/001.html`` and ``zones/001.xlsx`` tell of the first;
numbers in place of ids, which may hold signs that no file name can.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from traffic_brain.report.link_map import LEVEL_COLOURS
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, words
from traffic_brain.report.workbook import workbook
from traffic_brain.report.zone_map import SHARES, zone_map
from traffic_brain.report.zones import WORST_LINKS, Zones

FOLDER = "zones"


def map_key() -> list[tuple[str, str]]:
    """(colour, share of congested times) of the zone's map."""
    limits = [f"≤ {share:.0%}" for share in SHARES]
    return list(zip(LEVEL_COLOURS, [*limits, f"> {SHARES[-1]:.0%}"], strict=True))


def write_zone_pages(night: Night, environment: Environment, style: str, out: Path) -> int:
    """Write the folder ``zones`` into ``out``; answers how many pages. A city without zones: none.

    Args:
        environment: of the report's templates. style: the report's style sheet.
    """
    if not night.network.zones:
        return 0
    zones = Zones(night)
    listed = zones.summaries()
    file_of = {z.zone_id: f"{i:03d}" for i, z in enumerate(listed, start=1)}
    folder = out / FOLDER
    folder.mkdir()
    whole = [("../index.html", words("zone.night")), ("../night.xlsx", Words("Excel", "Excel"))]
    page = environment.get_template("zone.html")
    shared = {
        "night": night,
        "style": Markup(style),  # noqa: S704  our own
        "link": lambda kind, name, text: _linked(file_of, kind, name, text),
        "map_key": map_key(),
        "most_links": WORST_LINKS,
        "zones": listed,
    }
    text = page.render(shared, title=words("zone.all"), places=whole, zone=None)
    (folder / "index.html").write_text(text, encoding="utf-8", newline="\n")
    for zone_id, name in file_of.items():
        found = zones.report(zone_id)
        title = words("zone.title", name=found.summary.name)
        places = [("index.html", words("zone.all")), *whole[:1]]
        text = page.render(
            shared,
            title=title,
            places=[*places, (f"{name}.xlsx", Words("Excel", "Excel"))],
            zone=found,
            picture=zone_map(night.network, found),
        )
        (folder / f"{name}.html").write_text(text, encoding="utf-8", newline="\n")
        (folder / f"{name}.xlsx").write_bytes(workbook(night, zone_id, zones))
    return len(file_of) + 1


def _linked(file_of: Mapping[str, str], kind: str, name: str, text: str) -> Markup | str:
    """Zones have a page of their own here; junctions and bottlenecks stand as text."""
    if kind != "zone":
        return text
    return Markup('<a href="{}.html">{}</a>').format(file_of[name], text)
