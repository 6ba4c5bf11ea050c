"""Units, coordinates and lines of a GMNS folder: everything in metres on a plane.

Folders in the wild often contradict their own ``config`` (lengths in feet where it says miles),
so the unit of lengths is the one in which they agree with the lines on the map.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from network_data.importers.gmns.tables import Row, Tables, shown
from network_data.loss_report import Loss, LossReport

Point = tuple[float, float]

METRE, FOOT, SURVEY_FOOT = 1.0, 0.3048, 1200 / 3937
_LENGTHS: Mapping[str, float] = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), METRE),
    **dict.fromkeys(("ft", "foot", "feet", "us-ft"), FOOT),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), 1000.0),
    **dict.fromkeys(("mi", "mile", "miles"), 1609.344),
    **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
}
_KMH, _MPH = 1 / 3.6, 1609.344 / 3600
_SPEEDS: Mapping[str, float] = {
    **dict.fromkeys(("km/h", "kmh", "kph", "kmph", "km", "kilometer", "kilometre"), _KMH),
    **dict.fromkeys(("kilometers", "kilometres", "km/hr", "kilometersperhour"), _KMH),
    **dict.fromkeys(("kilometresperhour", "kilometerperhour", "kilometreperhour"), _KMH),
    **dict.fromkeys(("mph", "mi/h", "mi/hr", "mile", "miles", "mile/h", "miles/h"), _MPH),
    **dict.fromkeys(("miles/hour", "mile/hour", "milesperhour", "mileperhour"), _MPH),
    **dict.fromkeys(("m/s", "mps", "meterspersecond", "metrespersecond"), 1.0),
    **dict.fromkeys(("ft/s", "fps", "feetpersecond"), FOOT),
}
_AGREE = 1.5
"""Lengths and lines whose middle ratio is no further from 1 than this speak of the same unit."""
_LONGEST_ROAD_M = 20_000.0
"""Half of a city's links are shorter than this: longer ones are no degrees on the earth."""
_FURTHEST = 1e8
_GEOGRAPHIC = frozenset({4326, 4269, 4267, 4490, 4214, 4610, 4258, 4979})
_MERCATOR = frozenset({3857, 3785, 900913, 102100})
_METRIC = (*((32601, 32660), (32701, 32760), (26901, 26923), (25828, 25838), (4491, 4554)),)
"""Ranges of EPSG codes in metres: UTM of WGS 84, NAD 83 and ETRS 89, CGCS2000 Gauss-Krüger."""
_RADIUS_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563


@dataclass(frozen=True, slots=True)
class Plane:
    """From the folder's coordinates to metres east and north."""

    factor: float | None = METRE
    """Metres per unit; None: degrees."""
    mercator: bool = False
    longitude: float = 0.0
    latitude: float = 0.0
    """Of the origin, where the coordinates are degrees."""
    swapped: bool = False

    def at(self, x: float, y: float) -> Point:
        """The place of a coordinate on the plane, in metres."""
        if self.factor is not None:
            return x * self.factor, y * self.factor
        if self.mercator:
            x, y = _degrees_of_mercator(x, y)
        elif self.swapped:
            x, y = y, x
        east_m, north_m = _metres_per_degree(self.latitude)
        return (x - self.longitude) * east_m, (y - self.latitude) * north_m


@dataclass(frozen=True)
class Units:
    """Factors from the folder's numbers to metres and metres per second."""

    plane: Plane
    length_m: float | None
    """Of ``link.length``; None: its unit cannot be told, lines count."""
    short_m: float
    """Of widths and of references along a link."""
    speed_mps: float


def _metres_per_degree(latitude: float) -> Point:
    """Metres of a degree of longitude and of latitude on the ellipsoid WGS 84."""
    e2 = _FLATTENING * (2 - _FLATTENING)
    phi = math.radians(latitude)
    w = math.sqrt(1 - e2 * math.sin(phi) ** 2)
    north_m = _RADIUS_M * (1 - e2) / w**3
    return math.radians(_RADIUS_M / w * math.cos(phi)), math.radians(north_m)


def _degrees_of_mercator(x: float, y: float) -> Point:
    latitude = math.degrees(2 * math.atan(math.exp(y / _RADIUS_M)) - math.pi / 2)
    return math.degrees(x / _RADIUS_M), latitude


# --- lines ----------------------------------------------------------------------------------

_NUMBERS = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WKT = re.compile(
    r"^\s*(?:SRID=\d+;)?\s*([A-Z]+)\s*(?:Z|M|ZM)?\s*\((.*)\)\s*$", re.DOTALL | re.IGNORECASE
)


