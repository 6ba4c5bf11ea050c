"""Coordinates and places: transforms there and back, and links found by where things are."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import network, road
from traffic_brain.errors import DataRefused
from traffic_brain.feeds import checkpoint
from traffic_brain.feeds.coordinates import (
    Plane,
    bd09_to_gcj02,
    from_gcj02,
    gcj02_to_bd09,
    plane_of,
    to_gcj02,
    to_wgs84,
)
from traffic_brain.feeds.location import Locator, Matches, Places, lines_of, locate
from traffic_brain.feeds.quarantine import Quarantine

HEFEI = Plane(117.0, east_m=500_000.0, north_m=0.0)
DAY = date(2026, 3, 2)


# --- transforms -----------------------------------------------------------------------------------


def test_shifts_are_those_of_the_maps() -> None:
    """Tian'anmen, as the open implementations have it."""
    lon, lat = to_gcj02(np.array([116.404]), np.array([39.915]))
    assert (lon[0], lat[0]) == pytest.approx((116.41024449916938, 39.91640428150164), abs=1e-11)
    lon, lat = gcj02_to_bd09(np.array([116.404]), np.array([39.915]))
    assert (lon[0], lat[0]) == pytest.approx((116.41036949371029, 39.92133699351022), abs=1e-11)


def test_there_and_back_is_exact() -> None:
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(73, 137, 20_000), rng.uniform(1, 55, 20_000)
    gcj = to_gcj02(lon, lat)
    bd = gcj02_to_bd09(*gcj)
    for back, wanted in (
        (from_gcj02(*gcj), (lon, lat)),
        (bd09_to_gcj02(*bd), gcj),
        (to_wgs84(*bd, "BD-09"), (lon, lat)),
    ):
        off_m = 111_320 * np.hypot(back[0] - wanted[0], back[1] - wanted[1])
        assert off_m.max() < 1e-4
    moved_m = 111_320 * np.hypot((gcj[0] - lon) * np.cos(np.radians(lat)), gcj[1] - lat)
    assert 0 < moved_m.min() < moved_m.max() < 1200


def test_outside_of_china_nothing_is_shifted() -> None:
    lon, lat = np.array([11.4, 139.0]), np.array([48.8, 35.0])
    np.testing.assert_array_equal(to_gcj02(lon, lat), (lon, lat))
    assert np.abs(np.subtract(to_gcj02(lon, lat, everywhere=True), (lon, lat))).min() > 1e-4


@pytest.mark.parametrize(
    ("parameters", "offset"),
    [
        ("+proj=utm +zone=50 +ellps=WGS84 +datum=WGS84 +units=m +no_defs", "0,0"),
        ("+proj=tmerc +lat_0=0 +lon_0=117 +k=1 +x_0=39500000 +ellps=GRS80 +units=m", "1,2"),
    ],
)
def test_the_plane_of_a_network(tmp_path: Path, parameters: str, offset: str) -> None:
    net = tmp_path / "net.xml.gz"
    text = f'<net>\n    <location netOffset="{offset}" projParameter="{parameters}"/>\n'
    net.write_bytes(gzip.compress(text.encode()))
    plane = plane_of(net)
    assert plane is not None
    x, y = plane.metres(np.array([117.0, 118.0]), np.array([30.0, 30.0]))
    assert x[0] == plane.east_m
    # The length of the meridian from the equator to 30° on the ellipsoid.
    north_m = 3_320_113.398
    assert y[0] - plane.north_m == pytest.approx(plane.scale * north_m, abs=0.002)
    # A degree of the parallel, N cos φ Δλ = 96,486.28 m, and the next term of the series: 2.47 m.
    assert (x[1] - x[0]) / plane.scale == pytest.approx(96_488.75, abs=0.05)
    assert math.isnan(plane.metres(np.array([300.0]), np.array([30.0]))[0][0])


@pytest.mark.parametrize(
    "location",
    [
        "<location/>",
        '<location netOffset="0,0" projParameter="!"/>',
        '<location netOffset="0,0" projParameter="+proj=merc +lon_0=0"/>',
        '<location netOffset="0,0" projParameter="+proj=utm +zone=50 +units=us-ft"/>',
        '<location netOffset="?" projParameter="+proj=utm +zone=50"/>',
        "",
    ],
)
def test_a_network_without_a_plane(tmp_path: Path, location: str) -> None:
    (tmp_path / "net.xml").write_text(location)
    assert plane_of(tmp_path / "net.xml") is None
    assert plane_of(tmp_path / "none.xml") is None


