"""The junction page: geometry, stages, demand against capacity over the day, and devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.refusals import NotFound
from traffic_brain.console.views.devices import Device, devices_on
from traffic_brain.model.network import Junction, Movement
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.saved import Night

MOST_DEVICES = 60


@dataclass(frozen=True, slots=True)
class StageView:
    """A stage of the plan that runs, with its seconds in the proposed plan where it has one."""

    number: int
    picture: str
    green_s: int
    clearance_s: int
    proposed_green_s: int | None
    movements: tuple[str, ...]
    """Served movements, in words."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a plan runs."""

    plan_id: str
    begin_s: int
    end_s: int
    weekdays: tuple[int, ...]
    splits_s: tuple[int, ...]
    cycle_s: int


@dataclass(frozen=True, slots=True)
class JunctionView:
    """What the junction page shows."""

    junction: Junction
    name: str
    indices: Mapping[str, Any]
    plan: SignalPlan | None
    proposed: SignalPlan | None
    stages: tuple[StageView, ...]
    windows: tuple[Window, ...]
    devices: tuple[Device, ...]
    more_devices: int
    demand: Sequence[tuple[int, float]]
    """(start of the bin in seconds, demand of all movements in veh/h)."""


def find(night: Night, junction_id: str) -> Junction:
    """A junction of the city.

    Raises:
        NotFound: there is none.
    """
    junction = night.network.junctions.get(junction_id)
    if junction is None:
        raise NotFound("there is no such junction", "search for its name")
    return junction


def view(library: Library, folder: NightFolder, junction: Junction) -> JunctionView:
    """Everything that is known of a junction."""
    night = library.night(folder)
    plan = night.running.get(junction.junction_id)
    proposed = night.proposed.get(junction.junction_id)
    approaches = {a.link_id for a in night.network.approaches_at[junction.junction_id]}
    devices = devices_on(library, folder, approaches)
    return JunctionView(
        junction=junction,
        name=junction_name(night.network, junction.junction_id),
        indices=night.junctions.get(junction.junction_id, {}),
        plan=plan,
        proposed=proposed,
        stages=_stages(night, junction, plan, proposed),
        windows=_windows(night, junction),
        devices=tuple(devices[:MOST_DEVICES]),
        more_devices=max(0, len(devices) - MOST_DEVICES),
        demand=_demand(library, folder, junction.junction_id),
    )


def _stages(
    night: Night, junction: Junction, plan: SignalPlan | None, proposed: SignalPlan | None
) -> tuple[StageView, ...]:
    if plan is None:
        return ()
    same = proposed is not None and [s.picture for s in proposed.stages] == [
        s.picture for s in plan.stages
    ]
    return tuple(
        StageView(
            number=i + 1,
            picture=stage.picture,
            green_s=stage.green_s,
            clearance_s=stage.clearance_s,
            proposed_green_s=proposed.stages[i].green_s if proposed is not None and same else None,
            movements=tuple(
                f"{link_name(night.network, m.from_link)} → {link_name(night.network, m.to_link)}"
                for m in night.network.movements_at[junction.junction_id]
                if _served(stage.picture, m)
            ),
        )
        for i, stage in enumerate(plan.stages)
    )


def _served(picture: str, movement: Movement) -> bool:
    return any(picture[g : g + 1] in ("G", "g") for g in movement.signal_group_idxs if g >= 0)


def _windows(night: Night, junction: Junction) -> tuple[Window, ...]:
    plans = {plan.plan_id: plan for plan in junction.plans}
    return tuple(
        Window(
            w.plan_id,
            w.begin_s,
            w.end_s,
            w.weekdays,
            plans[w.plan_id].splits_s,
            plans[w.plan_id].cycle_s,
        )
        for w in night.network.windows_at[junction.junction_id]
        if w.plan_id in plans
    )


def _demand(library: Library, folder: NightFolder, junction_id: str) -> list[tuple[int, float]]:
    starts, rows = library.kept(folder, "demand", lambda: _demand_by_junction(folder))
    row = rows.get(junction_id)
    return [] if row is None else list(zip(starts, row.tolist(), strict=True))


def _demand_by_junction(folder: NightFolder) -> tuple[list[int], dict[str, NDArray[np.float64]]]:
    """(starts of the bins, demand of all movements by junction, float64[bin] in veh/h)."""
    columns = ["junction_id", "bin_start_s", "demand_vph"]
    path = folder.folders.state / "movement_demand.parquet"
    table = pq.read_table(path, columns=columns, read_dictionary=["junction_id"])
    ids = table["junction_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    names = ids.dictionary.to_pylist()
    starts, bins = np.unique(table["bin_start_s"].to_numpy(), return_inverse=True)
    demand = table["demand_vph"].cast(pa.float64()).fill_null(0.0).to_numpy()
    cells = ids.indices.to_numpy().astype(np.int64) * len(starts) + bins
    total = np.bincount(cells, weights=demand, minlength=len(names) * len(starts))
    rows = total.reshape(len(names), len(starts))
    return [int(start) for start in starts], dict(zip(names, rows, strict=True))
