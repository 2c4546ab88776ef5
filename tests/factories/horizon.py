"""Waiting until what was committed can be read in streams."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

WAIT_SECONDS = 20
_PASSED = text("SELECT pg_snapshot_xmin(pg_current_snapshot()) > CAST(CAST(:mark AS text) AS xid8)")


async def settled(administrator: AsyncConnection) -> None:
    """Wait until all that was committed is below the horizon.

    Transactions of any database of the cluster hold it back.
    """
    mark = await administrator.scalar(text("SELECT pg_current_xact_id()::text"))
    async with asyncio.timeout(WAIT_SECONDS):
        # PostgreSQL tells nobody when its horizon moves.
        while not await administrator.scalar(_PASSED, {"mark": mark}):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
