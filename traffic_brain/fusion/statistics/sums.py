"""Sums of the internet, police and transit feeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from traffic_brain.errors import DataRefused
from traffic_brain.fusion.statistics.columns import Register, RowGroups
from traffic_brain.fusion.statistics.seen_keys import Keys, among
from traffic_brain.fusion.statistics.tasks import (
    BIN_MS,
    COLUMNS,
    INTERNET,
    MAX_SPEED_KMH,
    POLICE,
    RANGE_IDX,
    TIME_MS,
    TRANSIT,
    Absorb,
    Absorbed,
    Arrays,
    Feed,
    Settle,
    Settled,
    Span,
    joined,
    load_arrays,
    save_arrays,
)
from traffic_brain.kernels import feed_sums
from traffic_brain.kernels.feed_sums import INTERNET_SUMS, OUTCOMES, TRANSIT_SUMS
from traffic_brain.kernels.tables import TIME_BITS

SUMS = "sums"
CELLS = "cells"
_MOST_PAIRS = 1 << (63 - TIME_BITS)


def absorb(task: Absorb) -> Absorbed:
    """Add the row groups at home in a range; ``task.memory`` holds the sums and what was seen.

    ``sums`` int64[bin, place, …] is megabytes in size: whoever wants it reads it from there.
    """
    assert task.memory is not None
    adder = _adder(task.feed, task.span, task.range_idx, sum(p.rows for p in task.pieces))
    strays = [adder.add(columns) for columns in rows_of(task)]
    save_arrays(task.memory, {SUMS: adder.sums, **adder.memory()})
    return Absorbed({}, by_range(joined(strays), task.span), adder.outcomes)


def settle(task: Settle) -> Settled:
    """Add strays; the sums are those of single cells: ``cells`` int64[n], ``sums`` int64[n, …]."""
    assert task.memory is not None
    strays = joined(task.strays)
    adder = _adder(task.feed, task.span, task.range_idx, len(strays[TIME_MS]))
    if task.memory.exists():
        adder.recall(load_arrays(task.memory), strays)
    adder.add_strays(strays)
    flat = adder.sums.reshape(-1, *adder.cell_shape)
    cells = np.flatnonzero(flat.reshape(len(flat), -1)[:, 0])  # the first figure counts rows
    return Settled({CELLS: cells, SUMS: flat[cells]}, adder.outcomes)


def rows_of(task: Absorb) -> Any:
    """Yield the columns of each piece."""
    columns = COLUMNS[task.feed.source]
    open_path, groups = None, None
    for piece in task.pieces:
        if piece.path != open_path:
            if groups is not None:
                groups.close()
            open_path, groups = piece.path, RowGroups(piece.path, columns)
        assert groups is not None
        yield groups.read(piece.row_group)
    if groups is not None:
        groups.close()


def by_range(strays: Arrays, span: Span) -> Arrays:
    """Strays in the order of the ranges that they belong to, and which these are."""
    if not strays:
        return strays
    range_idx = span.range_of(strays[TIME_MS])
    order = np.argsort(range_idx, kind="stable")
    return {name: values[order] for name, values in (strays | {RANGE_IDX: range_idx}).items()}


def _adder(feed: Feed, span: Span, range_idx: int, rows: int) -> Adder:
    return _ADDERS[feed.source](feed, span, range_idx, rows)


class Adder(ABC):
    """Adds rows of one source to the sums of one range, each key once.

    Args:
        rows: about so many are expected.
    """

    cell_shape: tuple[int, ...] = ()
    """Of the sums of one place and bin."""
    rows_in_tables = 1.0
    """Share of the rows whose keys go into hash tables."""

    def __init__(self, feed: Feed, span: Span, range_idx: int, rows: int) -> None:
        bins = span.bins_of(range_idx)
        count = bins.stop - bins.start
        self._span = np.array(
            [
                *(span.begin_ms, span.end_ms, span.begin_of(range_idx), span.end_of(range_idx)),
                *(BIN_MS, feed.step_ms),
            ],
            dtype=np.int64,
        )
        self._register = Register(feed.devices)
        self._seen = Keys(span, range_idx, self._names(feed), rows, self.rows_in_tables)
        self.outcomes = np.zeros(OUTCOMES, dtype=np.int64)
        self.sums = np.zeros((count, feed.places, *self.cell_shape), dtype=np.int64)

    @abstractmethod
    def add(self, columns: Sequence[Any]) -> Arrays:
        """Add the rows of a row group; returns those of other ranges."""

    @abstractmethod
    def add_strays(self, strays: Arrays) -> None:
        """Add rows that other adders returned."""

    @abstractmethod
    def _first_of_key(self, strays: Arrays) -> np.ndarray:
        """int64[row]: what, with the time, tells rows apart."""

    def _names(self, feed: Feed) -> int:
        """How many different things a key may name."""
        return len(feed.devices)

    def memory(self) -> Arrays:
        """What was seen, for a later `recall`."""
        return self._seen.memory()

    def recall(self, memory: Arrays, strays: Arrays) -> None:
        """Remember of what an earlier adder saw all that could repeat one of the strays."""
        names, since_ms = self._first_of_key(strays), strays[TIME_MS] - self._span[2]
        seen = among(memory, names, since_ms)
        self._seen.insert(names[seen], since_ms[seen])

    def _run(self, rows: int, kernel: Callable[[int, np.ndarray], int]) -> np.ndarray:
        """int64: the rows of other ranges, of those that a kernel takes."""
        strays = np.zeros(rows + 1, dtype=np.int64)
        done = kernel(0, strays)
        while done < rows:
            self._seen.grow()
            done = kernel(done, strays)
        return strays[1 : 1 + strays[0]]


class Speeds(Adder):
    """Internet: speeds of provider links, summed over their links."""

    cell_shape = (len(INTERNET_SUMS),)
    rows_in_tables = 0.01  # nearly all are on the provider's step

    def __init__(self, feed: Feed, span: Span, range_idx: int, rows: int) -> None:
        super().__init__(feed, span, range_idx, rows)
        assert feed.place_of is not None
        self._link_of = feed.place_of.astype(np.int32)
        steps = -(-int(self._span[3] - self._span[2]) // feed.step_ms)
        self._bits = np.zeros((steps, len(feed.devices) // 8 + 1), dtype=np.uint8)

    def add(self, columns: Sequence[Any]) -> Arrays:
        """Columns: provider link, time, km/h, samples."""
        codes, time_ms, speed_kmh, samples = columns
        providers = self._register.places(codes.texts)
        links = np.where(providers >= 0, self._link_of[providers], np.int32(-1))
        rows = self._add(codes.of_row, providers, links, time_ms, speed_kmh, samples)
        return {
            "device": providers[codes.of_row[rows]],
            TIME_MS: time_ms[rows],
            "speed_kmh": speed_kmh[rows],
            "samples": samples[rows],
        }

    def add_strays(self, strays: Arrays) -> None:
        """Rows as `add` returned them."""
        every = np.arange(len(self._link_of), dtype=np.int32)
        columns = (strays[name] for name in ("device", TIME_MS, "speed_kmh", "samples"))
        device, *rest = columns
        self._add(device, every, self._link_of, *rest)

    def _first_of_key(self, strays: Arrays) -> np.ndarray:
        return strays["device"]

    def memory(self) -> Arrays:
        """Bits of the rows on the provider's step, and keys of those off it."""
        return {"bits": self._bits, **super().memory()}

    def recall(self, memory: Arrays, strays: Arrays) -> None:
        """As for all; and the bits."""
        super().recall(memory, strays)
        self._bits = np.array(memory["bits"])

    def _add(
        self,
        codes: np.ndarray,
        providers: np.ndarray,
        links: np.ndarray,
        time_ms: np.ndarray,
        speed_kmh: np.ndarray,
        samples: np.ndarray,
    ) -> np.ndarray:
        def kernel(first: int, strays: np.ndarray) -> int:
            rows = (codes, providers, links, time_ms, speed_kmh, samples)
            limits, keys = (self._span, MAX_SPEED_KMH), (self._seen.tables, self._seen.bits)
            results = (self.sums, self.outcomes, strays)
            return feed_sums.add_speeds(*rows, first, *limits, self._bits, *keys, *results)

        return self._run(len(codes), kernel)


