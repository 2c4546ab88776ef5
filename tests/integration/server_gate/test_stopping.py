"""How a kiosk is put out, hears of it even if it was off, and comes back without losing a scan."""

from uuid import UUID

import httpx
import pytest

from shared.clock import SettableClock
from shared.credentials.keys import verifies_ed25519
from shared.ids import DeviceId, EventId, GateId
from shared.journal.chain import ChainedEntry, Head
from shared.wire import paths
from shared.wire.scanners import RevocationOrder
from shared.wire.signing import revocation_message
from sync_server.deployments.stale_sessions import end_stale_sessions
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from tests.factories.journal import a_chain
from tests.factories.scanners import Door, Kiosk, make_door, plain
from tests.factories.tenants import Tenant

_LIMIT_SECONDS = 60


def _outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def _order(answer: httpx.Response, services: Services) -> RevocationOrder:
    """Read the order in a refusal, as signed by the server."""
    revocation = answer.json()["revocation"]
    order, signature = plain(revocation["order"]), plain(revocation["signature"])
    key = open_server_keys(services).public_key
    assert verifies_ed25519(key, signature, revocation_message(order))
    return RevocationOrder.model_validate_json(order)


async def _state(door: Door, kiosk: Kiosk) -> str:
    devices = (await door.get("/devices")).json()["items"]
    (state,) = [device["state"] for device in devices if device["id"] == kiosk.device_id]
    return str(state)


async def _stop(door: Door, kiosk: Kiosk, how: str, world: tuple[Services, SettableClock]) -> None:
    """Put a kiosk out by its organizer or by its silence."""
    services, clock = world
    if how == "silence":
        clock.advance((_LIMIT_SECONDS + 1) * 1_000)
        await end_stale_sessions(services)
        return
    subject_id = {"devices": kiosk.device_id, "sessions": kiosk.session_id}[how]
    answer = await door.post(f"/{how}/{subject_id}/revoke")
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def strict_door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    return await make_door(app_client, tenant, event_id, stale_after_seconds=_LIMIT_SECONDS)


@pytest.fixture
def world(services: Services, clock: SettableClock) -> tuple[Services, SettableClock]:
    return services, clock


@pytest.mark.parametrize(
    ("how", "code", "end_reason"),
    [
        ("devices", "device_revoked", "revoked"),
        ("sessions", "device_stopped", "revoked"),
        ("silence", "device_stopped", "stale"),
    ],
)
async def test_a_kiosk_that_was_off_is_told_by_an_order_when_it_comes_back(
    strict_door: Door,
    world: tuple[Services, SettableClock],
    how: str,
    code: str,
    end_reason: str,
) -> None:
    kiosk = await strict_door.kiosk()
    await _stop(strict_door, kiosk, how, world)
    answer = await kiosk.start()
    order = _order(answer, world[0])
    sessions = (await strict_door.get("/sessions")).json()["items"]
    assert _outcome(answer) == (403, code)
    assert (order.reason, str(order.session_id)) == ("revoked", kiosk.session_id)
    assert (str(order.device_id), str(order.deployment_id)) == (
        kiosk.device_id,
        strict_door.deployment_id,
    )
    assert [session["end_reason"] for session in sessions] == [end_reason]


async def test_a_device_that_never_had_a_session_is_told_too(
    door: Door, services: Services
) -> None:
    kiosk = Kiosk(door.client)
    await kiosk.enrol(await door.code())
    await door.post(f"/devices/{kiosk.device_id}/revoke")
    order = _order(await kiosk.start(), services)
    assert (order.reason, order.session_id) == ("revoked", UUID(int=0))


async def test_a_refused_device_is_told_too(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, services: Services
) -> None:
    door = await make_door(app_client, tenant, event_id, confirm_devices=True)
    kiosk = Kiosk(app_client)
    await kiosk.enrol(await door.code())
    await door.post(f"/devices/{kiosk.device_id}/refuse")
    answer = await kiosk.start()
    assert _outcome(answer) == (403, "enrolment_refused")
    assert _order(answer, services).reason == "revoked"


@pytest.mark.parametrize("how", ["sessions", "silence"])
async def test_a_stopped_device_begins_again_once_it_is_confirmed(
    strict_door: Door, world: tuple[Services, SettableClock], how: str
) -> None:
    kiosk = await strict_door.kiosk()
    await _stop(strict_door, kiosk, how, world)
    stopped = await _state(strict_door, kiosk)
    confirmed = await strict_door.post(f"/devices/{kiosk.device_id}/confirm")
    assert stopped == "stopped"
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "enrolled")
    assert (await kiosk.start()).status_code == 201


