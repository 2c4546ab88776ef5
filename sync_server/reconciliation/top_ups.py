"""Floats that an operator filled from our bank: posted in the platform's books, each once."""

import re
from dataclasses import dataclass
from typing import Final

from shared.money import Money
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.rules import Provider

_BANK: Final = "payouts"
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_./-]{1,60}")


@dataclass(frozen=True, slots=True)
class TopUp:
    """How much went to which float, and what the transfer is called."""

    provider: Provider
    amount: Money
    reference: str


def top_up_of(provider: str, amount: str, currency: str, reference: str) -> TopUp:
    """Read an operator's words, else raise ValueError."""
    named = Provider(provider)
    money = from_major(amount, currency)
    if named is Provider.BANK:
        message = "a bank has no float"
    elif money is None or money.minor_units <= 0:
        message = "this is no amount of such a currency"
    elif _REFERENCE.fullmatch(reference) is None:
        message = "a reference has up to 60 letters, digits, and the signs _ . / -"
    else:
        return TopUp(named, money, reference)
    raise ValueError(message)


async def book_top_up(services: Services, wanted: TopUp) -> bool:
    """Post it, and say whether it is new; the same reference with another amount raises
    ReplayDiffersError.
    """
    posting = postings.float_top_up(wanted.provider, wanted.reference, _BANK, wanted.amount)
    async with services.database.transaction(WORKER) as session:
        posted = await ledger.post(session, services, PLATFORM, posting)
        if posted.is_new:
            told = {
                "amount": wanted.amount.minor_units,
                "currency": wanted.amount.currency,
                "reference": wanted.reference,
            }
            topped_up = Action("float.top_up", Subject("float", wanted.provider), after=told)
            await audit.record_action(session, services, topped_up)
        return posted.is_new