def test_a_damaged_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.xml.gz").write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(DataRefused, match="import the network again"):
        plane_of(tmp_path / "net.xml.gz")


# --- places ---------------------------------------------------------------------------------------

_X0, _Y0 = (float(v[0]) for v in HEFEI.metres(np.array([117.27]), np.array([31.86])))
GRID = {f"{i}{j}": (_X0 + 310.0 * i, _Y0 + 270.0 * j) for i in range(4) for j in range(4)}
ROADS = [
    road(a, b, GRID, junction_id=b, name=f"{'东西南北'[int(a[a[0] == b[0]])]}路")
    for a in GRID
    for b in GRID
    if abs(int(a[0]) - int(b[0])) + abs(int(a[1]) - int(b[1])) == 1
]
CITY = network(ROADS, {})
IDS = list(CITY.links)
LINES = [np.array(link.shape) for link in CITY.links.values()]


def keep_right(line: np.ndarray, metres: float) -> np.ndarray:
    way = (line[-1] - line[0]) / np.hypot(*(line[-1] - line[0]))
    return np.asarray(line + metres * np.array([way[1], -way[0]]))


CITY_LINES = [keep_right(line, 4.0) for line in LINES]


def places(lines: Sequence[np.ndarray], **known: Sequence[str]) -> Places:
    none = [""] * len(lines)
    return Places(
        lines,
        np.full(len(lines), np.nan),
        known.get("names", none),
        known.get("junction_ids", none),
    )


def found(
    lines: Sequence[np.ndarray], system: str = "plane", plane: Plane | None = HEFEI
) -> Matches:
    return locate(places(lines), system, Locator(CITY), plane, "internet/links")


