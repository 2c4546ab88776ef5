"""Hearing from a kiosk: its state is kept, and it is told the time and what there is to fetch."""

from datetime import timedelta
from typing import Final

from shared.wire.scanners import Heartbeat, HeartbeatAnswer
from sync_server.deployments import service as deployments
from sync_server.deployments import sessions
from sync_server.deployments.callers import ScannerCaller
from sync_server.deployments.rules import HEARTBEAT_INTERVAL_SECONDS
from sync_server.deployments.service import Place
from sync_server.heartbeat import repository
from sync_server.heartbeat.models import DeviceHeartbeat
from sync_server.heartbeat.schemas import HeartbeatShown
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.organizers.callers import OrganizerCaller
from sync_server.snapshots import service as snapshots

ACTIVE_WITHIN: Final = timedelta(seconds=6 * HEARTBEAT_INTERVAL_SECONDS)
"""A device silent for longer is alarming, and no longer counted among the active."""


async def hear(caller: ScannerCaller, heartbeat: Heartbeat) -> HeartbeatAnswer:
    services, scanner, session = caller.services, caller.scanner, caller.session
    now = instant(services.clock.now_ms())
    seq = await sessions.hear_from(session, services, scanner)
    row = {
        "organizer_id": scanner.organizer_id,
        "event_id": scanner.event_id,
        "deployment_id": scanner.deployment_id,
        "device_id": scanner.device_id,
        "heard_at": now,
        "state": heartbeat.model_dump(mode="json", exclude={"nonce"}),
    }
    await repository.keep(session, row)
    active = await deployments.count_active_devices(session, scanner, now - ACTIVE_WITHIN)
    return HeartbeatAnswer(
        time=sessions.signed_time(
            services, caller.server_keys, scanner.device_id, heartbeat.nonce, seq
        ),
        snapshot_version=await snapshots.newest_version(session, scanner),
        active_devices=active,
    )


async def list_heartbeats(
    caller: OrganizerCaller, place: Place, page: PageRequest
) -> Page[HeartbeatShown]:
    await deployments.find_deployment(caller.session, place)
    rows = await repository.list_heartbeats(caller.session, place, page)
    return page_of(rows, page, _shown, lambda row: row.device_id)


def _shown(row: DeviceHeartbeat) -> HeartbeatShown:
    return HeartbeatShown.model_validate(
        {**row.state, "device_id": row.device_id, "heard_at": row.heard_at}
    )
