"""Who reads and writes a bucket: over HTTP, and under row-level security without it."""

from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.ids import OrganizerId
from sync_server.kit.claims import WORKER, Claims
from sync_server.kit.database import sqlstate
from sync_server.kit.services import Services
from sync_server.media.rules import BUCKETS, Bucket
from sync_server.organizers.rules import Capability
from tests.factories.files import a_pdf, a_photo
from tests.factories.sending import DOCUMENTS, MARKETING, STATEMENTS, kept, sent
from tests.factories.team import furnish_team
from tests.factories.tenants import Person, Tenant, founder_caller, make_member

NOBODY = "00000000-0000-7000-8000-000000000000"
CONTENTS = {MARKETING: a_photo(), DOCUMENTS: a_pdf(), STATEMENTS: a_pdf()}
EVERY_BUCKET = pytest.mark.parametrize("bucket", [MARKETING, DOCUMENTS, STATEMENTS])
EVERY_CALL = pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/{id}"), ("DELETE", "/{id}")]
)
INSERT = """
    INSERT INTO stored_objects (organizer_id, id, bucket, sha256, source_sha256, size_bytes,
        media_type, name, created_by, created_at)
    VALUES (:organizer, gen_random_uuid(), :bucket, repeat('a', 64), repeat('a', 64), 1,
        'image/png', 'x.png', :creator, now())
"""


