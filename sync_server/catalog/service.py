"""Events and what they are made of; other domains read gates, zones, ticket types and keys here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.credentials.layout import TicketFlag
from shared.ids import EventId, OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import event_keys, repository
from sync_server.catalog.errors import (
    AlreadyExistsError,
    EventNotFoundError,
    NumbersExhaustedError,
    TicketTypeNotFoundError,
    ZoneUnknownError,
)
from sync_server.catalog.models import Event, Gate, TicketType, Zone
from sync_server.catalog.rules import (
    GATE_NUMBERS,
    TIERS,
    ZONE_BITS,
    EventKeys,
    EventStatus,
    Medium,
    TicketTypeFacts,
    lowest_free,
    zone_bits,
    zone_mask,
)
from sync_server.catalog.schemas import (
    EventShown,
    GateShown,
    NewEvent,
    NewGate,
    NewTicketType,
    NewZone,
    TicketTypeShown,
    ZoneShown,
)
from sync_server.kit.instants import instant
from sync_server.kit.models import Base
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller

status_of_event = repository.status_of_event
"""What a statement of another domain asks an event's status with, in the same message."""


@dataclass(frozen=True, slots=True)
class EventFloor:
    """Everything an event is made of, for those who issue tickets or build snapshots."""

    gates: tuple[GateShown, ...]
    zones: tuple[ZoneShown, ...]
    ticket_types: tuple[TicketTypeShown, ...]


async def create_event(caller: OrganizerCaller, services: Services, wanted: NewEvent) -> EventShown:
    """Make an event with its first key set and issuer key, all in one transaction."""
    event = Event(
        organizer_id=caller.organizer_id,
        id=wanted.id or services.new_id(),
        name=wanted.name,
        base_time=wanted.base_time,
        timezone=wanted.timezone,
        venue=wanted.venue,
        status=EventStatus.SCHEDULED.value,
        created_at=instant(services.clock.now_ms()),
    )
    await _add(caller.session, event)
    key_set = event_keys.make_key_set(services, event)
    issuer_key = event_keys.make_issuer_key(services, event)
    await repository.add(caller.session, key_set, issuer_key)
    planned = {"name": event.name, "venue": event.venue, "base_time": event.base_time.isoformat()}
    made = Subject("event", str(event.id), caller.organizer_id)
    await _record(caller, services, Action("event.create", made, after=planned))
    numbers = {"kid": key_set.kid, "ikid": issuer_key.ikid}
    await _record(caller, services, Action("event_keys.create", made, after=numbers))
    return EventShown.model_validate(event)


async def list_events(caller: OrganizerCaller, page: PageRequest) -> Page[EventShown]:
    rows = await repository.list_events(caller.session, caller.organizer_id, page)
    return page_of(rows, page, EventShown.model_validate, lambda row: row.id)


