"""The worlds there are: named ones from ``library/``, those added here, any SUMO configuration.

Nothing of a world lies in this package but its description. Maps of other packages are read
where these are installed and simply not listed where they are not; the generated city is
always there. Worlds that somebody added stand in `own_library`, described in the same way.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sim_scenarios.conditions import ORDINARY, Conditions
from sim_scenarios.generated import GeneratedCity
from traffic_brain.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NO_KEYS = frozenset({"sumocfg", "generated", "conditions"})
DEFAULT_HORIZON_S = 4 * 3600
"""Longest stretch simulated of a world that does not say otherwise."""


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """A world: where it comes from, and the times that differ from its own configuration.

    Exactly one of ``sumocfg`` and ``generated`` is set. Times are simulation seconds, which
    are seconds of the service day; None means: as the configuration has it.
    ``time_to_teleport_s``: seconds after which SUMO lifts a blocked vehicle over the
    blockade; -1 never.
    """

    name: str
    title_zh: str = ""
    title_en: str = ""
    sumocfg: Path | None = None
    generated: GeneratedCity | None = None
    begin_s: int | None = None
    end_s: int | None = None
    time_to_teleport_s: float | None = None
    horizon_s: int = DEFAULT_HORIZON_S
    source: str = ""
    conditions: Conditions = ORDINARY
    """What is unusual about its days."""

    def __post_init__(self) -> None:
        if (self.sumocfg is None) == (self.generated is None):
            raise ConfigurationError(
                f"world {self.name!r} must have either a configuration file or a generated city",
                "give one of them",
            )


def available() -> list[ScenarioSpec]:
    """Every named world that can be run here, in alphabetical order."""
    tables = _tables()
    plain = {name for name, (_, told) in tables.items() if "base" not in told}
    found: dict[str, ScenarioSpec] = {}
    for name in sorted(tables, key=lambda name: name not in plain):
        path, told = tables[name]
        with _blaming(path):
            if name not in plain:
                _refuse_base(told["base"], plain, set(tables))
            spec = _changed(told, found) if name not in plain else _of_table(path, told)
        if spec is not None:
            found[name] = spec
    return [found[name] for name in sorted(found)]


def find(name_or_path: str | Path) -> ScenarioSpec:
    """The world of a name, or of a path of a ``.sumocfg`` file.

    Raises ConfigurationError when there is none, with the names that come near.
    """
    text = str(name_or_path)
    worlds = {spec.name: spec for spec in available()}
    if text in worlds:
        return worlds[text]
    path = Path(text).expanduser()
    if path.is_file():
        return ScenarioSpec(name=_name_of(path), sumocfg=path.resolve(), source=str(path))
    if path.suffix == ".sumocfg" or len(path.parts) > 1:
        raise ConfigurationError(f"no such file: {text}", "give the path of a .sumocfg file")
    raise ConfigurationError(f"no world is called {text!r}", _what_instead(text, list(worlds)))


def _what_instead(text: str, names: list[str]) -> str:
    if text in _tables():
        return "install the package it comes from, pip install 'traffic-brain[demo]', or its file"
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    advice = "see: traffic-brain scenarios; or give the path of a .sumocfg file"
    return f"did you mean {', '.join(near)}? {advice}" if near else advice


def _name_of(path: Path) -> str:
    """The file's name, or its folder's where the file is called something like ``run``."""
    plain = {"run", "sumo", "config", "osm", "default", "scenario"}
    return path.resolve().parent.name if path.stem.lower() in plain else path.stem


def own_library() -> Path:
    """The folder of the worlds that were added on this account (XDG's place for settings)."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "traffic-brain" / "scenarios"


def add(spec: ScenarioSpec) -> Path:
    """Describe a world of a ``.sumocfg`` file in `own_library`, so that its name finds it.

    Raises:
        ConfigurationError: its name cannot be one or is taken, or it has no such file.
    """
    if not _NAME.fullmatch(spec.name):
        raise ConfigurationError(
            f"{spec.name!r} cannot be a world's name", "take letters, digits, '-' and '_'"
        )
    if spec.name in _tables():
        raise ConfigurationError(f"a world {spec.name} is there already", "take another name")
    if spec.sumocfg is None or not spec.sumocfg.is_file():
        raise ConfigurationError(f"no such file: {spec.sumocfg}", "give a .sumocfg file")
    told = {
        f.name: getattr(spec, f.name)
        for f in fields(ScenarioSpec)
        if f.name not in _NO_KEYS and getattr(spec, f.name) is not None
    }
    told["file"] = str(spec.sumocfg.resolve())
    path = own_library() / f"{spec.name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in told.items()]
    part = path.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _library() -> list[Path]:
    folder = Path(str(files("sim_scenarios"))) / "library"
    return [*sorted(folder.glob("*.toml")), *sorted(own_library().glob("*.toml"))]


def _tables() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Every description there is, by the name of its world.

    Raises ConfigurationError when a file cannot be read, or its name is none or taken.
    """
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in _library():
        with _blaming(path):
            told = tomllib.loads(path.read_text(encoding="utf-8"))
            name = told.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigurationError(
                    "it has no name, or one that cannot be", 'write name = "…"'
                )
            if name in found:
                raise ConfigurationError(f"a world {name} is there already", "take another name")
        found[name] = path, told
    return found


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Errors tell which file of the library to correct."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.what}", error.remedy) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ConfigurationError(f"{path}: {error}", "correct the file, or delete it") from error


def _of_table(path: Path, told: dict[str, Any]) -> ScenarioSpec | None:
    """The world a library file describes; None where its package is not installed."""
    table = dict(told)
    package = table.pop("package", None)
    file = table.pop("file", "")
    city = table.pop("generated", None)
    conditions = Conditions.of_table(table.pop("conditions", {}))
    _refuse_unknown(table)
    if city is not None:
        return ScenarioSpec(generated=GeneratedCity(**city), conditions=conditions, **table)
    sumocfg = _file_of_package(package, file) if package else _file_of(path, file)
    if sumocfg is None:
        return None
    return ScenarioSpec(sumocfg=sumocfg, conditions=conditions, **table)


def _changed(told: dict[str, Any], worlds: Mapping[str, ScenarioSpec]) -> ScenarioSpec | None:
    """Another world on an unusual day; None where that world's package is not installed."""
    table = dict(told)
    base = worlds.get(str(table.pop("base")))
    conditions = Conditions.of_table(table.pop("conditions", {}))
    _refuse_unknown(table)
    return None if base is None else replace(base, conditions=conditions, **table)


def _refuse_base(told: object, plain: Collection[str], known: Collection[str]) -> None:
    base = str(told)
    if base in plain:
        return
    if base in known:
        raise ConfigurationError(f"its base {base} is itself a changed world", "name that one's")
    near = difflib.get_close_matches(base, sorted(plain), n=3, cutoff=0.5)
    advice = f"did you mean {', '.join(near)}?" if near else "see: traffic-brain scenarios"
    raise ConfigurationError(f"its base {base!r} is no world", advice)


def _refuse_unknown(table: dict[str, Any]) -> None:
    unknown = set(table) - ({f.name for f in fields(ScenarioSpec)} - _NO_KEYS)
    if unknown:
        raise ConfigurationError(f"unknown keys {sorted(unknown)}", "correct it")


def _file_of(description: Path, file: str) -> Path | None:
    """A file told by its path, from the description's folder; None where it is gone."""
    path = description.parent / file
    return path if path.is_file() else None


def _file_of_package(package: str, file: str) -> Path | None:
    """A file inside an installed package, found without importing the package."""
    spec = find_spec(package)
    places = (Path(p) / file for p in (spec and spec.submodule_search_locations) or ())
    return next((path for path in places if path.is_file()), None)
