"""Files sent to a bucket: what is taken, as what it is kept, and what is refused."""

import io
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from sync_server.kit.services import Services
from sync_server.kit.storage import ObjectKey
from sync_server.media.pictures import SIDE_MAX
from sync_server.media.rules import BUCKETS, Bucket
from tests.factories.files import (
    a_bomb,
    a_new_photo,
    a_pdf,
    a_photo,
    a_photo_with_notes,
    an_animation,
)
from tests.factories.sending import DOCUMENTS, MARKETING, path_of, send, sent, shown
from tests.factories.tenants import Tenant

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(document.cookie)</script></svg>'
HTML = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"


async def test_a_picture_is_kept_with_its_size_and_smaller_copies(
    app_client: httpx.AsyncClient, tenant: Tenant, services: Services
) -> None:
    answer = await send(app_client, tenant, MARKETING, a_photo(800, 600), "Poster.jpg")
    row = answer.json()
    assert answer.status_code == 201
    assert (row["name"], row["media_type"]) == ("Poster.jpg", "image/jpeg")
    assert (row["width"], row["height"]) == (800, 600)
    assert row["created_by"] == str(tenant.founder.user_id)
    assert [(copy["width"], copy["height"]) for copy in row["variants"]] == [(320, 240), (640, 480)]
    assert {copy["media_type"] for copy in row["variants"]} == {"image/webp"}
    folder = f"{MARKETING}/{tenant.organizer_id}"
    for content in (row, *row["variants"]):
        assert await services.storage.exists(ObjectKey(folder, content["sha256"]))


async def test_every_copy_is_what_its_address_says(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, MARKETING, a_new_photo(800, 600))
    for about in (row, *row["variants"]):
        answer = await app_client.get(path_of(about["url"]))
        assert sha256(answer.content).hexdigest() == about["sha256"]
        assert len(answer.content) == about["size_bytes"]
        assert answer.headers["content-type"] == about["media_type"]
        assert Image.open(io.BytesIO(answer.content)).size == (about["width"], about["height"])


