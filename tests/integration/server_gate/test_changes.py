import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from shared.clock import SettableClock
from shared.ids import DeploymentId, DeviceId, EventId, GateId, ScannerSessionId
from shared.wire import paths
from shared.wire.changes import RulesChanged
from shared.wire.rules import RuleBookDocument
from sync_server.deployments.callers import AdmittedScanner
from sync_server.deployments.rules import Scanner
from sync_server.kit.claims import WORKER
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from sync_server.snapshots.wakeups import ChangeTailer
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream
from tests.factories.scanners import Door, Kiosk, make_door
from tests.factories.tenants import Tenant
from tests.integration.server_gate.conftest import Settle

_PLACE = {"xid": 0, "id": 0}


async def _pages(kiosk: Kiosk, limit: int, place: dict[str, int] | None = None) -> list[Any]:
    """Follow the pages to their end."""
    found: list[Any] = []
    asked: dict[str, int] = {**(place or _PLACE), "limit": limit}
    more = True
    while more:
        page = (await kiosk.get(paths.CHANGES, params=asked)).json()
        found += page["changes"]
        asked["xid"], asked["id"] = page["cursor"]
        more = page["more"]
    return found


async def test_pages_give_every_ticket_once_and_then_nothing(door: Door, settle: Settle) -> None:
    issued = await door.issue(7)
    await settle()
    kiosk = await door.kiosk()
    heard = await _pages(kiosk, 3)
    assert sorted(item["ticket_id"] for item in heard) == sorted(
        item["ticket_id"] for item in issued
    )


async def test_a_cancelled_ticket_is_heard_as_it_now_stands(door: Door, settle: Settle) -> None:
    (ticket,) = await door.issue()
    place = f"{door.event_path}/tickets/{ticket['ticket_id']}/status"
    body = {"status": "cancelled", "reason": "rained off"}
    await door.client.post(place, json=body, headers=door.tenant.headers)
    await settle()
    heard = await _pages(await door.kiosk(), 100)
    assert [(item["kind"], item["status"]) for item in heard] == [("ticket", "cancelled")]


async def test_rules_reach_their_own_deployment_only(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, door: Door, settle: Settle
) -> None:
    other = await make_door(app_client, tenant, event_id)
    rules = {"rules": [{"set": {"entries_max": None, "entry_open": False}}]}
    await app_client.put(f"{door.path}/rules", json=rules, headers=tenant.headers)
    await settle()
    own, theirs = await _pages(await door.kiosk(), 100), await _pages(await other.kiosk(), 100)
    assert [item["kind"] for item in own] == ["rules"]
    assert own[0]["rules"] == rules
    assert theirs == []


async def test_a_commit_that_comes_late_is_not_lost(
    door: Door, services: Services, tenant: Tenant, settle: Settle
) -> None:
    """The first transaction begins before the second and commits after it was read."""
    (early,) = await door.issue()
    await settle()
    stream = Stream(tenant.organizer_id, door.event_id, DeploymentId(UUID(int=0)))
    async with services.database.transaction(tenant.claims) as slow:
        await changes.announce_rules(slow, stream, RulesChanged(rules=RuleBookDocument()))
        (late,) = await door.issue()
        kiosk = await door.kiosk()
        page = (await kiosk.get(paths.CHANGES, params=_PLACE)).json()
    await settle()
    follow = dict(zip(("xid", "id"), page["cursor"], strict=True))
    rest = await _pages(kiosk, 100, follow)
    assert [item["ticket_id"] for item in page["changes"]] == [early["ticket_id"]]
    assert [item["ticket_id"] for item in rest] == [late["ticket_id"]]


async def test_a_change_wakes_those_who_listen(
    live_server: str, tenant: Tenant, event_id: EventId
) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        door = await make_door(client, tenant, event_id)
        kiosk = await door.kiosk()
        await kiosk.get(paths.CHANGES, params=_PLACE)
        async with _stream(kiosk) as lines:
            await door.issue()
            line = await anext(lines)
            while not line.startswith("event"):
                line = await anext(lines)
            event = [line, await anext(lines)]
    assert event[0] == f"event: {paths.CHANGED_EVENT}"
    assert event[1].startswith("data: ")


