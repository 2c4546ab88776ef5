"""The event's local time: its zone, its days. Pure; a zone this machine does not know is UTC."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def local_moment(at_ms: int, timezone: str) -> datetime:
    """Give a Unix time in milliseconds as the clocks at the event show it."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(timezone))


def day_start_ms(now_ms: int, timezone: str) -> int:
    """Give the last midnight in the event's time zone, Unix milliseconds."""
    local = local_moment(now_ms, timezone)
    # Where clocks are turned back at midnight the day begins with the first of the two.
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(midnight.timestamp()) * 1_000


def _zone(name: str) -> tzinfo:
    """Give a time zone; a kiosk that does not know the name counts in UTC and goes on."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