async def test_the_place_a_photo_was_taken_at_is_not_published(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    content = a_photo_with_notes(orientation=6)
    row = await sent(app_client, tenant, MARKETING, content)
    published = (await app_client.get(path_of(row["url"]))).content
    assert Image.open(io.BytesIO(content)).getexif().get_ifd(0x8825)
    assert not Image.open(io.BytesIO(published)).getexif()
    assert (row["width"], row["height"]) == (48, 64)


async def test_the_same_file_again_is_the_same_object(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    first = await send(app_client, tenant, MARKETING, a_photo(), "one.jpg")
    again = await send(app_client, tenant, MARKETING, a_photo(), "two.jpg")
    listed = await app_client.get(f"{tenant.path}/media/{MARKETING}", headers=tenant.headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert len(listed.json()["items"]) == 1


async def test_a_file_that_differs_in_its_notes_alone_is_the_same_object(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    first = await send(app_client, tenant, MARKETING, a_photo())
    again = await send(app_client, tenant, MARKETING, a_photo_with_notes())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_two_organizers_have_an_object_each(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    mine = await send(app_client, tenant, MARKETING, a_photo())
    theirs = await send(app_client, other_tenant, MARKETING, a_photo())
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_document_is_kept_as_it_is(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    row = await sent(app_client, tenant, DOCUMENTS, a_pdf())
    read = await shown(app_client, tenant, row)
    fetched = await app_client.get(path_of(read["url"]))
    assert fetched.content == a_pdf()
    assert row["sha256"] == sha256(a_pdf()).hexdigest()
    assert (row["url"], row["variants"], row["width"]) == (None, [], None)


async def test_a_picture_among_documents_is_written_anew_as_well(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, DOCUMENTS, a_photo_with_notes())
    read = await shown(app_client, tenant, row)
    fetched = await app_client.get(path_of(read["url"]))
    assert b"Nakato" not in fetched.content
    assert row["variants"] == []


async def test_a_still_gif_is_kept_as_a_png(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    answer = await send(app_client, tenant, MARKETING, a_photo(kind="GIF"), "logo.gif")
    assert (answer.json()["media_type"], answer.json()["name"]) == ("image/png", "logo.gif.png")


@pytest.mark.parametrize("announced", ["image/png", "text/html", "multipart/form-data", ""])
async def test_what_is_announced_does_not_count(
    app_client: httpx.AsyncClient, tenant: Tenant, announced: str
) -> None:
    answer = await app_client.post(
        f"{tenant.path}/media/{MARKETING}",
        content=a_photo(),
        headers={**tenant.headers, "Content-Type": announced},
    )
    assert (answer.status_code, answer.json()["media_type"]) == (201, "image/jpeg")


@pytest.mark.parametrize(
    ("bucket", "content", "status", "code"),
    [
        (MARKETING, SVG, 415, "media_type_refused"),
        (DOCUMENTS, SVG, 415, "media_type_refused"),
        (MARKETING, HTML, 415, "media_type_refused"),
        (DOCUMENTS, HTML, 415, "media_type_refused"),
        (MARKETING, a_pdf(), 415, "media_type_refused"),
        (DOCUMENTS, b"PK\x03\x04" + bytes(100), 415, "media_type_refused"),
        (DOCUMENTS, b"date,amount\n", 415, "media_type_refused"),
        (DOCUMENTS, a_pdf()[:-9], 422, "document_broken"),
        (DOCUMENTS, a_pdf() + HTML, 422, "document_broken"),
        (MARKETING, a_photo(400, 300)[:2000], 422, "picture_broken"),
        (MARKETING, an_animation("GIF"), 422, "picture_animated"),
        (MARKETING, an_animation("PNG"), 422, "picture_animated"),
        (MARKETING, an_animation("WEBP"), 422, "picture_animated"),
        (MARKETING, a_bomb(SIDE_MAX, SIDE_MAX), 422, "picture_too_large"),
        (DOCUMENTS, a_bomb(1 << 20, 1 << 20), 422, "picture_too_large"),
        (MARKETING, b"", 422, "upload_empty"),
    ],
)
async def test_what_is_not_taken_is_refused_and_leaves_nothing(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    bucket: str,
    content: bytes,
    status: int,
    code: str,
) -> None:
    answer = await send(app_client, tenant, bucket, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [page async for page in services.storage.list_all()] == []
    async with services.database.reading(tenant.claims) as session:
        assert await session.scalar(text("SELECT count(*) FROM stored_objects")) == 0


async def test_a_refusal_tells_what_would_be_taken(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    answer = (await send(app_client, tenant, DOCUMENTS, SVG)).json()
    assert answer["found"] == "image/svg+xml"
    assert set(answer["allowed"]) == {
        "application/pdf",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
    }


@pytest.mark.parametrize(
    "hidden", [HTML, b"PK\x03\x04" + bytes(200) + b"PK\x05\x06" + bytes(18), b"<?php system(1) ?>"]
)
async def test_of_a_file_that_is_two_things_the_picture_alone_is_kept(
    app_client: httpx.AsyncClient, tenant: Tenant, hidden: bytes
) -> None:
    row = await sent(app_client, tenant, MARKETING, a_new_photo() + hidden)
    published = (await app_client.get(path_of(row["url"]))).content
    assert hidden not in published
    assert published.endswith(b"\xff\xd9")


async def test_a_script_that_looks_like_a_gif_is_no_picture(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    answer = await send(app_client, tenant, MARKETING, b"GIF89a/*" + b"*/=1;alert(1)//" + HTML)
    assert (answer.status_code, answer.json()["code"]) == (422, "picture_broken")


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(1 << 16)


@pytest.mark.parametrize("bucket", [MARKETING, DOCUMENTS])
async def test_a_body_without_an_end_is_refused_while_it_comes(
    app_client: httpx.AsyncClient, tenant: Tenant, bucket: str
) -> None:
    answer = await app_client.post(
        f"{tenant.path}/media/{bucket}", content=_endless(), headers=tenant.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert answer.json()["size_bytes_max"] == BUCKETS[Bucket(bucket)].size_bytes_max


class _NeverRead:
    """A body that complains when somebody reads it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        message = "the body was read"
        raise AssertionError(message)


async def test_a_body_announced_too_long_is_refused_unread(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    size_bytes = BUCKETS[Bucket.MARKETING_MEDIA].size_bytes_max + 1
    answer = await app_client.post(
        f"{tenant.path}/media/{MARKETING}",
        content=_NeverRead(),
        headers={**tenant.headers, "Content-Length": str(size_bytes)},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


async def test_a_name_is_made_safe(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    row = (await send(app_client, tenant, DOCUMENTS, a_pdf(), "../../a\r\nb\u202e.html")).json()
    assert row["name"] == "ab.html.pdf"


async def test_a_name_too_long_is_refused(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    answer = await send(app_client, tenant, DOCUMENTS, a_pdf(), "a" * 301)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_lists_come_in_pages(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    ids = [(await sent(app_client, tenant, DOCUMENTS, a_pdf(str(n))))["id"] for n in range(3)]
    path = f"{tenant.path}/media/{DOCUMENTS}"
    first = await app_client.get(path, params={"limit": 2}, headers=tenant.headers)
    rest = await app_client.get(
        path, params={"limit": 2, "cursor": first.json()["next_cursor"]}, headers=tenant.headers
    )
    items = [*first.json()["items"], *rest.json()["items"]]
    assert [item["id"] for item in items] == sorted(ids)
    assert rest.json()["next_cursor"] is None
    assert {item["url"] for item in items} == {None}


async def test_the_lists_of_two_buckets_are_apart(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    await sent(app_client, tenant, MARKETING, a_photo(400))
    await sent(app_client, tenant, DOCUMENTS, a_pdf())
    listed = await app_client.get(f"{tenant.path}/media/{MARKETING}", headers=tenant.headers)
    (row,) = listed.json()["items"]
    assert (row["bucket"], [copy["width"] for copy in row["variants"]]) == (MARKETING, [320])


async def test_what_was_sent_and_removed_is_in_the_log(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    row = (await send(app_client, tenant, DOCUMENTS, a_pdf(), "terms.pdf")).json()
    await send(app_client, tenant, DOCUMENTS, a_pdf(), "again.pdf")
    path = f"{tenant.path}/media/{DOCUMENTS}/{row['id']}"
    removed = await app_client.delete(path, headers=tenant.headers)
    async with services.database.reading(tenant.claims) as session:
        found = await session.execute(
            text("SELECT * FROM admin_action_log WHERE kind LIKE 'media.%' ORDER BY xid, id")
        )
        added, gone = found.mappings()
    particulars = {
        "bucket": DOCUMENTS,
        "name": "terms.pdf",
        "media_type": "application/pdf",
        "size_bytes": len(a_pdf()),
    }
    assert removed.status_code == 204
    assert (added["kind"], added["object_id"], added["after"]) == (
        "media.add",
        row["id"],
        particulars,
    )
    assert (gone["kind"], gone["object_id"], gone["before"]) == (
        "media.remove",
        row["id"],
        particulars,
    )
    assert added["actor_id"] == tenant.founder.user_id
