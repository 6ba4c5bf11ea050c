"""Degrees of the three systems that maps of China are in, and metres of the network's plane.

WGS-84 is the world's. GCJ-02 (国测局坐标) is WGS-84 shifted by 300 to 700 m, by law in every public
map of mainland China; BD-09 is GCJ-02 shifted once more, by Baidu. The shifts were never published;
the formulas are those that all open implementations share, and agree with the maps to about a
metre. Outside of China (72.004…137.8347° east, 0.8293…55.8271° north) both shifts are zero.

The plane of a network is that of SUMO's ``<location>``: a transverse Mercator projection and an
offset. Source of the formulas: C. F. F. Karney, Transverse Mercator with an accuracy of a few
nanometers, J. Geodesy 85 (2011), eqs. 7–9, 35, 36; below a micrometre within 30° of the meridian.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traffic_brain.errors import DataRefused
from traffic_brain.feeds.plates import masked

PLANE, WGS_84, GCJ_02, BD_09 = "plane", "WGS-84", "GCJ-02", "BD-09"
SYSTEMS = (PLANE, WGS_84, GCJ_02, BD_09)
"""What x and y of a table can be: metres of the network's plane, or degrees east and north."""

_KRASOVSKY_M = 6_378_245.0
_KRASOVSKY_E2 = 0.00669342162296594323
_CHINA_LON, _CHINA_LAT = (72.004, 137.8347), (0.8293, 55.8271)
_BAIDU = math.pi * 3000.0 / 180.0
_CLOSE_DEG = 1e-11
"""A micrometre on the ground."""
_MOST_ROUNDS = 30

Degrees = tuple[np.ndarray, np.ndarray]
"""(float64 degrees east, float64 degrees north), of one shape."""


# --- the shifts ---------------------------------------------------------------------------------


