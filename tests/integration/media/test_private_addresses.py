"""Private files from signed addresses: for minutes, for that file alone, as a download."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from sync_server.media.addresses import SIGNED_SECONDS, SignedAddress
from sync_server.organizers.rules import Capability
from tests.factories.files import a_new_photo, a_pdf
from tests.factories.sending import DOCUMENTS, MARKETING, path_of, remove, send, sent, shown
from tests.factories.tenants import Tenant, make_member

NAME = "Mkataba wa €100.pdf"


@pytest.fixture
async def document(app_client: httpx.AsyncClient, tenant: Tenant) -> dict[str, Any]:
    row: dict[str, Any] = (await send(app_client, tenant, DOCUMENTS, a_pdf(), NAME)).json()
    return row


@pytest.fixture
async def address(app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any]) -> str:
    """Path and query of the document's signed address."""
    return path_of((await shown(app_client, tenant, document))["url"])


def changed(address: str, **parts: str) -> str:
    """The address with one part exchanged."""
    split = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(split.query).items()}
    organizer, identifier = split.path.split("/")[2:]
    organizer, identifier = parts.pop("organizer", organizer), parts.pop("object", identifier)
    return f"/files/{organizer}/{identifier}?" + "&".join(
        f"{name}={value}" for name, value in (query | parts).items()
    )


async def test_a_document_is_fetched_as_a_download(
    app_client: httpx.AsyncClient, document: dict[str, Any], address: str
) -> None:
    answer = await app_client.get(address)
    expected = {
        "cache-control": "private, no-store",
        "content-disposition": 'attachment; filename="Mkataba wa 100.pdf";'
        " filename*=UTF-8''Mkataba%20wa%20%E2%82%AC100.pdf",
        "content-type": "application/pdf",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-site",
    }
    assert (answer.status_code, answer.content) == (200, a_pdf())
    assert {name: answer.headers[name] for name in expected} == expected
    assert document["name"] == NAME


async def test_an_address_lasts_five_minutes(
    app_client: httpx.AsyncClient, clock: SettableClock, address: str
) -> None:
    clock.advance((SIGNED_SECONDS - 1) * 1000)
    just_good = await app_client.get(address)
    clock.advance(1000)
    over = await app_client.get(address)
    assert SIGNED_SECONDS == 300
    assert just_good.status_code == 200
    assert (over.status_code, over.json()["code"]) == (410, "address_expired")


async def test_the_row_says_when_its_address_ends(
    app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any], clock: SettableClock
) -> None:
    before = await shown(app_client, tenant, document)
    clock.advance(60_000)
    after = await shown(app_client, tenant, document)
    assert before["url_expires_at"] < after["url_expires_at"]
    assert before["url"] != after["url"]
    assert (await app_client.get(path_of(before["url"]))).status_code == 200


async def test_the_answer_with_an_address_is_kept_by_nobody(
    app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any]
) -> None:
    path = f"{tenant.path}/media/{DOCUMENTS}/{document['id']}"
    answer = await app_client.get(path, headers=tenant.headers)
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "parts",
    [
        {"signature": "A" * 43},
        {"signature": ""},
        {"signature": "%C3%A9"},
        {"expires": "9999999999"},
        {"expires": "0"},
        {"object": "00000000-0000-7000-8000-000000000000"},
        {"organizer": "00000000-0000-7000-8000-000000000000"},
    ],
)
async def test_a_changed_address_opens_nothing(
    app_client: httpx.AsyncClient, address: str, parts: dict[str, str]
) -> None:
    answer = await app_client.get(changed(address, **parts))
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")


async def test_organizer_and_object_cannot_change_places(
    app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any], address: str
) -> None:
    exchanged = changed(address, organizer=document["id"], object=str(tenant.organizer_id))
    assert (await app_client.get(exchanged)).json()["code"] == "signature_invalid"


@pytest.mark.parametrize(
    "parts",
    [
        {"expires": "x"},
        {"expires": "-1"},
        {"expires": str(1 << 63)},
        {"signature": "A" * 101},
        {"object": "x"},
    ],
)
async def test_what_is_no_address_is_told_so(
    app_client: httpx.AsyncClient, address: str, parts: dict[str, str]
) -> None:
    answer = await app_client.get(changed(address, **parts))
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize("query", ["", "?expires=1", "?signature=x"])
async def test_without_a_signature_nothing_opens(
    app_client: httpx.AsyncClient, address: str, query: str
) -> None:
    answer = await app_client.get(urlsplit(address).path + query)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_another_servers_signature_opens_nothing(
    app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any]
) -> None:
    foreign = SignedAddress(tenant.organizer_id, UUID(document["id"]), 1 << 40).path(bytes(32))
    assert (await app_client.get(foreign)).json()["code"] == "signature_invalid"


async def test_a_deleted_file_is_gone_at_once_whatever_was_signed(
    app_client: httpx.AsyncClient, tenant: Tenant, document: dict[str, Any], address: str
) -> None:
    before = await app_client.get(address)
    await remove(app_client, tenant, document)
    after = await app_client.get(address)
    listed = await app_client.get(f"{tenant.path}/media/{DOCUMENTS}", headers=tenant.headers)
    assert before.status_code == 200
    assert (after.status_code, after.json()["code"]) == (404, "object_not_found")
    assert listed.json()["items"] == []


async def test_an_expired_address_of_a_deleted_file_tells_no_more(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    document: dict[str, Any],
    address: str,
    clock: SettableClock,
) -> None:
    await remove(app_client, tenant, document)
    clock.advance(SIGNED_SECONDS * 1000)
    assert (await app_client.get(address)).json()["code"] == "address_expired"


async def test_a_public_file_is_not_served_there(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, MARKETING, a_new_photo())
    secret = open_server_keys(services).file_secret
    signed = SignedAddress(tenant.organizer_id, UUID(row["id"]), 1 << 40).path(secret)
    answer = await app_client.get(signed)
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


async def test_a_part_and_the_head_of_it(app_client: httpx.AsyncClient, address: str) -> None:
    part = await app_client.get(address, headers={"Range": "bytes=-6"})
    head = await app_client.head(address)
    assert (part.status_code, part.content) == (206, b"%%EOF\n")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(a_pdf()))


async def test_every_address_given_out_is_noted_as_a_look(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, document: dict[str, Any]
) -> None:
    manager = await make_member(services, tenant, Capability.MEMBERS_MANAGE)
    await shown(app_client, tenant, document, manager)
    async with services.database.reading(tenant.claims) as session:
        found = await session.execute(text("SELECT * FROM access_audit_log"))
        (look,) = found.mappings()
    assert (look["kind"], look["object_kind"], look["object_id"], look["actor_id"]) == (
        "read",
        "stored_object",
        document["id"],
        manager.user_id,
    )


async def test_a_look_at_a_public_picture_is_nobodys_business(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await shown(app_client, tenant, await sent(app_client, tenant, MARKETING, a_new_photo()))
    async with services.database.reading(tenant.claims) as session:
        assert await session.scalar(text("SELECT count(*) FROM access_audit_log")) == 0


async def test_no_address_stands_in_the_log_of_requests(
    app_client: httpx.AsyncClient, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await app_client.get(address)
    told = capsys.readouterr().out
    signature = parse_qs(urlsplit(address).query)["signature"][0]
    assert "/files/{organizer_id}/{object_id}" in told
    assert signature not in told
