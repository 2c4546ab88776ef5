"""What payouts should have left in the books, and what they are called at a rail; for
reconciliation and reports, in the worker's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.payments.books import MovementSort, NamedMovement
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind
from sync_server.payouts import repository
from sync_server.payouts.models import Payout
from sync_server.payouts.rules import PayoutState

_ARRIVED = frozenset({PayoutState.SUCCEEDED, PayoutState.RETURNED})
_GIVEN_BACK = frozenset({PayoutState.FAILED, PayoutState.REFUSED})


async def list_organizers(session: AsyncSession) -> Sequence[UUID]:
    return await repository.organizers(session)


async def expected_payouts(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what was set aside, and what came of it, by the keys it is posted under."""
    expected: dict[str, Money] = {}
    for row in await repository.all_of_organizer(session, organizer_id):
        amount, state = Money(row.amount, row.currency), PayoutState(row.state)
        expected[f"payout_requested:{row.id}"] = amount
        if state in _ARRIVED:
            expected[f"payout_confirmed:{row.id}"] = amount
        if state in _GIVEN_BACK:
            expected[f"payout_failed:{row.id}"] = amount
        if state is PayoutState.RETURNED:
            expected[f"payout_returned:{row.id}"] = amount
    return expected


async def list_movements(
    session: AsyncSession, rail: Provider, since: datetime, until: datetime
) -> list[NamedMovement]:
    rows = await repository.sent_between(session, rail, since, until)
    return [_movement(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Flying:
    """Payouts that may or may not be in what a rail says its float holds: those that nobody has
    told the end of, and those that ended since the rail was asked. `untold` is what arrived of late
    without anybody saying what the rail kept of it.
    """

    is_open: int = 0
    ended: int = 0
    untold: int = 0


async def in_flight(
    session: AsyncSession, rail: Provider, asked_at: datetime, told_since: datetime
) -> Mapping[str, Flying]:
    """Give what may explain a rail's balance, in each currency."""
    rows = await repository.in_flight(session, rail, asked_at, told_since)
    return {row.currency: Flying(row.is_open, row.ended, row.untold) for row in rows}


def _movement(row: Payout) -> NamedMovement:
    names = {row.number, str(row.reference), row.reference.hex}
    return NamedMovement(
        row.organizer_id,
        row.id,
        MovementSort.PAYOUT,
        LineKind.DISBURSEMENT,
        frozenset(names | {row.provider_reference or row.number}),
        Money(row.amount, row.currency),
        PayoutState(row.state) in _ARRIVED,
        row.state_changed_at,
        row.rail_fee if PayoutState(row.state) in _ARRIVED else 0,
    )
