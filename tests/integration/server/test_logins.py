import secrets
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import WORKER, Claims, DatabaseRole
from sync_server.kit.database import Database, DatabaseLimits, sqlstate
from sync_server.migrations.roles import MEMBERSHIPS, leave_other_groups
from tests.plugins.postgres import ClonedDatabase, Cluster, connected

_LOGGED_IN_AS = text("SELECT session_user")


@pytest.mark.parametrize(
    ("role", "login"),
    [
        (DatabaseRole.APP, "zeraket_login"),
        (DatabaseRole.DEVICE, "zeraket_login"),
        (DatabaseRole.WALLET, "zeraket_login"),
        (DatabaseRole.WORKER, "zeraket_worker_login"),
    ],
)
async def test_the_worker_alone_logs_in_as_the_workers_role(
    database: Database, role: DatabaseRole, login: str
) -> None:
    async with database.reading(Claims(role)) as session:
        assert await session.scalar(_LOGGED_IN_AS) == login


@pytest.mark.parametrize(
    ("role", "other"),
    [
        (DatabaseRole.APP, "zeraket_worker"),
        (DatabaseRole.DEVICE, "zeraket_worker"),
        (DatabaseRole.WALLET, "zeraket_worker"),
        (DatabaseRole.WORKER, "zeraket_app"),
        (DatabaseRole.WORKER, "zeraket_device"),
        (DatabaseRole.WORKER, "zeraket_wallet"),
    ],
)
async def test_no_statement_takes_a_connection_across_the_two_logins(
    database: Database, role: DatabaseRole, other: str
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction(Claims(role)) as session:
            await session.execute(text(f"SELECT set_config('role', '{other}', true)"))
    assert sqlstate(refused.value.orig) == "42501"


async def test_a_pool_that_is_given_away_to_the_wrong_login_serves_nobody(
    cloned_database: ClonedDatabase,
) -> None:
    swapped = Database(cloned_database.worker_url, worker_url=cloned_database.login_url)
    for claims in (WORKER, Claims(DatabaseRole.APP)):
        with pytest.raises(DBAPIError) as refused:
            async with swapped.reading(claims) as session:
                await session.execute(_LOGGED_IN_AS)
        assert sqlstate(refused.value.orig) == "42501"
    await swapped.close()


@pytest.mark.parametrize(
    ("connections", "requests", "worker"), [(1, 1, 1), (2, 1, 1), (5, 3, 2), (10, 5, 5)]
)
def test_the_connections_of_a_process_are_shared_between_the_pools(
    connections: int, requests: int, worker: int
) -> None:
    limits = DatabaseLimits(connections_max=connections)
    assert (limits.request_connections, limits.worker_connections) == (requests, worker)


async def test_each_role_is_a_member_of_what_it_should_be_and_of_no_more(
    administrator: AsyncConnection,
) -> None:
    query = text(
        "SELECT member.rolname, coalesce(array_agg(role.rolname::text ORDER BY role.rolname)"
        " FILTER (WHERE role.oid IS NOT NULL), '{}')"
        " FROM pg_roles AS member LEFT JOIN pg_auth_members AS held ON held.member = member.oid"
        " LEFT JOIN pg_roles AS role ON role.oid = held.roleid"
        " WHERE member.rolname LIKE 'zeraket\\_%' GROUP BY 1",
    )
    found = {row[0]: tuple(row[1]) for row in await administrator.execute(query)}
    assert found == MEMBERSHIPS


@pytest.fixture
async def membership(any_cluster: Cluster) -> AsyncIterator[tuple[AsyncConnection, str, str]]:
    """A member of one group, in roles of the test's own, as the cluster belongs to all tests."""
    name = secrets.token_hex(4)
    group, member, giver = (f"{kind}_{name}" for kind in ("group", "member", "giver"))
    async with connected(any_cluster.administrator_url()) as connection:
        for role in (group, member, giver):
            await connection.execute(text(f"CREATE ROLE {role}"))
        await connection.execute(text(f"GRANT {group} TO {giver} WITH ADMIN OPTION"))
        await connection.execute(text(f"GRANT {group} TO {member} GRANTED BY {giver}"))
        yield connection, group, member
        for role in (group, member, giver):
            await connection.execute(text(f"DROP ROLE {role}"))


async def test_a_membership_of_an_older_version_is_taken_back_whoever_gave_it(
    membership: tuple[AsyncConnection, str, str],
) -> None:
    connection, group, member = membership
    question = text(f"SELECT pg_has_role('{member}', '{group}', 'MEMBER')")
    await connection.execute(text(leave_other_groups(member, (group,))))
    assert await connection.scalar(question) is True
    await connection.execute(text(leave_other_groups(member, ("another",))))
    assert await connection.scalar(question) is False
