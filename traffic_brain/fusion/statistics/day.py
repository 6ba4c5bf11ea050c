"""The statistics of a service day, from files that come at once or in parts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.executor import HERE, Engine, run_all
from traffic_brain.fusion.statistics import pairs, sums
from traffic_brain.fusion.statistics.columns import Texts, as_arrow
from traffic_brain.fusion.statistics.sums import CELLS, SUMS
from traffic_brain.fusion.statistics.tasks import (
    CHECKPOINT,
    INTERNET,
    POLICE,
    RANGE_IDX,
    REASONS,
    TIME_MS,
    TRANSIT,
    UNKNOWN,
    Absorb,
    Absorbed,
    Arrays,
    Feed,
    Piece,
    Settle,
    Settled,
    Span,
    joined,
    load_arrays,
    pieces_of,
)
from traffic_brain.fusion.window import BIN_S
from traffic_brain.kernels.feed_sums import (
    ELSEWHERE,
    INTERNET_SUMS,
    OUTCOMES,
    TRANSIT_SUMS,
    UNKNOWN_DEVICE,
    USED,
)
from traffic_brain.kernels.matched_pairs import PAIR_FIGURES
from traffic_brain.progress import Progress, silent

PAIRS = "pairs"
_CODED = ("bin_start_s", "place_id", "from_site", "to_site")
_SUM_NAMES: Mapping[str, tuple[str, ...]] = {
    INTERNET: INTERNET_SUMS,
    POLICE: ("passes",),
    CHECKPOINT: ("passes",),
    TRANSIT: TRANSIT_SUMS,
}


@dataclass(frozen=True)
class Statistics:
    """A day in sums per place and bin of 5 minutes.

    ``sums``: source -> int64[bin, place, figure]; the figures are `INTERNET_SUMS` per link,
    `TRANSIT_SUMS` per link, one count per detector and one per site. ``pairs``: from_site, to_site,
    bin_idx, each int64[cell], and figures int64[cell, 6] (`PAIR_FIGURES`), ordered by bins.
    ``rows``: source -> "read", "used" and each reason of refusal -> rows; they add up.
    """

    span: Span
    sums: Mapping[str, np.ndarray]
    pairs: Arrays
    rows: Mapping[str, Mapping[str, int]]


def run_task(task: Absorb | Settle) -> Absorbed | Settled:
    """Do one task: a pure function of it and of the files that it names.

    Raises:
        DataRefused: a file cannot be read.
    """
    of_vehicles = task.feed.source == CHECKPOINT
    if isinstance(task, Absorb):
        return pairs.absorb(task) if of_vehicles else sums.absorb(task)
    return pairs.settle(task) if of_vehicles else sums.settle(task)


@dataclass
class DayStatistics:
    """Collects a day: `absorb` files, in one part or in many, and ask for what is `settled`.

    Args:
        feeds: the sources, the costliest first.
        scratch: a folder of this day's own, which every worker sees; `close` empties it. No plate
            and no token is ever written there.
    """

    feeds: Sequence[Feed]
    span: Span
    scratch: Path
    engine: Engine = HERE
    _pieces: dict[tuple[str, int], list[Piece]] = field(default_factory=dict, init=False)
    _absorbed: dict[tuple[str, int], Absorbed] = field(default_factory=dict, init=False)

    def absorb(self, files: Mapping[str, Iterable[Path]], progress: Progress = silent) -> None:
        """Take files of each source, in the order in which they came.

        A range is done anew when it has got new row groups; the others keep what they have.

        Raises:
            DataRefused: a file cannot be read as the Parquet of its source.
        """
        touched = set()
        for feed in self.feeds:
            for path in files.get(feed.source, ()):
                for home, piece in pieces_of(feed, path, self.span):
                    self._pieces.setdefault((feed.source, home), []).append(piece)
                    touched.add((feed.source, home))
        tasks = [
            Absorb(feed, self.span, r, tuple(self._pieces[feed.source, r]), self._memory(feed, r))
            for feed in self.feeds
            for r in range(self.span.ranges)
            if (feed.source, r) in touched
        ]
        weights = [sum(piece.rows for piece in task.pieces) for task in tasks]

        def keep(task: Absorb | Settle, result: Absorbed | Settled) -> None:
            assert isinstance(result, Absorbed)
            self._absorbed[task.feed.source, task.range_idx] = result

        self._do(tasks, weights, "reading", keep, progress)

    def settled(self, progress: Progress = silent) -> Statistics:
        """The statistics of all that was absorbed; more may be absorbed afterwards."""
        tasks = [task for feed in self.feeds for task in self._settlements(feed)]
        found = {feed.source: self._sums(feed) for feed in self.feeds}
        outcomes = {feed.source: self._outcomes(feed) for feed in self.feeds}
        cells: list[Arrays] = []

        def add(task: Absorb | Settle, result: Absorbed | Settled) -> None:
            assert isinstance(result, Settled)
            source = task.feed.source
            outcomes[source] += result.outcomes
            mine = found[source][self.span.bins_of(task.range_idx)]
            if source == CHECKPOINT:
                mine[..., 0] += result.sums.pop(SUMS)
                cells.append(result.sums)
            else:
                _flat(mine)[result.sums[CELLS]] += result.sums[SUMS].reshape(-1, mine.shape[-1])

        self._do(tasks, [1] * len(tasks), "late rows and pairs", add, progress)
        return Statistics(
            self.span,
            found,
            joined(cells) if cells else {},
            {feed.source: self._rows(feed, outcomes[feed.source]) for feed in self.feeds},
        )

    def close(self) -> None:
        """Remove what the tasks remembered."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _do(
        self,
        tasks: Sequence[Absorb | Settle],
        weights: Sequence[int],
        message: str,
        take: Callable[[Absorb | Settle, Absorbed | Settled], None],
        progress: Progress,
    ) -> None:
        done, whole = 0, max(sum(weights), 1)
        results = run_all(run_task, tasks, self.engine)
        for task, weight, result in zip(tasks, weights, results, strict=True):
            take(task, result)
            done += weight
            progress(done / whole, f"{message}: {task.feed.source}")

    def _memory(self, feed: Feed, range_idx: int) -> Path:
        """A name for what a range knows: another one when it has got more row groups."""
        count = len(self._pieces.get((feed.source, range_idx), ()))
        return self.scratch / f"{feed.source}-{range_idx:02d}-{count}"

    def _of(self, feed: Feed) -> list[tuple[int, Absorbed]]:
        """What was absorbed of a source, in the order of ranges."""
        return [
            (r, self._absorbed[feed.source, r])
            for r in range(self.span.ranges)
            if (feed.source, r) in self._absorbed
        ]

    def _settlements(self, feed: Feed) -> list[Settle]:
        if feed.source == CHECKPOINT:
            return self._arrivals(feed)
        tasks = []
        for r in range(self.span.ranges):
            strays = [_chosen(a.strays, a.strays[RANGE_IDX] == r) for _, a in self._of(feed)]
            if any(len(part[TIME_MS]) for part in strays):
                tasks.append(Settle(feed, self.span, r, tuple(strays), self._memory(feed, r)))
        return tasks

    def _arrivals(self, feed: Feed) -> list[Settle]:
        """One for each range in which anybody was seen."""
        tasks = []
        for r in range(self.span.ranges):
            begin, end = self.span.begin_of(r), self.span.end_of(r)
            oldest = r - 1 - pairs.PAST_MS // self.span.range_ms
            near = [a.seen for i, a in self._of(feed) if oldest <= i <= r]
            seen = [pairs.between(sightings, begin, end) for sightings in near]
            late = [pairs.between(a.strays, begin, end) for _, a in self._of(feed)]
            if any((part[TIME_MS] >= begin).any() for part in (*seen, *late)):
                tasks.append(Settle(feed, self.span, r, tuple(late), None, tuple(seen)))
        return tasks

    def _sums(self, feed: Feed) -> np.ndarray:
        figures = len(_SUM_NAMES[feed.source])
        whole = np.zeros((self.span.bins, feed.places, figures), dtype=np.int64)
        if feed.source != CHECKPOINT:
            for r, _ in self._of(feed):
                mine = whole[self.span.bins_of(r)]
                mine[...] = load_arrays(self._memory(feed, r))[SUMS].reshape(mine.shape)
        return whole

    def _outcomes(self, feed: Feed) -> np.ndarray:
        parts = [absorbed.outcomes for _, absorbed in self._of(feed)]
        return np.sum(parts, axis=0) if parts else np.zeros(OUTCOMES, dtype=np.int64)

    def _rows(self, feed: Feed, outcomes: np.ndarray) -> dict[str, int]:
        """What became of the rows; each is in exactly one count."""
        pieces = [
            p for (source, _), ps in self._pieces.items() if source == feed.source for p in ps
        ]
        read = sum(piece.rows for piece in pieces)
        counts = {"read": read, "used": int(outcomes[USED])}
        reasons = {**REASONS, UNKNOWN_DEVICE: UNKNOWN[feed.source]}
        counts |= {reasons[i]: int(outcomes[i]) for i in sorted(reasons) if outcomes[i]}
        # a stray was met twice: where it stood, and where it belongs
        assert read == outcomes.sum() - outcomes[ELSEWHERE]
        return counts


