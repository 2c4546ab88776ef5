"""Fees that providers kept, booked from their statements: each once, and in the books of what it
was kept of.
"""

from typing import assert_never

from shared.ids import OrganizerId
from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM, Transaction
from sync_server.payments.books import MovementSort
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.checks import gather_statement, list_providers
from sync_server.reconciliation.matching import (
    MATCHED_KINDS,
    Movement,
    movement_of,
    named,
)


async def book_fees(services: Services) -> int:
    """Post the fee of every line whose payment, refund or payout is known, in its books, and of
    every line that is of none by its kind, in the platform's; say how many are new. The platform
    bears them all.
    """
    async with services.database.reading(WORKER) as session:
        providers = await list_providers(session)
    return sum([await _book(services, provider) for provider in providers])


async def _book(services: Services, provider: Provider) -> int:
    now = instant(services.clock.now_ms())
    new = 0
    async with services.database.transaction(WORKER) as session:
        lines, movements = await gather_statement(session, provider, now)
        by_name = named(movements)
        for line in lines:
            tenant, fee = fee_of(provider, line, movement_of(line, by_name))
            # A payout's fee has one key, whatever a second line of it says.
            if fee is None or await ledger.find_posted(session, tenant, fee.key) is not None:
                continue
            posted = await ledger.post(session, services, tenant, fee, line.booked_at)
            new += posted.is_new
    return new


def fee_of(
    provider: Provider, line: StatementLine, movement: Movement | None
) -> tuple[OrganizerId, Transaction | None]:
    """Say in whose books a line's fee stands, and its posting; None where nothing is to be booked,
    or not before somebody has explained the line.
    """
    if line.kind is LineKind.FEE:
        return PLATFORM, _posting_of_the_platform(provider, line, line.amount + line.fee)
    if line.kind not in MATCHED_KINDS:
        return PLATFORM, _posting_of_the_platform(provider, line, line.fee)
    if movement is None or not movement.is_done:
        return PLATFORM, None
    return OrganizerId(movement.organizer_id), _posting(provider, line, movement)


def _posting_of_the_platform(
    provider: Provider, line: StatementLine, fee: Money
) -> Transaction | None:
    return postings.provider_fee(provider, line.key, fee) if fee.minor_units > 0 else None


def _posting(provider: Provider, line: StatementLine, movement: Movement) -> Transaction | None:
    left = line.fee.minor_units - movement.fee
    if left <= 0 or line.fee.currency != movement.amount.currency:
        return None
    fee = Money(left, line.fee.currency)
    match movement.sort:
        case MovementSort.PAYMENT:
            return postings.provider_fee(provider, line.key, fee)
        case MovementSort.REFUND:
            return postings.refund_fee(movement.id, provider, fee)
        case MovementSort.PAYOUT:
            payout = postings.Payout(movement.id, provider, movement.amount)
            return postings.payout_fee(payout, fee)
        case _:
            assert_never(movement.sort)
