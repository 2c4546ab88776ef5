"""What an organizer reads of scans and does about conflicts."""

from uuid import UUID

from shared.ids import from_signed_64
from sync_server.admissions import repository
from sync_server.admissions.errors import ConflictNotFoundError
from sync_server.admissions.models import Scan, StoredConflict
from sync_server.admissions.news import conflict_news
from sync_server.admissions.schemas import ConflictShown, Resolution, ScanShown
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.deployments import service as deployments
from sync_server.deployments.service import Place
from sync_server.kit.instants import instant
from sync_server.kit.outbox import publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller


async def list_scans(caller: OrganizerCaller, place: Place, page: PageRequest) -> Page[ScanShown]:
    """List a deployment's scans in the order of their ids, so by the gates' time."""
    organizer_id, event_id, deployment_id = place
    await deployments.find_deployment(caller.session, place)
    _note("scans_of_deployment", place)
    event = (organizer_id, event_id)
    rows = await repository.list_scans(caller.session, event, deployment_id, page)
    return page_of(rows, page, _scan_shown, lambda row: row.scan_id)


async def list_conflicts(
    caller: OrganizerCaller, place: Place, page: PageRequest
) -> Page[ConflictShown]:
    """List the conflicts of the deployment's event: two deployments may be the two sides of one."""
    await deployments.find_deployment(caller.session, place)
    _note("conflicts_of_deployment", place)
    rows = await repository.list_conflicts(caller.session, (place[0], place[1]), page)
    return page_of(rows, page, _conflict_shown, lambda row: row.id)


async def resolve_conflict(
    caller: OrganizerCaller,
    services: Services,
    place: Place,
    conflict_id: UUID,
    wanted: Resolution,
) -> ConflictShown:
    await deployments.find_deployment(caller.session, place)
    values = {
        "resolved_at": instant(services.clock.now_ms()),
        "resolved_by": caller.user_id,
        "resolution": wanted.reason,
    }
    event = (place[0], place[1])
    row = await repository.resolve_conflict(caller.session, event, conflict_id, values)
    if row is None:
        raise ConflictNotFoundError
    subject = Subject("conflict", str(conflict_id), caller.organizer_id)
    change = Action("conflict.resolve", subject, reason=wanted.reason)
    await audit.record_action(caller.session, services, change)
    await publish(caller.session, *conflict_news("conflict.resolved", event, [conflict_id]))
    return _conflict_shown(row)


def _note(kind: str, place: Place) -> None:
    """A scan says where a ticket's holder was, and when."""
    audit.note_access(Access(AccessKind.READ, Subject(kind, str(place[2]), place[0])))


def _scan_shown(row: Scan) -> ScanShown:
    return ScanShown(
        scan_id=row.scan_id,
        device_id=row.device_id,
        seq=row.seq,
        gate_id=row.gate_id,
        direction=row.direction,
        ticket_id=None if row.ticket_id is None else from_signed_64(row.ticket_id),
        verdict=row.verdict,
        admitted=row.admitted,
        gate_time_ms=row.gate_time_ms,
        earliest_ms=row.earliest_ms,
        latest_ms=row.latest_ms,
        received_at=row.received_at,
    )


def _conflict_shown(row: StoredConflict) -> ConflictShown:
    withdrawn = "withdrawn" if row.withdrawn_at else "open"
    return ConflictShown.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "subject": row.subject,
            "scan_ids": row.scan_ids,
            "concurrent": row.concurrent,
            "state": "resolved" if row.resolved_at else withdrawn,
            "found_at": row.found_at,
            "changed_at": row.changed_at,
            "resolved_at": row.resolved_at,
            "resolved_by": row.resolved_by,
            "resolution": row.resolution,
        }
    )
