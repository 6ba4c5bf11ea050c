"""What a night is told: by ``night.toml``, by the command line, or by nobody.

::

    city = "hefei"                   # a folder from `traffic-brain network import`
    feeds = "feeds"                  # with a folder for each service day, named YYYY-MM-DD
    out = "nights/{day}"             # relative paths start at the folder of this file
    kept_nights = 30                 # of older ones, what was decided goes to nights/archive
    seed = 1
    service_day = 2026-11-02         # left out: the latest day that has feeds

    world = "ingolstadt21"           # instead of city and feeds: a name from
                                     # `traffic-brain scenarios`, or any .sumocfg file
    evaluation_seeds = 10            # days in the world on which old and new plans are compared
    workers = 0                      # simulations at a time; 0: one for each core
    history_days = 4                 # with a folder for each day: earlier ones that plans must suit

    [defects]                        # of the recorded feeds; whatever is left out is as usual
    dead_detector_ratio = 0.1

    [optimize]                       # of the recipe; see optimizers.params.OptimizeParams
    max_candidates = 15

    [refine]                         # of the search in the rebuilt city; see optimizers.search
    tries = 60                       # 0: none; without this table 30, of up to 8 junctions

    [check]                          # of the simulations; see sim_scenarios.check.CheckParams
    confirm_seeds = 8
    budget_s = 1800                  # of a city checked area by area: no area is begun later
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from traffic_brain.errors import ConfigurationError, DataRefused

if TYPE_CHECKING:
    from optimizers.params import OptimizeParams
    from optimizers.search import SearchParams
    from sim_scenarios.check import CheckParams

EACH_DAY = "{day}"
RECORDED_DAY = date(2026, 11, 2)
"""The service day of a recorded world, where nobody wants another."""

Params = TypeVar("Params", "OptimizeParams", "SearchParams", "CheckParams")


@dataclass(frozen=True, slots=True)
class NightSettings:
    """The settings of a night; the defaults are the demonstration.

    Raises:
        ConfigurationError: a value is out of its range; lists all that are.
    """

    city: Path | None = None
    feeds: Path | None = None
    """City and feeds: of a real city. Without them a world is recorded."""
    world: str | None = None
    """None: the demonstration city, as good as this machine has one."""
    out: Path = Path("night")
    """Where the night works. `EACH_DAY` as its last part: every service day has its own folder."""
    kept_nights: int = 0
    """With a folder for each day: so many nights stay whole; 0: all."""
    seed: int = 1
    service_day: date | None = None
    """None: the latest day of the feeds; of a world, ``RECORDED_DAY``."""
    history_days: int = 4
    """With a folder for each day: earlier days whose traffic plans must suit as well."""
    evaluation_seeds: int = 10
    workers: int = 0
    defects: Mapping[str, object] = field(default_factory=dict)
    """What to change of the usual defects of the recorded feeds, by name."""
    optimize: Mapping[str, object] = field(default_factory=dict)
    """What to change of the usual `OptimizeParams`, by name."""
    refine: Mapping[str, object] | None = None
    """What to change of the usual `SearchParams`, by name; None: `optimizers.search.UNASKED`."""
    check: Mapping[str, object] = field(default_factory=dict)
    """What to change of the usual `CheckParams`, by name."""

    def __post_init__(self) -> None:
        smallest = {"seed": 0, "evaluation_seeds": 2}
        smallest |= dict.fromkeys(("workers", "kept_nights", "history_days"), 0)
        problems = [
            f"{name} is {getattr(self, name)}, but must be {least} or more"
            for name, least in smallest.items()
            if getattr(self, name) < least
        ]
        if (self.city is None) != (self.feeds is None):
            problems.append("a city needs its feeds, and feeds need their city: give both")
        if self.world is not None and self.city is not None:
            problems.append("it is either a world or a city with its feeds")
        if EACH_DAY in str(self.out.parent) or (EACH_DAY in self.out.name and not self.is_dated):
            problems.append(f"out is {self.out}, but {EACH_DAY} must be the whole of its last part")
        if self.kept_nights and not self.is_dated:
            problems.append(f"kept_nights needs a folder for each day: out = 'nights/{EACH_DAY}'")
        _refuse("the night's settings", problems)

    @property
    def is_dated(self) -> bool:
        """Whether every service day has a folder of its own."""
        return self.out.name == EACH_DAY

    @property
    def root(self) -> Path:
        """Where the night of the service day works.

        Raises:
            DataRefused: as `day`.
        """
        out = self.out.with_name(self.day.isoformat()) if self.is_dated else self.out
        return out.resolve()

    @property
    def day(self) -> date:
        """The service day.

        Raises:
            DataRefused: no folder of the feeds is named after a day, or not the one that is wanted.
        """
        if self.feeds is None:
            return self.service_day or RECORDED_DAY
        if not self.feeds.is_dir():
            raise DataRefused(f"no such folder: {self.feeds}", "give the folder of the feeds")
        days = service_days(self.feeds)
        if not days:
            raise DataRefused(
                f"{self.feeds} has no folder for a service day",
                "each day's feeds stand in a folder named YYYY-MM-DD",
            )
        wanted = self.service_day or days[-1]
        if wanted not in days:
            raise DataRefused(
                f"{self.feeds} has no feeds of {wanted}",
                f"there are {len(days)} days from {days[0]} to {days[-1]}",
            )
        return wanted

    @property
    def worker_count(self) -> int:
        """Simulations that run at a time; decides how long the night takes, never its result."""
        return self.workers or len(os.sched_getaffinity(0))


def service_days(feeds: Path) -> list[date]:
    """Days that have a folder, in order."""
    found = []
    for folder in feeds.iterdir() if feeds.is_dir() else ():
        with suppress(ValueError):
            found.append(date.fromisoformat(folder.name))
    return sorted(found)


def read_settings(config: Path | None, overrides: Mapping[str, object]) -> NightSettings:
    """The settings of a file, and above them what the command line says (None: nothing).

    Raises:
        ConfigurationError: the file cannot be read, or has unknown settings or values of the wrong
            kind; lists all of them.
    """
    told = _read_config(config) if config else {}
    told |= {name: value for name, value in overrides.items() if value is not None}
    return NightSettings(**told)  # type: ignore[arg-type]  # each kind was checked


def changed(usual: Params, table: Mapping[str, object], name: str) -> Params:
    """A stage's parameters: the usual ones, changed by table ``name`` of the settings.

    Raises:
        ConfigurationError: a name is unknown, or a value of the wrong kind or out of range; lists
            all names and kinds that are wrong.
    """
    known = {parameter.name: getattr(usual, parameter.name) for parameter in fields(usual)}
    problems = [_unknown(key, known) for key in table if key not in known]
    problems += [
        f"{key} = {value!r} is not {_like(known[key])[1]}"
        for key, value in table.items()
        if key in known and not _like(known[key])[0](value)
    ]
    _refuse(f"[{name}]", problems, f"known are {', '.join(sorted(known))}")
    changes = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    try:
        return replace(usual, **changes)  # type: ignore[arg-type]  # each kind was checked
    except ConfigurationError as error:
        raise ConfigurationError(f"[{name}]: {error.what}", error.remedy) from error


def read_toml(path: Path) -> dict[str, object]:
    """A TOML file.

    Raises:
        ConfigurationError: it is not there, or no TOML.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", "check it") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}", "mend it") from error


