"""Reading the touched tickets' scans anew after a batch: states, conflicts, and what the gate
should know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import Direction
from shared.admission.fold import (
    Conflict,
    ConflictKind,
    Folding,
    RecordedScan,
    fold,
)
from shared.ids import (
    DeviceId,
    GateId,
    ScanId,
    TicketId,
    from_signed_64,
    ticket_id_to_hex,
    to_signed_64,
)
from shared.wire.scans import Finding
from sync_server.admissions import repository
from sync_server.admissions.news import conflict_news
from sync_server.admissions.rules import fold_context
from sync_server.deployments import service as deployments
from sync_server.deployments.rules import Scanner
from sync_server.kit.outbox import Message
from sync_server.kit.services import Services
from sync_server.tickets import service as tickets

CAPACITY_SUBJECT: Final = "deployment"
"""What the fold calls the subject of a passed capacity: all gates together."""


@dataclass(frozen=True, slots=True)
class FoldRequest:
    """Whose batch it was, and in which instant; `news` gathers what is told when all is written."""

    services: Services
    scanner: Scanner
    now: datetime
    news: list[Message] = field(default_factory=list)

    @property
    def event(self) -> repository.Event:
        return self.scanner.organizer_id, self.scanner.event_id


async def fold_tickets(
    session: AsyncSession, request: FoldRequest, ticket_ids: Sequence[TicketId]
) -> tuple[Conflict, ...]:
    """Fold all scans of some tickets, keep the result, and give the conflicts among them."""
    if not ticket_ids:
        return ()
    stored_ids = [to_signed_64(ticket_id) for ticket_id in ticket_ids]
    await repository.lock_tickets(session, request.event, stored_ids, request.now)
    rows = await repository.admissions_of(session, request.event, stored_ids)
    revoked = await tickets.revoked_since(session, request.event, ticket_ids)
    context = fold_context(await deployments.load_fold_rules(session), revoked)
    # Some tickets say nothing of how full the event is: that is asked of all of them.
    folding = fold([_recorded(row) for row in rows], replace(context, capacity=None))
    await _keep_states(session, request, folding)
    passed = await _capacity_passed(session, request, context.capacity)
    conflicts = (*folding.conflicts, *passed)
    await keep_conflicts(session, request, conflicts)
    await _withdraw(session, request, ticket_ids, conflicts)
    return conflicts


async def _capacity_passed(
    session: AsyncSession, request: FoldRequest, capacity: int | None
) -> tuple[Conflict, ...]:
    """Sweep the event's scans, once more people entered than there are places."""
    if capacity is None:
        return ()
    await repository.lock_event(session, request.scanner.event_id)
    if await repository.count_entered(session, request.event) <= capacity:
        return ()
    beyond = await repository.entries_beyond(session, request.event, capacity)
    evidence = tuple(ScanId(scan_id) for scan_id in beyond)
    return (Conflict(ConflictKind.CAPACITY_PASSED, CAPACITY_SUBJECT, evidence),) if beyond else ()


def findings_of(conflicts: Sequence[Conflict], scan_ids: set[UUID]) -> tuple[Finding, ...]:
    """Give the conflicts that some of these scans are part of, as a gate hears of them."""
    return tuple(
        Finding(kind=conflict.kind.value, scan_ids=conflict.scan_ids)
        for conflict in conflicts
        if not scan_ids.isdisjoint(conflict.scan_ids)
    )


async def keep_conflicts(
    session: AsyncSession, request: FoldRequest, conflicts: Sequence[Conflict]
) -> None:
    """Write conflicts by kind and subject; new evidence opens a resolved one again."""
    rows = [
        {
            "id": request.services.new_id(),
            "kind": conflict.kind.value,
            "subject": conflict.subject,
            "scan_ids": list(conflict.scan_ids),
            "concurrent": conflict.concurrent,
        }
        for conflict in conflicts
    ]
    found = await repository.write_conflicts(session, request.event, rows, request.now)
    request.news.extend(conflict_news("conflict.found", request.event, found))


async def _keep_states(session: AsyncSession, request: FoldRequest, folding: Folding) -> None:
    states = list(folding.tickets.values())
    columns = {
        "ticket_id": [to_signed_64(state.ticket_id) for state in states],
        "inside": [state.inside for state in states],
        "entries": [state.entries for state in states],
        "last_at_ms": [state.passages[-1].at_ms for state in states],
    }
    await repository.write_states(session, request.event, columns)


async def _withdraw(
    session: AsyncSession,
    request: FoldRequest,
    ticket_ids: Sequence[TicketId],
    conflicts: Sequence[Conflict],
) -> None:
    organizer_id, event_id = request.event
    values = {
        "organizer_id": organizer_id,
        "event_id": event_id,
        "now": request.now,
        "subjects": [CAPACITY_SUBJECT, *map(ticket_id_to_hex, ticket_ids)],
        "still": [f"{conflict.kind.value} {conflict.subject}" for conflict in conflicts],
    }
    withdrawn = await repository.withdraw_conflicts(session, values)
    request.news.extend(conflict_news("conflict.withdrawn", request.event, withdrawn))


def _recorded(row: Row[Any]) -> RecordedScan:
    return RecordedScan(
        scan_id=ScanId(row.scan_id),
        device_id=DeviceId(row.device_id),
        seq=row.seq,
        entry_hash=row.entry_hash,
        gate_id=GateId(row.gate_id),
        direction=Direction(row.direction),
        earliest_ms=row.earliest_ms,
        latest_ms=row.latest_ms,
        ticket_id=from_signed_64(row.ticket_id),
        admitted=True,
    )


def device_fork(scanner: Scanner, scan_ids: Sequence[UUID]) -> Conflict:
    """Name a device that wrote two entries under one number; the scans are its evidence."""
    evidence = tuple(ScanId(scan_id) for scan_id in dict.fromkeys(scan_ids))
    return Conflict(ConflictKind.DEVICE_FORK, str(scanner.device_id), evidence)
