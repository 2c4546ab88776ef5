"""SQL on payouts, destinations, hold rules and attempts; every change of state goes through a
locked row.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.payouts.models import HoldRule, Payout, PayoutAttempt, PayoutDestination
from sync_server.payouts.rules import PayoutState

_IN_FLIGHT = text("""
    SELECT p.currency,
           coalesce(sum(p.amount) FILTER (WHERE p.state IN ('unknown', 'pending')), 0)::bigint
               AS is_open,
           coalesce(sum(p.amount) FILTER (WHERE p.state IN ('succeeded', 'failed', 'returned')
               AND p.state_changed_at >= :asked_at), 0)::bigint AS ended,
           coalesce(sum(p.amount) FILTER (WHERE p.state IN ('succeeded', 'returned')
               AND p.rail_fee = 0 AND p.sent_at >= :told_since AND NOT EXISTS (
                   SELECT FROM payout_ledger_entries AS e
                   WHERE e.organizer_id = p.organizer_id AND e.payout_id = p.id
                     AND e.kind = 'payout_fee')), 0)::bigint AS untold
    FROM payouts AS p WHERE p.rail = :rail AND p.sent_at IS NOT NULL GROUP BY p.currency
""")


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def find_payout(
    session: AsyncSession, payout_id: UUID, *, for_change: bool = False
) -> Payout | None:
    query = select(Payout).where(Payout.id == payout_id)
    return await session.scalar(query.with_for_update() if for_change else query)


async def find_of_organizer(
    session: AsyncSession, organizer_id: UUID, payout_id: UUID
) -> Payout | None:
    return await session.get(Payout, (organizer_id, payout_id))


async def lock_unsent(
    session: AsyncSession, organizer_id: UUID, payout_id: UUID, states: Collection[PayoutState]
) -> Payout | None:
    """Give a payout in one of these states that was never sent, and let nobody else decide on it
    or send it meanwhile.
    """
    query = select(Payout).where(
        Payout.organizer_id == organizer_id,
        Payout.id == payout_id,
        Payout.state.in_(states),
        Payout.attempts == 0,
    )
    return await session.scalar(query.with_for_update())


async def find_by_reference(session: AsyncSession, reference: UUID) -> Payout | None:
    return await session.scalar(select(Payout).where(Payout.reference == reference))


async def find_by_provider_reference(
    session: AsyncSession, rail: str, provider_reference: str
) -> Payout | None:
    query = select(Payout).where(
        Payout.rail == rail, Payout.provider_reference == provider_reference
    )
    return (await session.scalars(query.limit(1))).first()


async def list_payouts(
    session: AsyncSession, organizer_id: UUID, page: PageRequest
) -> Sequence[Payout]:
    query = select(Payout).where(Payout.organizer_id == organizer_id)
    if page.after is not None:
        query = query.where(Payout.id > page.after)
    return (await session.scalars(query.order_by(Payout.id).limit(page.limit + 1))).all()


async def list_attempts(
    session: AsyncSession, organizer_id: UUID, payout_id: UUID
) -> Sequence[PayoutAttempt]:
    query = select(PayoutAttempt).where(
        PayoutAttempt.organizer_id == organizer_id, PayoutAttempt.payout_id == payout_id
    )
    return (await session.scalars(query.order_by(PayoutAttempt.id))).all()


async def list_ledger_entries(
    session: AsyncSession, organizer_id: UUID, payout_id: UUID
) -> Sequence[Any]:
    query = text(
        "SELECT txn_id, kind, account, currency, amount FROM payout_ledger_entries"
        " WHERE organizer_id = :organizer_id AND payout_id = :payout_id"
        " ORDER BY txn_id, line_no",
    )
    values = {"organizer_id": organizer_id, "payout_id": payout_id}
    return (await session.execute(query, values)).all()


async def find_destination(
    session: AsyncSession, organizer_id: UUID, destination_id: UUID
) -> PayoutDestination | None:
    return await session.get(PayoutDestination, (organizer_id, destination_id))


async def open_destination(
    session: AsyncSession, organizer_id: UUID, destination_id: UUID
) -> PayoutDestination | None:
    """Give a destination with what is sealed in it; the worker alone may read that."""
    query = select(PayoutDestination).where(
        PayoutDestination.organizer_id == organizer_id, PayoutDestination.id == destination_id
    )
    everything = (
        undefer(PayoutDestination.sealed_account),
        undefer(PayoutDestination.sealed_told_name),
    )
    return await session.scalar(query.options(*everything))


async def is_withdrawn(session: AsyncSession, organizer_id: UUID, destination_id: UUID) -> bool:
    query = select(PayoutDestination.withdrawn_at).where(
        PayoutDestination.organizer_id == organizer_id, PayoutDestination.id == destination_id
    )
    return await session.scalar(query) is not None


async def list_destinations(
    session: AsyncSession, organizer_id: UUID, page: PageRequest
) -> Sequence[PayoutDestination]:
    query = select(PayoutDestination).where(PayoutDestination.organizer_id == organizer_id)
    if page.after is not None:
        query = query.where(PayoutDestination.id > page.after)
    query = query.order_by(PayoutDestination.id).limit(page.limit + 1)
    return (await session.scalars(query)).all()


async def change_destination(
    session: AsyncSession,
    row: PayoutDestination,
    *,
    is_new: bool,
    **values: Any,  # noqa: ANN401 - columns
) -> bool:
    """Write columns of a destination that nobody withdrew, and with `is_new` nobody confirmed; say
    whether it was one.
    """
    kind = PayoutDestination
    conditions = [kind.organizer_id == row.organizer_id, kind.id == row.id]
    conditions += [kind.withdrawn_at.is_(None)]
    conditions += [kind.confirmed_at.is_(None)] if is_new else []
    changed = await session.scalars(
        update(kind)
        .where(*conditions)
        .values(**values)
        .returning(kind.id)
        .execution_options(synchronize_session=False),
    )
    is_changed = changed.first() is not None
    await session.refresh(row)
    return is_changed


async def keep_name_check(
    session: AsyncSession,
    organizer_id: UUID,
    destination_id: UUID,
    **values: Any,  # noqa: ANN401 - columns
) -> None:
    kind = PayoutDestination
    await session.execute(
        update(kind)
        .where(kind.organizer_id == organizer_id, kind.id == destination_id)
        .values(**values)
        .execution_options(synchronize_session=False),
    )


async def change(session: AsyncSession, row: Payout, **values: Any) -> None:  # noqa: ANN401 - columns
    """Write columns of a payout that is locked, and keep the object as it then stands."""
    await session.execute(
        update(Payout)
        .where(Payout.organizer_id == row.organizer_id, Payout.id == row.id)
        .values(**values)
        .execution_options(synchronize_session=False),
    )
    for name, value in values.items():
        setattr(row, name, value)
    session.expunge(row)


async def take_due(
    session: AsyncSession, moment: datetime, limit: int, again_after: timedelta
) -> list[UUID]:
    """Give payouts whose time has come, and let no other process take them now."""
    due = (
        select(Payout.id)
        .where(Payout.next_read_at <= moment)
        .order_by(Payout.next_read_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(await session.scalars(due))
    if ids:
        await session.execute(
            update(Payout)
            .where(Payout.id.in_(ids))
            .values(next_read_at=moment + again_after)
            .execution_options(synchronize_session=False),
        )
    return ids


async def newest_hold_rule(session: AsyncSession, organizer_id: UUID) -> HoldRule | None:
    query = select(HoldRule).where(HoldRule.organizer_id == organizer_id)
    return await session.scalar(query.order_by(HoldRule.version.desc()).limit(1))


async def organizers(session: AsyncSession) -> Sequence[UUID]:
    return (await session.scalars(select(Payout.organizer_id).distinct())).all()


async def all_of_organizer(session: AsyncSession, organizer_id: UUID) -> Sequence[Payout]:
    query = select(Payout).where(Payout.organizer_id == organizer_id)
    return (await session.scalars(query.order_by(Payout.id))).all()


async def sent_between(
    session: AsyncSession, rail: str, since: datetime, until: datetime
) -> Sequence[Payout]:
    query = select(Payout).where(Payout.rail == rail, Payout.sent_at.between(since, until))
    return (await session.scalars(query)).all()


async def in_flight(
    session: AsyncSession, rail: str, asked_at: datetime, told_since: datetime
) -> Sequence[Any]:
    values = {"rail": rail, "asked_at": asked_at, "told_since": told_since}
    return (await session.execute(_IN_FLIGHT, values)).all()
