"""What an organizer sees and does of a deployment's devices and their sessions."""

from datetime import datetime
from uuid import UUID

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.deployments import repository
from sync_server.deployments.errors import (
    DeviceNotFoundError,
    DeviceStateRefusedError,
    SessionNotFoundError,
)
from sync_server.deployments.models import Device, ScannerSession
from sync_server.deployments.news import device_news, session_news
from sync_server.deployments.rules import DeviceState, EndReason, device_may_become
from sync_server.deployments.schemas import DeviceShown, SessionShown
from sync_server.deployments.service import Place, find_deployment
from sync_server.kit.instants import instant
from sync_server.kit.outbox import publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller


async def list_devices(
    caller: OrganizerCaller, place: Place, page: PageRequest
) -> Page[DeviceShown]:
    await find_deployment(caller.session, place)
    rows = await repository.list_parts(caller.session, Device, place, page)
    return page_of(rows, page, DeviceShown.model_validate, lambda row: row.id)


async def list_sessions(
    caller: OrganizerCaller, place: Place, page: PageRequest
) -> Page[SessionShown]:
    await find_deployment(caller.session, place)
    rows = await repository.list_parts(caller.session, ScannerSession, place, page)
    return page_of(rows, page, SessionShown.model_validate, lambda row: row.id)


async def set_device_state(
    caller: OrganizerCaller,
    services: Services,
    place: Place,
    device_id: UUID,
    wanted: DeviceState,
) -> DeviceShown:
    """Confirm, refuse or revoke a device; a device that is out loses its session at once."""
    device = await repository.lock_part(caller.session, Device, place, device_id)
    if device is None:
        raise DeviceNotFoundError
    current = DeviceState(device.state)
    if current is not wanted and not device_may_become(current, wanted):
        raise DeviceStateRefusedError(extra={"from": current, "to": wanted})
    await repository.set_device_state(caller.session, device_id, wanted)
    if current is not wanted:
        subject = Subject("device", str(device_id), caller.organizer_id)
        states = ({"state": current.value}, {"state": wanted.value})
        await audit.record_action(
            caller.session, services, Action("device.state", subject, *states)
        )
    if wanted is DeviceState.REVOKED:
        now = instant(services.clock.now_ms())
        await _revoke_sessions(caller, place, device_id, now)
    return DeviceShown.model_validate(device)


async def revoke_session(
    caller: OrganizerCaller, services: Services, place: Place, session_id: UUID
) -> SessionShown:
    """End one session; its kiosk is told by a signed order, and begins no other session until the
    device is confirmed or enrolled again.
    """
    row = await repository.find_part(caller.session, ScannerSession, place, session_id)
    if row is None:
        raise SessionNotFoundError
    device = await repository.lock_part(caller.session, Device, place, row.device_id)
    if row.ended_at is None and device is not None:
        now = instant(services.clock.now_ms())
        await _revoke_sessions(caller, place, device.id, now)
        subject = Subject("scanner_session", str(session_id), caller.organizer_id)
        ended = {"device_id": str(device.id), "end_reason": EndReason.REVOKED.value}
        await audit.record_action(
            caller.session, services, Action("scanner_session.revoke", subject, after=ended)
        )
        if device_may_become(DeviceState(device.state), DeviceState.STOPPED):
            await repository.set_device_state(caller.session, device.id, DeviceState.STOPPED)
            await publish(caller.session, device_news("device.stopped", place, device.id))
    return SessionShown.model_validate(row)


async def _revoke_sessions(
    caller: OrganizerCaller, place: Place, device_id: UUID, now: datetime
) -> None:
    ended = await repository.end_sessions(caller.session, device_id, EndReason.REVOKED, now)
    kind = "scanner_session.revoked"
    news = [session_news(kind, place, device_id, session_id) for session_id in ended]
    await publish(caller.session, *news)
