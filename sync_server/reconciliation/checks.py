"""The checks: each gathers its rows from the domains that know them and gives them to a pure rule.

All of them read one snapshot of the database: what is posted between two of them is in none.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.ledger import books, postings
from sync_server.ledger import service as ledger
from sync_server.ledger.books import PostedAmount
from sync_server.ledger.rules import PLATFORM, Account, AccountKind, TransactionKind
from sync_server.orders import books as orders
from sync_server.payments import books as payments
from sync_server.payments.books import NamedMovement
from sync_server.payments.rules import Provider
from sync_server.payments.statements import StatementLine
from sync_server.payouts import books as payouts
from sync_server.reconciliation import repository, rules
from sync_server.reconciliation.disputes import DisputePostings, disputes_match
from sync_server.reconciliation.lines import contradictions_said, find_contradictions, line_of
from sync_server.reconciliation.matching import (
    EDGE,
    Movement,
    fees_not_booked,
    statement_agrees,
)
from sync_server.reconciliation.orders import paid_orders_have_money, tickets_have_orders
from sync_server.reconciliation.rules import CheckName, Item
from sync_server.reconciliation.settlements import settlements_agree, settlements_arrived
from sync_server.tickets import books as tickets

STATEMENTS_LOOKED_AT: Final = timedelta(days=35)
_PAID_BEFORE: Final = timedelta(days=10)
"""A payment may have begun so long before a provider books it."""
Gather = Callable[[AsyncSession, datetime], Awaitable[list[Item]]]


@dataclass(frozen=True, slots=True)
class Check:
    """What it looks at, and how it finds what is wrong."""

    names: tuple[CheckName, ...]
    find: Gather


_OF_RECEIPTS: Final = ((TransactionKind.UNAPPLIED_RECEIPT, AccountKind.PROVIDER_CLEARING),)
_OF_DISPUTES: Final = (
    TransactionKind.CHARGEBACK_OPENED,
    TransactionKind.CHARGEBACK_WON,
    TransactionKind.CHARGEBACK_LOST,
)
_OF_REFUNDS: Final = (
    (TransactionKind.REFUND_REQUESTED, AccountKind.REFUND_IN_TRANSIT),
    (TransactionKind.REFUND_CONFIRMED, AccountKind.REFUND_IN_TRANSIT),
    (TransactionKind.REFUND_FAILED, AccountKind.REFUND_IN_TRANSIT),
)
_OF_PAYOUTS: Final = (
    (TransactionKind.PAYOUT_REQUESTED, AccountKind.PAYOUT_IN_TRANSIT),
    (TransactionKind.PAYOUT_CONFIRMED, AccountKind.PAYOUT_IN_TRANSIT),
    (TransactionKind.PAYOUT_FAILED, AccountKind.PAYOUT_IN_TRANSIT),
    (TransactionKind.PAYOUT_RETURNED, AccountKind.ORGANIZER_AVAILABLE),
)


async def check_trial_balance(session: AsyncSession, _: datetime) -> list[Item]:
    sums = await books.sums_of_books(session)
    return rules.books_balance(rules.BookSum(*each) for each in sums)


async def check_checkpoints(session: AsyncSession, _: datetime) -> list[Item]:
    """Kept balances against a full recompute."""
    return rules.balances_are_kept(
        rules.KeptBalance(
            each.organizer_id, each.account, each.currency, each.kept, each.recomputed
        )
        for each in await ledger.find_drift(session)
    )


async def check_pending(session: AsyncSession, _: datetime) -> list[Item]:
    """What waits for organizers, which is owed to them and never by them."""
    return rules.pending_is_there(
        await books.accounts_on_debit_side(session, AccountKind.ORGANIZER_PENDING)
    )


async def check_postings(session: AsyncSession, _: datetime) -> list[Item]:
    """Payments against captures, disputes and receipts, refunds and payouts against what they
    post.
    """
    organizers = {organizer_id for organizer_id, _, _ in await books.sums_of_books(session)}
    organizers |= {*await payments.list_organizers(session)}
    organizers |= {*await payouts.list_organizers(session)}
    items: list[Item] = []
    for organizer_id in sorted(organizers):
        captured = await payments.expected_captures(session, organizer_id)
        captures = ((TransactionKind.CAPTURE, AccountKind.PROVIDER_CLEARING),)
        received = await payments.expected_receipts(session, organizer_id)
        refunds = await payments.expected_refunds(session, organizer_id)
        paid_out = await payouts.expected_payouts(session, organizer_id)
        for check, expected, kinds in (
            (CheckName.CAPTURES, captured, captures),
            (CheckName.CAPTURES, received, _OF_RECEIPTS),
            (CheckName.REFUNDS, refunds, _OF_REFUNDS),
            (CheckName.PAYOUTS, paid_out, _OF_PAYOUTS),
        ):
            posted = await _posted(session, organizer_id, kinds)
            items += rules.postings_match(check, organizer_id, expected, posted)
        items += await _disputes(session, organizer_id)
    return items


async def _disputes(session: AsyncSession, organizer_id: UUID) -> list[Item]:
    opened, won, lost = [
        await books.posted_amounts(session, organizer_id, kind, AccountKind.DISPUTE_SUSPENSE)
        for kind in _OF_DISPUTES
    ]
    disputable = await payments.list_disputable(session, organizer_id)
    return disputes_match(organizer_id, disputable, DisputePostings(opened, won, lost))


async def check_orders(session: AsyncSession, _: datetime) -> list[Item]:
    """Paid orders against captured payments or what tills took, and their lines against tickets."""
    organizers = {organizer_id for organizer_id, _, _ in await books.sums_of_books(session)}
    items: list[Item] = []
    for organizer_id in sorted({*organizers, *await orders.list_organizers(session)}):
        paid = await orders.list_paid(session, organizer_id)
        captured = await payments.captured_payments(session, organizer_id)
        items += paid_orders_have_money(organizer_id, paid, captured)
        in_cash = await orders.expected_cash_sales(session, organizer_id)
        taken = await books.cash_taken(session, organizer_id)
        items += rules.postings_match(CheckName.ORDERS, organizer_id, in_cash, taken)
        sold = await orders.list_sold(session, organizer_id)
        items += tickets_have_orders(
            organizer_id, sold, await tickets.issued(session, organizer_id)
        )
    return items


async def _posted(
    session: AsyncSession,
    organizer_id: UUID,
    kinds: Sequence[tuple[TransactionKind, AccountKind]],
) -> dict[str, Money]:
    posted: dict[str, Money] = {}
    for kind, account in kinds:
        posted |= await books.posted_amounts(session, organizer_id, kind, account)
    return posted


async def check_statements(session: AsyncSession, now: datetime) -> list[Item]:
    """What providers say moved against what we hold that moved."""
    items: list[Item] = []
    settled = await books.list_posted(
        session, PLATFORM, TransactionKind.SETTLEMENT, AccountKind.BANK
    )
    filled = await books.list_posted(
        session, PLATFORM, TransactionKind.FLOAT_TOP_UP, AccountKind.BANK
    )
    for provider in await list_providers(session):
        lines, movements = await gather_statement(session, provider, now)
        otherwise = await find_contradictions(session, provider, now - STATEMENTS_LOOKED_AT)
        items += contradictions_said(provider, otherwise)
        items += statement_agrees(provider, lines, movements, _filled(provider, filled))
        if provider is Provider.BANK:
            items += settlements_arrived(settled, lines)
        else:
            named = await repository.settlement_references(session, provider)
            items += settlements_agree(provider, lines, settled, named)
        kept = await repository.fees_kept(session, provider)
        booked = await books.booked_on(
            session,
            Account(AccountKind.PROVIDER_FEE, provider),
            Account(AccountKind.PAYOUT_FEE, provider),
        )
        items += fees_not_booked(provider, kept, booked)
    return items


def _filled(provider: Provider, filled: Sequence[PostedAmount]) -> list[PostedAmount]:
    """What left our bank filled some provider's float, and came there."""
    if provider is Provider.BANK:
        return list(filled)
    prefix = postings.float_top_up_key(provider, "")
    return [each for each in filled if each.key.startswith(prefix)]