@asynccontextmanager
async def _stream(kiosk: Kiosk) -> AsyncIterator[AsyncIterator[str]]:
    """It must say and do what it does within a few seconds."""
    async with asyncio.timeout(20), kiosk.listening() as lines:
        yield lines


async def test_a_quiet_stream_shows_that_it_lives(
    live_server: str, tenant: Tenant, event_id: EventId
) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        door = await make_door(client, tenant, event_id)
        kiosk = await door.kiosk()
        await kiosk.get(paths.CHANGES, params=_PLACE)
        async with _stream(kiosk) as lines:
            said = [await anext(lines) for _ in range(4)]
    assert said == [": alive", ""] * 2


async def test_a_stream_ends_with_its_session(
    live_server: str, tenant: Tenant, event_id: EventId
) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        door = await make_door(client, tenant, event_id)
        kiosk = await door.kiosk()
        await kiosk.get(paths.CHANGES, params=_PLACE)
        async with _stream(kiosk) as lines:
            await anext(lines)
            await door.post(f"/devices/{kiosk.device_id}/revoke")
            rest = [line async for line in lines]
    assert set(rest) <= {"", ": alive"}


async def test_a_stream_ends_with_the_token_that_opened_it(
    door: Door, services: Services, clock: SettableClock
) -> None:
    lines = ChangeTailer(services).listen(await _admitted(door, services, clock.now_ms() + 1))
    async with asyncio.timeout(20):
        signs = [await anext(lines)]
        clock.advance(1)
        signs += [sign async for sign in lines]
    assert signs == [None]


async def test_a_fault_of_ours_is_said_and_sends_kiosks_to_a_new_start(
    door: Door, services: Services, clock: SettableClock
) -> None:
    """No database at all stands for any bug of the tailer."""
    caller = await _admitted(door, services, clock.now_ms() + 60_000)
    tailer = ChangeTailer(replace(services, database=None))  # type: ignore[arg-type]
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            signs = [sign async for sign in tailer.listen(caller)]
    assert signs == []
    (said,) = [entry for entry in logs if entry["event"] == "changes.failed"]
    assert (said["log_level"], type(said["exc_info"])) == ("error", AttributeError)


async def test_a_tailer_that_is_stopped_ends_its_streams_without_a_complaint(
    door: Door, services: Services, clock: SettableClock
) -> None:
    caller = await _admitted(door, services, clock.now_ms() + 60_000)
    tailer = ChangeTailer(services)
    lines = tailer.listen(caller)
    with capture_logs() as logs:
        async with asyncio.timeout(20):
            await anext(lines)
            tailer.stop()
            assert [sign async for sign in lines] == []
    assert [entry for entry in logs if entry["event"].startswith("changes.")] == []


async def _admitted(door: Door, services: Services, token_until_ms: int) -> AdmittedScanner:
    kiosk = await door.kiosk()
    scanner = Scanner(
        door.tenant.organizer_id,
        door.event_id,
        DeploymentId(UUID(door.deployment_id)),
        DeviceId(UUID(kiosk.device_id)),
        ScannerSessionId(UUID(kiosk.session_id)),
        GateId(UUID(door.gate_id)),
    )
    keys = open_server_keys(services)
    return AdmittedScanner(scanner, services, keys, WORKER, token_until_ms)


@pytest.mark.parametrize("place", [{"xid": -1, "id": 0}, {"xid": "a", "id": 0}, {"id": 0}])
async def test_a_place_that_is_none_is_refused(door: Door, place: dict[str, Any]) -> None:
    kiosk = await door.kiosk()
    assert (await kiosk.get(paths.CHANGES, params=place)).status_code == 422
