"""Transfers between our bank and a provider, a float that was filled or money that was settled:
posted in the platform's books, each once, and once more after somebody took it back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from sync_server.ledger.errors import ReplayDiffersError
from sync_server.ledger.rules import PLATFORM, Transaction, counted_key
from sync_server.ledger.service import PostedUnderKey
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.checks import gather_lines, list_providers

_BANK: Final = "payouts"
REFERENCE: Final = re.compile(r"[A-Za-z0-9_./-]{1,60}")


@dataclass(frozen=True, slots=True)
class Transfer:
    """How much went to a provider or came from it, and what the transfer is called."""

    provider: Provider
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class Booked:
    """Under which key a transfer stands, and whether this call posted it."""

    key: str
    is_new: bool


def transfer_of(provider: str, amount: str, currency: str, reference: str) -> Transfer:
    """Read an operator's words, else raise ValueError."""
    named = Provider(provider)
    money = from_major(amount, currency)
    if named is Provider.BANK:
        message = "a bank has no float, and settles nothing"
    elif money is None or money.minor_units <= 0:
        message = "this is no amount of such a currency"
    elif REFERENCE.fullmatch(reference) is None:
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
    if not is_settlement or line.amount.minor_units <= 0 or not REFERENCE.fullmatch(reference):
        return None
    return Transfer(provider, line.amount, reference)


def key_to_book(key: str, before: Sequence[PostedUnderKey]) -> str:
    """The key of what stands, so that it is not posted twice; the next one where nothing does."""
    if before and not before[-1].is_taken_back:
        return before[-1].key
    return counted_key(key, len(before) + 1)


def is_news(posting: Transaction, before: Sequence[PostedUnderKey]) -> bool:
    """Whether a statement may book it: nothing of this reference stands, and nobody took this very
    amount back. A person's word goes before a line that is read again and again.
    """
    return all(each.is_taken_back and each.lines != posting.lines for each in before)


async def book_top_up(services: Services, wanted: Transfer) -> Booked:
    """Post it, and say whether it is new; the same reference with another amount raises
    ReplayDiffersError, unless what was posted was taken back.
    """
    posting = postings.float_top_up(wanted.provider, wanted.reference, _BANK, wanted.amount)
    action = Action("float.top_up", Subject("float", wanted.provider), after=_told(wanted))
    async with services.database.transaction(WORKER) as session:
        return await _post(session, services, posting, action)


async def book_settlement(services: Services, wanted: Transfer) -> Booked:
    """Post what an operator saw arrive at our bank, as `book_top_up` does."""
    async with services.database.transaction(WORKER) as session:
        return await _settle(session, services, wanted)


async def book_settlements(services: Services) -> int:
    """Post every settlement that a provider's statement names, and say how many are new. One that
    was posted with another amount, or taken back with this one, is left as it is: the check of
    statements says so.
    """
    now = instant(services.clock.now_ms())
    new = 0
    async with services.database.transaction(WORKER) as session:
        for provider in await list_providers(session):
            for line in await gather_lines(session, provider, now):
                wanted = settled_by(provider, line)
                if wanted is None:
                    continue
                posting = _settlement(wanted)
                before = await ledger.list_counted(session, PLATFORM, posting.key)
                if is_news(posting, before):
                    booked = await _settle(session, services, wanted, line.booked_at)
                    new += booked.is_new
    return new


def _settlement(wanted: Transfer) -> Transaction:
    return postings.settlement(wanted.provider, wanted.reference, _BANK, wanted.amount)


async def _settle(
    session: AsyncSession,
    services: Services,
    wanted: Transfer,
    occurred_at: datetime | None = None,
) -> Booked:
    subject = Subject("settlement", wanted.provider)
    action = Action("settlement.book", subject, after=_told(wanted))
    return await _post(session, services, _settlement(wanted), action, occurred_at)


async def _post(
    session: AsyncSession,
    services: Services,
    posting: Transaction,
    action: Action,
    occurred_at: datetime | None = None,
) -> Booked:
    """Whoever is overtaken finds their key used: with the same amount it was booked before."""
    before = await ledger.list_counted(session, PLATFORM, posting.key)
    counted = replace(posting, key=key_to_book(posting.key, before))
    try:
        posted = await ledger.post(session, services, PLATFORM, counted, occurred_at)
    except ReplayDiffersError as error:
        message = f"{error.title}; --take-back {counted.key} takes that back"
        raise ReplayDiffersError(message) from error
    if posted.is_new:
        await audit.record_action(session, services, action)
    return Booked(counted.key, posted.is_new)


def _told(wanted: Transfer) -> dict[str, str | int]:
    return {
        "amount": wanted.amount.minor_units,
        "currency": wanted.amount.currency,
        "reference": wanted.reference,
    }
