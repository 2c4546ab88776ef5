"""The accounts that buyers name for money which cannot go back the way it came: sealed, told to the
bank alone, and shown by their last characters.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.payments import repository
from sync_server.payments.errors import RefundAccountsExhaustedError
from sync_server.payments.models import RefundAccount
from sync_server.payments.ports import Destination, RefundsToAccounts
from sync_server.payments.rails import rails_of
from sync_server.payments.rules import Provider, RefundState
from sync_server.payments.views import RefundFacts

ACCOUNTS_MAX: Final = 5
"""How often the account of one order may be named; the table knows the number as well."""
ENDING_CHARACTERS: Final = 4
_PURPOSE: Final = "refund account"


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account as it may be shown."""

    id: UUID
    ending: str
    named_at: datetime


@dataclass(frozen=True, slots=True)
class NewAccount:
    """Whose order it is for; without `named_by` the order's owner named it."""

    organizer_id: OrganizerId
    order_id: UUID
    destination: Destination
    named_by: UUID | None = None


def account_rail(services: Services, provider: Provider) -> RefundsToAccounts | None:
    """Give a rail that gives money back to named accounts alone; None for any other."""
    rail = rails_of(services).collectors.get(provider)
    if rail is None or not isinstance(rail, RefundsToAccounts):
        return None
    return rail


def wants_account(services: Services, refund: RefundFacts) -> bool:
    """Say whether a refund failed for want of an account, or of another one."""
    rail = account_rail(services, refund.provider)
    is_failed = refund.state is RefundState.FAILED
    return rail is not None and is_failed and rail.wants_account(refund.refusal or "")


async def name_account(
    session: AsyncSession, services: Services, wanted: NewAccount
) -> NamedAccount:
    """Keep an account, which counts from now on; the same one again is the one that is there. Its
    order is locked, so accounts are numbered one after the other.
    """
    newest = await repository.newest_account(session, wanted.organizer_id, wanted.order_id)
    if newest is not None and open_account(services, newest) == wanted.destination:
        return _named(newest)
    number = 1 if newest is None else newest.number + 1
    if number > ACCOUNTS_MAX:
        raise RefundAccountsExhaustedError
    row_id = services.new_id()
    text = json.dumps(asdict(wanted.destination)).encode()
    row = RefundAccount(
        organizer_id=wanted.organizer_id,
        id=row_id,
        order_id=wanted.order_id,
        number=number,
        account_ending=wanted.destination.account[-ENDING_CHARACTERS:],
        sealed_account=services.key_sealer.seal(text, _PURPOSE, row_id),
        named_by=wanted.named_by,
        named_at=instant(services.clock.now_ms()),
    )
    await repository.add(session, row)
    return _named(row)


async def newest_account(
    session: AsyncSession, organizer_id: OrganizerId, order_id: UUID
) -> NamedAccount | None:
    """Give where an order's money goes; needs the worker's transaction."""
    found = await repository.newest_account(session, organizer_id, order_id)
    return None if found is None else _named(found)


def open_account(services: Services, row: RefundAccount) -> Destination:
    """Open an account to be paid to, else raise SealBrokenError."""
    return Destination(**json.loads(services.key_sealer.open(row.sealed_account, _PURPOSE, row.id)))


def _named(row: RefundAccount) -> NamedAccount:
    return NamedAccount(row.id, row.account_ending, row.named_at)
