"""Which devices and feeds are unwell, how it shows, and what can be set right.

Codes, beside ``dead`` and ``no_data`` (nothing came at all):

==================== ===========================================================================
``stuck``            sends what no traffic can be: one value for hours, a beat, too much for a lane
``low_hits``         sees far fewer vehicles than its counts, or the detectors beside it, tell
``silent``           fell silent for a while in which its neighbours went on
``duplicate_stream`` sends what another device of the junction sends
``swapped_lanes``    two lanes of an approach pass on each other's green
``clock_drift``      its clock is ahead of or behind the others; see ``feeds.clocks`` and, of
                     providers, ``feeds.provider_clock``
``unit_changed``     a provider's speeds are in another unit than they say
``hand_run``         police ran the junction by hand; see ``feeds.hand_run``
``far_from_link``    located more than 30 m from any fitting link
``rows_lost``        far fewer rows than other tables tell of the same vehicles (``feeds.losses``)
``mostly_refused``   most of a feed's rows went to quarantine (``feeds.quarantine``)
``other_timing``     passes show another timing than the plan on file (``fusion.signals``)
==================== ===========================================================================

What is known to be wrong and by how much is set right (lanes, clocks, units); what cannot be used
is left out (stuck, doubled, with low hits); where two feeds contradict each other and nobody can
say which is right, nothing is changed and the report says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.feeds.clocks import (
    Clock,
    ClockErrors,
    against_lamps,
    along_ways,
    at_one_stop_line,
    clock_errors,
)
from traffic_brain.feeds.devices import (
    Streams,
    cameras_with_low_hits,
    detectors_with_low_hits,
    doubled_detectors,
    far_detectors,
    junction_of_links,
    silent_detectors,
    streams_of,
    stuck_detectors,
    swapped_detectors,
    swapped_lanes,
)
from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.hand_run import HandRun, hand_runs, without_hand_runs
from traffic_brain.feeds.internet import InternetDay
from traffic_brain.feeds.layout import CHECKPOINT, INTERNET, POLICE
from traffic_brain.feeds.lights import Lights
from traffic_brain.feeds.losses import lost_rows
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.feeds.provider_clock import LEAST_AHEAD_S, provider_ahead_s
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.feeds.speed_units import SpeedUnit, speed_units, stuck_links, unit_findings
from traffic_brain.feeds.tables import DAY_S
from traffic_brain.model.network import RoadNetwork


@dataclass(frozen=True)
class Health:
    """What is unwell with a day's feeds, and what follows from it."""

    findings: tuple[Finding, ...] = ()
    useless: frozenset[str] = frozenset()
    """Police detectors to be left out."""
    lane_of: Mapping[str, int] = field(default_factory=dict)
    """Detector -> the lane it is really on."""
    ahead_s: Mapping[Clock, float] = field(default_factory=dict)
    provider_ahead_s: float = 0.0
    speed_units: tuple[SpeedUnit, ...] = ()
    hand_runs: tuple[HandRun, ...] = ()


def examine(
    police: PoliceDay, checkpoint: CheckpointDay, internet: InternetDay, network: RoadNetwork
) -> Health:
    """Look at a day's feeds, each by itself and beside the others."""
    lights = Lights(police.signal_log, network)
    streams = streams_of(police)
    swapped = dict(swapped_lanes(police, streams, lights))
    useless = [
        *stuck_detectors(police, streams),
        *doubled_detectors(police, streams),
        *detectors_with_low_hits(police, streams),
    ]
    errors = clock_errors(
        [
            *at_one_stop_line(police.passes, checkpoint.passes, junction_of_links(police)),
            *along_ways(checkpoint.passes, network),
        ]
    )
    provider = _Provider.beside(police, checkpoint, internet, network, errors.between_feeds_s)
    units = tuple(speed_units(internet, network))
    runs = tuple(hand_runs(police.signal_log))
    findings = [
        *useless,
        *silent_detectors(police, streams),
        *cameras_with_low_hits(police, checkpoint),
        *stuck_links(internet, network),
        *swapped_detectors(police, swapped),
        *_clock_findings(errors, police, checkpoint, provider),
        *_against_lamps(police, streams, lights),
        *unit_findings(units),
        *_hand_run_findings(runs),
        *far_detectors(police),
        *lost_rows(police, checkpoint, network),
    ]
    return Health(
        findings=tuple(sorted(findings)),
        useless=frozenset(f.device_id for f in useless),
        lane_of=swapped,
        ahead_s=dict(errors.ahead_s),
        provider_ahead_s=provider.wrong_by_s,
        speed_units=units,
        hand_runs=runs,
    )


