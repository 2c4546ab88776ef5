"""What the database lets each principal do with flows and identities, whatever the code above
thinks.
"""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.identity.rules import UserId
from sync_server.kit.claims import WORKER, Claims, DatabaseRole
from sync_server.kit.database import sqlstate, violated_constraint
from sync_server.kit.services import Services
from tests.factories.openid import link_identity
from tests.factories.tenants import Person, make_person

FORBIDDEN = "42501"
UNLINKED = "DELETE FROM user_openid_identities WHERE user_id = :user_id"


@pytest.fixture
async def grace(services: Services) -> Person:
    """Somebody whose only way in is the provider."""
    person = await make_person(services)
    await link_identity(services, person.user_id, f"{person.user_id}@gmail.com")
    return person


async def state_of(services: Services, claims: Claims, statement: str) -> str | None:
    """Try a statement; gives the code PostgreSQL refuses it with."""
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(claims) as session:
            await session.execute(text(statement))
    return sqlstate(refused.value.orig)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT subject FROM user_openid_identities",
        "SELECT issuer FROM user_openid_identities",
        "UPDATE user_openid_identities SET address = 'x'",
        "DELETE FROM user_openid_identities",
        "SELECT id FROM openid_flows",
        "DELETE FROM openid_flows",
        "SELECT private.count_ways_in('00000000-0000-0000-0000-000000000000')",
    ],
)
async def test_people_see_what_they_are_shown_and_change_nothing(
    services: Services, grace: Person, statement: str
) -> None:
    assert await state_of(services, grace.claims, statement) == FORBIDDEN


@pytest.mark.parametrize("role", [DatabaseRole.DEVICE, DatabaseRole.WALLET])
@pytest.mark.parametrize("table", ["user_openid_identities", "openid_flows"])
async def test_devices_and_wallets_have_no_business_here(
    services: Services, role: DatabaseRole, table: str
) -> None:
    assert await state_of(services, Claims(role), f"SELECT 1 FROM {table}") == FORBIDDEN


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE user_openid_identities SET user_id = gen_random_uuid()",
        "UPDATE user_openid_identities SET subject = 'x'",
        "UPDATE user_openid_identities SET issuer = 'x'",
        "UPDATE user_openid_identities SET address = 'GRACE@GMAIL.COM'",
        "UPDATE openid_flows SET state_hash = token_hash",
        "UPDATE openid_flows SET expires_at = now() + interval '1 year'",
        "UPDATE openid_flows SET nonce = ''",
    ],
)
@pytest.mark.usefixtures("grace")
async def test_the_worker_cannot_say_that_somebody_is_somebody_else(
    services: Services, statement: str
) -> None:
    assert await state_of(services, WORKER, statement) == FORBIDDEN


async def unlink_as_worker(services: Services, user_id: UserId) -> None:
    async with services.database.transaction(WORKER) as session:
        await session.execute(text(UNLINKED), {"user_id": user_id})


async def test_nobody_removes_the_last_way_in(
    services: Services, administrator: AsyncConnection, grace: Person
) -> None:
    with pytest.raises(IntegrityError) as by_worker:
        await unlink_as_worker(services, grace.user_id)
    with pytest.raises(IntegrityError) as by_administrator:
        await administrator.execute(text(UNLINKED), {"user_id": grace.user_id})
    refused = (by_worker.value, by_administrator.value)
    assert {violated_constraint(error) for error in refused} == {"ck_users_way_in"}
