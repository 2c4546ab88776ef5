"""What payments and refunds should have left in the books, and what they are called at a provider;
for reconciliation, in the worker's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.payments import books_repository as repository
from sync_server.payments.rules import PaymentState, Provider
from sync_server.payments.statements import LineKind


class MovementSort(StrEnum):
    """What of ours it is; a bank calls a refund a transfer, as it calls a payout."""

    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class NamedMovement:
    """Money at a provider with every name that a statement may know it by. `fee` is what the books
    had from the provider at once.
    """

    organizer_id: UUID
    id: UUID
    sort: MovementSort
    kind: LineKind
    names: frozenset[str]
    amount: Money
    is_done: bool
    moved_at: datetime
    fee: int = 0


@dataclass(frozen=True, slots=True)
class DisputableFacts:
    """A captured payment; `left` is what was not given back of it."""

    id: UUID
    state: PaymentState
    amount: Money
    left: Money


async def list_organizers(session: AsyncSession) -> Sequence[UUID]:
    return await repository.organizers(session)


async def expected_captures(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what was captured, by the key it is posted under."""
    rows = await repository.captured(session, organizer_id)
    return {
        f"capture:{row.provider}:{row.reference}": Money(row.amount, row.currency) for row in rows
    }


async def captured_payments(session: AsyncSession, organizer_id: UUID) -> Mapping[UUID, Money]:
    rows = await repository.captured(session, organizer_id)
    return {row.id: Money(row.amount, row.currency) for row in rows}


async def list_disputable(session: AsyncSession, organizer_id: UUID) -> list[DisputableFacts]:
    return [
        DisputableFacts(
            row.id,
            PaymentState(row.state),
            Money(row.amount, row.currency),
            Money(row.unreturned, row.currency),
        )
        for row in await repository.disputable(session, organizer_id)
    ]


async def expected_receipts(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what came and fitted no order, by the key it is posted under."""
    return {
        f"unapplied_receipt:{row.provider}:{row.reference}": Money(
            row.received_amount, row.received_currency
        )
        for row in await repository.mismatched(session, organizer_id)
    }


async def expected_refunds(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what was asked back, and what came of it, by the keys it is posted under."""
    expected: dict[str, Money] = {}
    for row in await repository.refunds(session, organizer_id):
        amount = Money(row.amount, row.currency)
        expected[f"refund_requested:{row.id}"] = amount
        if row.state == "succeeded":
            expected[f"refund_confirmed:{row.id}"] = amount
        elif row.state == "failed":
            expected[f"refund_failed:{row.id}"] = amount
    return expected


async def given_back(
    session: AsyncSession, provider: Provider, since: datetime
) -> Mapping[str, int]:
    """Add up what a provider gave back to buyers since then, in each currency, with what it may
    have given back and has not told.
    """
    rows = await repository.given_back(session, provider, since)
    return {row.currency: row.amount for row in rows}


async def list_movements(
    session: AsyncSession, provider: Provider, since: datetime, until: datetime
) -> list[NamedMovement]:
    """Give payments and refunds begun in that time; each payment once more as what may be taken
    back of it, which may be long after it was begun.
    """
    rows = await repository.movements(session, provider, since, until)
    return [_movement(row) for row in rows]


def _movement(row: Any) -> NamedMovement:  # noqa: ANN401 - a row of a textual query
    reference: UUID = row.reference
    names = {str(reference), reference.hex} | {row.provider_reference or str(reference)}
    return NamedMovement(
        row.organizer_id,
        row.id,
        MovementSort(row.sort),
        LineKind(row.kind),
        frozenset(names),
        Money(row.amount, row.currency),
        row.is_done,
        row.state_changed_at,
    )