def line_of(text: str, kind: str = "LINESTRING") -> list[Point] | None:
    """The points of a WKT (or GeoJSON) line, or of a polygon's outline; None: it is neither.

    A third coordinate is left out; of several lines or rings the first counts.
    """
    found = _of_json(text) if text.lstrip().startswith("{") else _of_wkt(text, kind)
    if found is None or any(not abs(value) <= _FURTHEST for point in found for value in point):
        return None
    return found


def _of_wkt(text: str, kind: str) -> list[Point] | None:
    match = _WKT.match(text)
    if match is None or match[1].upper().rstrip("ZM") not in (kind, f"MULTI{kind}"):
        return None
    points = []
    inner = match[2].replace("(", "").split(")", 1)[0]
    for part in inner.split(","):
        numbers = part.split()
        if len(numbers) not in (2, 3, 4) or not all(map(_NUMBERS.fullmatch, numbers)):
            return None
        points.append((float(numbers[0]), float(numbers[1])))
    return points


def _of_json(text: str) -> list[Point] | None:
    try:
        found = json.loads(text)
        nested = found["coordinates"]
        while not isinstance(nested[0][0], int | float):
            nested = nested[0]
        return [(float(point[0]), float(point[1])) for point in nested]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


def length_of(points: Sequence[Point]) -> float:
    """Length along a line."""
    return sum(math.dist(a, b) for a, b in pairwise(points))


# --- settled --------------------------------------------------------------------------------


@dataclass
class _Told:
    """What ``config`` says, as far as it was understood."""

    long_m: float | None = None
    short_m: float | None = None
    speed_mps: float | None = None
    crs: str = ""
    degrees: bool | None = None
    """None: it does not say."""
    mercator: bool = False
    factor: float | None = None
    name: str = ""


@dataclass
class Sample:
    """Lines of links in the folder's own coordinates, and their stated lengths."""

    lines: list[Sequence[Point]] = field(default_factory=list)
    lengths: list[float | None] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    """Of the nodes."""


def units_of(tables: Tables, sample: Sample) -> Units:
    """The units of a folder: what ``config`` says where the links agree with it, else a guess."""
    told, losses = _told(tables), tables.losses
    if told.degrees is None:
        told.degrees = _looks_like_degrees(sample)
        what = "config.crs: degrees" if told.degrees else "config.crs: metres or feet on a plane"
        losses.note(Loss.GUESSED, what, "config")
    plane = _plane(told, sample, losses)
    length_m, plane = _length_unit(told, plane, sample, losses)
    imperial = (length_m or told.long_m or METRE) in (FOOT, _LENGTHS["mile"])
    if told.speed_mps is None:
        what = f"config.speed: {'miles' if imperial else 'kilometres'} per hour"
        losses.note(Loss.GUESSED, what, "config")
    if told.short_m is None:
        what = f"config.short_length: {'feet' if imperial else 'metres'}"
        losses.note(Loss.GUESSED, what, "config")
    return Units(
        plane,
        length_m,
        told.short_m or (FOOT if imperial else METRE),
        told.speed_mps or (_MPH if imperial else _KMH),
    )


def _told(tables: Tables) -> _Told:
    told, rows = _Told(), list(tables["config"])
    for row in rows[1:]:
        tables.drop(row, "second row")
    if not rows:
        tables.losses.note(Loss.DEFAULTED, "config: no such table", "config")
        return told
    row = rows[0]
    told.long_m = _unit(tables, row, "long_length", _LENGTHS)
    told.short_m = _unit(tables, row, "short_length", _LENGTHS)
    told.speed_mps = _unit(tables, row, "speed", _SPEEDS)
    told.crs = row["crs"]
    _read_crs(told, tables.losses)
    form = row.word("geometry_field_format")
    if form not in ("", "wkt", "geojson"):
        what = "config.geometry_field_format: read as WKT"
        tables.losses.note(Loss.GUESSED, what, f"config ({shown(form)})")
    return told


def _unit(tables: Tables, row: Row, column: str, known: Mapping[str, float]) -> float | None:
    word = row.word(column)
    found = known.get(word.replace(" ", "").rstrip("."))
    if word and found is None:
        what = f"config.{column}: no unit that is known"
        tables.losses.note(Loss.DROPPED, what, f"config ({shown(word)})")
    return found


def _read_crs(told: _Told, losses: LossReport) -> None:
    """EPSG code, proj string or WKT: degrees, Mercator, or a plane with its unit."""
    text = told.crs.lower()
    code_text = re.search(r"(?<!\d)(\d{4,6})(?!\d)", text)
    code = int(code_text[1]) if code_text else 0
    if not text:
        return
    if code in _MERCATOR:
        told.degrees, told.mercator = False, True
    elif code in _GEOGRAPHIC or "longlat" in text or text.startswith(("geog", "wgs")):
        told.degrees = "utm" not in text
        told.factor = METRE
    elif any(low <= code <= high for low, high in _METRIC) or "utm" in text:
        told.degrees, told.factor = False, METRE
    elif "us-ft" in text or "survey foot" in text:
        told.degrees, told.factor = False, SURVEY_FOOT
    elif "foot" in text or "units=ft" in text:
        told.degrees, told.factor = False, FOOT
    elif "units=m" in text or "metre" in text or "meter" in text:
        told.degrees, told.factor = False, METRE
    else:
        what = "config.crs: a coordinate system that is not known"
        losses.note(Loss.DROPPED, what, f"config ({shown(told.crs)})")