@EVERY_BUCKET
@EVERY_CALL
async def test_without_a_token_there_is_nothing(
    app_client: httpx.AsyncClient, tenant: Tenant, bucket: str, method: str, path: str
) -> None:
    url = f"{tenant.path}/media/{bucket}{path.format(id=NOBODY)}"
    answer = await app_client.request(method, url, content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")


@EVERY_BUCKET
@EVERY_CALL
async def test_of_another_organizer_there_is_nothing(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    other_tenant: Tenant,
    bucket: str,
    method: str,
    path: str,
) -> None:
    url = f"{tenant.path}/media/{bucket}{path.format(id=NOBODY)}"
    answer = await app_client.request(method, url, content=b"x", headers=other_tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "organizer_not_found")


@pytest.mark.parametrize("bucket", [MARKETING, DOCUMENTS])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_organizers_file_is_not_found_under_ones_own(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant, bucket: str, method: str
) -> None:
    row = await sent(app_client, other_tenant, bucket, CONTENTS[bucket])
    url = f"{tenant.path}/media/{bucket}/{row['id']}"
    answer = await app_client.request(method, url, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


async def test_a_file_is_not_found_in_another_bucket(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, DOCUMENTS, a_pdf())
    for bucket in (MARKETING, STATEMENTS):
        url = f"{tenant.path}/media/{bucket}/{row['id']}"
        answer = await app_client.get(url, headers=tenant.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


@EVERY_CALL
async def test_a_bucket_of_another_name_does_not_exist(
    app_client: httpx.AsyncClient, tenant: Tenant, method: str, path: str
) -> None:
    url = f"{tenant.path}/media/private{path.format(id=NOBODY)}"
    answer = await app_client.request(method, url, content=b"x", headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "bucket_not_found")


@pytest.mark.parametrize("capability", [None, *Capability])
@EVERY_BUCKET
async def test_each_capability_opens_its_own_buckets(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    bucket: str,
    capability: Capability | None,
) -> None:
    rules = BUCKETS[Bucket(bucket)]
    person = await make_member(services, tenant, *([capability] if capability else []))
    url = f"{tenant.path}/media/{bucket}"
    read = await app_client.get(url, headers=person.headers)
    written = await app_client.post(url, content=CONTENTS[bucket], headers=person.headers)
    removed = await app_client.delete(f"{url}/{NOBODY}", headers=person.headers)
    may_read = rules.read in {None, capability}
    may_write = rules.write is not None and rules.write == capability
    assert read.status_code == (200 if may_read else 403)
    assert written.status_code == (201 if may_write else 403)
    assert removed.status_code == (404 if may_write else 403)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_even_the_founder_writes_no_statement(
    app_client: httpx.AsyncClient, tenant: Tenant, method: str
) -> None:
    suffix = {"POST": "", "DELETE": f"/{NOBODY}"}[method]
    answer = await app_client.request(
        method,
        f"{tenant.path}/media/{STATEMENTS}{suffix}",
        content=a_pdf(),
        headers=tenant.headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "bucket_read_only")


async def test_a_program_reads_what_any_member_may(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    async with services.database.transaction(tenant.claims) as session:
        account = await furnish_team(services, founder_caller(tenant, session))
    program = {"Authorization": f"Bearer {account.token}"}
    answers = {
        bucket: (await app_client.get(f"{tenant.path}/media/{bucket}", headers=program)).status_code
        for bucket in CONTENTS
    }
    assert answers == {MARKETING: 200, DOCUMENTS: 403, STATEMENTS: 403}


@pytest.mark.parametrize("capability", [None, *Capability])
async def test_the_database_says_the_same_as_the_rules(
    services: Services, tenant: Tenant, capability: Capability | None
) -> None:
    """Whatever the code above it thinks: a member's own SQL sees and writes by the same rules."""
    person = await make_member(services, tenant, *([capability] if capability else []))
    for bucket in (MARKETING, DOCUMENTS):
        await kept(services, tenant, bucket, CONTENTS[bucket])
    await _insert(services, WORKER, tenant.organizer_id, STATEMENTS, None)
    query = text("SELECT bucket FROM stored_objects")
    async with services.database.reading(person.claims) as session:
        seen = set(await session.scalars(query))
    written = {
        bucket
        for bucket in CONTENTS
        if await _may_insert(services, person, tenant.organizer_id, bucket)
    }
    assert seen == {b.value for b, rules in BUCKETS.items() if rules.read in {None, capability}}
    assert written == {
        b.value for b, rules in BUCKETS.items() if rules.write and rules.write is capability
    }


async def _insert(
    services: Services,
    claims: Claims,
    organizer_id: OrganizerId,
    bucket: str,
    creator: UUID | None,
) -> None:
    values = {"organizer": organizer_id, "bucket": bucket, "creator": creator}
    async with services.database.transaction(claims) as session:
        await session.execute(text(INSERT), values)


async def _may_insert(
    services: Services, person: Person, organizer_id: OrganizerId, bucket: str
) -> bool:
    try:
        await _insert(services, person.claims, organizer_id, bucket, person.user_id)
    except DBAPIError as error:
        return sqlstate(error.orig) != "42501"
    return True


@pytest.mark.parametrize("creator", [None, UUID(NOBODY)])
async def test_nobody_sends_in_anothers_name(
    services: Services, tenant: Tenant, creator: UUID | None
) -> None:
    with pytest.raises(DBAPIError) as refused:
        await _insert(services, tenant.claims, tenant.organizer_id, MARKETING, creator)
    assert sqlstate(refused.value.orig) == "42501"


@pytest.mark.parametrize("bucket", [MARKETING, DOCUMENTS])
async def test_the_server_itself_writes_statements_alone(
    services: Services, tenant: Tenant, bucket: str
) -> None:
    with pytest.raises(DBAPIError) as refused:
        await _insert(services, WORKER, tenant.organizer_id, bucket, None)
    assert sqlstate(refused.value.orig) == "42501"


@pytest.mark.parametrize("column", ["sha256", "bucket", "name", "created_by", "organizer_id"])
@pytest.mark.parametrize("claims_of", [lambda tenant: tenant.claims, lambda _tenant: WORKER])
async def test_what_a_row_says_is_never_changed(
    services: Services, tenant: Tenant, column: str, claims_of: Callable[[Tenant], Claims]
) -> None:
    await kept(services, tenant, MARKETING, a_photo())
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(claims_of(tenant)) as session:
            await session.execute(text(f"UPDATE stored_objects SET {column} = {column}"))
    assert sqlstate(refused.value.orig) == "42501"


async def test_a_token_that_ends_while_a_file_comes_writes_nothing(
    services: Services, tenant: Tenant
) -> None:
    """The rights are asked again when the row is written."""
    async with services.database.transaction(WORKER) as session:
        await session.execute(
            text("UPDATE user_sessions SET revoked_at = now() WHERE user_id = :person"),
            {"person": tenant.founder.user_id},
        )
    with pytest.raises(DBAPIError) as refused:
        await kept(services, tenant, MARKETING, a_photo())
    assert sqlstate(refused.value.orig) == "42501"
    assert [page async for page in services.storage.list_all()] == []
