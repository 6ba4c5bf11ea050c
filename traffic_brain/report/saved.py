"""One night as its stages saved it, read for showing: nothing here is computed anew."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from network_data.city import load_city
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.levels import LEVELS
from traffic_brain.model.documents import (
    bottleneck_from_dict,
    candidates_from_dict,
    corridor_from_dict,
    plans_from_dict,
    verdict_from_dict,
)
from traffic_brain.model.findings import Bottleneck, Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Interval95, Verdict

Row = Mapping[str, Any]

MAX_PICTURES = 96
"""The map's slider shows at most so many bins: a whole day in quarters of an hour."""
NO_LEVEL = "-"
"""Level code of a link without state; the others are indices into ``LEVELS``."""


@dataclass(frozen=True, slots=True)
class LinkStates:
    """Levels and speeds of the drawn links, one string per bin.

    ``levels[bin][link]`` is one character, an index into ``LEVELS`` or ``NO_LEVEL``;
    ``speeds_kmh[bin][link]`` is a whole number, or -1 for none; two bytes each, since a city's day
    has millions of them.
    """

    link_ids: tuple[str, ...]
    bins_s: tuple[int, ...]
    levels: tuple[str, ...]
    speeds_kmh: tuple[array[int], ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Delay per vehicle under both sets of plans, paired by seed."""

    seeds: tuple[int, ...]
    in_service_s_per_veh: tuple[float, ...]
    proposed_s_per_veh: tuple[float, ...]
    change_ratio: Interval95 | None


@dataclass(frozen=True)
class Candidate:
    """The plans that were judged, with what the optimiser said of them."""

    candidate_id: str
    description: str
    facts: Row
    plans: Mapping[str, SignalPlan]
    corridors: Mapping[str, Row]


@dataclass(frozen=True)
class Night:
    """Everything the page shows."""

    network: RoadNetwork
    summary: Row
    link_states: LinkStates
    health: Sequence[Row]
    quarantine: Sequence[Row]
    running: Mapping[str, SignalPlan]
    demand_vph: Mapping[str, float]
    """Mean over the day's bins, by movement."""
    bottlenecks: Sequence[Bottleneck]
    corridors: Sequence[Corridor]
    junctions: Mapping[str, Row]
    candidate: Candidate | None
    candidate_count: int
    refinement: Row | None
    """What the search in the rebuilt city did, or why there was none; None: nobody asked."""
    verdict: Verdict
    runs: Sequence[Row]
    calibration: Row
    certificate: Row
    world: Row | None
    """What the package did in the world; None where there is no world to ask."""
    state: Path
    """The day's state, of which the sightings are read where they are shown."""

    @cached_property
    def check(self) -> Pairs:
        """The runs that the verdict rests on."""
        return Pairs(
            self.verdict.seeds,
            self.verdict.in_service_delay_s_per_veh,
            self.verdict.proposed_delay_s_per_veh,
            self.verdict.change_ratio,
        )

    @cached_property
    def world_runs(self) -> Pairs | None:
        """Runs in the world; without proposed ones where the plans were kept."""
        return _pairs(self.world) if self.world else None

    @cached_property
    def proposed(self) -> Mapping[str, SignalPlan]:
        """Proposed plans that differ from the one in service by more than their name."""
        if self.candidate is None:
            return {}
        return {
            junction_id: plan
            for junction_id, plan in self.candidate.plans.items()
            if not _same_timing(plan, self.running.get(junction_id))
        }


def load_night(
    *,
    city: Path,
    state: Path,
    diagnosis: Path,
    plans: Path,
    verdict: Path,
    package: Path,
    world: Path | None,
    most_pictures: int = MAX_PICTURES,
    network: RoadNetwork | None = None,
) -> Night:
    """Read the folders of one night.

    Args:
        most_pictures: of a night with more bins, only every k-th is kept.
        network: what ``city`` holds, if it is in memory already.

    Raises:
        ConfigurationError: ``city`` is not a city folder.
        DataRefused: a file is missing or damaged, or not of this program's version.
    """
    network = network or load_city(city)
    running = plans_from_dict(read_json(state / "running_plans.json"), "plans in service")
    night = Night(
        network=network,
        summary=_document(state / "summary.json", *_SUMMARY),
        link_states=_link_states(state / "link_state.parquet", network, most_pictures),
        health=_rows(state / "health.parquet", "feed", "device_id", "code", "detail"),
        quarantine=_rows(state / "quarantine.parquet", "feed", "reason", "rows"),
        running={plan.junction_id: plan for plan in running},
        demand_vph=_mean_demand(state / "movement_demand.parquet"),
        bottlenecks=[bottleneck_from_dict(r) for r in read_json(diagnosis / "bottlenecks.json")],
        corridors=[corridor_from_dict(r) for r in read_json(diagnosis / "corridors.json")],
        junctions={
            row["junction_id"]: row
            for row in _rows(diagnosis / "junctions.parquet", "junction_id", *_INDICES)
        },
        world=_document(world / "result.json", *_WORLD) if world else None,
        state=state,
        **_proposal(plans, verdict, package),
    )
    _refuse_strangers(night)
    return night


def with_proposal(night: Night, *, plans: Path, verdict: Path, package: Path) -> Night:
    """The same night with other plans than its own, which nobody has tried in the world.

    Raises:
        DataRefused: a file is missing or damaged, or not of this program's version.
    """
    return replace(night, world=None, **_proposal(plans, verdict, package))


def _proposal(plans: Path, verdict: Path, package: Path) -> dict[str, Any]:
    """The fields of a `Night` that tell what is proposed, and how it was judged."""
    judged = verdict_from_dict(read_json(verdict / "verdict.json"))
    drawn_up = _document(plans / "candidates.json", "candidates")
    refinement = plans / "refinement.json"
    return {
        "candidate": _candidate(drawn_up, judged.candidate_id),
        "candidate_count": len(drawn_up["candidates"]),
        "refinement": _document(refinement) if refinement.is_file() else None,
        "verdict": judged,
        "runs": _rows(verdict / "runs.parquet", *_RUNS),
        "calibration": _document(verdict / "calibration.json"),
        "certificate": _document(package / "certificate.json", "certificates", "standard"),
    }


_SUMMARY = (
    *("service_day", "begin_s", "end_s", "rows_read", "rows_used", "rows_quarantined"),
    "feeds",
)
_INDICES = ("saturation_ratio", "imbalance_ratio", "delay_veh_h")
_RUNS = (
    *("candidate_id", "phase", "seed", "vehicles", "delay_s_per_veh", "stops", "teleports"),
    "not_inserted",
)
_WORLD = (
    *("seeds", "in_service_delay_s_per_veh", "proposed_delay_s_per_veh", "change_ratio"),
    *("before_mean_s", "before_median_s", "after_median_s", "in_service", "proposed"),
)
_CODED = frozenset({"link_id", "movement_id", "level"})
"""Columns of long tables whose texts repeat."""
_BATCH_ROWS = 1 << 16
_AGAIN = "run the night again: its folders and this program are of different versions"


def _document(path: Path, *fields: str) -> Row:
    """A JSON object that has at least these fields."""
    found = read_json(path)
    missing = [f for f in fields if f not in found] if isinstance(found, dict) else ["an object"]
    if missing:
        raise DataRefused(f"{path} cannot be shown", _AGAIN, [f"no {name}" for name in missing])
    document: Row = found
    return document


def _refuse_strangers(night: Night) -> None:
    """Findings on links and junctions that the city does not have."""
    links = [b.link_id for b in night.bottlenecks]
    links += [i for c in night.corridors for path in c.out_paths + c.back_paths for i in path]
    problems = [f"no link {i}" for i in dict.fromkeys(links) if i not in night.network.links]
    if problems:
        raise DataRefused("the diagnosis is not of this city", _AGAIN, problems)


def _rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _table(path, *columns).to_pylist()
    return rows


def _table(path: Path, *columns: str) -> pa.Table:
    """These columns and no others."""
    with _readable(path, columns) as file:
        return file.read(columns=list(columns))


def _batches(path: Path, *columns: str) -> Iterator[pa.RecordBatch]:
    """These columns of a long table, some thousands of rows in memory at a time."""
    with _readable(path, columns) as file:
        yield from file.iter_batches(_BATCH_ROWS, columns=list(columns))


@contextmanager
def _readable(path: Path, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """The file, if it has these columns; texts that repeat stay coded, which saves most memory.

    Raises:
        DataRefused: it is missing, damaged, or of another version of this program.
    """
    try:
        known = pq.read_schema(path).names
        missing = [f"no column {name}" for name in columns if name not in known]
        if missing:
            raise DataRefused(f"{path} cannot be shown", _AGAIN, missing)
        with pq.ParquetFile(path, read_dictionary=[c for c in columns if c in _CODED]) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise DataRefused(f"{path} cannot be read", "run the night again", [problem]) from error


def _link_states(path: Path, network: RoadNetwork, most_pictures: int) -> LinkStates:
    drawn = tuple(link.link_id for link in network.links.values() if link.car_lanes)
    starts = [np.unique(batch["bin_start_s"].to_numpy()) for batch in _batches(path, "bin_start_s")]
    bins = _shown_bins(sorted({int(s) for found in starts for s in found}), most_pictures)
    levels = np.full((len(bins), len(drawn)), ord(NO_LEVEL), dtype=np.uint8)
    speeds = np.full((len(bins), len(drawn)), -1, dtype=np.int16)
    for batch in _batches(path, "link_id", "bin_start_s", "speed_mps", "level"):
        columns = _places(batch["link_id"], drawn)
        rows = _rows_of(batch["bin_start_s"].to_numpy().astype(np.int64), bins)
        known = (columns >= 0) & (rows >= 0)
        codes = _places(batch["level"], LEVELS)
        shown = np.where(codes >= 0, codes + ord("0"), ord(NO_LEVEL))
        kmh = batch["speed_mps"].cast(pa.float64()).fill_null(np.nan).to_numpy() * 3.6
        whole = np.rint(np.nan_to_num(kmh)).clip(0, np.iinfo(np.int16).max)
        here = rows[known], columns[known]
        levels[here] = shown[known]
        speeds[here] = np.where(np.isnan(kmh), -1, whole)[known]
    return LinkStates(
        drawn,
        bins,
        tuple(row.tobytes().decode("ascii") for row in levels),
        tuple(array("h", row.tobytes()) for row in speeds),
    )


def _places(column: pa.Array, names: Sequence[str]) -> NDArray[np.int64]:
    """Index in ``names`` of each text of a column; -1: not among them, or none."""
    found = _coded(column)
    place_of = {name: i for i, name in enumerate(names)}
    places = np.array([place_of.get(n, -1) for n in found.dictionary.to_pylist()] + [-1], np.int64)
    return np.asarray(places[found.indices.cast(pa.int64()).fill_null(-1).to_numpy()])


def _coded(column: pa.Array) -> pa.DictionaryArray:
    """A column of texts as indices into its different texts."""
    if pa.types.is_dictionary(column.type):
        return column
    return column.cast(pa.string()).dictionary_encode()


def _rows_of(starts: NDArray[np.int64], bins: Sequence[int]) -> NDArray[np.int64]:
    """Index of each start in the rising ``bins``; -1: it is not shown."""
    shown = np.asarray(bins, dtype=np.int64)
    if not len(shown):
        return np.full(len(starts), -1, dtype=np.int64)
    rows = np.minimum(np.searchsorted(shown, starts), len(shown) - 1)
    return np.where(shown[rows] == starts, rows, -1)


def _shown_bins(bins: Sequence[int], most: int) -> tuple[int, ...]:
    """Every bin, or every k-th so that the page stays light."""
    step = -(-len(bins) // most)
    return tuple(bins[:: step or 1])


def _mean_demand(path: Path) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    counts: defaultdict[str, int] = defaultdict(int)
    for batch in _batches(path, "movement_id", "demand_vph"):
        ids = _coded(batch["movement_id"])
        names = ids.dictionary.to_pylist()
        rows = ids.indices.to_numpy()
        demand = batch["demand_vph"].cast(pa.float64()).fill_null(0.0).to_numpy()
        came = np.bincount(rows, minlength=len(names)).tolist()
        total = np.bincount(rows, weights=demand, minlength=len(names)).tolist()
        for name, value, count in zip(names, total, came, strict=True):
            if count:
                sums[name] += value
                counts[name] += count
    return {name: value / counts[name] for name, value in sums.items()}


def _pairs(row: Row) -> Pairs:
    change = row["change_ratio"]
    return Pairs(
        tuple(row["seeds"]),
        tuple(row["in_service_delay_s_per_veh"]),
        tuple(row["proposed_delay_s_per_veh"]),
        Interval95(change["mean"], change["low"], change["high"]) if change else None,
    )


def _candidate(document: Row, candidate_id: str) -> Candidate | None:
    plans = candidates_from_dict(document)
    for found in document["candidates"]:
        if found["candidate_id"] == candidate_id:
            return Candidate(
                candidate_id=candidate_id,
                description=found.get("description", ""),
                facts=found,
                plans={p.junction_id: p for p in plans[candidate_id]},
                corridors={c["corridor_id"]: c for c in found.get("corridors", ())},
            )
    return None


def _same_timing(plan: SignalPlan, running: SignalPlan | None) -> bool:
    """The plans differ at most by their name."""
    return running is not None and replace(plan, plan_id=running.plan_id) == running
