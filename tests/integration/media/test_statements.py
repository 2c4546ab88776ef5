"""Statements: written by the server alone, read by whoever sees the money."""

import io

import httpx
import pytest
from sqlalchemy import text

from sync_server.kit.services import Services
from sync_server.media import service as media
from sync_server.media.errors import DocumentBrokenError, MediaTypeRefusedError
from sync_server.organizers.rules import Capability
from tests.factories.files import a_pdf, a_photo
from tests.factories.sending import STATEMENTS, path_of
from tests.factories.tenants import Tenant, make_member

TABLE = b"date,amount\n2026-11-01,1000000\n"


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [(a_pdf(), "November.pdf", "application/pdf"), (TABLE, "November.csv", "text/csv")],
)
async def test_a_statement_is_read_by_whoever_sees_the_money(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    content: bytes,
    name: str,
    media_type: str,
) -> None:
    kept = await media.keep_statement(services, tenant.organizer_id, name, io.BytesIO(content))
    viewer = await make_member(services, tenant, Capability.FINANCE_VIEW)
    path = f"{tenant.path}/media/{STATEMENTS}/{kept.id}"
    row = (await app_client.get(path, headers=viewer.headers)).json()
    fetched = await app_client.get(path_of(row["url"]))
    assert (kept.name, kept.created_by, kept.url) == (name, None, None)
    assert (row["name"], row["media_type"]) == (name, media_type)
    assert fetched.content == content
    assert f'filename="{name}"' in fetched.headers["content-disposition"]


async def test_a_statement_written_twice_is_one(services: Services, tenant: Tenant) -> None:
    kept = [
        await media.keep_statement(services, tenant.organizer_id, "a.csv", io.BytesIO(TABLE))
        for _ in range(2)
    ]
    assert kept[0] == kept[1]


async def test_a_statement_is_in_the_log_as_the_servers_own(
    services: Services, tenant: Tenant
) -> None:
    await media.keep_statement(services, tenant.organizer_id, "a.csv", io.BytesIO(TABLE))
    async with services.database.reading(tenant.claims) as session:
        found = await session.execute(
            text("SELECT kind, actor_kind FROM admin_action_log WHERE kind LIKE 'media.%'")
        )
        assert [tuple(row) for row in found] == [("media.add", "worker")]


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (a_photo(), MediaTypeRefusedError),
        (b"<html></html>", MediaTypeRefusedError),
        (a_pdf()[:-7], DocumentBrokenError),
    ],
)
async def test_what_is_no_statement_is_refused(
    services: Services, tenant: Tenant, content: bytes, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await media.keep_statement(services, tenant.organizer_id, "a", io.BytesIO(content))
