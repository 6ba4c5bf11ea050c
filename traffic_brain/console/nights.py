"""The nights below the console's root: which there are, what each says in brief, and in full.

A night is known by the name of its folder, and found by looking through the root's own list of
folders: a name from outside is compared, never made into a path.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from traffic_brain.console.refusals import NotFound
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json
from traffic_brain.nightly.folders import judged_plans
from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import MANIFEST
from traffic_brain.nightly.night import NightFolders
from traffic_brain.nightly.runner import LEDGER
from traffic_brain.report.saved import Night, load_night

KEPT_IN_MEMORY = 3
SMALL_THINGS_KEPT = 1000
EVERY_BIN = 288
"""A day in bins of five minutes: the console's map shows all of them."""
_Kept = OrderedDict[tuple[str, str], tuple[object, Any]]
"""(night, what) -> (signature of the night that it was made of, what was made)."""
_STAGES = ("city", "state", "diagnosis", "plans", "verdict", "package")


@dataclass(frozen=True)
class NightFolder:
    """A folder in which a night has worked."""

    night_id: str
    root: Path

    @cached_property
    def folders(self) -> NightFolders:
        day = self.service_day
        return NightFolders(self.root, day, self.root / "feeds" / day)

    @cached_property
    def service_day(self) -> str:
        """YYYY-MM-DD; empty before the feeds are fused."""
        summary = self.root / "state" / "summary.json"
        return str(read_json(summary)["service_day"]) if summary.is_file() else ""

    @cached_property
    def city_name(self) -> str:
        """A root may hold nights of several cities; empty before the city is imported."""
        path = self.root / "city" / "city.json"
        return str(read_json(path)["name"]) if path.is_file() else ""

    @cached_property
    def has_zones(self) -> bool:
        """Whether its city lists grid zones; looks at the table's head only."""
        path = self.root / "city" / "zones.parquet"
        try:
            return bool(pq.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError):
            return False  # who opens the city is told

    @property
    def is_complete(self) -> bool:
        """Every stage that the pages show has ended."""
        return all((self.root / stage / MANIFEST).is_file() for stage in _STAGES)

    @property
    def is_simulated(self) -> bool:
        """The night was played in a recorded world, whose calendar is not ours."""
        return (self.root / "truth").is_dir() or (self.root / "world").is_dir()

    @property
    def world(self) -> Path | None:
        folder = self.root / "world"
        return folder if (folder / MANIFEST).is_file() else None

    def signature(self) -> tuple[int, ...]:
        """Changes whenever a stage has written its folder anew."""
        paths = [self.root / stage / MANIFEST for stage in (*_STAGES, "world")]
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)

    def events(self) -> list[dict[str, Any]]:
        """The night's diary."""
        return list(Ledger(self.root / LEDGER).events())


class Library:
    """Nights by name; the last few that were asked for stay in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._kept: _Kept = OrderedDict()
        self._lock = Lock()
        self._networks: dict[str, RoadNetwork] = {}
        self._small: _Kept = OrderedDict()
        self._folders: dict[Path, tuple[int, NightFolder]] = {}
        self._making = RLock()

    def all(self) -> list[NightFolder]:
        """Every night, the latest service day first."""
        nights = [self._folder(path) for path in self._candidates() if _is_night(path)]
        return sorted(nights, key=lambda n: (n.service_day, n.night_id), reverse=True)

    def _candidates(self) -> list[Path]:
        return [self.root] if _is_night(self.root) else list(self.root.iterdir())

    def _folder(self, path: Path) -> NightFolder:
        """The same object, with the service day that it has read, as long as its summary stands."""
        summary = path / "state" / "summary.json"
        stamp = summary.stat().st_mtime_ns if summary.is_file() else 0
        known = self._folders.get(path)
        if known is None or known[0] != stamp:
            known = self._folders[path] = (stamp, NightFolder(path.name, path))
        return known[1]

    def find(self, night_id: str) -> NightFolder:
        """The night of this name.

        Raises:
            NotFound: there is none.
        """
        for path in self._candidates():
            if path.name == night_id and _is_night(path):
                return self._folder(path)
        raise NotFound("there is no such night", "choose one of the list")

    def complete(self, night_id: str) -> NightFolder:
        """The night of this name, if its pages can be shown.

        Raises:
            NotFound: there is none, or it has not ended.
        """
        night = self.find(night_id)
        if not night.is_complete:
            raise NotFound("this night has not ended", "its status tells which stage failed")
        return night

    def latest(self) -> NightFolder | None:
        """The latest night whose pages can be shown."""
        return next((night for night in self.all() if night.is_complete), None)

    def night(self, folder: NightFolder) -> Night:
        """Everything that a night has saved."""
        found: Night = self.kept(folder, "night", lambda: _load(folder, self._network(folder)))
        return found

    def _network(self, folder: NightFolder) -> RoadNetwork:
        """The night's city; nights of one city, told by its manifest, share it in memory."""
        digest = sha256((folder.folders.city / MANIFEST).read_bytes()).hexdigest()
        with self._making:
            if digest not in self._networks:
                self._networks = dict(list(self._networks.items())[-1:])
                self._networks[digest] = load_city(folder.folders.city)
            return self._networks[digest]

    def kept(
        self, folder: NightFolder, what: str, make: Callable[[], Any], *, is_small: bool = False
    ) -> Any:
        """Something made of a night, made once as long as the night does not change.

        One thread makes at a time: what is made passes through a city's memory.

        Args:
            is_small: a few numbers, which stay when the night itself is forgotten.
        """
        key = (folder.night_id, what)
        kept = self._small if is_small else self._kept
        signature = folder.signature()
        found = self._find(kept, key, signature)
        if found is None:
            with self._making:
                found = self._find(kept, key, signature)
                if found is None:
                    found = (signature, make())
                    with self._lock:
                        kept[key] = found
                        kept.move_to_end(key)
                        self._forget_eldest()
        return found[1]

    def _find(self, kept: _Kept, key: tuple[str, str], now: object) -> tuple[object, Any] | None:
        """What is kept, if it was made of the night as it is now."""
        with self._lock:
            found = kept.get(key)
            if found is None or found[0] != now:
                return None
            kept.move_to_end(key)
            return found

    def _forget_eldest(self) -> None:
        """Keep what was made of the nights that were asked for last."""
        recent = list(dict.fromkeys(night_id for night_id, _ in reversed(self._kept)))
        for key in [key for key in self._kept if key[0] in recent[KEPT_IN_MEMORY:]]:
            del self._kept[key]
        while len(self._small) > SMALL_THINGS_KEPT:
            self._small.popitem(last=False)


def _is_night(folder: Path) -> bool:
    if folder.name.startswith("."):
        return False
    return (folder / "city" / MANIFEST).is_file() or (folder / LEDGER).is_file()


def _load(folder: NightFolder, network: RoadNetwork) -> Night:
    import gc

    f = folder.folders
    night = load_night(
        city=f.city,
        state=f.state,
        diagnosis=f.diagnosis,
        plans=judged_plans(f.plans, f.verdict),
        verdict=f.verdict,
        package=f.package,
        world=folder.world,
        most_pictures=EVERY_BIN,
        network=network,
    )
    pa.default_memory_pool().release_unused()  # the tables' memory, ten times what is kept of them
    gc.collect()
    gc.freeze()  # a city is millions of objects without cycles: looking through them stops all
    return night
