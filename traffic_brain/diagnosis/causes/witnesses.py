"""What each source says of a street by itself: is the delay there, or only in a broken device?

A pace that stays the same for half an hour is no traffic's: traffic is never that even. A source is
contradicted when another one saw vehicles pass at twice its speed or more in the same minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from traffic_brain.fusion.signals.tables import SILENT
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork

EVEN_RATIO = 0.002
EVEN_BINS = 4
EVEN_SHARE = 0.6
AROUND_BINS = 6
"""Bins before and behind a queue in which its witnesses are looked at too."""
SLOW_RATIO = 2.0
"""Pace over that of free flow, from which on a device that is stuck does harm."""
CONTRADICTED_RATIO = 0.5
COMMON_BINS = 3
USUAL_DISCHARGE_VPH = 1500.0
"""Of a lane in saturated green, from which on nothing slows its street's discharge: between the
1,800 of an ordinary lane and the 1,250 of the least loss that is supposed of a street."""


@dataclass(frozen=True)
class Witnesses:
    """Pace of links by source, devices known to be unwell, and saturated headways of lanes.

    pace: source -> link -> {bin: s/m}.
    """

    pace: Mapping[str, Mapping[str, Mapping[int, float]]] = field(default_factory=dict)
    unwell: Mapping[str, str] = field(default_factory=dict)
    """Link or device -> feed and code, as the health report has them."""
    headways: Mapping[tuple[str, int], int] = field(default_factory=dict)
    discharge_vph: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """Of lanes of which enough saturated headways were seen."""
    empty: frozenset[tuple[str, int]] = frozenset()
    """Lanes whose detector saw nobody all day: it is dead, or nobody came."""

    def discharges_as_usual(self, link_id: str) -> bool:
        """Whether a lane of the link was seen to discharge as lanes do."""
        seen = (vph for (link, _), vph in self.discharge_vph.items() if link == link_id)
        return any(vph >= USUAL_DISCHARGE_VPH for vph in seen)

    def false_delay(self, links: Sequence[str], bins: Sequence[int]) -> str | None:
        """Why the delay on these links in these bins is no delay; None: nothing speaks for it."""
        for source, by_link in self.pace.items():
            for link in links:
                seen = by_link.get(link, {})
                here = {b: seen[b] for b in bins if b in seen}
                around = range(min(bins) - AROUND_BINS, max(bins) + AROUND_BINS + 1)
                near = {b: seen[b] for b in around if b in seen}
                said = self._even(source, link, near) or self._contradicted(source, link, here)
                if said:
                    return said
        return None

    def _even(self, source: str, link: str, here: Mapping[int, float]) -> str | None:
        paces = np.array(list(here.values()))
        if len(paces) < EVEN_BINS:
            return None
        middle = float(np.median(paces))
        same = np.abs(paces - middle) <= EVEN_RATIO * middle
        if same.sum() < max(EVEN_BINS, EVEN_SHARE * len(paces)):
            return None
        return f"{source} says {3.6 / middle:.1f} km/h on {link}, bin after bin: it is stuck"

    def _contradicted(self, source: str, link: str, here: Mapping[int, float]) -> str | None:
        for other, by_link in self.pace.items():
            common = [b for b in here if b in by_link.get(link, {})]
            if other == source or len(common) < COMMON_BINS:
                continue
            own = float(np.median([here[b] for b in common]))
            said = float(np.median([by_link[link][b] for b in common]))
            known = source in self.unwell.get(link, "")
            if known and said < CONTRADICTED_RATIO * own:
                return f"{source} says {3.6 / own:.1f} km/h on {link}, {other} {3.6 / said:.1f}"
        return None


def stuck_sources(state_folder: Path, network: RoadNetwork) -> list[dict[str, object]]:
    """Sources that say the same slow speed on a link bin after bin, queue or no queue.

    Rows of link_id, source, speed_kmh and bins, ordered by link and source.
    """
    path = state_folder / "link_sources.parquet"
    if not path.is_file():
        return []
    table = pq.read_table(path)
    source = table["source"].combine_chunks().dictionary_encode()
    link = table["link_id"].combine_chunks().dictionary_encode()
    codes = [c.indices.to_numpy(zero_copy_only=False) for c in (source, link)]
    order = np.lexsort((table["bin_start_s"].to_numpy(), codes[0], codes[1]))
    pace = table["pace_s_per_m"].to_numpy()[order]
    of_source, of_link = codes[0][order], codes[1][order]
    same_group = (np.diff(of_source) == 0) & (np.diff(of_link) == 0)
    starts = (
        np.flatnonzero(np.concatenate([[True], ~same_group])) if len(pace) else np.zeros(0, int)
    )
    even = np.concatenate([[False], same_group & (np.abs(np.diff(pace)) <= EVEN_RATIO * pace[1:])])
    found: list[dict[str, object]] = []
    for a, b in pairwise([*starts.tolist(), len(pace)]):
        count = int(even[a:b].sum())
        if count < max(EVEN_BINS - 1, EVEN_SHARE * (b - a - 1)):
            continue
        link_id = link.dictionary[int(of_link[a])].as_py()
        middle = float(np.median(pace[a:b]))
        if middle * network.links[link_id].free_flow_speed_mps >= SLOW_RATIO:
            name = source.dictionary[int(of_source[a])].as_py()
            speed_kmh = round(3.6 / middle, 1)
            row = {"link_id": link_id, "source": name, "speed_kmh": speed_kmh, "bins": b - a}
            found.append(row)
    return sorted(found, key=lambda row: (str(row["link_id"]), str(row["source"])))


def witnesses(state_folder: Path, window: Window, links: Collection[str]) -> Witnesses:
    """Read what a state folder keeps of its sources on these links; nothing where it has none."""
    pace: dict[str, dict[str, dict[int, float]]] = {}
    for row in _rows(state_folder / "link_sources.parquet", "link_id", links):
        b = (int(row["bin_start_s"]) - window.begin_s) // BIN_S
        by_link = pace.setdefault(row["source"], {})
        by_link.setdefault(row["link_id"], {})[b] = float(row["pace_s_per_m"])
    unwell = {
        row["device_id"]: f"{row['feed']} {row['code']}"
        for row in _rows(state_folder / "health.parquet")
    }
    lanes = [
        row
        for row in _rows(state_folder / "saturation_flows.parquet", "link_id", links)
        if row["lane_idx"] >= 0
    ]
    headways = {(row["link_id"], row["lane_idx"]): row["headways"] for row in lanes}
    discharge_vph = {
        (row["link_id"], row["lane_idx"]): row["saturation_flow_vph"]
        for row in lanes
        if row["status"] == "found"
    }
    empty = frozenset((row["link_id"], row["lane_idx"]) for row in lanes if row["reason"] == SILENT)
    return Witnesses(pace, unwell, headways, discharge_vph, empty)


def _rows(path: Path, column: str = "", of: Collection[str] = ()) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    table = pq.read_table(path)
    if column:
        table = table.filter(pc.is_in(table[column], pa.array(sorted(of), pa.string())))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
