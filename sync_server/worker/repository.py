"""The relay's lock: of many processes one relays."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK_NUMBER: Final = 0x5A45_5241_4B45_540B


async def try_lock(session: AsyncSession) -> bool:
    """Take the relay's lock until the transaction ends, unless another process holds it."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK_NUMBER))))
