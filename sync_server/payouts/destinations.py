"""Where an organizer's money may go: one person writes it down, another confirms it, and the rail
is asked whose account it is.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller
from sync_server.payments.ports import Destination, Disburser
from sync_server.payments.rules import Provider
from sync_server.payouts import repository, sealing
from sync_server.payouts.errors import (
    DestinationDecidedError,
    DestinationNotFoundError,
    TwoPeopleNeededError,
)
from sync_server.payouts.models import PayoutDestination
from sync_server.payouts.rules import NameCheck, check_name
from sync_server.payouts.schemas import DestinationNames, DestinationShown, NewDestination
from sync_server.payouts.service import require_offered

ADDED: Final = "payout_destination.added"
_ENDING_CHARACTERS: Final = 3


async def add_destination(
    caller: OrganizerCaller, services: Services, wanted: NewDestination
) -> DestinationShown:
    require_offered(services, wanted.rail)
    account = wanted.account.get_secret_value()
    place = Destination(wanted.holder.get_secret_value(), account, wanted.bank, wanted.branch)
    row_id = services.new_id()
    row = PayoutDestination(
        organizer_id=caller.organizer_id,
        id=row_id,
        rail=wanted.rail,
        currency=wanted.currency,
        label=wanted.label,
        account_ending=account[-_ENDING_CHARACTERS:],
        sealed_account=sealing.seal_account(services, place, row_id),
        sealed_told_name=None,
        name_check=NameCheck.UNCHECKED,
        name_checked_at=None,
        added_by=caller.user_id,
        added_at=instant(services.clock.now_ms()),
        confirmed_by=None,
        confirmed_at=None,
        withdrawn_by=None,
        withdrawn_at=None,
    )
    await repository.add(caller.session, row)
    made = {"rail": row.rail, "label": row.label, "currency": row.currency}
    change = Action("payout_destination.add", _subject(row), after=made)
    await audit.record_action(caller.session, services, change)
    ids = {"destination_id": str(row.id)}
    await publish(caller.session, Message(ADDED, caller.organizer_id, payload=ids))
    return DestinationShown.model_validate(row)


async def list_destinations(caller: OrganizerCaller, page: PageRequest) -> Page[DestinationShown]:
    rows = await repository.list_destinations(caller.session, caller.organizer_id, page)
    return page_of(rows, page, DestinationShown.model_validate, lambda row: row.id)


async def read_destination(
    caller: OrganizerCaller, services: Services, destination_id: UUID
) -> DestinationNames:
    """Show both names; what the caller's own rights let them see of the row comes first."""
    shown = DestinationShown.model_validate(await _find(caller, destination_id))
    async with services.database.reading(WORKER) as session:
        place = (caller.organizer_id, destination_id)
        row = await repository.open_destination(session, *place)
    if row is None:
        raise DestinationNotFoundError
    audit.note_access(Access(AccessKind.READ, _subject(row)))
    account = sealing.open_account(services, row.sealed_account, row.id)
    told = sealing.open_told_name(services, row.sealed_told_name, row.id)
    return DestinationNames(**shown.model_dump(), holder=account.holder, told_name=told)


async def confirm_destination(
    caller: OrganizerCaller, services: Services, destination_id: UUID
) -> DestinationShown:
    row = await _find(caller, destination_id)
    if row.added_by == caller.user_id:
        raise TwoPeopleNeededError
    now = instant(services.clock.now_ms())
    values = {"confirmed_by": caller.user_id, "confirmed_at": now}
    if not await repository.change_destination(caller.session, row, is_new=True, **values):
        raise DestinationDecidedError
    change = Action("payout_destination.confirm", _subject(row))
    await audit.record_action(caller.session, services, change)
    return DestinationShown.model_validate(row)


async def withdraw_destination(
    caller: OrganizerCaller, services: Services, destination_id: UUID
) -> DestinationShown:
    """Pay nothing more to it; what was sent already goes on."""
    row = await _find(caller, destination_id)
    now = instant(services.clock.now_ms())
    values = {"withdrawn_by": caller.user_id, "withdrawn_at": now}
    if not await repository.change_destination(caller.session, row, is_new=False, **values):
        raise DestinationDecidedError
    change = Action("payout_destination.withdraw", _subject(row))
    await audit.record_action(caller.session, services, change)
    return DestinationShown.model_validate(row)


async def check_destination(
    services: Services,
    disbursers: Mapping[Provider, Disburser],
    organizer_id: UUID,
    destination_id: UUID,
) -> NameCheck | None:
    """Ask the rail whose account it is, so that whoever confirms it sees both names."""
    async with services.database.reading(WORKER) as session:
        row = await repository.open_destination(session, organizer_id, destination_id)
    disburser = None if row is None else disbursers.get(Provider(row.rail))
    if row is None or disburser is None:
        return None
    place = sealing.open_account(services, row.sealed_account, row.id)
    told = await disburser.check_holder(place, row.currency)
    check = check_name(place.holder, told)
    name = None if told is None else told.name
    async with services.database.transaction(WORKER) as session:
        await repository.keep_name_check(
            session,
            organizer_id,
            destination_id,
            name_check=check,
            name_checked_at=instant(services.clock.now_ms()),
            sealed_told_name=sealing.seal_told_name(services, name, row.id),
        )
    return check


async def _find(caller: OrganizerCaller, destination_id: UUID) -> PayoutDestination:
    row = await repository.find_destination(caller.session, caller.organizer_id, destination_id)
    if row is None:
        raise DestinationNotFoundError
    return row


def _subject(row: PayoutDestination) -> Subject:
    return Subject("payout_destination", str(row.id), row.organizer_id)
