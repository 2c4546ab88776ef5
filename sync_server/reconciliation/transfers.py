"""Transfers between our bank and a provider, a float that was filled or money that was settled:
posted in the platform's books, each once.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM, Transaction
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.checks import gather_lines, list_providers

_BANK: Final = "payouts"
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_./-]{1,60}")


@dataclass(frozen=True, slots=True)
class Transfer:
    """How much went to a provider or came from it, and what the transfer is called."""

    provider: Provider
    amount: Money
    reference: str


def transfer_of(provider: str, amount: str, currency: str, reference: str) -> Transfer:
    """Read an operator's words, else raise ValueError."""
    named = Provider(provider)
    money = from_major(amount, currency)
    if named is Provider.BANK:
        message = "a bank has no float, and settles nothing"
    elif money is None or money.minor_units <= 0:
        message = "this is no amount of such a currency"
    elif _REFERENCE.fullmatch(reference) is None:
        message = "a reference has up to 60 letters, digits, and the signs _ . / -"
    else:
        return Transfer(named, money, reference)
    raise ValueError(message)


def settled_by(provider: Provider, line: StatementLine) -> Transfer | None:
    """Give what a provider's line says that it paid to our bank; None for every other line, and for
    one whose reference nobody could repeat.
    """
    reference = line.provider_reference or ""
    is_settlement = line.kind is LineKind.SETTLEMENT and provider is not Provider.BANK
    if not is_settlement or line.amount.minor_units <= 0 or not _REFERENCE.fullmatch(reference):
        return None
    return Transfer(provider, line.amount, reference)


async def book_top_up(services: Services, wanted: Transfer) -> bool:
    """Post it, and say whether it is new; the same reference with another amount raises
    ReplayDiffersError.
    """
    posting = postings.float_top_up(wanted.provider, wanted.reference, _BANK, wanted.amount)
    action = Action("float.top_up", Subject("float", wanted.provider), after=_told(wanted))
    async with services.database.transaction(WORKER) as session:
        return await _post(session, services, posting, action, None)


async def book_settlement(services: Services, wanted: Transfer) -> bool:
    """Post what an operator saw arrive at our bank, as `book_top_up` does."""
    async with services.database.transaction(WORKER) as session:
        return await _settle(session, services, wanted, None)


async def book_settlements(services: Services) -> int:
    """Post every settlement that a provider's statement names, and say how many are new. One that
    was posted with another amount is left as it is: the check of statements says so.
    """
    now = instant(services.clock.now_ms())
    new = 0
    async with services.database.transaction(WORKER) as session:
        for provider in await list_providers(session):
            for line in await gather_lines(session, provider, now):
                wanted = settled_by(provider, line)
                if wanted is None:
                    continue
                key = postings.settlement_key(provider, wanted.reference)
                if await ledger.find_posted(session, PLATFORM, key) is None:
                    new += await _settle(session, services, wanted, line.booked_at)
    return new


async def _settle(
    session: AsyncSession, services: Services, wanted: Transfer, occurred_at: datetime | None
) -> bool:
    posting = postings.settlement(wanted.provider, wanted.reference, _BANK, wanted.amount)
    subject = Subject("settlement", wanted.provider)
    action = Action("settlement.book", subject, after=_told(wanted))
    return await _post(session, services, posting, action, occurred_at)


async def _post(
    session: AsyncSession,
    services: Services,
    posting: Transaction,
    action: Action,
    occurred_at: datetime | None,
) -> bool:
    posted = await ledger.post(session, services, PLATFORM, posting, occurred_at)
    if posted.is_new:
        await audit.record_action(session, services, action)
    return posted.is_new


def _told(wanted: Transfer) -> dict[str, str | int]:
    return {
        "amount": wanted.amount.minor_units,
        "currency": wanted.amount.currency,
        "reference": wanted.reference,
    }
