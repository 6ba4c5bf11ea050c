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
from traffic_brain.kernels.pair_figures import PAIR_FIGURES
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
    """A day in sums per place and bin of 5 minutes, one range after the other.

    ``sums``: source -> for each range int64[bin, place, figure]; the figures are `INTERNET_SUMS`
    per link, `TRANSIT_SUMS` per link, one count per detector and one per site. ``pairs``: for each
    range in which vehicles arrived from_site, to_site, bin_idx (of the day), and `PAIR_FIGURES`,
    whole numbers [cell], ordered by them. ``rows``: source -> "read", "used" and each reason of
    refusal -> rows; they add up. The arrays are mapped from files that need not be there any more.
    """

    span: Span
    sums: Mapping[str, Sequence[np.ndarray]]
    pairs: Sequence[Arrays]
    rows: Mapping[str, Mapping[str, int]]

    def whole(self, source: str) -> np.ndarray:
        """int64[bin, place, figure]: the sums of the whole day."""
        return np.concatenate(self.sums[source])


def run_task(task: Absorb | Settle) -> Absorbed | Settled:
    """Do one task: a pure function of it and of the files that it names.

    Raises:
        DataRefused: a file cannot be read.
    """
    # workers keep what they free, if it is the system's: another pool would give it back each time
    pa.set_memory_pool(pa.system_memory_pool())
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
            mine = found[source][task.range_idx]
            if source == CHECKPOINT:
                assert task.memory is not None
                mine[..., 0] += result.sums[SUMS]
                cells.append(load_arrays(task.memory))
            else:
                _flat(mine)[result.sums[CELLS]] += result.sums[SUMS].reshape(-1, mine.shape[-1])

        self._do(tasks, [1] * len(tasks), "late rows and pairs", add, progress)
        return Statistics(
            self.span,
            found,
            cells,
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
            strays = [_of_range(a.strays, r) for _, a in self._of(feed)]
            if any(len(part[TIME_MS]) for part in strays):
                tasks.append(Settle(feed, self.span, r, tuple(strays), self._memory(feed, r)))
        return tasks

    def _arrivals(self, feed: Feed) -> list[Settle]:
        """One for each range in which anybody was seen."""
        tasks = []
        for r in range(self.span.ranges):
            oldest = r - 1 - pairs.PAST_MS // self.span.range_ms
            past = [
                {pairs.SIGHTINGS: a.seen[pairs.SIGHTINGS]}
                if i == r
                else pairs.near(a.seen[pairs.SIGHTINGS], self.span, r)
                for i, a in self._of(feed)
                if oldest <= i <= r
            ]
            late = [pairs.near(a.strays[pairs.SIGHTINGS], self.span, r) for _, a in self._of(feed)]
            if any(len(part[pairs.SIGHTINGS]) for part in (*past, *late)):
                cells = self.scratch / f"{PAIRS}-{r:02d}-{len(self._pieces_of(feed))}"
                tasks.append(Settle(feed, self.span, r, tuple(late), cells, tuple(past)))
        return tasks

    def _sums(self, feed: Feed) -> list[np.ndarray]:
        """Of each range; changes stay within this process."""
        absorbed = set() if feed.source == CHECKPOINT else {r for r, _ in self._of(feed)}
        found = []
        for r in range(self.span.ranges):
            bins = self.span.bins_of(r)
            shape = (bins.stop - bins.start, feed.places, len(_SUM_NAMES[feed.source]))
            found.append(
                load_arrays(self._memory(feed, r), mode="c")[SUMS].reshape(shape)
                if r in absorbed
                else np.zeros(shape, dtype=np.int64)
            )
        return found

    def _outcomes(self, feed: Feed) -> np.ndarray:
        parts = [absorbed.outcomes for _, absorbed in self._of(feed)]
        return np.sum(parts, axis=0) if parts else np.zeros(OUTCOMES, dtype=np.int64)

    def _pieces_of(self, feed: Feed) -> list[Piece]:
        return [p for (source, _), ps in self._pieces.items() if source == feed.source for p in ps]

    def _rows(self, feed: Feed, outcomes: np.ndarray) -> dict[str, int]:
        """What became of the rows; each is in exactly one count."""
        read = sum(piece.rows for piece in self._pieces_of(feed))
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
    for source, ranges in statistics.sums.items():
        found = [
            _cells(statistics.span.bins_of(r).start, figures, ids[source], _SUM_NAMES[source])
            for r, figures in enumerate(ranges)
        ]
        _write(found, out / f"{source}.parquet")
    if statistics.pairs:
        _write(
            [_ways(part, ids[CHECKPOINT]) for part in statistics.pairs], out / f"{PAIRS}.parquet"
        )
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


def _cells(
    first_bin: int, figures: np.ndarray, ids: Sequence[str], names: Sequence[str]
) -> pa.Table:
    """The cells of a range with anything in them; the first figure counts rows."""
    bins, places = np.nonzero(figures[..., 0])
    columns = {"bin_start_s": as_arrow(((first_bin + bins) * BIN_S).astype(np.int32))}
    columns["place_id"] = _named(places, ids)
    for i, name in enumerate(names):
        columns[name] = as_arrow(figures[bins, places, i])
    return pa.table(columns)


def _ways(found: Arrays, ids: Sequence[str]) -> pa.Table:
    columns = {"bin_start_s": as_arrow(found[pairs.BIN_IDX] * np.int32(BIN_S))}
    columns["from_site"] = _named(found[pairs.FROM_SITE], ids)
    columns["to_site"] = _named(found[pairs.TO_SITE], ids)
    return pa.table(columns | {name: as_arrow(found[name]) for name in PAIR_FIGURES})


def _write(ranges: Sequence[pa.Table], path: Path) -> None:
    """Sums are all different: to look for equal ones would cost more than it saves."""
    table = pa.concat_tables(ranges)
    coded = [name for name in table.column_names if name in _CODED]
    pq.write_table(table, path, use_dictionary=coded)


def _named(places: np.ndarray, ids: Sequence[str]) -> pa.Array:
    names = Texts.of(ids).as_arrow()
    return pa.DictionaryArray.from_arrays(as_arrow(places.astype(np.int32)), names)


def _of_range(strays: Arrays, range_idx: int) -> Arrays:
    first, end = np.searchsorted(strays[RANGE_IDX], [range_idx, range_idx + 1])
    return {name: values[first:end] for name, values in strays.items()}


def _flat(mine: np.ndarray) -> np.ndarray:
    """The cells of a stretch of bins, one after the other."""
    return mine.reshape(-1, mine.shape[-1])
