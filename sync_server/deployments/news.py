"""What an organizer's alerts are told of devices and their sessions: ids only."""

from uuid import UUID

from shared.ids import DeploymentId, EventId, OrganizerId
from sync_server.kit import channels
from sync_server.kit.outbox import Message

Place = tuple[OrganizerId, EventId, DeploymentId]


def device_news(kind: str, place: Place, device_id: UUID) -> Message:
    """Write `device.stopped` or `device.quarantined`."""
    return _alert(kind, place, device_id=device_id)


def session_news(kind: str, place: Place, device_id: UUID, session_id: UUID) -> Message:
    """Write `scanner_session.revoked` or `scanner_session.stale`."""
    return _alert(kind, place, device_id=device_id, session_id=session_id)


def _alert(kind: str, place: Place, **ids: UUID) -> Message:
    organizer_id, event_id, deployment_id = place
    told = {"event_id": event_id, "deployment_id": deployment_id, **ids}
    return Message(kind, organizer_id, (channels.organizer_alerts(organizer_id),), told)
