"""Times as they cross the database's edge: Unix milliseconds inside, aware datetimes in columns
and JSON.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def instant(unix_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=unix_ms)


def unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
