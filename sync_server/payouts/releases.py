"""Releases: what was pending of an event becomes available once the organizer's hold is over."""

from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from shared.money import Money
from sync_server.catalog import service as catalog
from sync_server.catalog.errors import EventNotFoundError
from sync_server.catalog.rules import EventStatus
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.errors import ReplayDiffersError
from sync_server.payouts import service
from sync_server.payouts.rules import is_released

_LOG: Final = structlog.get_logger(__name__)


async def release_due(services: Services) -> int:
    """Release what may be, and say of how many events; any number of processes may do so."""
    async with services.database.reading(WORKER) as session:
        pending = await ledger.list_pending(session)
        due = [each for each in pending if await _is_due(session, services, *each[:2])]
    released = 0
    for organizer_id, event_id, currency in due:
        try:
            released += await _release(services, organizer_id, event_id, currency)
        except ReplayDiffersError:
            # Another process released what is in another currency; this is released next time.
            _LOG.info("release.overtaken", event_id=str(event_id))
    return released


async def _is_due(
    session: AsyncSession, services: Services, organizer_id: OrganizerId, event_id: EventId
) -> bool:
    """What was sold for a cancelled event waits for its refunds."""
    try:
        event = await catalog.find_event(session, organizer_id, event_id)
    except EventNotFoundError:
        return False
    rule = await service.read_hold_rule(session, organizer_id)
    now = instant(services.clock.now_ms())
    is_over = is_released(event.base_time, rule.hold_days, now)
    return is_over and event.status is not EventStatus.CANCELLED


async def _release(
    services: Services, organizer_id: OrganizerId, event_id: UUID, currency: str
) -> bool:
    """Whoever gives money back has done so before or waits for this: what is released is there."""
    async with services.database.transaction(WORKER) as session:
        await ledger.lock_available(session, organizer_id, currency)
        account = postings.organizer_pending(event_id)
        held = await ledger.balance_of(session, organizer_id, account, currency)
        if held.minor_units >= 0:
            return False
        sequence = 1
        while await ledger.find_posted(session, organizer_id, f"release:{event_id}:{sequence}"):
            sequence += 1
        release = postings.release(event_id, sequence, Money(-held.minor_units, currency))
        posted = await ledger.post(session, services, organizer_id, release)
        return posted.is_new
