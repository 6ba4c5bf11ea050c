"""The canonical layout of the feeds: tables, columns, and what a column holds.

All that is read of a service day; a :mod:`column map <traffic_brain.feeds.column_map>` says how a
foreign table becomes this. Times are aware; ids are texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TEXT, INTEGER, NUMBER, TIME = "text", "integer", "number", "time"
Columns = Mapping[str, str]
"""Name of a column -> TEXT, INTEGER, NUMBER or TIME."""

POLICE, CHECKPOINT, INTERNET, TRANSIT = "police", "checkpoint", "internet", "transit"

_PLACE: Columns = {"x": NUMBER, "y": NUMBER, "heading_deg": NUMBER, "name": TEXT}
"""Where something stands, for registers that know no links: see ``feeds.location``.

``x``, ``y`` in the table's ``coordinates``; ``heading_deg`` of the traffic, clockwise from north.
"""
_STATUS: Columns = {"status": TEXT}
"""``ok``, or what the device says is wrong with it; rows that are not ok are refused."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one table."""

    required: Columns
    optional: Columns = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.required, *self.optional)


LAYOUT: Mapping[str, Mapping[str, Layout]] = {
    POLICE: {
        "detectors": Layout(
            {"detector_id": TEXT, "junction_id": TEXT, "lane_idx": INTEGER},
            {"link_id": TEXT, "position_m": NUMBER, **_PLACE},
        ),
        "passes": Layout({"detector_id": TEXT, "time": TIME}, _STATUS),
        "counts": Layout(
            {"detector_id": TEXT, "time": TIME, "interval_s": INTEGER, "count": INTEGER}, _STATUS
        ),
        "signal_log": Layout(
            {
                "junction_id": TEXT,
                "time": TIME,
                "plan_id": TEXT,
                "interval_idx": INTEGER,
                "picture": TEXT,
            },
            {"control": TEXT},
        ),
    },
    CHECKPOINT: {
        "sites": Layout({"site_id": TEXT}, {"link_id": TEXT, **_PLACE}),
        "passes": Layout({"site_id": TEXT, "time": TIME, "plate": TEXT}, _STATUS),
    },
    INTERNET: {
        "links": Layout({"provider_link_id": TEXT}, {"link_id": TEXT, "shape": TEXT, **_PLACE}),
        "speeds": Layout(
            {
                "provider_link_id": TEXT,
                "time": TIME,
                "interval_s": INTEGER,
                "speed_kmh": NUMBER,
                "sample_count": INTEGER,
            },
            _STATUS,
        ),
    },
    TRANSIT: {
        "passes": Layout(
            {
                "vehicle_id": TEXT,
                "line": TEXT,
                "link_id": TEXT,
                "time_in": TIME,
                "time_out": TIME,
            }
        )
    },
}
