"""The horizon of a snapshot: below it every transaction has ended, so what was read there is all
there will ever be.
"""

from typing import Final

HORIZON: Final = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
"""SQL for the oldest transaction that may still be open; a reader of `(xid, id)` stays below it."""
FUTURE: Final = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
"""SQL for the first transaction of which nothing can be seen yet: whatever carries its number, or a
higher one, was written in another cluster and restored here.
"""
