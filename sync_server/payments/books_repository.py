"""SQL on payments and refunds for whoever compares them with the books; it never locks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_CAPTURED = """
    SELECT id, provider, reference, currency, amount FROM payments
    WHERE organizer_id = :organizer_id AND state IN ('succeeded', 'disputed', 'reversed')
"""
_UNRETURNED = """p.amount - coalesce((
        SELECT sum(r.amount) FROM refunds AS r
        WHERE r.organizer_id = p.organizer_id AND r.payment_id = p.id
          AND r.state = 'succeeded' AND r.paid_from IS NULL), 0)::bigint"""
"""What a provider still has of a payment, or had when it was taken back."""
_DISPUTABLE = f"""
    SELECT p.id, p.state, p.currency, p.amount, {_UNRETURNED} AS unreturned
    FROM payments AS p
    WHERE p.organizer_id = :organizer_id AND p.state IN ('succeeded', 'disputed', 'reversed')
"""  # noqa: S608 - a sum of ours
_MISMATCHED = """
    SELECT provider, reference, received_currency, received_amount FROM payments
    WHERE organizer_id = :organizer_id AND state IN ('mismatched', 'given_back')
      AND received_amount > 0
"""
_REFUNDS = """
    SELECT r.id, r.state, r.amount, p.currency FROM refunds AS r
    JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
    WHERE r.organizer_id = :organizer_id
"""
_GIVEN_BACK = """
    SELECT currency, sum(amount)::bigint AS amount FROM (
        SELECT p.currency, r.amount FROM refunds AS r
        JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
        WHERE p.provider = :provider AND r.paid_from IS NULL
          AND (r.state IN ('unknown', 'pending')
            OR r.state = 'succeeded' AND r.state_changed_at >= :since)
        UNION ALL
        SELECT p.received_currency, p.received_amount FROM returned_receipts AS r
        JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
        WHERE p.provider = :provider AND p.state = 'given_back' AND r.paid_from = 'provider'
          AND p.received_amount > 0 AND p.state_changed_at >= :since
    ) AS given
    GROUP BY currency
"""
_MOVEMENTS = f"""
    SELECT organizer_id, id, 'payment' AS sort, 'collection' AS kind, reference,
           provider_reference, currency, amount,
           state IN ('succeeded', 'disputed', 'reversed') AS is_done, state_changed_at
    FROM payments
    WHERE provider = :provider AND created_at BETWEEN :since AND :until
      AND state <> 'given_back'
    UNION ALL
    -- What came and did not fit, and what went back of it by hand.
    SELECT p.organizer_id, p.id, 'payment', 'collection', p.reference, p.provider_reference,
           coalesce(p.received_currency, p.currency), coalesce(p.received_amount, p.amount),
           true, r.received_at
    FROM returned_receipts AS r
    JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
    WHERE p.provider = :provider AND p.created_at BETWEEN :since AND :until
      AND p.state = 'given_back'
    UNION ALL
    SELECT p.organizer_id, p.id, 'refund',
           CASE p.provider WHEN 'bank' THEN 'disbursement' ELSE 'refund' END,
           p.reference, nullif(r.reference, ''), p.received_currency, p.received_amount,
           true, r.returned_at
    FROM returned_receipts AS r
    JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
    WHERE p.provider = :provider AND r.returned_at BETWEEN :since AND :until
      AND p.state = 'given_back' AND r.paid_from = 'provider' AND p.received_amount > 0
    UNION ALL
    SELECT r.organizer_id, r.id, 'refund',
           CASE p.provider WHEN 'bank' THEN 'disbursement' ELSE 'refund' END,
           r.reference, r.provider_reference, p.currency, r.amount,
           r.state = 'succeeded', r.state_changed_at
    FROM refunds AS r
    JOIN payments AS p ON p.organizer_id = r.organizer_id AND p.id = r.payment_id
    WHERE p.provider = :provider AND r.requested_at BETWEEN :since AND :until
      AND r.paid_from IS NULL
    UNION ALL
    SELECT p.organizer_id, p.id, 'payment', 'reversal', p.reference, p.provider_reference,
           p.currency, {_UNRETURNED},
           p.state IN ('disputed', 'reversed') OR EXISTS (
               SELECT FROM payment_readings AS s
               WHERE s.organizer_id = p.organizer_id AND s.payment_id = p.id
                 AND s.refund_id IS NULL AND s.finding = 'disputed'),
           p.state_changed_at
    FROM payments AS p
    WHERE p.provider = :provider AND p.state IN ('succeeded', 'disputed', 'reversed')
      AND (p.created_at BETWEEN :since AND :until OR p.state_changed_at BETWEEN :since AND :until)
"""  # noqa: S608 - a sum of ours


async def captured(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_CAPTURED), {"organizer_id": organizer_id})).all()


async def disputable(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_DISPUTABLE), {"organizer_id": organizer_id})).all()


async def mismatched(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_MISMATCHED), {"organizer_id": organizer_id})).all()


async def refunds(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_REFUNDS), {"organizer_id": organizer_id})).all()


async def given_back(session: AsyncSession, provider: str, since: datetime) -> Sequence[Any]:
    values = {"provider": provider, "since": since}
    return (await session.execute(text(_GIVEN_BACK), values)).all()


async def organizers(session: AsyncSession) -> Sequence[UUID]:
    return (await session.scalars(text("SELECT DISTINCT organizer_id FROM payments"))).all()


async def movements(
    session: AsyncSession, provider: str, since: datetime, until: datetime
) -> Sequence[Any]:
    values = {"provider": provider, "since": since, "until": until}
    return (await session.execute(text(_MOVEMENTS), values)).all()
