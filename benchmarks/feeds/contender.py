"""One contender on the files of a day, in a process of its own: ``python -m … NAME FOLDER OUT``.

Writes what it found, and prints CPU and wall seconds of its whole process tree as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.feeds.process_tree import cpu_s

Timings = dict[str, dict[str, float]]
CONTENDERS = ("traffic-brain", "decode", "duckdb", "polars")


def main() -> None:
    """Run one contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster")
    options = parser.parse_args()
    run: Callable[[argparse.Namespace], Timings] = {
        "traffic-brain": _product,
        "decode": _decode,
        "duckdb": _duckdb,
        "polars": _polars,
    }[options.name]
    options.out.mkdir(parents=True, exist_ok=True)
    timings = run(options)
    timings["process"] = {"cpu_s": cpu_s()}
    print(json.dumps(timings))


class _Watch:
    """CPU and wall seconds of one stretch of work after the other."""

    def __init__(self) -> None:
        self.timings: Timings = {}
        self._cpu_s, self._wall_s = cpu_s(), time.monotonic()

    def lap(self, name: str) -> None:
        """End the stretch since the last call and give it a name."""
        cpu, wall = cpu_s(), time.monotonic()
        self.timings[name] = {"cpu_s": cpu - self._cpu_s, "wall_s": wall - self._wall_s}
        self._cpu_s, self._wall_s = cpu, wall


def _product(options: argparse.Namespace) -> Timings:
    from benchmarks.feeds import fusing
    from benchmarks.feeds.city import city
    from traffic_brain.executor import Engine, run_all

    here = city(options.scale, options.seed)
    engine = Engine(options.workers, options.cluster)
    list(run_all(fusing.ready, range(options.workers), engine))
    watch = _Watch()
    statistics = fusing.statistics_of(
        *(here, options.folder, options.out / "scratch", engine), progress=_tell
    )
    watch.lap("statistics")
    fusing.write_state(here, statistics, options.out)
    watch.lap("state")
    return watch.timings


def _tell(done_ratio: float, message: str) -> None:
    print(f"{done_ratio:.4f} {message}", file=sys.stderr, flush=True)


def _decode(options: argparse.Namespace) -> Timings:
    """Only read the columns, in the same way, on one processor."""
    from benchmarks.feeds.making import SOURCES, files_of
    from traffic_brain.fusion.statistics.columns import RowGroups
    from traffic_brain.fusion.statistics.tasks import COLUMNS

    watch = _Watch()
    for source in SOURCES:
        for path in files_of(options.folder, source):
            with RowGroups(path, COLUMNS[source]) as groups:
                for i in range(groups.count):
                    groups.table(i)
        watch.lap(source)
    return watch.timings


def _duckdb(options: argparse.Namespace) -> Timings:
    from benchmarks.feeds import peers

    return _peer(options, peers.DuckDB(options.workers, options.out))


def _polars(options: argparse.Namespace) -> Timings:
    import os

    os.environ["POLARS_MAX_THREADS"] = str(options.workers)
    from benchmarks.feeds import peers

    return _peer(options, peers.Polars())


def _peer(options: argparse.Namespace, peer: Peer) -> Timings:
    from benchmarks.feeds.making import SOURCES, files_of

    watch = _Watch()
    for source in SOURCES:
        peer.group(source, options.folder, files_of(options.folder, source), options.out)
        watch.lap(source)
    return watch.timings


if __name__ == "__main__":
    from benchmarks.feeds.peers import Peer

    main()