async def test_a_revoked_device_is_not_confirmed(door: Door) -> None:
    kiosk = await door.kiosk()
    await door.post(f"/devices/{kiosk.device_id}/revoke")
    answer = await door.post(f"/devices/{kiosk.device_id}/confirm")
    assert _outcome(answer) == (409, "device_state_refused")


async def test_ending_a_session_that_is_over_stops_nothing(door: Door) -> None:
    kiosk = await door.kiosk()
    old_session = kiosk.session_id
    await kiosk.start()
    answer = await door.post(f"/sessions/{old_session}/revoke")
    assert answer.json()["end_reason"] == "superseded"
    assert await _state(door, kiosk) == "enrolled"
    assert (await kiosk.get(paths.MANIFEST)).status_code == 200


def _entries(kiosk: Kiosk, length: int, after: Head | None = None) -> list[ChainedEntry]:
    own = {
        "device_id": DeviceId(UUID(kiosk.device_id)),
        "gate_id": GateId(UUID(kiosk.enrolment["gate_id"])),
        "direction": "exit",
    }
    return a_chain(length, after, **own)


@pytest.mark.parametrize("how", ["devices", "sessions", "silence"])
async def test_a_kiosk_that_enrols_again_stays_the_device_it_was_and_its_scans_arrive(
    strict_door: Door, world: tuple[Services, SettableClock], how: str
) -> None:
    kiosk = await strict_door.kiosk()
    first = _entries(kiosk, 2)
    await kiosk.post(paths.SCANS, kiosk.batch(first))
    await _stop(strict_door, kiosk, how, world)
    unsent = _entries(kiosk, 3, Head(2, first[-1].entry_hash))
    refused = await kiosk.post(paths.SCANS, kiosk.batch(unsent))
    device_id, digits = kiosk.device_id, kiosk.enrolment["digits"]
    enrolled = await kiosk.enrol(await strict_door.code())
    await kiosk.start()
    taken = (await kiosk.post(paths.SCANS, kiosk.batch(unsent))).json()
    assert refused.status_code == 401
    assert (enrolled.status_code, enrolled.json()["state"]) == (201, "enrolled")
    assert kiosk.device_id == device_id
    assert kiosk.enrolment["digits"] != digits
    assert (taken["contiguous_seq"], taken["missing"], taken["findings"]) == (5, [], [])
    assert len((await strict_door.get("/devices")).json()["items"]) == 1


async def test_a_kiosk_is_another_device_in_another_deployment(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, door: Door
) -> None:
    other = await make_door(app_client, tenant, event_id)
    kiosk = await door.kiosk()
    device_id = kiosk.device_id
    await kiosk.enrol(await other.code())
    assert kiosk.device_id != device_id


async def test_a_used_code_brings_nobody_back(door: Door) -> None:
    kiosk = Kiosk(door.client)
    text = await door.code()
    await kiosk.enrol(text)
    await kiosk.start()
    await door.post(f"/sessions/{kiosk.session_id}/revoke")
    repeated = await kiosk.enrol(text)
    assert _outcome(repeated) == (403, "device_stopped")
    assert await _state(door, kiosk) == "stopped"


async def test_enrolling_again_ends_the_running_session(door: Door) -> None:
    kiosk = await door.kiosk()
    await kiosk.enrol(await door.code())
    assert _outcome(await kiosk.get(paths.MANIFEST)) == (401, "session_superseded")


async def test_enrolling_again_waits_for_the_organizer_where_the_first_time_did(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    door = await make_door(app_client, tenant, event_id, confirm_devices=True)
    kiosk = Kiosk(app_client)
    await kiosk.enrol(await door.code())
    await door.post(f"/devices/{kiosk.device_id}/confirm")
    await kiosk.start()
    await door.post(f"/devices/{kiosk.device_id}/revoke")
    await kiosk.enrol(await door.code())
    assert kiosk.enrolment["state"] == "awaiting_confirmation"
    assert _outcome(await kiosk.start()) == (403, "enrolment_unconfirmed")


async def test_a_device_in_quarantine_delivers_and_neither_downloads_nor_leaves_by_enrolling(
    door: Door,
) -> None:
    kiosk = await door.kiosk()
    broken = _entries(kiosk, 1, Head(1, bytes(32)))
    await kiosk.post(paths.SCANS, kiosk.batch(_entries(kiosk, 1)))
    await kiosk.post(paths.SCANS, kiosk.batch(broken))
    await kiosk.enrol(await door.code())
    started = await kiosk.start()
    more = _entries(kiosk, 1, Head(2, broken[-1].entry_hash))
    taken = await kiosk.post(paths.SCANS, kiosk.batch(more))
    assert await _state(door, kiosk) == "quarantined"
    assert started.status_code == 201
    assert taken.json()["contiguous_seq"] == 3
    assert _outcome(await kiosk.get(paths.MANIFEST)) == (403, "device_quarantined")
