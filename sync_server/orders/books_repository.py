"""SQL on paid orders for whoever compares them with the books; it reads and never locks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_PAID = """
    SELECT id, currency, amount, payment_id, channel = 'online' AND amount > 0 AS has_payment
    FROM orders WHERE organizer_id = :organizer_id AND state = 'paid'
"""
_LINES = """
    SELECT o.event_id, l.order_id, l.line_no, l.ticket_id FROM order_lines AS l
    JOIN orders AS o ON o.organizer_id = l.organizer_id AND o.id = l.order_id
    WHERE o.organizer_id = :organizer_id AND o.state = 'paid' AND l.returned_at IS NULL
"""


async def organizers(session: AsyncSession) -> Sequence[UUID]:
    return (await session.scalars(text("SELECT DISTINCT organizer_id FROM orders"))).all()


async def paid(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_PAID), {"organizer_id": organizer_id})).all()


async def lines(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_LINES), {"organizer_id": organizer_id})).all()