class Passes(Adder):
    """Police: vehicles over each detector."""

    def add(self, columns: Sequence[Any]) -> Arrays:
        """Columns: detector, time."""
        codes, time_ms = columns
        devices = self._register.places(codes.texts)
        rows = self._add(codes.of_row, devices, time_ms)
        return {"device": devices[codes.of_row[rows]], TIME_MS: time_ms[rows]}

    def add_strays(self, strays: Arrays) -> None:
        """Rows as `add` returned them."""
        every = np.arange(self.sums.shape[1], dtype=np.int32)
        self._add(strays["device"], every, strays[TIME_MS])

    def _first_of_key(self, strays: Arrays) -> np.ndarray:
        return strays["device"]

    def _add(self, codes: np.ndarray, devices: np.ndarray, time_ms: np.ndarray) -> np.ndarray:
        def kernel(first: int, strays: np.ndarray) -> int:
            seen = (self._seen.tables, self._seen.bits)
            results = (self.sums, self.outcomes, strays)
            return feed_sums.add_passes(codes, devices, time_ms, first, self._span, *seen, *results)

        return self._run(len(codes), kernel)


class Traversals(Adder):
    """Transit: ways of buses over links. Vehicles have no register: they are numbered as met."""

    cell_shape = (len(TRANSIT_SUMS),)

    def __init__(self, feed: Feed, span: Span, range_idx: int, rows: int) -> None:
        super().__init__(feed, span, range_idx, rows)
        self._vehicles: dict[str, int] = {}

    def _names(self, feed: Feed) -> int:  # noqa: ARG002  # of vehicles, any number
        return _MOST_PAIRS

    def add(self, columns: Sequence[Any]) -> Arrays:
        """Columns: link, vehicle, time of entry, time of leaving."""
        codes, vehicles, time_in, time_out = columns
        links = self._register.places(codes.texts)
        names = vehicles.texts.as_arrow().to_pylist()
        numbers = self._numbers(names)
        rows = self._add(codes.of_row, links, vehicles.of_row, numbers, time_in, time_out)
        return {
            "device": links[codes.of_row[rows]],
            "vehicle": np.array([*names, ""])[vehicles.of_row[rows]],
            TIME_MS: time_in[rows],
            "left_ms": time_out[rows],
        }

    def add_strays(self, strays: Arrays) -> None:
        """Rows as `add` returned them."""
        every = np.arange(self.sums.shape[1], dtype=np.int32)
        names, codes = np.unique(strays["vehicle"], return_inverse=True)
        # those without a vehicle are bad wherever they are
        codes = np.where(strays["vehicle"] == "", -1, codes).astype(np.int32)
        self._add(
            *(strays["device"], every, codes, self._numbers(names.tolist())),
            *(strays[TIME_MS], strays["left_ms"]),
        )

    def memory(self) -> Arrays:
        """Keys, and the vehicles behind them."""
        return {"vehicles": np.array([*self._vehicles, ""]), **super().memory()}

    def recall(self, memory: Arrays, strays: Arrays) -> None:
        """As for all; vehicles keep their numbers."""
        self._numbers(memory["vehicles"][:-1].tolist())
        super().recall(memory, strays)

    def _first_of_key(self, strays: Arrays) -> np.ndarray:
        vehicles = self._numbers(strays["vehicle"].tolist()).astype(np.int64)
        return np.asarray(vehicles * self.sums.shape[1] + strays["device"])

    def _numbers(self, names: list[str]) -> np.ndarray:
        """int32[name]: the number of each vehicle, a new one for those not met before."""
        known = self._vehicles
        for name in names:
            if name not in known:
                known[name] = len(known)
        if len(known) * self.sums.shape[1] >= _MOST_PAIRS:
            raise DataRefused(
                f"the transit feed names {len(known)} vehicles", "vehicle_id must name the vehicle"
            )
        return np.fromiter(map(known.__getitem__, names), np.int32, len(names))

    def _add(
        self,
        codes: np.ndarray,
        links: np.ndarray,
        vehicle_codes: np.ndarray,
        vehicles: np.ndarray,
        time_in: np.ndarray,
        time_out: np.ndarray,
    ) -> np.ndarray:
        def kernel(first: int, strays: np.ndarray) -> int:
            rows = (codes, links, vehicle_codes, vehicles, time_in, time_out)
            seen = (self._seen.tables, self._seen.bits)
            results = (self.sums, self.outcomes, strays)
            return feed_sums.add_traversals(*rows, first, self._span, *seen, *results)

        return self._run(len(codes), kernel)


_ADDERS: Mapping[str, type[Adder]] = {
    INTERNET: Speeds,
    POLICE: Passes,
    TRANSIT: Traversals,
}
