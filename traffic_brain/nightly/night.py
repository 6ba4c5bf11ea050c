"""The whole loop over a day of feeds, from a city or from a recorded world, to package and page."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traffic_brain.executor import Engine
from traffic_brain.nightly.folders import fresh
from traffic_brain.nightly.machine import check_room
from traffic_brain.nightly.runner import Stage, Watcher, run_stages
from traffic_brain.nightly.settings import NightSettings, changed

if TYPE_CHECKING:
    from optimizers.params import OptimizeParams
    from optimizers.search import SearchParams
    from sim_scenarios.check import CheckParams

DEMONSTRATION = ("ingolstadt21", "small")
"""The first of these that is installed is the demonstration city."""


@dataclass(frozen=True)
class NightFolders:
    """Where a night keeps what it makes, and finds what it does not make."""

    root: Path
    service_day: str
    feeds: Path

    @staticmethod
    def of(settings: NightSettings) -> NightFolders:
        """A city's feeds lie where they are; a world's are recorded here."""
        root, day = settings.root, settings.day.isoformat()
        feeds = settings.feeds.resolve() if settings.feeds else root / "feeds"
        return NightFolders(root, day, feeds / day)

    @property
    def city(self) -> Path:
        return self.root / "city"

    @property
    def truth(self) -> Path:
        return self.root / "truth" / self.service_day

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def diagnosis(self) -> Path:
        return self.root / "diagnosis"

    @property
    def plans(self) -> Path:
        return self.root / "plans"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict"

    @property
    def package(self) -> Path:
        return self.root / "package"

    @property
    def world(self) -> Path:
        return self.root / "world"

    @property
    def report(self) -> Path:
        return self.root / "report"


@dataclass(frozen=True)
class NightSummary:
    """What the night found and did; every figure is read from the folders it made."""

    name: str
    """Of the city or the world."""
    folders: NightFolders
    state: Mapping[str, Any]
    diagnosis: Mapping[str, Any]
    proposed_plans: int
    verdict: Mapping[str, Any]
    result: Mapping[str, Any] | None
    """What the package did in the world; None where there is none to ask."""
    areas: Mapping[str, Any] | None = None
    """How many areas were checked and passed; None of a city that was checked in one piece."""

    @property
    def page(self) -> Path:
        return self.folders.report / "index.html"

    def document(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "city" if self.result is None else "world": self.name,
            "service_day": self.folders.service_day,
            "fused_rows": self.state["rows_used"],
            "quarantined_rows": self.state["rows_quarantined"],
            "bottlenecks": self.diagnosis["bottlenecks"],
            "corridors": self.diagnosis["corridors"],
            "proposed_plans": self.proposed_plans,
            "verdict": dict(self.verdict),
            "areas": None if self.areas is None else dict(self.areas),
            "delay_in_world": None if self.result is None else dict(self.result),
            "package": str(self.folders.package),
            "page": str(self.page),
        }

    def table(self) -> list[tuple[str, str]]:
        """For a person."""
        return [
            (
                "city" if self.result is None else "world",
                f"{self.name}, service day {self.folders.service_day}",
            ),
            ("fused rows", f"{self.state['rows_used']:,}"),
            ("quarantined rows", f"{self.state['rows_quarantined']:,}"),
            ("bottlenecks", str(self.diagnosis["bottlenecks"])),
            ("corridors", str(self.diagnosis["corridors"])),
            ("proposed plans", str(self.proposed_plans)),
            ("verdict", f"{self.verdict['decision']}: {self.verdict['reason']}"),
            *(() if self.areas is None else [("areas", areas_told(self.areas))]),
            *(() if self.result is None else result_rows(self.result)),
            ("package", str(self.folders.package)),
            ("page", str(self.page)),
        ]


def run_night(settings: NightSettings, watcher: Watcher) -> NightSummary:
    """Run the loop in ``settings.root``; finished stages are not repeated.

    Raises:
        ConfigurationError: there is no such world, or the folder cannot be used.
        TrafficBrainError: as a stage raises it; finished stages are kept.
        NightIncomplete: a stage failed for a reason nobody had foreseen.
    """
    folders = NightFolders.of(settings)
    params = _params(settings)  # whatever is wrong with the settings is told before anything runs
    check_room(folders.root, folders.feeds if settings.feeds else None)
    if settings.city:
        name, stages = (
            settings.city.resolve().name,
            _stages_of_city(settings.city, folders, settings, params),
        )
    else:
        name = settings.world or demonstration_world()
        stages = _stages_of_world(name, folders, settings, params)
    with closing(stages):
        for _ in run_stages(stages, folders.root, watcher):
            pass
    if settings.kept_nights:
        from traffic_brain.nightly.retention import archive_old

        archive_old(folders.root.parent, settings.kept_nights)
    return _summary(name, folders, in_world=settings.city is None)


def demonstration_world() -> str:
    """The best world of ``DEMONSTRATION`` that this machine has."""
    from sim_scenarios.spec import available

    here = {spec.name for spec in available()}
    return next(name for name in DEMONSTRATION if name in here)


@dataclass(frozen=True)
class _Params:
    """What the settings change of the stages' own parameters."""

    optimize: OptimizeParams
    search: SearchParams
    check: CheckParams