async def list_providers(session: AsyncSession) -> list[Provider]:
    """Name those of whom there are statements."""
    return [Provider(name) for name in await repository.providers_with_lines(session)]


async def gather_statement(
    session: AsyncSession, provider: Provider, now: datetime
) -> tuple[list[StatementLine], list[Movement]]:
    """Give a provider's lines of late, and every movement that they may be about."""
    lines = await gather_lines(session, provider, now)
    since, until = now - STATEMENTS_LOOKED_AT - _PAID_BEFORE, now + EDGE
    movements = [
        *await payments.list_movements(session, provider, since, until),
        *await payouts.list_movements(session, provider, since, until),
    ]
    return lines, [_movement(each) for each in movements]


async def gather_lines(
    session: AsyncSession, provider: Provider, now: datetime
) -> list[StatementLine]:
    rows = await repository.lines_since(session, provider, now - STATEMENTS_LOOKED_AT)
    return [line_of(row) for row in rows]


async def check_aged_clearing(session: AsyncSession, now: datetime) -> list[Item]:
    """What waits in each of the books, but for clearing: captures stand in the organizers' books
    and settlements in the platform's, so all books are one there.
    """
    items: list[Item] = []
    in_one_book = [kind for kind in rules.AGED_AFTER if kind is not AccountKind.PROVIDER_CLEARING]
    for place in await books.open_accounts(session, in_one_book):
        found = await books.entries_of_account(session, *place)
        items += _aged(rules.ClearingAccount(*place), found, now)
    in_all = await books.moved_a_day(session, AccountKind.PROVIDER_CLEARING)
    for (name, currency), found in in_all.items():
        # What is transferred to our bank is there at once, and nobody settles it.
        if name != postings.provider_clearing(Provider.BANK).name:
            items += _aged(rules.ClearingAccount(None, name, currency), found, now)
    return items


def _aged(
    account: rules.ClearingAccount, found: Sequence[tuple[int, datetime]], now: datetime
) -> list[Item]:
    return rules.aged(account, [rules.ClearingEntry(*each) for each in found], now)


CHECKS: Final[tuple[Check, ...]] = (
    Check((CheckName.TRIAL_BALANCE,), check_trial_balance),
    Check((CheckName.CHECKPOINTS,), check_checkpoints),
    Check((CheckName.PENDING,), check_pending),
    Check((CheckName.CAPTURES, CheckName.REFUNDS, CheckName.PAYOUTS), check_postings),
    Check((CheckName.ORDERS, CheckName.TICKETS), check_orders),
    Check((CheckName.STATEMENTS,), check_statements),
    Check((CheckName.AGED_CLEARING,), check_aged_clearing),
)


def _movement(named: NamedMovement) -> Movement:
    return Movement(
        organizer_id=named.organizer_id,
        id=named.id,
        sort=named.sort,
        kind=named.kind,
        names=named.names,
        amount=named.amount,
        is_done=named.is_done,
        moved_at=named.moved_at,
        fee=named.fee,
    )