def _looks_like_degrees(sample: Sample) -> bool:
    if not sample.points or any(abs(x) > 180 or abs(y) > 90 for x, y in sample.points):
        return False
    steps = [math.dist(line[0], line[-1]) for line in sample.lines]
    return median(steps or [1.0]) * _metres_per_degree(0)[1] < _LONGEST_ROAD_M


def _plane(told: _Told, sample: Sample, losses: LossReport) -> Plane:
    if told.mercator:
        middle = _middle([_degrees_of_mercator(x, y) for x, y in sample.points])
        plane = Plane(None, mercator=True, longitude=middle[0], latitude=middle[1])
    elif told.degrees:
        points, swapped = sample.points, False
        if any(abs(y) > 90 for _, y in points) and all(abs(x) <= 90 for x, _ in points):
            swapped = True
            points = [(y, x) for x, y in points]
            losses.note(Loss.GUESSED, "node.x_coord is the latitude, y_coord the longitude", "node")
        if any(abs(x) > 360 or abs(y) > 90 for x, y in points):
            what = "config.crs says degrees, but the coordinates are none: read as metres"
            losses.note(Loss.GUESSED, what, "config")
            losses.to_fix("config", what, 0.3, "correct config.crs")
            return Plane(METRE)
        middle = _middle(points)
        plane = Plane(None, longitude=middle[0], latitude=middle[1], swapped=swapped)
    else:
        return Plane(told.factor or METRE)
    origin = f"config (origin {plane.longitude:.6f}, {plane.latitude:.6f})"
    losses.note(Loss.DROPPED, "position on the earth: metres from an origin", origin)
    return plane


def _middle(points: Iterable[Point]) -> Point:
    listed = list(points)
    if not listed:
        return 0.0, 0.0
    xs, ys = sorted(x for x, _ in listed), sorted(y for _, y in listed)
    return round(xs[len(xs) // 2], 6), round(ys[len(ys) // 2], 6)


def _length_unit(
    told: _Told, plane: Plane, sample: Sample, losses: LossReport
) -> tuple[float | None, Plane]:
    """The unit of stated lengths, and of coordinates where ``config`` leaves that open."""
    ratio = _ratio(plane, sample)
    stated = told.long_m or METRE
    if told.long_m is None:
        losses.note(Loss.GUESSED, "config.long_length: by the lines on the map", "config")
    if ratio is None:
        return stated, plane
    is_open = plane.factor is not None and told.factor is None and not told.mercator
    lengths = dict.fromkeys(
        [stated, told.short_m or METRE, METRE, FOOT, *_LENGTHS.values()],
    )
    for length_m in lengths:
        for unit_m in (METRE, FOOT) if is_open else (METRE,):
            # with an open unit the plane's factor is still 1
            if 1 / _AGREE < ratio * length_m / unit_m < _AGREE:
                return _agreed(told, length_m, unit_m, plane, losses)
    what = "link.length: of no unit in which lengths agree with lines; lines count"
    losses.note(Loss.GUESSED, what, "config")
    losses.to_fix("config", what, 0.4, "correct config.long_length and config.crs")
    return None, plane


def _agreed(
    told: _Told, length_m: float, unit_m: float, plane: Plane, losses: LossReport
) -> tuple[float, Plane]:
    if told.long_m is not None and length_m != told.long_m:
        what = f"link.length: a unit is {length_m:g} m, not {told.long_m:g} m as config says"
        losses.note(Loss.GUESSED, what, "config")
        losses.to_fix("config", what, 0.8, "correct config.long_length")
    if unit_m == METRE:
        return length_m, plane
    what = "config.crs: coordinates in feet"
    losses.note(Loss.GUESSED, what, "config")
    losses.to_fix("config", what, 0.7, "give config.crs with its unit")
    return length_m, Plane(unit_m)


def _ratio(plane: Plane, sample: Sample) -> float | None:
    """Middle of stated length over length of the line in metres; None: nothing to compare."""
    ratios = []
    for line, length in zip(sample.lines, sample.lengths, strict=True):
        drawn_m = length_of([plane.at(*point) for point in line])
        if length is not None and length > 0 and drawn_m > 1:
            ratios.append(length / drawn_m)
    return median(ratios) if ratios else None
