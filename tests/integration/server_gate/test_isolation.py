"""Who may call what: every organizer's endpoint as a stranger, every principal's rows."""

from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.ids import EventId, ScannerSessionId, ticket_id_from_hex, to_signed_64
from shared.wire import paths
from sync_server.deployments.rules import session_token
from sync_server.deployments.service import load_fold_rules
from sync_server.kit.claims import Claims, DatabaseRole, device_claims, wallet_claims
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from tests.factories.scanners import Door, Kiosk, make_door, new_key
from tests.factories.tenants import Tenant, make_event, make_member

_SOME = "01a206c5-5235-7e5e-9234-8ac622ca9a74"
_TICKET = "0123456789abcdef"
ENDPOINTS = [
    ("POST", "/tickets", {"tickets": [{"ticket_type_id": _SOME}]}),
    ("GET", "/tickets", None),
    ("GET", f"/tickets/{_TICKET}", None),
    ("POST", f"/tickets/{_TICKET}/status", {"status": "blocked", "reason": "x"}),
    ("POST", f"/tickets/{_TICKET}/transfers", {}),
    ("POST", "/deployments", {"name": "Doors", "gate_ids": [_SOME]}),
    ("GET", "/deployments", None),
    ("GET", "/deployments/{deployment}", None),
    ("PUT", "/deployments/{deployment}/rules", {}),
    ("POST", "/deployments/{deployment}/enrolment-codes", {"gate_id": _SOME}),
    ("GET", "/deployments/{deployment}/devices", None),
    ("POST", "/deployments/{deployment}/devices/{device}/confirm", None),
    ("POST", "/deployments/{deployment}/devices/{device}/refuse", None),
    ("POST", "/deployments/{deployment}/devices/{device}/revoke", None),
    ("GET", "/deployments/{deployment}/sessions", None),
    ("POST", "/deployments/{deployment}/sessions/{session}/revoke", None),
    ("POST", "/deployments/{deployment}/snapshots", None),
    ("GET", "/deployments/{deployment}/scans", None),
    ("GET", "/deployments/{deployment}/conflicts", None),
    ("POST", f"/deployments/{{deployment}}/conflicts/{_SOME}/resolve", {"reason": "x"}),
    ("GET", "/deployments/{deployment}/heartbeats", None),
]
_NEEDS_CAPABILITY = [
    endpoint
    for endpoint in ENDPOINTS
    if "/tickets" in endpoint[1] or endpoint[0] != "GET" or "scans" in endpoint[1]
]
_OF_A_DEPLOYMENT = [endpoint for endpoint in ENDPOINTS if "{deployment}" in endpoint[1]]


@pytest.fixture
async def kiosk(door: Door) -> Kiosk:
    return await door.kiosk()


def _path(door: Door, kiosk: Kiosk, place: str) -> str:
    return place.format(
        deployment=door.deployment_id, device=kiosk.device_id, session=kiosk.session_id
    )


@pytest.mark.parametrize(("method", "place", "body"), ENDPOINTS)
async def test_to_another_organizer_an_event_is_not_there(
    door: Door, kiosk: Kiosk, other_tenant: Tenant, method: str, place: str, body: object
) -> None:
    """Neither under the owner's path nor under one's own."""
    path = _path(door, kiosk, place)
    bases = (door.event_path, f"{other_tenant.path}/events/{door.event_id}")
    headers = {**other_tenant.headers, **new_key()}
    answers = [
        await door.client.request(method, base + path, json=body, headers=headers) for base in bases
    ]
    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(("method", "place", "body"), _OF_A_DEPLOYMENT)
async def test_a_deployment_is_not_there_under_another_event(
    door: Door,
    kiosk: Kiosk,
    services: Services,
    other_tenant: Tenant,
    method: str,
    place: str,
    body: object,
) -> None:
    own_event = await make_event(services, other_tenant)
    path = f"{other_tenant.path}/events/{own_event}{_path(door, kiosk, place)}"
    headers = {**other_tenant.headers, **new_key()}
    answer = await door.client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(("method", "place", "body"), _NEEDS_CAPABILITY)
