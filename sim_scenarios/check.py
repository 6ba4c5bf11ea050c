"""The check before deployment: SUMO, with the demand that the engine rebuilt from the feeds.

First the safety rules: a candidate that breaks one is not driven at all. *Calibration*: two days
with the plans in service tell whether the rebuilt city behaves as the real one; one that does not
is asked no further. Then three phases. *Screening*: every candidate, in turns under ten per cent
more demand and under the rebuilt one, so that plans that lock the streets show it; round by round
the better half goes on. *Confirmation*: the best against the plans in service, pair by pair, on
seeds that the screening has not seen; while the interval is open, or days break down, more pairs
are run, at most twice. *Stress*: further pairs under more demand. A candidate that does not pass
is followed by the runner-up, on other seeds.

A day on which the streets lock costs three times an ordinary day and happens, now and then, under
any plan. So two questions are asked. Is the ordinary day better beyond doubt? The median change
with its exact interval says so. And does the plan break down no more often, and is it
better in the mean of all days, breakdowns included? Never worse: what is not shown better is not
recommended.

What passes so far is better for all together. It still must hurt nobody beyond the limits: no
street starved, none filled back to the junction behind it, no bus line held up; and it must be no
worse under ten per cent more or less demand, nor while the signals switch to it and back.

A plan is made for the day it has seen, and the plan in service perhaps for the day before. So the
demand is not tonight's alone: where earlier days are known (``history``), the pairs take turns
between them. What suits one day only is not shown better.

Blocked vehicles are not lifted out of the way (no teleports): a plan that gridlocks must not pass.

A city too large for one simulation is checked area by area, each with all of the above, and only
the areas that pass change their plans; see ``sim_scenarios.areas``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from network_data.city import load_city
from sim_scenarios.gate.bench import MOST_DAYS
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.whole import Question, check_whole, read_candidates, unregistered
from traffic_brain.progress import Progress, silent

__all__ = ["CheckParams", "check", "read_candidates", "unregistered"]

JOURNAL = ".check-runs"
"""Beside the verdict's folder, while the check runs: what a kill leaves, the next check uses."""


def check(  # noqa: PLR0913 four folders, and six ways to ask
    city: Path,
    state: Path,
    plans: Path,
    out: Path,
    *,
    seed: int = 0,
    params: CheckParams | None = None,
    workers: int | None = None,
    journal: Path | None = None,
    history: Sequence[Path] = (),
    diagnosis: Path | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Judge the candidates in ``plans``.

    Writes verdict.json, runs.parquet and calibration.json; and of the candidate that came to
    confirmation evidence.json with movements.parquet, links.parquet and crossings.parquet. Of a
    city that is checked by areas: areas.json, the same files for each area in ``areas``, and as
    candidates.json the plans that passed, so that ``out`` is a plans folder too.

    ``workers``: simulations at a time, default one per core; the result does not depend on it,
    unless the budget ends before all areas are checked.
    ``history``: states of earlier days, the latest first; of more than `MOST_DAYS` − 1 the first.
    ``journal``: where finished runs are noted until the verdict is written, default beside
    ``out``; one that is given is kept.
    ``diagnosis``: tells which areas are checked first; else those with the most delay are.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        SimulationError: SUMO failed twice on one run, or the disk is full.
    """
    params = params or CheckParams()
    states = (state, *history)[:MOST_DAYS]
    asked = Question(load_city(city), city, states, plans, seed, params)
    notes = Journal(journal or out.resolve().parent / JOURNAL)
    if len(asked.network.junctions) > params.most_junctions:
        from sim_scenarios.areas.trial import check_areas

        runs = check_areas(
            asked, out, notes, workers=workers, diagnosis=diagnosis, progress=progress
        )
    else:
        runs = check_whole(asked, out, notes, workers=workers, progress=progress)
    if journal is None:
        notes.clear()
    return {"runs": runs}
