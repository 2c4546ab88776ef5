"""Paid orders and what they hold, for reconciliation, in the worker's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.orders import books_repository as repository
from sync_server.orders.fulfilment import REFUND_FAILED, REFUND_UNDER_WAY, REFUNDED, REVERSED

REASONS_OF_ORDERS: Final = frozenset({REFUND_FAILED, REFUND_UNDER_WAY, REFUNDED, REVERSED})
"""Why tickets change with their orders; whoever changes one by hand writes another reason."""


@dataclass(frozen=True, slots=True)
class PaidOrderFacts:
    """`has_payment` says whether a provider took its money: not of cash, nor where it was free."""

    id: UUID
    amount: Money
    payment_id: UUID | None
    has_payment: bool


class LineState(StrEnum):
    """What became of a line. One of an order that nobody paid is not sold."""

    SOLD = "sold"
    REFUND_UNDER_WAY = "refund_under_way"
    RETURNED = "returned"
    REVERSED = "reversed"
    NOT_SOLD = "not_sold"


@dataclass(frozen=True, slots=True)
class SoldTicket:
    """A line that was paid once, or has a ticket all the same, with its ticket."""

    event_id: UUID
    order_id: UUID
    line_no: int
    ticket_id: int | None
    state: LineState


async def list_organizers(session: AsyncSession) -> Sequence[UUID]:
    return await repository.organizers(session)


async def list_paid(session: AsyncSession, organizer_id: UUID) -> list[PaidOrderFacts]:
    rows = await repository.paid(session, organizer_id)
    return [
        PaidOrderFacts(row.id, Money(row.amount, row.currency), row.payment_id, row.has_payment)
        for row in rows
    ]


async def expected_cash_sales(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what box offices took, by the key it is posted under."""
    rows = await repository.paid_in_cash(session, organizer_id)
    return {f"cash_sale:{row.id}": Money(row.amount, row.currency) for row in rows}


async def list_sold(session: AsyncSession, organizer_id: UUID) -> list[SoldTicket]:
    rows = await repository.lines(session, organizer_id)
    return [
        SoldTicket(row.event_id, row.order_id, row.line_no, row.ticket_id, LineState(row.state))
        for row in rows
    ]