async def test_a_member_without_the_capability_is_refused(
    door: Door, kiosk: Kiosk, services: Services, method: str, place: str, body: object
) -> None:
    member = await make_member(services, door.tenant)
    answer = await door.client.request(
        method, door.event_path + _path(door, kiosk, place), json=body, headers=member.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing")


@pytest.mark.parametrize(("method", "place", "body"), ENDPOINTS)
async def test_nobody_calls_without_signing_in(
    door: Door, method: str, place: str, body: object
) -> None:
    path = place.format(deployment=door.deployment_id, device=_SOME, session=_SOME)
    answer = await door.client.request(method, door.event_path + path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")


_DEVICE_TABLES = ("tickets", "changes", "deployments", "devices", "scanner_sessions", "snapshots")


async def _counts(services: Services, claims: Claims, tables: tuple[str, ...]) -> dict[str, int]:
    async with services.database.reading(claims) as session:
        return {
            table: int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)
            for table in tables
        }


async def test_a_scanner_reads_its_own_event_and_deployment_only(
    app_client: httpx.AsyncClient,
    door: Door,
    kiosk: Kiosk,
    services: Services,
    other_tenant: Tenant,
) -> None:
    await door.issue(2)
    await kiosk.get(paths.MANIFEST)
    other_event: EventId = await make_event(services, other_tenant)
    foreign = await make_door(app_client, other_tenant, other_event)
    stranger = await foreign.kiosk()
    await foreign.issue(3)
    await stranger.get(paths.MANIFEST)
    secret = open_server_keys(services).session_secret
    token = session_token(secret, ScannerSessionId(UUID(kiosk.session_id)))
    seen = await _counts(services, device_claims(token), _DEVICE_TABLES)
    assert seen == {
        "tickets": 2,
        "changes": 2,
        "deployments": 1,
        "devices": 1,
        "scanner_sessions": 1,
        "snapshots": 1,
    }
    await door.post(f"/sessions/{kiosk.session_id}/revoke")
    ended = await _counts(services, device_claims(token), _DEVICE_TABLES)
    assert set(ended.values()) == {0}


async def test_a_scanner_reads_nothing_of_another_deployment_of_its_organizer(
    app_client: httpx.AsyncClient,
    kiosk: Kiosk,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    """At another event it reads nothing; at its own the tickets and who came in, and no more."""
    elsewhere = await make_door(app_client, tenant, await make_event(services, tenant, "Night Two"))
    beside = await make_door(app_client, tenant, event_id)
    for other in (elsewhere, beside):
        stranger = await other.kiosk()
        await stranger.get(paths.MANIFEST)
        await other.issue()
        await other.post("/enrolment-codes", {"gate_id": other.gate_id})
    secret = open_server_keys(services).session_secret
    token = session_token(secret, ScannerSessionId(UUID(kiosk.session_id)))
    seen = await _counts(services, device_claims(token), _DEVICE_TABLES)
    assert seen == {
        "tickets": 1,
        "changes": 1,
        "deployments": 1,
        "devices": 1,
        "scanner_sessions": 1,
        "snapshots": 0,
    }
    with pytest.raises(DBAPIError, match="permission denied"):
        await _counts(services, device_claims(token), ("enrolment_codes",))


async def test_a_scanner_learns_the_rules_of_its_own_event_only(
    app_client: httpx.AsyncClient,
    kiosk: Kiosk,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    other_event = await make_event(services, tenant, "Night Two")
    await make_door(app_client, tenant, other_event, travel_seconds=70)
    await make_door(app_client, tenant, event_id, travel_seconds=30)
    secret = open_server_keys(services).session_secret
    token = session_token(secret, ScannerSessionId(UUID(kiosk.session_id)))
    async with services.database.reading(device_claims(token)) as session:
        rules = await load_fold_rules(session)
    async with services.database.reading(device_claims("")) as session:
        of_nobody = await load_fold_rules(session)
    assert sorted(item.travel_seconds for item in rules) == [0, 30]
    assert of_nobody == ()


async def test_a_wallet_token_opens_no_other_ticket(door: Door, services: Services) -> None:
    """The holder of one ticket asks for another in every place that names a ticket."""
    own, other = await door.issue(2)
    headers = {"Authorization": f"Bearer {own['claim_token']}"}
    shown = await door.client.get("/v1/wallet/ticket", headers=headers)
    by_path = await door.client.get(
        f"{door.event_path}/tickets/{other['ticket_id']}", headers=headers
    )
    async with services.database.transaction(wallet_claims(own["claim_token"])) as session:
        found = await session.execute(
            text("SELECT id FROM tickets WHERE id = :id"),
            {"id": to_signed_64(ticket_id_from_hex(other["ticket_id"]))},
        )
        rows = found.all()
    assert shown.json()["ticket_id"] == own["ticket_id"]
    assert by_path.status_code == 401
    assert rows == []


async def test_a_wallet_reads_its_own_ticket_only(door: Door, services: Services) -> None:
    first, _ = await door.issue(2)
    token = first["claim_token"]
    own = await _counts(services, wallet_claims(token), ("tickets",))
    as_device = await _counts(services, device_claims(token), ("tickets",))
    wrong = await _counts(services, Claims(DatabaseRole.WALLET, "zgw_x"), ("tickets",))
    assert (own, as_device, wrong) == ({"tickets": 1}, {"tickets": 0}, {"tickets": 0})


async def test_no_organizer_gives_its_deployment_the_id_of_anothers(
    door: Door, services: Services, other_tenant: Tenant
) -> None:
    """Its kiosks would be taken for the other's."""
    event_path = f"{other_tenant.path}/events/{await make_event(services, other_tenant)}"
    gates = await door.client.get(f"{event_path}/gates", headers=other_tenant.headers)
    gate_id = gates.json()["items"][0]["id"]
    answer = await door.client.post(
        f"{event_path}/deployments",
        json={"id": str(door.deployment_id), "name": "Doors", "gate_ids": [gate_id]},
        headers=other_tenant.headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "deployment_exists")
