"""What becomes of a case: refused, imported with a report, or how the importer failed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType

from network_data.checks import problems
from network_data.city import load_city
from network_data.importers import import_any
from network_data.loss_report import FILE as LOSSES_FILE
from traffic_brain.errors import DataRefused, TrafficBrainError
from traffic_brain.model.network import RoadNetwork

LIMIT_S = 20.0
"""Of CPU time: no file of these sizes takes longer, unless the importer hangs."""
PATIENCE = 10
"""So many times the limit may pass by the clock, on a machine that has other work as well."""

Importer = Callable[[Path, Sequence[Path], Path], object]


@dataclass(frozen=True, slots=True)
class Case:
    """Files to import, sound or damaged."""

    kind: str
    """Which sound files these are, or were."""
    files: Mapping[str, bytes]
    network: str
    """The file to import; empty: the folder that holds them all."""
    additional: tuple[str, ...] = ()
    as_it_is: bool = False
    """The city takes over what the files say, also where ``network check`` finds it odd."""


Maker = Callable[[int, random.Random], Case]
"""Makes the damaged case of a number."""


class Verdict(StrEnum):
    """What became of a case."""

    REFUSED = "refused"
    IMPORTED = "imported"
    TRACEBACK = "traceback"
    """Anything but ``DataRefused`` was raised."""
    HANG = "hang"
    """It took longer than the limit."""
    HALF_WRITTEN = "half-written"
    """Refused and files left behind, or imported and no whole city."""
    UNTOLD = "untold"
    """Refused in many lines or without a remedy, or a signal without plan that nobody names."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case, and how long it took (CPU time, programs that it started included)."""

    verdict: Verdict
    detail: str
    seconds: float

    @property
    def failed(self) -> bool:
        return self.verdict not in (Verdict.REFUSED, Verdict.IMPORTED)


def judge(
    case: Case, folder: Path, *, importer: Importer = import_any, limit_s: float = LIMIT_S
) -> Outcome:
    """Import a case inside of ``folder``, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    inputs, out = folder / "in", folder / "city"
    inputs.mkdir(parents=True)
    out.mkdir()
    for name, content in case.files.items():
        (inputs / name).write_bytes(content)
    cpu_s, clock_s = _cpu_s(), time.monotonic()
    try:
        with time_limit(limit_s):
            verdict, detail = _import(case, inputs, out, importer)
    except Exception:  # noqa: BLE001 -- whatever it is, it is the finding
        verdict, detail = Verdict.TRACEBACK, traceback.format_exc()
    cpu_s, clock_s = _cpu_s() - cpu_s, time.monotonic() - clock_s
    if cpu_s > limit_s or clock_s > PATIENCE * limit_s:  # also where the importer caught the alarm
        told = f"{cpu_s:.1f} s of CPU time, {clock_s:.1f} s by the clock"
        verdict, detail = Verdict.HANG, f"{told}; then {verdict}: {detail}"
    return Outcome(verdict, detail, cpu_s)


def _import(case: Case, inputs: Path, out: Path, importer: Importer) -> tuple[Verdict, str]:
    try:
        importer(inputs / case.network, [inputs / name for name in case.additional], out)
    except DataRefused as refusal:
        told = str(refusal)
        if "\n" in told or not refusal.remedy:
            return Verdict.UNTOLD, f"refused in many lines, or without a remedy: {told!r}"
        left = sorted(path.name for path in out.iterdir())
        return (Verdict.HALF_WRITTEN, f"left {left}") if left else (Verdict.REFUSED, told)
    try:
        report = json.loads((out / LOSSES_FILE).read_text(encoding="utf-8"))
        city = load_city(out)
    except (OSError, ValueError, TrafficBrainError):
        return Verdict.HALF_WRITTEN, traceback.format_exc()
    return _told(case, city, {entry["place"] for entry in report["to_fix"]})


def _told(case: Case, city: RoadNetwork, asked: set[str]) -> tuple[Verdict, str]:
    lacking = {j.junction_id for j in city.junctions.values() if j.plan_in_service is None}
    if lacking - asked:
        untold = sorted(lacking - asked)
        return Verdict.UNTOLD, f"no plan, and not on the to-fix list: {untold}"
    found = [p for p in problems(city) if p.rule != "junctions_were_understood"]
    if found and not case.as_it_is:
        return Verdict.UNTOLD, f"problems: {[str(p) for p in found[:5]]}"
    return Verdict.IMPORTED, f"{len(found)} problems, {len(asked)} places to fix"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block when it takes too long, where the system can.

    After so much CPU time, or after ``PATIENCE`` times as long by the clock.
    """

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE * seconds),
    )
    before = [signal.signal(number, ring) for number, _, _ in timers]
    for _, timer, after_s in timers:
        signal.setitimer(timer, after_s)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _cpu_s() -> float:
    """CPU time of this process and of those that it has waited for."""
    return sum(os.times()[:4])
