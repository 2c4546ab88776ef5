import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.ids import DeploymentId, EventId
from shared.wire import paths
from shared.wire.changes import RulesChanged
from shared.wire.rules import RuleBookDocument
from sync_server.kit.services import Services
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream
from tests.factories.scanners import Door, Kiosk, make_door
from tests.factories.tenants import Tenant

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


async def test_pages_give_every_ticket_once_and_then_nothing(door: Door) -> None:
    issued = await door.issue(7)
    kiosk = await door.kiosk()
    heard = await _pages(kiosk, 3)
    assert sorted(item["ticket_id"] for item in heard) == sorted(
        item["ticket_id"] for item in issued
    )


async def test_a_cancelled_ticket_is_heard_as_it_now_stands(door: Door) -> None:
    (ticket,) = await door.issue()
    place = f"{door.event_path}/tickets/{ticket['ticket_id']}/status"
    body = {"status": "cancelled", "reason": "rained off"}
    await door.client.post(place, json=body, headers=door.tenant.headers)
    heard = await _pages(await door.kiosk(), 100)
    assert [(item["kind"], item["status"]) for item in heard] == [("ticket", "cancelled")]


async def test_rules_reach_their_own_deployment_only(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, door: Door
) -> None:
    other = await make_door(app_client, tenant, event_id)
    rules = {"rules": [{"set": {"entries_max": None, "entry_open": False}}]}
    await app_client.put(f"{door.path}/rules", json=rules, headers=tenant.headers)
    own, theirs = await _pages(await door.kiosk(), 100), await _pages(await other.kiosk(), 100)
    assert [item["kind"] for item in own] == ["rules"]
    assert own[0]["rules"] == rules
    assert theirs == []


async def test_a_commit_that_comes_late_is_not_lost(
    door: Door, services: Services, tenant: Tenant
) -> None:
    """The first transaction begins before the second and commits after it was read."""
    (early,) = await door.issue()
    stream = Stream(tenant.organizer_id, door.event_id, DeploymentId(UUID(int=0)))
    async with services.database.transaction(tenant.claims) as slow:
        await changes.announce_rules(slow, stream, RulesChanged(rules=RuleBookDocument()))
        (late,) = await door.issue()
        kiosk = await door.kiosk()
        page = (await kiosk.get(paths.CHANGES, params=_PLACE)).json()
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
        headers = {
            "DPoP": kiosk.proof("GET", paths.CHANGES_STREAM, kiosk.token),
            "Authorization": f"DPoP {kiosk.token}",
        }
        async with (
            asyncio.timeout(20),
            client.stream("GET", paths.CHANGES_STREAM, headers=headers) as stream,
        ):
            assert stream.status_code == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            await door.issue()
            lines = stream.aiter_lines()
            event = [await anext(lines) for _ in range(2)]
    assert event[0] == f"event: {paths.CHANGED_EVENT}"
    assert event[1].startswith("data: ")


@pytest.mark.parametrize("place", [{"xid": -1, "id": 0}, {"xid": "a", "id": 0}, {"id": 0}])
async def test_a_place_that_is_none_is_refused(door: Door, place: dict[str, Any]) -> None:
    kiosk = await door.kiosk()
    assert (await kiosk.get(paths.CHANGES, params=place)).status_code == 422