# --- what follows -------------------------------------------------------------------------------


def police_set_right(police: PoliceDay, health: Health, quarantine: Quarantine) -> PoliceDay:
    """The police feed without useless detectors, with lanes and clocks set right.

    Intervals run by hand are left out of the signal log: it is what plans are learnt from.
    """
    if not (health.useless or health.lane_of or health.hand_runs or _clocks_of(health, POLICE)):
        return police
    for table in (police.passes, police.counts):
        useless = table["detector_id"].isin(health.useless).to_numpy()
        quarantine.refuse(POLICE, "unwell_device", useless)
    shift_s = _clocks_of(health, POLICE)
    passes, counts = (
        _usable(table, health, police.detectors, shift_s)
        for table in (police.passes, police.counts)
    )
    lanes = police.detectors.index.map(health.lane_of).to_series(index=police.detectors.index)
    log = without_hand_runs(police.signal_log, list(health.hand_runs))
    log = log.assign(time_s=_set_right(log["time_s"], log["junction_id"], shift_s))
    return replace(
        police,
        detectors=police.detectors.assign(
            lane_idx=lanes.fillna(police.detectors["lane_idx"]).astype(np.int64)
        ),
        passes=passes,
        counts=counts,
        signal_log=log,
    )


def checkpoint_set_right(checkpoint: CheckpointDay, health: Health) -> CheckpointDay:
    """The checkpoint feed with clocks set right."""
    shift_s = _clocks_of(health, CHECKPOINT)
    if not shift_s:
        return checkpoint
    passes = checkpoint.passes
    passes = passes.assign(time_s=_set_right(passes["time_s"], passes["link_id"], shift_s))
    return replace(
        checkpoint,
        passes=passes.sort_values(["token", "time_s"], kind="stable", ignore_index=True),
    )


def internet_set_right(internet: InternetDay, health: Health) -> InternetDay:
    """The internet feed with its clock set right and speeds in the unit they should be in."""
    if not (health.speed_units or health.provider_ahead_s):
        return internet
    speeds = internet.speeds
    speed_mps = speeds["speed_mps"].to_numpy().copy()
    time_s = speeds["time_s"].to_numpy()
    for unit in health.speed_units:
        speed_mps[(time_s >= unit.begin_s) & (time_s < unit.end_s)] *= unit.factor
    moved = np.clip(time_s - health.provider_ahead_s, 0.0, DAY_S - 0.001)
    return replace(internet, speeds=speeds.assign(speed_mps=speed_mps, time_s=moved))


def _clocks_of(health: Health, feed: str) -> dict[str, float]:
    return {name: s for (of, name), s in health.ahead_s.items() if of == feed}


def _set_right(
    time_s: pd.Series[float], names: pd.Series[str], ahead_s: Mapping[str, float]
) -> np.ndarray:
    """Times by the right clock; those of midnight stay within the service day."""
    moved = time_s.to_numpy() - names.map(ahead_s).fillna(0.0).to_numpy(np.float64)
    return np.asarray(np.clip(moved, 0.0, DAY_S - 0.001))


def _usable(
    table: pd.DataFrame, health: Health, detectors: pd.DataFrame, shift_s: Mapping[str, float]
) -> pd.DataFrame:
    table = table[~table["detector_id"].isin(health.useless)]
    lanes = table["detector_id"].map(health.lane_of).fillna(table["lane_idx"])
    junctions = table["detector_id"].map(detectors["junction_id"])
    return table.assign(
        lane_idx=lanes.astype(np.int64), time_s=_set_right(table["time_s"], junctions, shift_s)
    ).reset_index(drop=True)


