"""Public content by its hash: kept for ever by whoever has it, and nothing private beside it."""

from typing import Any

import httpx
import pytest

from sync_server.kit.services import Services
from tests.factories.files import a_new_photo, a_pdf
from tests.factories.sending import DOCUMENTS, MARKETING, path_of, remove, sent, shown
from tests.factories.tenants import Tenant


@pytest.fixture
async def picture(app_client: httpx.AsyncClient, tenant: Tenant) -> dict[str, Any]:
    """A picture of `tenant` with one smaller copy."""
    return await sent(app_client, tenant, MARKETING, a_new_photo(400, 300))


@pytest.fixture(params=["itself", "copy"])
def published(request: pytest.FixtureRequest, picture: dict[str, Any]) -> dict[str, Any]:
    """The picture, and its smaller copy, in turn."""
    about: dict[str, Any] = {"itself": picture, "copy": picture["variants"][0]}[request.param]
    return about


async def test_everybody_sees_it_and_keeps_it(
    app_client: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    answer = await app_client.get(path_of(published["url"]))
    expected = {
        "etag": f'"{published["sha256"]}"',
        "content-type": published["media_type"],
        "content-length": str(published["size_bytes"]),
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cross-origin-resource-policy": "cross-origin",
        "accept-ranges": "bytes",
    }
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in expected} == expected
    assert "set-cookie" not in answer.headers
    assert "content-disposition" not in answer.headers


async def test_its_address_is_the_same_in_every_answer(
    app_client: httpx.AsyncClient, tenant: Tenant, picture: dict[str, Any]
) -> None:
    read = await shown(app_client, tenant, picture)
    assert read == picture
    assert read["url"].endswith(f"/media/{picture['sha256']}.jpg")
    assert read["url_expires_at"] is None


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
async def test_whoever_has_it_is_sent_nothing(
    app_client: httpx.AsyncClient, published: dict[str, Any], known: str
) -> None:
    headers = {"If-None-Match": known.format(published["sha256"])}
    answer = await app_client.get(path_of(published["url"]), headers=headers)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{published["sha256"]}"'
    assert "immutable" in answer.headers["cache-control"]


async def test_whoever_has_another_is_sent_it(
    app_client: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    headers = {"If-None-Match": '"other"'}
    answer = await app_client.get(path_of(published["url"]), headers=headers)
    assert (answer.status_code, len(answer.content)) == (200, published["size_bytes"])


async def test_a_part_of_it(app_client: httpx.AsyncClient, published: dict[str, Any]) -> None:
    path = path_of(published["url"])
    whole = (await app_client.get(path)).content
    answer = await app_client.get(path, headers={"Range": "bytes=10-29"})
    assert (answer.status_code, answer.content) == (206, whole[10:30])
    assert answer.headers["content-range"] == f"bytes 10-29/{len(whole)}"
    assert answer.headers["content-length"] == "20"


@pytest.mark.parametrize(
    ("condition", "status"), [('"{}"', 206), ('"other"', 200), ('W/"{}"', 200)]
)
async def test_a_part_of_what_was_known_alone(
    app_client: httpx.AsyncClient, picture: dict[str, Any], condition: str, status: int
) -> None:
    headers = {"Range": "bytes=0-0", "If-Range": condition.format(picture["sha256"])}
    answer = await app_client.get(path_of(picture["url"]), headers=headers)
    assert answer.status_code == status


async def test_a_part_behind_its_end_is_refused(
    app_client: httpx.AsyncClient, picture: dict[str, Any]
) -> None:
    headers = {"Range": f"bytes={picture['size_bytes']}-"}
    answer = await app_client.get(path_of(picture["url"]), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{picture['size_bytes']}"


async def test_head_tells_all_but_the_content(
    app_client: httpx.AsyncClient, published: dict[str, Any]
) -> None:
    path = path_of(published["url"])
    head, got = await app_client.head(path), await app_client.get(path)
    own = {"x-request-id"}
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in got.headers.items() if k not in own
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nobody_changes_it_there(
    app_client: httpx.AsyncClient, picture: dict[str, Any], method: str
) -> None:
    answer = await app_client.request(method, path_of(picture["url"]), content=b"x")
    assert answer.status_code == 405


@pytest.mark.parametrize("ending", ["png", "jpeg", "html", "svg", "JPG"])
async def test_it_has_one_address_alone(
    app_client: httpx.AsyncClient, picture: dict[str, Any], ending: str
) -> None:
    answer = await app_client.get(f"/media/{picture['sha256']}.{ending}")
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


async def test_what_was_deleted_is_gone_at_once_with_its_copies(
    app_client: httpx.AsyncClient, tenant: Tenant, picture: dict[str, Any]
) -> None:
    removed = await remove(app_client, tenant, picture)
    again = await remove(app_client, tenant, picture)
    answers = [
        await app_client.get(path_of(about["url"])) for about in (picture, *picture["variants"])
    ]
    assert (removed.status_code, again.status_code) == (204, 404)
    assert [answer.status_code for answer in answers] == [404, 404]


async def test_what_was_deleted_is_gone_for_those_who_have_it_too(
    app_client: httpx.AsyncClient, tenant: Tenant, picture: dict[str, Any]
) -> None:
    await remove(app_client, tenant, picture)
    headers = {"If-None-Match": f'"{picture["sha256"]}"'}
    answer = await app_client.get(path_of(picture["url"]), headers=headers)
    assert answer.status_code == 404


async def test_what_one_organizer_deletes_another_still_shows(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    photo = a_new_photo()
    mine = await sent(app_client, tenant, MARKETING, photo)
    theirs = await sent(app_client, other_tenant, MARKETING, photo)
    await remove(app_client, other_tenant, theirs)
    answer = await app_client.get(path_of(mine["url"]))
    assert theirs["url"] == mine["url"]
    assert answer.status_code == 200


@pytest.mark.parametrize("content", [a_new_photo(), a_pdf()])
async def test_whoever_knows_a_private_files_hash_sees_nothing(
    app_client: httpx.AsyncClient, tenant: Tenant, content: bytes
) -> None:
    private = await sent(app_client, tenant, DOCUMENTS, content)
    for known in ("jpg", "png", "pdf"):
        for headers in ({}, tenant.headers):
            answer = await app_client.get(f"/media/{private['sha256']}.{known}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


@pytest.mark.parametrize(
    "name",
    [
        "0" * 64 + ".jpg",
        "0" * 63 + ".jpg",
        "A" * 64 + ".jpg",
        "0" * 64 + "%0a.jpg",
        "%00.jpg",
        "..%2f..%2fx.jpg",
        "'.jpg",
        "..jpg",
    ],
)
async def test_any_other_name_leads_nowhere(app_client: httpx.AsyncClient, name: str) -> None:
    url = httpx.URL("http://127.0.0.1").copy_with(raw_path=f"/media/{name}".encode())
    answer = await app_client.get(url)
    assert (answer.status_code, answer.json()["code"]) in {
        (404, "object_not_found"),
        (404, "not_found"),
    }


async def test_content_that_is_lost_is_not_found_and_told_in_the_log(
    app_client: httpx.AsyncClient,
    services: Services,
    picture: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    async for page in services.storage.list_all():
        for entry in page:
            await services.storage.delete(entry.key)
    answer = await app_client.get(path_of(picture["url"]))
    told = capsys.readouterr().out
    assert answer.status_code == 404
    assert "media.content_missing" in told
    assert picture["sha256"] not in told
