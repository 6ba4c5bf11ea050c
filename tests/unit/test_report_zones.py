"""The report of each grid zone: its figures, its pages without script, the same bytes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.unit.report_night import Folders, write_night
from traffic_brain.report import page
from traffic_brain.report.saved import Night, load_night
from traffic_brain.report.zone_map import colour_of, zone_map
from traffic_brain.report.zones import Zones


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    found = write_night(tmp_path_factory.mktemp("zones"))
    page.write(**found.arguments())
    return found


@pytest.fixture(scope="module")
def night(folders: Folders) -> Night:
    return load_night(**{k: v for k, v in folders.arguments().items() if k != "out"})


def test_zones_are_listed_by_their_delay_and_add_up(night: Night) -> None:
    west, east, empty = Zones(night).summaries()
    assert (west.zone_id, east.zone_id, empty.zone_id) == ("W", "E", "empty")
    assert west.delay_veh_h + east.delay_veh_h == sum(b.delay_veh_h for b in night.bottlenecks)
    assert west.junctions + east.junctions == len(night.network.junctions)
    assert west.links + east.links == len(night.network.links)
    assert west.plans_changed + east.plans_changed == len(night.proposed)
    assert west.congested_ratio is not None
    assert 0.0 < west.congested_ratio < 1.0
    assert (empty.links, empty.congested_ratio) == (0, None)


def test_a_zone_holds_what_lies_in_it_the_worst_first(night: Night) -> None:
    found = Zones(night).report("W")
    assert [b.bottleneck_id for b in found.bottlenecks] == ["B001"]
    assert [j.junction_id for j in found.junctions] == ["J2", "J1"]
    assert {p.junction_id for p in found.plans} == {"J1", "J2"}
    shares = [k.congested_ratio or 0.0 for k in found.links]
    assert shares == sorted(shares, reverse=True)
    assert all(k.least_kmh <= k.mean_kmh for k in found.links if k.mean_kmh and k.least_kmh)


def test_a_map_is_drawn_where_there_are_links(night: Night) -> None:
    zones = Zones(night)
    assert zone_map(night.network, zones.report("W")).count('class="road"') > 5
    assert zone_map(night.network, zones.report("empty")) == ""
    assert colour_of(None) != colour_of(0.0) != colour_of(1.0)


def test_each_zone_has_a_page_without_script(folders: Folders) -> None:
    pages = sorted(p.name for p in (folders.out / "zones").iterdir())
    books = [f"{i:03d}.xlsx" for i in (1, 2, 3)]
    assert pages == sorted(["index.html", *(f"{i:03d}.html" for i in (1, 2, 3)), *books])
    for name in ("index.html", "001.html", "003.html"):
        text = (folders.out / "zones" / name).read_text(encoding="utf-8")
        assert "<script" not in text
        assert "alert(" not in text or "&lt;script&gt;alert" in text  # the zone's name
        assert "default-src 'none'" in text
        for address in re.findall(r'href="([^"]*)"', text):
            assert address.startswith("#") or (folders.out / "zones" / address).resolve().is_file()


def test_the_same_night_gives_the_same_folder(folders: Folders, tmp_path: Path) -> None:
    page.write(**{**folders.arguments(), "out": tmp_path})
    for path in sorted(p for p in folders.out.rglob("*") if p.is_file()):
        assert (tmp_path / path.relative_to(folders.out)).read_bytes() == path.read_bytes()
    book = load_workbook(io.BytesIO((tmp_path / "night.xlsx").read_bytes()))
    assert len(book.worksheets) == 5