def to_gcj02(lon: np.ndarray, lat: np.ndarray, *, everywhere: bool = False) -> Degrees:
    """WGS-84 to GCJ-02.

    Args:
        everywhere: shift outside of China, too, as careless software does.
    """
    x, y = lon - 105.0, lat - 35.0
    near = np.sqrt(np.abs(x))
    waves = (20 * np.sin(6 * x * np.pi) + 20 * np.sin(2 * x * np.pi)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * near + waves
    east += (20 * np.sin(x * np.pi) + 40 * np.sin(x / 3 * np.pi)) * 2 / 3
    east += (150 * np.sin(x / 12 * np.pi) + 300 * np.sin(x / 30 * np.pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * near + waves
    north += (20 * np.sin(y * np.pi) + 40 * np.sin(y / 3 * np.pi)) * 2 / 3
    north += (160 * np.sin(y / 12 * np.pi) + 320 * np.sin(y * np.pi / 30)) * 2 / 3
    phi = np.radians(lat)
    bend = 1 - _KRASOVSKY_E2 * np.sin(phi) ** 2
    north_m = np.radians(_KRASOVSKY_M * (1 - _KRASOVSKY_E2) / (bend * np.sqrt(bend)))
    east_m = np.radians(_KRASOVSKY_M / np.sqrt(bend) * np.cos(phi))
    shifted = np.full(np.shape(lon), True) if everywhere else _in_china(lon, lat)
    return (
        np.where(shifted, lon + east / east_m, lon),
        np.where(shifted, lat + north / north_m, lat),
    )


def from_gcj02(lon: np.ndarray, lat: np.ndarray, *, everywhere: bool = False) -> Degrees:
    """GCJ-02 to WGS-84, by iteration, to a micrometre."""
    return _undone(lambda x, y: to_gcj02(x, y, everywhere=everywhere), lon, lat)


def gcj02_to_bd09(lon: np.ndarray, lat: np.ndarray) -> Degrees:
    """GCJ-02 to BD-09; everywhere, as Baidu does."""
    distance = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BAIDU)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BAIDU)
    return distance * np.cos(angle) + 0.0065, distance * np.sin(angle) + 0.006


def bd09_to_gcj02(lon: np.ndarray, lat: np.ndarray) -> Degrees:
    """BD-09 to GCJ-02, by iteration, to a micrometre."""
    return _undone(gcj02_to_bd09, lon, lat)


def to_wgs84(lon: np.ndarray, lat: np.ndarray, system: str, *, everywhere: bool = False) -> Degrees:
    """Degrees of ``system`` (WGS-84, GCJ-02 or BD-09) to WGS-84."""
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if system == BD_09:
        lon, lat = bd09_to_gcj02(lon, lat)
    return (lon, lat) if system == WGS_84 else from_gcj02(lon, lat, everywhere=everywhere)


def _in_china(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    inside = (lon >= _CHINA_LON[0]) & (lon <= _CHINA_LON[1])
    return np.asarray(inside & (lat >= _CHINA_LAT[0]) & (lat <= _CHINA_LAT[1]))


def _undone(shift: Callable[..., Degrees], lon: np.ndarray, lat: np.ndarray) -> Degrees:
    """The point that ``shift`` brings here: a shift changes little over its own length."""
    x, y = np.array(lon, np.float64), np.array(lat, np.float64)
    for _ in range(_MOST_ROUNDS):
        there_x, there_y = shift(x, y)
        off_x, off_y = lon - there_x, lat - there_y
        x, y = x + off_x, y + off_y
        if np.nanmax(np.abs([off_x, off_y]), initial=0.0) < _CLOSE_DEG:
            break
    return x, y


# --- the plane ----------------------------------------------------------------------------------

_FLATTENING = {"WGS84": 1 / 298.257223563, "GRS80": 1 / 298.257222101}
_RADIUS_M = 6_378_137.0
_LOCATION = re.compile(rb"<location\b[^>]*>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_HEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Plane:
    """A transverse Mercator projection, and where the network's zero lies in it."""

    lon_deg: float
    """The meridian that is a straight line."""
    lat_deg: float = 0.0
    scale: float = 0.9996
    east_m: float = 500_000.0
    north_m: float = 0.0
    flattening: float = _FLATTENING["WGS84"]

    def metres(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(x east, y north) of WGS-84 degrees; NaN where the projection does not reach."""
        n = self.flattening / (2 - self.flattening)
        alpha = (
            n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16 + 41 * n**4 / 180,
            13 * n**2 / 48 - 3 * n**3 / 5 + 557 * n**4 / 1440,
            61 * n**3 / 240 - 103 * n**4 / 140,
            49561 * n**4 / 161280,
        )
        radius_m = self.scale * _RADIUS_M / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
        xi, eta = self._spherical(lon, lat)
        xi0, _ = self._spherical(np.array([self.lon_deg]), np.array([self.lat_deg]))
        x, y, y0 = eta.copy(), xi.copy(), xi0.copy()
        for j, a in enumerate(alpha, start=1):
            x += a * np.cos(2 * j * xi) * np.sinh(2 * j * eta)
            y += a * np.sin(2 * j * xi) * np.cosh(2 * j * eta)
            y0 += a * np.sin(2 * j * xi0)
        return self.east_m + radius_m * x, self.north_m + radius_m * (y - y0)

    def _spherical(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gauss–Schreiber coordinates of the conformal sphere (eqs. 7–9)."""
        e = math.sqrt(self.flattening * (2 - self.flattening))
        beyond = ~((np.abs(lon - self.lon_deg) < 60) & (np.abs(lat) < 89.9))
        away = np.radians(np.where(beyond, 0.0, lon - self.lon_deg))
        tau = np.tan(np.radians(np.where(beyond, 0.0, lat)))
        sigma = np.sinh(e * np.arctanh(e * tau / np.hypot(1, tau)))
        tau = tau * np.hypot(1, sigma) - sigma * np.hypot(1, tau)
        xi = np.arctan2(tau, np.cos(away))
        eta = np.arcsinh(np.sin(away) / np.hypot(tau, np.cos(away)))
        return np.where(beyond, np.nan, xi), np.where(beyond, np.nan, eta)


def plane_of(net: Path) -> Plane | None:
    """The plane of a SUMO network (``city/sumo/net.xml.gz``); None: it does not tell of any.

    Networks that were drawn, not surveyed, have none; nor do those in other projections than
    transverse Mercator, which UTM and Gauss–Krüger are.

    Raises:
        DataRefused: the file is damaged.
    """
    if not net.is_file():
        return None
    try:
        with gzip.open(net) if net.suffix == ".gz" else net.open("rb") as file:
            found = _LOCATION.search(file.read(_HEAD_BYTES))
    except (OSError, EOFError, zlib.error) as error:
        raise DataRefused(
            f"{masked(net)} cannot be read", "import the network again", [masked(error)]
        ) from error
    told = dict(_ATTRIBUTE.findall(found[0].decode("utf-8", "replace"))) if found else {}
    try:
        east_m, north_m = (float(v) for v in told.get("netOffset", "0,0").split(","))
        return _plane(told.get("projParameter", "!"), east_m, north_m)
    except ValueError:
        return None


def _plane(parameters: str, east_m: float, north_m: float) -> Plane | None:
    """The plane of PROJ's parameters, moved by SUMO's offset."""
    said: dict[str, str] = dict(re.findall(r"\+(\w+)(?:=(\S+))?", parameters))
    if said.get("units", "m") != "m" or "to_meter" in said or said.get("axis", "enu") != "enu":
        return None
    ellipsoid = said.get("ellps", said.get("datum", "WGS84"))
    if ellipsoid not in _FLATTENING:
        return None
    flattening = _FLATTENING[ellipsoid]
    if said.get("proj") == "utm" and "zone" in said:
        north_m += 10_000_000.0 if "south" in said else 0.0
        lon_deg = 6.0 * int(said["zone"]) - 183.0
        return Plane(lon_deg, east_m=500_000.0 + east_m, north_m=north_m, flattening=flattening)
    if said.get("proj") != "tmerc":
        return None
    return Plane(
        lon_deg=float(said.get("lon_0", 0)),
        lat_deg=float(said.get("lat_0", 0)),
        scale=float(said.get("k_0", said.get("k", 1))),
        east_m=float(said.get("x_0", 0)) + east_m,
        north_m=float(said.get("y_0", 0)) + north_m,
        flattening=flattening,
    )
