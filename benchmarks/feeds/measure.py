"""Everything that ``traffic-brain bench feeds`` does: make, fuse, compare, check, tell."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.feeds.city import city
from benchmarks.feeds.contender import CONTENDERS
from benchmarks.feeds.making import SOURCES, files_of, make_day, maker_hash, row_count
from benchmarks.feeds.peers import write_registers
from benchmarks.feeds.process_tree import Peak
from traffic_brain.errors import TrafficBrainError
from traffic_brain.progress import Progress, part, silent

FULL, TENTH = 1.0, 0.1
MOST_WALL_S, MOST_GB, LEAST_TIMES, MOST_DECODES = 90.0, 4.0, 4.0, 2.5
PEERS = ("duckdb", "polars")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One contender's process: what it told, wall seconds and peak memory of its tree."""

    timings: Mapping[str, Mapping[str, float]]
    wall_s: float
    peak_gb: float

    def cpu_s(self) -> float:
        """CPU seconds of the work: without the start of Python and the imports."""
        return sum(lap["cpu_s"] for name, lap in self.timings.items() if name != "process")


def measure(
    scale: float,
    seed: int,
    *,
    workers: int,
    keep: bool = False,
    folder: Path | None = None,
    cluster: str | None = None,
    progress: Progress = silent,
) -> Figures:
    """All figures; the day's files are used again when they were kept."""
    day = folder or Path(tempfile.gettempdir()) / f"traffic-brain-feeds-{maker_hash()}-{scale:g}"
    try:
        make_day(day, scale, seed, workers=workers, progress=part(progress, 0.0, 0.4))
        here = city(scale, seed)
        write_registers(here, day)
        rows = {source: row_count(files_of(day, source)) for source in SOURCES}
        figures = _machine() | {"scale": scale, "seed": seed, "workers": workers, "rows": rows}
        runs: dict[str, Run] = {}
        for i, name in enumerate(CONTENDERS):
            if name in PEERS and not _is_installed(name):
                continue
            share = part(progress, 0.4 + 0.15 * i, 0.55 + 0.15 * i)
            try:
                runs[name] = _run(name, day, scale, seed, workers, cluster, share)
            except TrafficBrainError as error:
                if name not in PEERS:
                    raise
                figures[f"{name}_failed"] = str(error)
        figures["contenders"] = {name: _told(run, rows) for name, run in runs.items()}
        figures |= _ratios(runs)
        figures["sums_equal"] = {
            name: _same_sums(day / "out" / "traffic-brain", day / "out" / name)
            for name in PEERS
            if name in runs
        }
        figures["refused"] = _refused(day / "out" / "traffic-brain")
        figures["load_average_after"] = round(os.getloadavg()[0], 2)
    finally:
        shutil.rmtree(day / "out", ignore_errors=True)
        if not keep:
            shutil.rmtree(day, ignore_errors=True)
    return figures


