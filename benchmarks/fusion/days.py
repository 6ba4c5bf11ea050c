"""A fused day beside its truth, as arrays over the same links and bins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.fusion.recordings import Recorded
from network_data.city import load_city
from traffic_brain.fusion.window import BIN_S, Window

QUARTER = 3
"""5-min bins in 15 min."""
HOUR = 12
LEAST_HOUR_BINS = 6
"""A rest of the window that is shorter than half an hour tells nothing of hourly flow."""


@dataclass(frozen=True)
class Day:
    """float64[link, 5-min bin] of what was, ``true_…``, and of what the engine says.

    ``true_pace``: s/m of all vehicles (Edie: time spent over distance driven); NaN: nobody drove.
    ``delay_s``: lost per vehicle as the engine says; ``free_s``: float64[link, 1], undisturbed.
    ``sources``: pace that each source alone says, NaN where it saw nothing.
    ``movements``: movement_id, bin of 15 min: flow, interval and truth in vehicles.
    """

    link_ids: tuple[str, ...]
    length_m: np.ndarray
    true_pace: np.ndarray
    true_flow: np.ndarray
    pace: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flow: np.ndarray
    delay_s: np.ndarray
    free_s: np.ndarray
    sources: dict[str, np.ndarray]
    movements: pd.DataFrame
    traversals: pd.DataFrame
    flow_known: bool = True
    """Whether the engine says anything of flows."""

    @property
    def seen(self) -> np.ndarray:
        """bool[link, bin]: any source saw the link."""
        seen = np.zeros(self.pace.shape, dtype=bool)
        for pace in self.sources.values():
            seen |= np.isfinite(pace)
        return np.asarray(seen)

    @property
    def known(self) -> np.ndarray:
        """bool[link, bin]: the engine says anything."""
        return np.asarray(np.isfinite(self.pace))

    @property
    def traversed(self) -> np.ndarray:
        """float64[link, bin]: vehicles at the end of a link or of their trip on it."""
        idx = {link_id: i for i, link_id in enumerate(self.link_ids)}
        counted = np.zeros(self.pace.shape)
        rows = self.traversals[self.traversals["link_id"].isin(list(idx))]
        np.add.at(counted, (rows["link_id"].map(idx).to_numpy(), rows["bin"].to_numpy()), 1.0)
        return counted

    @property
    def window_s(self) -> int:
        return int(self.pace.shape[1] * BIN_S)


def read_day(recorded: Recorded, state: Path) -> Day:
    """Open the truth and lay it beside the state."""
    network = load_city(recorded.city)
    summary = json.loads((state / "summary.json").read_text("utf-8"))
    window = Window(int(summary["begin_s"]), int(summary["end_s"]))
    table = pq.read_table(state / "link_state.parquet")
    shape = (len(network.links), window.bin_count)
    length = np.array([link.length_m for link in network.links.values()])
    free_mps = np.array([link.free_flow_speed_mps for link in network.links.values()])

    def column(name: str) -> np.ndarray:
        return np.asarray(table[name].to_numpy(), dtype=np.float64).reshape(shape)

    def cells(frame: pd.DataFrame, value: str) -> np.ndarray:
        found = np.full(shape, np.nan)
        known = frame["link_id"].isin(list(network.links)) & frame["bin_start_s"].between(
            window.begin_s, window.end_s - BIN_S
        )
        frame = frame[known]
        rows = [network.link_idx[i] for i in frame["link_id"]]
        columns = (frame["bin_start_s"].to_numpy() - window.begin_s) // BIN_S
        found[rows, columns] = frame[value]
        return found

    truth = pq.read_table(recorded.truth / "links.parquet").to_pandas()
    truth["pace"] = 1.0 / truth["speed_mps"].where(truth["speed_mps"] > 0)
    said = pq.read_table(state / "link_sources.parquet").to_pandas()
    traversals = pq.read_table(recorded.traversals).to_pandas()
    traversals["bin"] = ((traversals["exit_s"] - window.begin_s) // BIN_S).astype(int)
    inside = traversals["bin"].between(0, window.bin_count - 1)
    return Day(
        link_ids=tuple(network.links),
        length_m=length,
        true_pace=cells(truth, "pace"),
        true_flow=np.nan_to_num(cells(truth, "flow_veh")),
        pace=column("travel_time_s") / length[:, None],
        low=column("travel_time_low_s") / length[:, None],
        high=column("travel_time_high_s") / length[:, None],
        flow=np.nan_to_num(column("flow_veh")),
        delay_s=column("delay_s_per_veh"),
        free_s=(length / free_mps)[:, None],
        sources={str(name): cells(rows, "pace_s_per_m") for name, rows in said.groupby("source")},
        movements=_movements(recorded, state, window),
        traversals=traversals[inside],
        flow_known=bool(np.isfinite(column("flow_veh")).any()),
    )


def _movements(recorded: Recorded, state: Path, window: Window) -> pd.DataFrame:
    """Per movement and demand bin: vehicles that the engine says, and true ones."""
    said = pq.read_table(state / "movement_demand.parquet").to_pandas()
    said = said[said["flow_vph"].notna()].reset_index(drop=True)
    length_s = np.minimum(900, window.end_s - said["bin_start_s"])
    for name in ("flow", "demand", "demand_low", "demand_high"):
        said[name] = said[f"{name}_vph"] * length_s / 3600
    truth = pq.read_table(recorded.truth / "movements.parquet").to_pandas()
    truth = truth[truth["bin_start_s"].between(window.begin_s, window.end_s - BIN_S)]
    # Demand bins count from the window's begin, which need not be a full quarter of an hour.
    truth["bin_start_s"] -= (truth["bin_start_s"] - window.begin_s) % 900
    truth["movement"] = truth["from_link"] + ">" + truth["to_link"]
    network = load_city(recorded.city)
    names = {m.movement_id: f"{m.from_link}>{m.to_link}" for m in network.movements.values()}
    said["movement"] = said["movement_id"].map(names)
    true = truth.groupby(["movement", "bin_start_s"])["flow_veh"].sum().rename("true")
    joined = said.join(true, on=["movement", "bin_start_s"]).fillna({"true": 0.0})
    joined["hour"] = (joined["bin_start_s"] - window.begin_s) // 3600
    joined["length_s"] = length_s
    return joined
