from base64 import b64decode, b64encode
from typing import Any

import httpx
import pytest

from shared.credentials.keys import verifies_ed25519
from shared.ids import EventId
from tests.factories.credentials import Ed25519Holder, Holder, P256Holder
from tests.factories.scanners import new_key
from tests.factories.tenants import Tenant


def _names(holder: Holder) -> dict[str, str]:
    algorithm = "p256" if isinstance(holder, P256Holder) else "ed25519"
    return {
        "holder_algorithm": algorithm,
        "holder_key": b64encode(holder.key.encoded).decode(),
    }


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def path(tenant: Tenant, event_id: EventId) -> str:
    return f"{tenant.path}/events/{event_id}"


@pytest.fixture
async def ticket_type_id(app_client: httpx.AsyncClient, tenant: Tenant, path: str) -> str:
    listed = await app_client.get(f"{path}/ticket-types", headers=tenant.headers)
    return str(listed.json()["items"][0]["id"])


@pytest.fixture
async def issued(
    app_client: httpx.AsyncClient, tenant: Tenant, path: str, ticket_type_id: str
) -> dict[str, Any]:
    body = {"tickets": [{"ticket_type_id": ticket_type_id, "holder_name": "Amina", "seat": "A1"}]}
    headers = {**tenant.headers, **new_key()}
    answer = await app_client.post(f"{path}/tickets", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    ticket = answer.json()["tickets"][0]
    assert isinstance(ticket, dict)
    return ticket


async def test_a_wallet_link_carries_its_token_in_the_fragment(issued: dict[str, Any]) -> None:
    link, token = issued["wallet_link"], issued["claim_token"]
    assert link.partition("#")[2] == token
    assert token not in link.partition("#")[0]


async def test_a_list_continues_after_its_cursor(
    app_client: httpx.AsyncClient, tenant: Tenant, path: str, ticket_type_id: str
) -> None:
    body = {"tickets": [{"ticket_type_id": ticket_type_id}] * 7}
    headers = {**tenant.headers, **new_key()}
    await app_client.post(f"{path}/tickets", json=body, headers=headers)
    seen: list[str] = []
    parameters: dict[str, str] = {"limit": "3"}
    for _ in range(3):
        page = await app_client.get(f"{path}/tickets", params=parameters, headers=tenant.headers)
        seen += [item["ticket_id"] for item in page.json()["items"]]
        parameters["cursor"] = page.json()["next_cursor"] or ""
    assert len(set(seen)) == len(seen) == 7
    assert parameters["cursor"] == ""


@pytest.mark.parametrize("holder", [P256Holder(), Ed25519Holder()], ids=["p256", "ed25519"])
async def test_a_bound_wallet_gets_its_codes(
    app_client: httpx.AsyncClient, issued: dict[str, Any], holder: Holder
) -> None:
    answer = await app_client.post(
        "/v1/wallet/tickets/bind", json=_names(holder), headers=_bearer(issued["claim_token"])
    )
    ticket = answer.json()
    shown = await app_client.get("/v1/wallet/ticket", headers=_bearer(issued["claim_token"]))
    assert answer.status_code == 200, answer.text
    assert ticket["ticket_id"] == issued["ticket_id"]
    assert ticket["form"] == "E"
    assert len(b64decode(ticket["reference"])) == 16
    assert shown.json()["credential"] == ticket["credential"]


async def test_the_time_a_wallet_gets_is_signed_by_the_server(
    app_client: httpx.AsyncClient, issued: dict[str, Any]
) -> None:
    answer = await app_client.get("/v1/wallet/ticket", headers=_bearer(issued["claim_token"]))
    ticket, time = answer.json(), answer.json()["time"]
    event = bytes.fromhex(ticket["event_id"].replace("-", ""))
    message = b"tkt1/wallet-time\0" + event + time["time_ms"].to_bytes(8, "big")
    key, signature = b64decode(time["server_key"]), b64decode(time["signature"])
    assert verifies_ed25519(key, signature, message)


async def test_another_phone_raises_the_generation_and_too_many_are_refused(
    app_client: httpx.AsyncClient, issued: dict[str, Any]
) -> None:
    headers = _bearer(issued["claim_token"])
    answers = [
        await app_client.post(
            "/v1/wallet/tickets/bind", json=_names(P256Holder(word)), headers=headers
        )
        for word in ("one", "one", "two", "three", "four", "five")
    ]
    generations = [answer.json().get("generation") for answer in answers]
    assert generations == [1, 1, 2, 3, 4, None]
    assert answers[-1].json()["code"] == "bindings_exhausted"


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("p256", bytes(33)), ("p256", b"\x02" + b"\xff" * 32), ("ed25519", bytes(33))],
)
async def test_bytes_that_are_no_key_are_not_bound(
    app_client: httpx.AsyncClient, issued: dict[str, Any], algorithm: str, key: bytes
) -> None:
    body = {"holder_algorithm": algorithm, "holder_key": b64encode(key).decode()}
    answer = await app_client.post(
        "/v1/wallet/tickets/bind", json=body, headers=_bearer(issued["claim_token"])
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "holder_key_invalid")


async def test_a_transfer_ends_the_old_link(
    app_client: httpx.AsyncClient, tenant: Tenant, path: str, issued: dict[str, Any]
) -> None:
    place = f"{path}/tickets/{issued['ticket_id']}/transfers"
    headers = {**tenant.headers, **new_key()}
    moved = await app_client.post(place, json={"holder_name": "Okello"}, headers=headers)
    old = await app_client.get("/v1/wallet/ticket", headers=_bearer(issued["claim_token"]))
    new = await app_client.get("/v1/wallet/ticket", headers=_bearer(moved.json()["claim_token"]))
    assert (old.status_code, old.json()["code"]) == (401, "claim_token_invalid")
    assert (new.json()["generation"], new.json()["holder_name"]) == (2, "Okello")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("blocked", "valid", 200),
        ("cancelled", "refunded", 200),
        ("cancelled", "valid", 409),
        ("refunded", "valid", 409),
        ("transferred", "valid", 409),
    ],
)
async def test_a_status_may_only_go_where_it_makes_sense(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    path: str,
    issued: dict[str, Any],
    first: str,
    second: str,
    status: int,
) -> None:
    place = f"{path}/tickets/{issued['ticket_id']}/status"
    answers = [
        await app_client.post(
            place, json={"status": wanted, "reason": "asked for"}, headers=tenant.headers
        )
        for wanted in (first, second)
    ]
    assert max(answer.status_code for answer in answers) == status
