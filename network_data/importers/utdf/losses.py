"""What becomes of each record of a UTDF file: used, or dropped and told so, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from network_data.importers.utdf.tables import Records, UtdfTables
from network_data.loss_report import Loss, LossReport

KEPT: Mapping[str, frozenset[str]] = {
    "network": frozenset({"metric", "utdfversion"}),
    "nodes": frozenset({"type", "x", "y", "description"}),
    "links": frozenset({"upid", "lanes", "name", "distance", "speed", "curveptx", "curvepty"}),
    "lanes": frozenset(
        {
            *("destnode", "lanes", "shared", "storage", "stlanes", "alignment", "rightchanneled"),
            *("satflow", "idealflow", "volume", "phf", "growth", "heavyvehicles", "allowrtor"),
            *(f"phase{i}" for i in range(1, 5)),
            *(f"permphase{i}" for i in range(1, 5)),
            *(f"detectpos{i}" for i in range(1, 6)),
        }
    ),
    "timeplans": frozenset(
        {
            *("controltype", "cyclelength", "referencedto", "referencephase", "offset"),
            *(f"node{i}" for i in range(8)),
        }
    ),
    "phases": frozenset(
        {
            *("brp", "mingreen", "maxgreen", "split", "yellow", "allred"),
            *("walk", "dontwalk", "start"),
        }
    ),
}
"""Records that the import uses, by section."""
_FOLLOWS: Mapping[str, frozenset[str]] = {
    "links": frozenset({"time"}),
    "lanes": frozenset(
        {
            *("upnode", "grade", "speed", "distance", "traveltime", "losttime"),
            *("lanegroupflow", "trafficinsharedlane"),
        }
    ),
    "phases": frozenset(
        {
            *("end", "yield", "yield170", "localstart", "localyield", "localyield170"),
            *("actgreen", "minsplit"),
        }
    ),
}
"""Records that Synchro works out from others, and does not read itself."""
_ACTUATED = frozenset(
    {
        *("vehext", "timebeforereduce", "timetoreduce", "mingap", "recall", "pedcalls"),
        *("dualentry", "inhibitmax", "switchphase", "numdetects", "firstdetect", "lastdetect"),
        *("yield",),
    }
)


def note_dropped(tables: UtdfTables, losses: LossReport) -> None:
    """Name every cell whose record has no place in the model."""
    for place, section, records in _all_records(tables):
        for key in records:
            if key not in KEPT[section]:
                name = tables.spelling.get(key, key)
                what = f"[{section.capitalize()}] {name}: {_why(section, key)}"
                losses.note(Loss.DROPPED, what, place)


def _all_records(tables: UtdfTables) -> Iterator[tuple[str, str, Records]]:
    """(place, section, records) of the whole file."""
    yield "network", "network", tables.network
    for node, records in tables.nodes.items():
        yield f"node {node}", "nodes", records
    for section, found in (("links", tables.links), ("lanes", tables.lanes)):
        for node, by_column in found.items():
            for column, records in by_column.items():
                yield f"node {node} {column}", section, records
    for plan in tables.plans:
        for node, records in plan.timeplans.items():
            yield f"node {node}", "timeplans", records
        for node, by_phase in plan.phases.items():
            for phase, records in by_phase.items():
                yield f"node {node} D{phase}", "phases", records


def _why(section: str, key: str) -> str:
    if key in _FOLLOWS.get(section, ()):
        return "follows from other records"
    if key in _ACTUATED or key.startswith("detect"):
        return "of actuated control, which a fixed plan has not"
    return "no such attribute in the model"