async def find_event(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> EventShown:
    """Give one event, else raise EventNotFoundError."""
    event = await repository.find_event(session, organizer_id, event_id)
    if event is None:
        raise EventNotFoundError
    return EventShown.model_validate(event)


async def create_gate(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    wanted: NewGate,
) -> GateShown:
    numbers = _Numbers(Gate.number, GATE_NUMBERS)
    number = await _give_number(caller, event_id, numbers, wanted.number)
    await _require_zones(caller, event_id, wanted.zones)
    gate = Gate(
        organizer_id=caller.organizer_id,
        event_id=event_id,
        id=wanted.id or services.new_id(),
        number=number,
        name=wanted.name,
        zones=zone_mask(wanted.zones),
    )
    await _add(caller.session, gate)
    shown = _gate_shown(gate)
    await _record_part(caller, services, "gate", gate, {"zones": shown.zones})
    return shown


async def create_zone(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    wanted: NewZone,
) -> ZoneShown:
    bit = await _give_number(caller, event_id, _Numbers(Zone.bit, ZONE_BITS), wanted.bit)
    zone = Zone(
        organizer_id=caller.organizer_id,
        event_id=event_id,
        id=wanted.id or services.new_id(),
        bit=bit,
        name=wanted.name,
    )
    await _add(caller.session, zone)
    await _record_part(caller, services, "zone", zone, {"bit": zone.bit})
    return ZoneShown.model_validate(zone)


async def create_ticket_type(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    wanted: NewTicketType,
) -> TicketTypeShown:
    tier = await _give_number(caller, event_id, _Numbers(TicketType.tier, TIERS), wanted.tier)
    await _require_zones(caller, event_id, wanted.zones)
    ticket_type = TicketType(
        organizer_id=caller.organizer_id,
        event_id=event_id,
        id=wanted.id or services.new_id(),
        tier=tier,
        name=wanted.name,
        zones=zone_mask(wanted.zones),
        flags=int(_flags(wanted)),
        medium=wanted.medium.value,
    )
    await _add(caller.session, ticket_type)
    shown = _ticket_type_shown(ticket_type)
    particulars = shown.model_dump(mode="json", exclude={"id", "name"})
    await _record_part(caller, services, "ticket_type", ticket_type, particulars)
    return shown


async def list_gates(
    caller: OrganizerCaller,
    event_id: EventId,
    page: PageRequest,
) -> Page[GateShown]:
    await find_event(caller.session, caller.organizer_id, event_id)
    event = (caller.organizer_id, event_id)
    rows = await repository.list_parts(caller.session, Gate, event, page)
    return page_of(rows, page, _gate_shown, lambda row: row.id)


async def list_zones(
    caller: OrganizerCaller,
    event_id: EventId,
    page: PageRequest,
) -> Page[ZoneShown]:
    await find_event(caller.session, caller.organizer_id, event_id)
    event = (caller.organizer_id, event_id)
    rows = await repository.list_parts(caller.session, Zone, event, page)
    return page_of(rows, page, ZoneShown.model_validate, lambda row: row.id)


async def list_ticket_types(
    caller: OrganizerCaller,
    event_id: EventId,
    page: PageRequest,
) -> Page[TicketTypeShown]:
    await find_event(caller.session, caller.organizer_id, event_id)
    event = (caller.organizer_id, event_id)
    rows = await repository.list_parts(caller.session, TicketType, event, page)
    return page_of(rows, page, _ticket_type_shown, lambda row: row.id)


async def load_event_floor(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> EventFloor:
    """Give all gates, zones and ticket types of an event, each in the order of its numbers."""
    gates = await repository.all_parts(session, Gate, organizer_id, event_id)
    zones = await repository.all_parts(session, Zone, organizer_id, event_id)
    types = await repository.all_parts(session, TicketType, organizer_id, event_id)
    return EventFloor(
        tuple(_gate_shown(row) for row in sorted(gates, key=lambda row: row.number)),
        tuple(ZoneShown.model_validate(row) for row in sorted(zones, key=lambda row: row.bit)),
        tuple(_ticket_type_shown(row) for row in sorted(types, key=lambda row: row.tier)),
    )


async def load_event_keys(
    session: AsyncSession,
    services: Services,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> EventKeys:
    """Open an event's keys, which the worker alone may read; EventNotFoundError where it has
    none.
    """
    keys = await event_keys.load(session, services.key_sealer, organizer_id, event_id)
    if not keys.key_sets or not keys.issuer_keys:
        raise EventNotFoundError
    return keys


@dataclass(frozen=True, slots=True)
class Issuing:
    """What new tickets are made of: types by their ids, and the key that signs."""

    types: Mapping[UUID, TicketTypeFacts]
    issuer_key_id: int


async def issuing(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
    ticket_type_ids: Collection[UUID],
) -> Issuing:
    """Give what new tickets of these types are made of; needs `tickets.issue`. Raises
    TicketTypeNotFoundError, or EventNotFoundError where no key may be used.
    """
    wanted = set(ticket_type_ids)
    rows, issuer_key_id = await repository.find_types_and_issuer(
        session, organizer_id, event_id, wanted
    )
    if {row.id for row in rows} != wanted:
        raise TicketTypeNotFoundError
    if issuer_key_id is None:
        raise EventNotFoundError
    return Issuing({row.id: _facts_of(row) for row in rows}, issuer_key_id)


async def find_ticket_type(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
    ticket_type_id: UUID,
) -> TicketTypeFacts:
    """Give one ticket type as codes carry it, else raise TicketTypeNotFoundError."""
    row = await repository.find_ticket_type(session, organizer_id, event_id, ticket_type_id)
    if row is None:
        raise TicketTypeNotFoundError
    return _facts_of(row)


def _facts_of(row: TicketType) -> TicketTypeFacts:
    return TicketTypeFacts(
        id=row.id,
        name=row.name,
        tier=row.tier,
        zones=row.zones,
        flags=TicketFlag(row.flags),
        medium=Medium(row.medium),
    )


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A column of numbers that codes carry, and how far they go."""

    column: InstrumentedAttribute[int]
    allowed: range


async def _give_number(
    caller: OrganizerCaller,
    event_id: EventId,
    numbers: _Numbers,
    wanted: int | None,
) -> int:
    session, organizer_id = caller.session, caller.organizer_id
    if await repository.lock_event(session, organizer_id, event_id) is None:
        raise EventNotFoundError
    taken = await repository.taken_numbers(session, numbers.column, organizer_id, event_id)
    if wanted is not None and wanted in taken:
        raise AlreadyExistsError(extra={"number": wanted})
    number = lowest_free(numbers.allowed, taken) if wanted is None else wanted
    if number is None:
        raise NumbersExhaustedError
    return number


async def _require_zones(
    caller: OrganizerCaller,
    event_id: EventId,
    bits: Collection[int],
) -> None:
    session, organizer_id = caller.session, caller.organizer_id
    existing = await repository.taken_numbers(session, Zone.bit, organizer_id, event_id)
    unknown = sorted(set(bits) - existing)
    if unknown:
        raise ZoneUnknownError(extra={"zones": unknown})


async def _record(caller: OrganizerCaller, services: Services, action: Action) -> None:
    await audit.record_action(caller.session, services, action)


async def _record_part(
    caller: OrganizerCaller,
    services: Services,
    noun: str,
    row: Gate | Zone | TicketType,
    particulars: Mapping[str, Any],
) -> None:
    """Write down that a part of an event was made, and what it is like."""
    made = {"event_id": str(row.event_id), "name": row.name, **particulars}
    subject = Subject(noun, str(row.id), caller.organizer_id)
    await _record(caller, services, Action(f"{noun}.create", subject, after=made))


async def _add(session: AsyncSession, row: Base) -> None:
    try:
        await repository.add(session, row)
    except IntegrityError as error:
        raise AlreadyExistsError from error


def _flags(wanted: NewTicketType) -> TicketFlag:
    chosen = {
        TicketFlag.IDENTITY_BOUND: wanted.identity_bound,
        TicketFlag.NFC_REQUIRED: wanted.medium in {Medium.NFC, Medium.QR_AND_NFC},
        TicketFlag.STATIC_ALLOWED: wanted.static_allowed,
        TicketFlag.REENTRY: wanted.reentry_allowed,
        TicketFlag.STAFF: wanted.staff,
        TicketFlag.COMPANION: wanted.companion,
    }
    flags = TicketFlag(0)
    for flag, is_set in chosen.items():
        flags |= flag if is_set else TicketFlag(0)
    return flags


def _gate_shown(row: Gate) -> GateShown:
    return GateShown(id=row.id, name=row.name, number=row.number, zones=zone_bits(row.zones))


def _ticket_type_shown(row: TicketType) -> TicketTypeShown:
    flags = TicketFlag(row.flags)
    return TicketTypeShown(
        id=row.id,
        name=row.name,
        tier=row.tier,
        zones=zone_bits(row.zones),
        identity_bound=TicketFlag.IDENTITY_BOUND in flags,
        static_allowed=TicketFlag.STATIC_ALLOWED in flags,
        reentry_allowed=TicketFlag.REENTRY in flags,
        staff=TicketFlag.STAFF in flags,
        companion=TicketFlag.COMPANION in flags,
        medium=Medium(row.medium),
    )
