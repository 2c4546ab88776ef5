"""What people posted by hand, taken back by its mirror: once, in the platform's books, and with a
reason. Whatever else stands in books follows from what happened, and is ended where that is.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.errors import AlreadyReversedError, TransactionNotFoundError
from sync_server.ledger.rules import PLATFORM
from sync_server.ledger.service import PostedUnderKey
from sync_server.payments.rules import Provider
from sync_server.reconciliation.transfers import REFERENCE

REASON_CHARACTERS_MAX: Final = 500
_NAMED: Final = {"float_top_up": "float", "settlement": "settlement"}
"""What the audit calls that of which such a key is."""
_KEYS: Final = {
    "float_top_up": postings.float_top_up_key,
    "settlement": postings.settlement_key,
}
"""What people post by hand, by the first words of the keys."""
_REFUND: Final = "a refund is asked for again, decided or settled outside by an admin"
_PAYOUT: Final = "a payout ends as its rail says"
_DISPUTE: Final = "a dispute ends as its provider says"
_FEE: Final = "a fee stands as the statement names it; ask the provider"
INSTEAD: Final = {
    "capture": "give a payment back by a refund of its order",
    "cash_sale": "give cash back by a refund of its order",
    "cash_refund": "sell the tickets once more",
    "refund_requested": _REFUND,
    "refund_confirmed": _REFUND,
    "refund_failed": _REFUND,
    "payout_requested": _PAYOUT,
    "payout_confirmed": _PAYOUT,
    "payout_failed": _PAYOUT,
    "payout_returned": _PAYOUT,
    "chargeback_opened": _DISPUTE,
    "chargeback_lost": _DISPUTE,
    "chargeback_won": _DISPUTE,
    "provider_fee": _FEE,
    "payout_fee": _FEE,
    "refund_fee": _FEE,
    "release": "refuse the payout that would take it",
    "reversal": "book anew what should not have been taken back",
    "suspense": "it comes back to nothing with what explains it",
    "unapplied_receipt": "an admin says of the payment that it was given back",
    "receipt_returned": "ask the payer for it, and post what comes as a payment of their order",
}
"""What to do about postings that nobody makes by hand, by the first words of their keys."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Which posting is to be taken back, and why; `subject` is what the audit calls it."""

    subject: Subject
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Whether this call did it, and the key of what was booked anew since."""

    is_new: bool
    stands: str | None = None


def correction_of(key: str, reason: str) -> Correction:
    """Read an operator's words, else raise ValueError."""
    kind, _, rest = key.partition(":")
    provider, _, name = rest.partition(":")
    reference, colon, number = name.partition(":")
    why = reason.strip()
    if kind in INSTEAD:
        message = f"nobody posts this by hand, and nobody takes it back: {INSTEAD[kind]}"
    elif kind not in _KEYS or REFERENCE.fullmatch(reference) is None:
        message = "this is no key of a posting, as float_top_up:mtn:FT1 and settlement:mtn:S1 are"
    elif not 0 < len(why) <= REASON_CHARACTERS_MAX or not why.isprintable():
        message = f"say why, on one line of up to {REASON_CHARACTERS_MAX} characters"
    else:
        subject = Subject(_NAMED[kind], Provider(provider))
        return Correction(subject, f"{_KEYS[kind](provider, reference)}{colon}{number}", why)
    raise ValueError(message)


async def take_back(services: Services, wanted: Correction) -> TakenBack:
    """Post the mirror once, and record who says so and why; raises TransactionNotFoundError where
    nothing was posted under this key.
    """
    try:
        async with services.database.transaction(WORKER) as session:
            return await _take_back(session, services, wanted)
    except AlreadyReversedError:
        # Somebody else was quicker, for another reason.
        return TakenBack(is_new=False)


async def _take_back(session: AsyncSession, services: Services, wanted: Correction) -> TakenBack:
    first = postings.key_without_number(wanted.key)
    counted = await ledger.list_counted(session, PLATFORM, first)
    posted = next((each for each in counted if each.key == wanted.key), None)
    if posted is None:
        message = f"nothing is posted under {wanted.key}"
        raise TransactionNotFoundError(message)
    if posted.is_taken_back:
        return TakenBack(is_new=False, stands=_standing(counted[-1]))
    mirror = await ledger.reverse(session, services, PLATFORM, posted.id, wanted.reason)
    if mirror.is_new:
        await audit.record_action(session, services, _action(wanted, posted))
    return TakenBack(mirror.is_new)


def _standing(newest: PostedUnderKey) -> str | None:
    return None if newest.is_taken_back else newest.key


def _action(wanted: Correction, posted: PostedUnderKey) -> Action:
    amount = max(line.amount.minor_units for line in posted.lines)
    before = {
        "amount": amount,
        "currency": posted.lines[0].amount.currency,
        "posting": posted.key,
    }
    return Action("transfer.take_back", wanted.subject, before=before, reason=wanted.reason)
