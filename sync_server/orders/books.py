"""Paid orders and what they hold, for reconciliation, in the worker's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.orders import books_repository as repository


@dataclass(frozen=True, slots=True)
class PaidOrderFacts:
    """`has_payment` says whether a provider took its money: not of cash, nor where it was free."""

    id: UUID
    amount: Money
    payment_id: UUID | None
    has_payment: bool


@dataclass(frozen=True, slots=True)
class SoldTicket:
    """A line that was not given back, with the ticket that was issued for it."""

    event_id: UUID
    order_id: UUID
    line_no: int
    ticket_id: int | None


async def list_organizers(session: AsyncSession) -> Sequence[UUID]:
    return await repository.organizers(session)


async def list_paid(session: AsyncSession, organizer_id: UUID) -> list[PaidOrderFacts]:
    rows = await repository.paid(session, organizer_id)
    return [
        PaidOrderFacts(row.id, Money(row.amount, row.currency), row.payment_id, row.has_payment)
        for row in rows
    ]


async def list_sold(session: AsyncSession, organizer_id: UUID) -> list[SoldTicket]:
    rows = await repository.lines(session, organizer_id)
    return [SoldTicket(row.event_id, row.order_id, row.line_no, row.ticket_id) for row in rows]
