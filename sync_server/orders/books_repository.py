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
_PAID_IN_CASH = """
    SELECT id, currency, amount FROM orders
    WHERE organizer_id = :organizer_id AND state = 'paid' AND channel = 'box_office' AND amount > 0
"""
_LINES = """
    SELECT o.event_id, l.order_id, l.line_no, l.ticket_id,
        CASE WHEN o.state = 'reversed' THEN 'reversed'
            WHEN o.state <> 'paid' THEN 'not_sold'
            WHEN l.returned_at IS NOT NULL THEN 'returned'
            WHEN l.refund_id IS NOT NULL THEN 'refund_under_way'
            ELSE 'sold' END AS state
    FROM order_lines AS l
    JOIN orders AS o ON o.organizer_id = l.organizer_id AND o.id = l.order_id
    WHERE o.organizer_id = :organizer_id
      AND (o.state IN ('paid', 'reversed') OR l.ticket_id IS NOT NULL)
"""


async def organizers(session: AsyncSession) -> Sequence[UUID]:
    return (await session.scalars(text("SELECT DISTINCT organizer_id FROM orders"))).all()


async def paid(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_PAID), {"organizer_id": organizer_id})).all()


async def paid_in_cash(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_PAID_IN_CASH), {"organizer_id": organizer_id})).all()


async def lines(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_LINES), {"organizer_id": organizer_id})).all()
