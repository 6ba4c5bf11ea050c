"""Grid zones: the report's own figures, worked out once for a night."""

from __future__ import annotations

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.refusals import NotFound
from traffic_brain.report.zones import ZoneReport, Zones


def zones_of(library: Library, folder: NightFolder) -> Zones:
    """The zones of a night."""
    found: Zones = library.kept(folder, "zones", lambda: Zones(library.night(folder)))
    return found


def find(library: Library, folder: NightFolder, zone_id: str) -> ZoneReport:
    """One zone.

    Raises:
        NotFound: there is none of this id.
    """
    if zone_id not in library.night(folder).network.zones:
        raise NotFound("there is no such zone", "choose one of the list")
    return zones_of(library, folder).report(zone_id)