def _machine() -> Figures:
    return {
        "processors": os.cpu_count(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numba", "pyarrow") if _is_installed(name)}
        | {name: version(name) for name in PEERS if _is_installed(name)},
    }


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _run(
    name: str,
    day: Path,
    scale: float,
    seed: int,
    workers: int,
    cluster: str | None,
    progress: Progress,
) -> Run:
    """Run a contender in a process of its own and watch its memory."""
    progress(0.0, name)
    command = [sys.executable, "-m", "benchmarks.feeds.contender", name, str(day)]
    command += [str(day / "out" / name), "--scale", str(scale), "--seed", str(seed)]
    command += ["--workers", str(workers), *(["--cluster", cluster] if cluster else [])]
    begun = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        peak = Peak(process.pid)
        peak.start()
        said = []
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            done, _, message = line.partition(" ")
            if done.replace(".", "", 1).isdigit():
                progress(float(done), f"{name}: {message.strip()}")
        assert process.stdout is not None
        answer = process.stdout.read()
    wall_s = time.monotonic() - begun
    peak.stop()
    if process.returncode:
        raise TrafficBrainError(f"{name} failed: {''.join(said[-3:])}", "see the lines above")
    return Run(json.loads(answer), wall_s, peak.bytes / 1e9)


def _told(run: Run, rows: Mapping[str, int]) -> Figures:
    total = sum(rows.values())
    return {
        "wall_s": round(run.wall_s, 2),
        "cpu_s": round(run.cpu_s(), 2),
        "cpu_with_start_s": round(run.timings["process"]["cpu_s"], 2),
        "peak_gb": round(run.peak_gb, 2),
        "ns_per_row": round(run.cpu_s() / total * 1e9, 1),
        "rows_per_wall_s": round(total / run.wall_s),
        "laps": {
            name: {
                **{key: round(value, 3) for key, value in lap.items()},
                **(
                    {"ns_per_row": round(lap["cpu_s"] / rows[name] * 1e9, 1)}
                    if name in rows
                    else {}
                ),
            }
            for name, lap in run.timings.items()
            if name != "process"
        },
    }


def _ratios(runs: Mapping[str, Run]) -> Figures:
    """CPU of ours beside the others'.

    Reading and grouping beside bare reading; with the fused state and its files, for the peers.
    """
    decode, ours = runs["decode"].cpu_s(), runs["traffic-brain"].cpu_s()
    grouped = runs["traffic-brain"].timings["statistics"]["cpu_s"]
    ratios = {
        "decodes": round(grouped / decode, 2),
        "decodes_with_state": round(ours / decode, 2),
    }
    for name in PEERS:
        if name in runs:
            ratios[f"times_less_cpu_than_{name}"] = round(runs[name].cpu_s() / ours, 2)
    return {"ratios": ratios}


def _same_sums(ours: Path, theirs: Path) -> dict[str, bool]:
    """Source -> whether every cell and every sum is the same."""
    return {
        source: _table(ours / f"{source}.parquet").equals(_table(theirs / f"{source}.parquet"))
        for source in SOURCES
    }


def _table(path: Path) -> Any:
    """A table of sums in one form: same order of rows and columns, same types."""
    import pyarrow as pa

    table = pq.read_table(path)
    columns = {
        name: table[name].cast(pa.string() if name == "place_id" else pa.int64())
        for name in sorted(table.column_names)
    }
    return pa.table(columns).sort_by([("bin_start_s", "ascending"), ("place_id", "ascending")])


def _refused(out: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in pq.read_table(out / "rows.parquet").to_pylist():
        found.setdefault(row["feed"], {})[row["outcome"]] = row["rows"]
    return found


def write_figures(figures: Figures, path: Path) -> None:
    """Write all figures as JSON."""
    text = json.dumps(figures, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def lines(figures: Figures) -> list[tuple[str, ...]]:
    """What a person reads, as rows of a table."""
    rows, ratios = figures["rows"], figures["ratios"]
    ours = figures["contenders"]["traffic-brain"]
    table = [
        ("rows", f"{sum(rows.values()):,}", *(f"{n:,} {source}" for source, n in rows.items())),
        ("", "wall s", "CPU s", "with start", "peak GB", "ns/row", "million rows/s"),
    ]
    table += [
        (
            name,
            *(f"{run[key]:.1f}" for key in ("wall_s", "cpu_s", "cpu_with_start_s")),
            *(f"{run['peak_gb']:.2f}", f"{run['ns_per_row']:.0f}"),
            f"{run['rows_per_wall_s'] / 1e6:.1f}",
        )
        for name, run in figures["contenders"].items()
    ]
    table += [("CPU, ns/row", *SOURCES)]
    table += [
        (name, *(f"{run['laps'][source]['ns_per_row']:.0f}" for source in SOURCES))
        for name, run in figures["contenders"].items()
        if name != "traffic-brain"
    ]
    full = figures["scale"] == FULL
    goals = [
        ("wall, s", ours["wall_s"], "≤", MOST_WALL_S, full),
        ("memory, GB", ours["peak_gb"], "≤", MOST_GB, full),
        ("CPU of statistics, × bare decode", ratios["decodes"], "≤", MOST_DECODES, full),
    ]
    goals += [
        (f"× less CPU than {name}", ratios[f"times_less_cpu_than_{name}"], "≥", LEAST_TIMES, full)
        for name in figures["sums_equal"]
    ]
    laps = ours["laps"]
    table += [
        (f"of it {lap}", *(f"{laps[lap][key]:.1f}" for key in ("wall_s", "cpu_s")))
        for lap in ("statistics", "state")
    ]
    for what, value, sign, goal, counts in goals:
        met = value <= goal if sign == "≤" else value >= goal
        verdict = ("met" if met else "missed") if counts else "counts with --full"
        table.append((what, f"{value:.2f}", f"{sign} {goal:g}", verdict))
    for name, same in figures["sums_equal"].items():
        wrong = [source for source, equal in same.items() if not equal]
        table.append((f"sums as {name}'s", "equal" if not wrong else f"differ: {', '.join(wrong)}"))
    table += [
        (name, "not measured", figures.get(f"{name}_failed", f"not installed: pip install {name}"))
        for name in PEERS
        if name not in figures["contenders"]
    ]
    before, after = (figures[f"load_average_{when}"] for when in ("before", "after"))
    table.append(("load of the machine", f"{before} before", f"{after} after"))
    width = max(map(len, table))
    return [(*row, *[""] * (width - len(row))) for row in table]