def _read_config(config: Path) -> dict[str, object]:
    told = read_toml(config)
    known = {setting.name for setting in fields(NightSettings)}
    problems = [_unknown(name, known) for name in told if name not in known]
    problems += [
        f"{name} = {value!r} is not {_KINDS[name][1]}"
        for name, value in told.items()
        if name in known and not _is_of_kind(name, value)
    ]
    _refuse(str(config), problems, f"known are {', '.join(sorted(known))}")
    return {name: _at(config.parent, name, value) for name, value in told.items()}


_KINDS: Mapping[str, tuple[type, str]] = {
    "city": (str, "a text"),
    "feeds": (str, "a text"),
    "world": (str, "a text"),
    "out": (str, "a text"),
    "seed": (int, "a whole number"),
    "service_day": (date, "a date such as 2026-11-02"),
    "evaluation_seeds": (int, "a whole number"),
    "workers": (int, "a whole number"),
    "kept_nights": (int, "a whole number"),
    "history_days": (int, "a whole number"),
    "defects": (dict, "a table"),
    "optimize": (dict, "a table"),
    "refine": (dict, "a table"),
    "check": (dict, "a table"),
}


def _unknown(name: str, known: Iterable[str]) -> str:
    """What is said of a name that is none, with the one that was likely meant."""
    near = get_close_matches(name, sorted(known), 1)
    return f"'{name}' is unknown" + (f": did you mean {near[0]}?" if near else "")


def _is_of_kind(name: str, value: object) -> bool:
    # bool is an int to Python, and a date-time is a date
    return isinstance(value, _KINDS[name][0]) and not isinstance(value, bool | datetime)


def _like(usual: object) -> tuple[Callable[[object], bool], str]:
    """Whether a value can stand for a usual one, and what such a value is called."""
    if isinstance(usual, tuple):
        return _is_list_of_whole, "a list of whole numbers"
    if isinstance(usual, bool):
        return _is_truth, "true or false"
    return (_is_whole, "a whole number") if isinstance(usual, int) else (_is_number, "a number")


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_list_of_whole(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))


def _at(folder: Path, name: str, value: object) -> object:
    """A value as the settings hold it: paths start at the folder of the file."""
    if name in {"city", "feeds", "out"}:
        return folder / str(value)
    if name == "world" and str(value).endswith(".sumocfg"):
        return str(folder / str(value))
    return value


def _refuse(what: str, problems: list[str], remedy: str = "mend the settings") -> None:
    if problems:
        raise ConfigurationError(f"{what}: {'; '.join(problems)}", remedy)
