"""What other domains are told of a payout; no row of a table leaves this domain."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.ids import OrganizerId
from shared.money import Money
from sync_server.payments.rules import Provider
from sync_server.payouts.models import Payout
from sync_server.payouts.rules import Expected, PayoutState


@dataclass(frozen=True, slots=True)
class PayoutFacts:
    """A payout as it stands; `reason` is the rail's own word, or a person's."""

    organizer_id: OrganizerId
    id: UUID
    number: str
    rail: Provider
    state: PayoutState
    amount: Money
    rail_fee: Money
    reference: str
    reason: str | None
    requested_at: datetime
    state_changed_at: datetime


def facts_of(row: Payout) -> PayoutFacts:
    return PayoutFacts(
        organizer_id=OrganizerId(row.organizer_id),
        id=row.id,
        number=row.number,
        rail=Provider(row.rail),
        state=PayoutState(row.state),
        amount=Money(row.amount, row.currency),
        rail_fee=Money(row.rail_fee, row.currency),
        reference=str(row.reference),
        reason=row.reason,
        requested_at=row.requested_at,
        state_changed_at=row.state_changed_at,
    )


def expected_of(row: Payout) -> Expected:
    return Expected(str(row.reference), Money(row.amount, row.currency))
