"""Service days: aware times at the edge, seconds of the service day inside."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from traffic_brain.errors import ConfigurationError

TIME_ZONE = "Asia/Shanghai"


def parse_service_day(text: str) -> date:
    """A day as ``YYYY-MM-DD``.

    Raises:
        ConfigurationError: the text is no such date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is not a service day", "write it as YYYY-MM-DD, for example 2026-03-02"
        ) from error


def day_start_ms(service_day: date, time_zone: str = TIME_ZONE) -> int:
    """Milliseconds since 1970-01-01 UTC of the start of a service day."""
    start = datetime(
        service_day.year, service_day.month, service_day.day, tzinfo=ZoneInfo(time_zone)
    )
    return int(start.timestamp()) * 1000