def write(statistics: Statistics, ids: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write a table per source, one of the pairs, and ``rows.parquet``, into the folder ``out``.

    Args:
        ids: source -> the name of each place: links (internet, transit), detectors, sites.

    Only cells with anything in them have a row; they are ordered by bin and place.
    """
    for source, figures in statistics.sums.items():
        bins, places = np.nonzero(figures[..., 0])
        columns = {"bin_start_s": as_arrow((bins * BIN_S).astype(np.int32))}
        columns["place_id"] = _named(places, ids[source])
        for i, name in enumerate(_SUM_NAMES[source]):
            columns[name] = as_arrow(figures[bins, places, i])
        _write(columns, out / f"{source}.parquet")
    if statistics.pairs:
        found, sites = statistics.pairs, ids[CHECKPOINT]
        columns = {"bin_start_s": as_arrow((found[pairs.BIN_IDX] * BIN_S).astype(np.int32))}
        columns["from_site"] = _named(found[pairs.FROM_SITE], sites)
        columns["to_site"] = _named(found[pairs.TO_SITE], sites)
        for i, name in enumerate(PAIR_FIGURES):
            columns[name] = as_arrow(found[pairs.FIGURES][:, i])
        _write(columns, out / f"{PAIRS}.parquet")
    rows = [(s, what, n) for s, counts in statistics.rows.items() for what, n in counts.items()]
    pq.write_table(
        pa.table(
            {
                "feed": Texts.of([row[0] for row in rows]).as_arrow(),
                "outcome": Texts.of([row[1] for row in rows]).as_arrow(),
                "rows": as_arrow(np.array([row[2] for row in rows], dtype=np.int64)),
            }
        ),
        out / "rows.parquet",
    )


def _write(columns: Mapping[str, pa.Array], path: Path) -> None:
    """Sums are all different: to look for equal ones would cost more than it saves."""
    coded = [name for name in columns if name in _CODED]
    pq.write_table(pa.table(columns), path, use_dictionary=coded)


def _named(places: np.ndarray, ids: Sequence[str]) -> pa.Array:
    names = Texts.of(ids).as_arrow()
    return pa.DictionaryArray.from_arrays(as_arrow(places.astype(np.int32)), names)


def _chosen(arrays: Arrays, chosen: np.ndarray) -> Arrays:
    return {name: values[chosen] for name, values in arrays.items()}


def _flat(mine: np.ndarray) -> np.ndarray:
    """The cells of a stretch of bins, one after the other."""
    return mine.reshape(-1, mine.shape[-1])