def degrees(lines: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Metres back into WGS-84, by iteration."""
    turned = []
    for line in lines:
        lon, lat = np.full(len(line), 117.27), np.full(len(line), 31.86)
        for _ in range(30):
            x, y = HEFEI.metres(lon, lat)
            lon, lat = lon + (line[:, 0] - x) / 95_000, lat + (line[:, 1] - y) / 111_000
        turned.append(np.column_stack([lon, lat]))
    return turned


def test_lines_find_their_links_in_both_directions() -> None:
    matches = found(CITY_LINES)
    assert [IDS[i] for i in matches.link_idx] == IDS
    assert matches.residual_m == pytest.approx(4.0, abs=0.5)


def test_halves_and_points_with_a_heading_find_them_too() -> None:
    halves = [(line + line[::-1].mean(axis=0)) / 2 for line in CITY_LINES]
    assert [IDS[i] for i in found(halves).link_idx] == IDS
    ends = [line[-1:] - (line[-1] - line[0]) * 0.02 for line in CITY_LINES]
    headings = np.array([math.degrees(math.atan2(*(line[-1] - line[0]))) for line in LINES])
    devices = Places(ends, headings + 20.0, [""] * len(ends), [""] * len(ends))
    matches = locate(devices, "plane", Locator(CITY), None, "checkpoint/sites")
    assert [IDS[i] for i in matches.link_idx] == IDS


def test_names_and_junctions_decide_between_near_links() -> None:
    corner = np.array([[GRID["11"][0] - 1.0, GRID["11"][1] - 1.0]])
    links = list(CITY.links.values())
    for name in ("东路", "西路"):
        named = Locator(CITY).match(places([corner], names=[name]))
        assert links[int(named.link_idx[0])].name == name
    for junction in ("11", "01", "10"):
        at = Locator(CITY).match(places([corner], junction_ids=[junction]))
        assert links[int(at.link_idx[0])].junction_id == junction


@pytest.mark.parametrize("system", ["WGS-84", "GCJ-02", "BD-09"])
@pytest.mark.parametrize("told", ["WGS-84", "GCJ-02", "BD-09", "plane"])
def test_a_forgotten_transform_is_found_out(system: str, told: str) -> None:
    lines = degrees(CITY_LINES)
    if system != "WGS-84":
        lines = [np.column_stack(to_gcj02(*line.T)) for line in lines]
    if system == "BD-09":
        lines = [np.column_stack(gcj02_to_bd09(*line.T)) for line in lines]
    if told == system:
        assert [IDS[i] for i in found(lines, told).link_idx] == IDS
    else:
        with pytest.raises(DataRefused, match="beside the roads") as refused:
            found(lines, told)
        assert f'coordinates = "{system}"' in refused.value.remedy


def test_exchanged_columns_are_found_out() -> None:
    with pytest.raises(DataRefused, match="x and y exchanged"):
        found([line[:, ::-1] for line in degrees(CITY_LINES)], "WGS-84")


def test_what_fits_nowhere_is_refused_without_a_guess() -> None:
    with pytest.raises(DataRefused, match="none of GCJ-02, BD-09 and WGS-84 would fit"):
        found([line + 5000.0 for line in CITY_LINES])


def test_degrees_need_a_plane() -> None:
    with pytest.raises(DataRefused, match="plane of the network is not known"):
        found(degrees(CITY_LINES), "WGS-84", plane=None)


def test_a_place_far_from_all_roads_has_no_link() -> None:
    matches = found([*CITY_LINES, CITY_LINES[0] - 400.0, np.zeros((0, 2))])
    assert list(matches.link_idx[-2:]) == [-1, -1]
    assert np.isnan(matches.residual_m[-2:]).all()


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("LINESTRING (1 2, 3.5 -4)", [[1, 2], [3.5, -4]]),
        ("1,2;3.5,-4", [[1, 2], [3.5, -4]]),
        ("117.2 31.8", [[117.2, 31.8]]),
        ("1,2;3", []),
        ("1e999,2", []),
        ("nowhere", []),
        ("", []),
        (None, []),
    ],
)
def test_shapes(text: str | None, points: list[list[float]]) -> None:
    (line,) = lines_of([text])
    assert line.tolist() == points


# --- in a feed ------------------------------------------------------------------------------------


def test_cameras_in_degrees_get_their_links(tmp_path: Path) -> None:
    ends = [line[-1:] - (line[-1] - line[0]) * 0.02 for line in CITY_LINES]
    lon, lat = np.concatenate([to_gcj02(*line.T) for line in degrees(ends)], axis=1)
    headings = [math.degrees(math.atan2(*(line[-1] - line[0]))) % 360 for line in LINES]
    sites = {"site_id": [f"K{i}" for i in range(len(lon))], "x": lon, "y": lat}
    pq.write_table(pa.table({**sites, "heading_deg": headings}), tmp_path / "sites.parquet")
    time = pa.array([1_772_400_000_000]).cast(pa.timestamp("ms", "UTC"))
    passes = {"site_id": ["K3"], "time": time, "plate": ["皖A·3K72B"]}
    pq.write_table(pa.table(passes), tmp_path / "passes.parquet")
    (tmp_path / "columns.toml").write_text('[checkpoint.sites]\ncoordinates = "GCJ-02"')
    day = checkpoint.read(tmp_path, CITY, DAY, Quarantine(), HEFEI)
    assert list(day.sites.values()) == IDS
    assert list(day.passes["link_id"]) == [IDS[3]]
    (tmp_path / "columns.toml").write_text('[checkpoint.sites]\ncoordinates = "WGS-84"')
    with pytest.raises(DataRefused, match='say coordinates = "GCJ-02"'):
        checkpoint.read(tmp_path, CITY, DAY, Quarantine(), HEFEI)


def test_a_link_that_a_register_tells_is_believed(tmp_path: Path) -> None:
    sites = {
        "site_id": ["K0", "K1", "K2"],
        "link_id": [IDS[5], None, "nowhere"],
        "x": [0.0, *(float(CITY_LINES[7][0, 0] * 0.5 + CITY_LINES[7][1, 0] * 0.5),) * 2],
        "y": [0.0, *(float(CITY_LINES[7][0, 1] * 0.5 + CITY_LINES[7][1, 1] * 0.5),) * 2],
    }
    (east, north) = CITY_LINES[7][1] - CITY_LINES[7][0]
    headings = [math.degrees(math.atan2(east, north)) % 360] * 3
    pq.write_table(pa.table(sites | {"heading_deg": headings}), tmp_path / "sites.parquet")
    (tmp_path / "passes.csv").write_text("site_id,time,plate\n")
    quarantine = Quarantine()
    day = checkpoint.read(tmp_path, CITY, DAY, quarantine)
    assert day.sites == {"K0": IDS[5], "K1": IDS[7]}
    assert quarantine.as_table().to_pylist() == [
        {"feed": "checkpoint", "reason": "unknown_link", "rows": 1}
    ]


def test_a_register_with_neither_links_nor_places_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("site_id,x\nK1,3\n")
    (tmp_path / "passes.csv").write_text("site_id,time,plate\n")
    with pytest.raises(DataRefused, match="column link_id is missing"):
        checkpoint.read(tmp_path, CITY, DAY, Quarantine())