# --- clocks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Provider:
    """A provider's clock beside the others; None: the feeds do not tell, or are off."""

    of_police_s: float | None
    """By how much it is ahead of police clocks, to which those of checkpoints were set."""
    of_checkpoint_s: float | None

    @staticmethod
    def beside(
        police: PoliceDay,
        checkpoint: CheckpointDay,
        internet: InternetDay,
        network: RoadNetwork,
        between_feeds_s: float,
    ) -> _Provider:
        passes = police.passes[["link_id", "time_s"]]
        reads = checkpoint.passes[["link_id", "time_s"]]
        reads = reads[~reads["link_id"].isin(set(passes["link_id"]))]
        reads = reads.assign(time_s=reads["time_s"] - between_feeds_s)
        together = pd.concat([table for table in (passes, reads) if len(table)] or [passes])
        ahead_s = provider_ahead_s(internet, together, network)
        if ahead_s is None:
            return _Provider(None, None)
        return _Provider(
            ahead_s if len(passes) else None,
            ahead_s - between_feeds_s if len(checkpoint.passes) else None,
        )

    @property
    def agrees_with(self) -> tuple[str, ...]:
        """Feeds with which it tells one time."""
        told = {POLICE: self.of_police_s, CHECKPOINT: self.of_checkpoint_s}
        return tuple(f for f, s in told.items() if s is not None and abs(s) < LEAST_AHEAD_S)

    @property
    def wrong_by_s(self) -> float:
        """Where police and checkpoints tell one time, and the provider another; else 0."""
        both = self.of_police_s is not None and self.of_police_s == self.of_checkpoint_s
        return float(self.of_police_s or 0.0) if both and not self.agrees_with else 0.0

    def findings(self) -> Iterator[Finding]:
        told = [
            f"{_ahead(ahead_s)} of {feed}"
            for feed, ahead_s in ((POLICE, self.of_police_s), (CHECKPOINT, self.of_checkpoint_s))
            if ahead_s is not None
        ]
        if told and not self.agrees_with:
            known = "set right" if self.wrong_by_s else "which is right is not known"
            yield Finding(INTERNET, "clock_drift", "*", (), f"{', '.join(told)}; {known}")


def _clock_findings(
    errors: ClockErrors, police: PoliceDay, checkpoint: CheckpointDay, provider: _Provider
) -> Iterator[Finding]:
    junction_of = junction_of_links(police)
    devices: dict[Clock, list[str]] = defaultdict(list)
    for site, link in sorted(checkpoint.sites.items()):
        devices[CHECKPOINT, link].append(site)
    for clock, ahead_s in errors.ahead_s.items():
        junction = (clock[1],) if clock[0] == POLICE else _known(junction_of.get(clock[1]))
        for device in devices.get(clock, ["*"]):
            detail = f"{_ahead(ahead_s)} of the clocks around it"
            yield Finding(clock[0], "clock_drift", device, junction, detail)
    for first, second, ahead_s in errors.undecided:
        device = devices.get(first, ["*"])[0]
        junctions = tuple(
            sorted(
                {c[1] if c[0] == POLICE else junction_of.get(c[1], "") for c in (first, second)}
                - {""}
            )
        )
        detail = f"{_ahead(ahead_s)} of {second[0]}; which is right is not known"
        yield Finding(first[0], "clock_drift", device, junctions, detail)
    if errors.between_feeds_s:
        third = ", ".join(provider.agrees_with)
        known = f"the provider's goes with {third}" if third else "which is right is not known"
        detail = f"all are {_ahead(errors.between_feeds_s)} of police; {known}"
        yield Finding(CHECKPOINT, "clock_drift", "*", (), detail)
    yield from provider.findings()


def _against_lamps(police: PoliceDay, streams: Streams, lights: Lights) -> Iterator[Finding]:
    for junction, detectors in police.detectors.groupby("junction_id", sort=True).groups.items():
        lanes = {
            (str(row["link_id"]), int(row["lane_idx"])): streams[detector]
            for detector, row in police.detectors.loc[detectors].iterrows()
            if detector in streams
        }
        found = against_lamps(lanes, lights)
        if found is not None:
            shift_s, told, then = found
            detail = (
                f"detectors {_ahead(shift_s)} of the lamps or by whole cycles more: "
                f"{told:.0%} pass on green, then {then:.0%}"
            )
            yield Finding(POLICE, "clock_drift", "*", (str(junction),), detail)


def _ahead(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"


def _known(junction: str | None) -> tuple[str, ...]:
    return () if junction is None else (junction,)


# --- junctions ----------------------------------------------------------------------------------


def _hand_run_findings(runs: Sequence[HandRun]) -> Iterator[Finding]:
    for run in runs:
        detail = f"{run.begin_s:.0f}-{run.end_s:.0f} s of the day"
        yield Finding(POLICE, "hand_run", run.junction_id, (run.junction_id,), detail)