def _params(settings: NightSettings) -> _Params:
    from optimizers.params import OptimizeParams
    from optimizers.refinement import refuse_conflicts
    from optimizers.search import UNASKED, SearchParams
    from sim_scenarios.check import CheckParams
    from sim_scenarios.defects import Defects

    Defects.of_table(settings.defects)  # refused before the night begins
    recipe = changed(OptimizeParams(), settings.optimize, "optimize")
    search = UNASKED
    if settings.refine is not None:
        search = changed(SearchParams(), settings.refine, "refine")
    elif recipe.max_changes:
        search = SearchParams(tries=0)
    freed = recipe.free_protections or search.free_protections
    recipe, search = (
        replace(recipe, free_protections=freed),
        replace(search, free_protections=freed),
    )
    refuse_conflicts(recipe, search)
    return _Params(recipe, search, changed(CheckParams(), settings.check, "check"))


def _stages_of_city(
    city: Path, f: NightFolders, settings: NightSettings, params: _Params
) -> Generator[Stage, None, None]:
    """The stages in order, for a city whose feeds are there already."""
    from traffic_brain.nightly import stages

    yield stages.city_stage(city, f.city)
    yield from _engine(f, settings, params)
    yield stages.report_stage(**_reported(f), world=None, report=f.report)


def _stages_of_world(
    name: str, f: NightFolders, settings: NightSettings, params: _Params
) -> Generator[Stage, None, None]:
    """The stages in order; each is built when the folders before it are there.

    The world is made ready in the night's own folder: what a kill leaves of it, the next night
    clears away.
    """
    from sim_scenarios.defects import Defects
    from sim_scenarios.scenario import prepare
    from sim_scenarios.spec import find
    from traffic_brain.nightly import stages

    spec = find(name)
    defects = Defects.of_table({**spec.conditions.defects, **settings.defects})
    with fresh(f.root / "prepared") as workdir:
        world = prepare(spec, workdir)
        net, signals = world.network_sources()
        yield stages.record_stage(
            spec, world, f.feeds, f.truth, seed=settings.seed, defects=defects
        )
        yield stages.import_stage(net, signals, f.city)
        yield from _engine(f, settings, params)
        yield stages.evaluate_stage(
            spec,
            world,
            f.package,
            f.world,
            seeds=evaluation_seeds(settings),
            workers=settings.worker_count,
        )
        yield stages.report_stage(**_reported(f), world=f.world, report=f.report)


def _engine(
    f: NightFolders, settings: NightSettings, params: _Params
) -> Generator[Stage, None, None]:
    """From a day of feeds to the package: all that the engine does, whoever sent the feeds."""
    from traffic_brain.nightly import stages
    from traffic_brain.nightly.history import earlier_states

    seed, recipe, trial = settings.seed, params.optimize, params.check
    engine = Engine(settings.worker_count)
    yield stages.fuse_stage(f.city, f.feeds, f.state, seed=seed, engine=engine)
    yield stages.diagnose_stage(f.city, f.state, f.diagnosis)
    history = earlier_states(f.root, f.city, settings.history_days) if settings.is_dated else []
    yield stages.optimize_stage(
        f.city,
        f.state,
        f.diagnosis,
        f.plans,
        seed=seed,
        params=recipe,
        search=params.search,
        trial=trial,
        workers=settings.worker_count,
        history=history,
    )
    yield stages.check_stage(
        f.city,
        f.state,
        f.plans,
        f.verdict,
        seed=seed,
        params=trial,
        workers=settings.worker_count,
        history=history,
        diagnosis=f.diagnosis,
    )
    yield stages.package_stage(
        f.city, f.state, f.plans, f.verdict, f.package, diagnosis=f.diagnosis
    )


def _reported(f: NightFolders) -> dict[str, Path]:
    return {
        "city": f.city,
        "state": f.state,
        "diagnosis": f.diagnosis,
        "plans": f.plans,
        "verdict": f.verdict,
        "package": f.package,
    }


def evaluation_seeds(settings: NightSettings) -> tuple[int, ...]:
    """Seeds of the world's later days: never the seed of the day that was recorded."""
    first = 1_000_000 + 1000 * settings.seed
    return tuple(range(first, first + settings.evaluation_seeds))


def _summary(name: str, f: NightFolders, *, in_world: bool) -> NightSummary:
    def read(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    plans = read(f.package / "plans.json")["plans"]
    return NightSummary(
        name=name,
        folders=f,
        state=read(f.state / "summary.json"),
        diagnosis=read(f.diagnosis / "summary.json"),
        proposed_plans=len(plans),
        verdict=read(f.verdict / "verdict.json"),
        result=read(f.world / "result.json") if in_world else None,
        areas=_areas(f.verdict / "areas.json"),
    )


def _areas(path: Path) -> dict[str, Any] | None:
    """Of a verdict that was put together from areas: their numbers, without the areas."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return {**found, "areas": len(found["areas"])}


def areas_told(areas: Mapping[str, Any]) -> str:
    """Checked areas for a person."""
    return (
        f"{areas['checked']} of {areas['areas']} checked, with"
        f" {areas['checked_delay_ratio']:.0%} of the delay; {areas['passed']} change plans"
    )


def result_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An evaluation's ``result.json`` for a person."""
    if not result["deployed"]:
        return [("delay in the world", f"{result['before_mean_s']:.1f} s, plans kept")]
    change = result["change_ratio"]
    return [
        (
            "delay in the world",
            (
                f"{result['before_mean_s']:.1f} s before, {result['after_mean_s']:.1f} s after, "
                f"per vehicle, mean of {len(result['seeds'])} fresh seeds "
                f"(median {result['before_median_s']:.1f} s and {result['after_median_s']:.1f} s)"
            ),
        ),
        (
            "change",
            f"{change['mean']:+.1%}, 95 % interval [{change['low']:+.1%}, {change['high']:+.1%}]",
        ),
    ]
