"""What every provider's statement comes down to, whatever file it came as; pure.

The readers of files (CSV of the mobile networks and card acquirers, ISO 20022 of a bank) give
these, and reconciliation holds them against the books.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.money import Money


class LineKind(StrEnum):
    """What moved: money from a buyer, back to one, to an organizer, to us, or to the provider."""

    COLLECTION = "collection"
    REFUND = "refund"
    DISBURSEMENT = "disbursement"
    FEE = "fee"
    SETTLEMENT = "settlement"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement as a provider booked it. `key` is unique among the lines of one account;
    `reference` is ours where the provider repeats it, `provider_reference` its own. `amount` is
    what the payer paid or the payee got, above zero, and `fee` what the provider kept beside it.
    """

    key: str
    kind: LineKind
    reference: str | None
    provider_reference: str | None
    amount: Money
    fee: Money
    booked_at: datetime
