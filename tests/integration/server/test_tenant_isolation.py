import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sync_server.kit.database import Database
from tests.integration.server.isolation import Matrix
from tests.integration.server.reach import Principal
from tests.integration.server.two_tenants import furnish_both
from tests.plugins.postgres import ClonedDatabase, connected, spare_clone


@dataclass(frozen=True, slots=True)
class _Furnished:
    """Two tenants alone in a database, and what the superuser found out about them."""

    place: ClonedDatabase
    principals: tuple[Principal, ...]
    known: dict[tuple[object, ...], Any]


@pytest.fixture(
    scope="module",
    params=["embedded_cluster", pytest.param("postgres15_cluster", marks=pytest.mark.postgres15)],
)
def furnished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Furnished]:
    """One database of each version: every test leaves its policies as they were."""
    with spare_clone(request.getfixturevalue(request.param)) as place:
        principals = asyncio.run(furnish_both(place, tmp_path_factory.mktemp("isolated")))
        yield _Furnished(place, principals, {})


@pytest.fixture
async def matrix(furnished: _Furnished) -> AsyncIterator[Matrix]:
    database = Database(furnished.place.login_url)
    superuser = create_async_engine(furnished.place.administrator_url, poolclass=NullPool)
    async with (
        connected(furnished.place.administrator_url) as administrator,
        superuser.connect() as stepping,
    ):
        yield Matrix(database, administrator, stepping, furnished.principals, furnished.known)
    await superuser.dispose()
    await database.close()


async def test_every_command_reaches_what_it_should_and_no_more(matrix: Matrix) -> None:
    assert await matrix.violations() == []


async def test_nobody_and_tokens_of_another_kind_reach_no_row(matrix: Matrix) -> None:
    assert await matrix.strangers() == []


async def test_the_matrix_notices_every_policy_that_is_dropped(matrix: Matrix) -> None:
    unnoticed = []
    for policy in await _policies(matrix):
        await matrix.administrator.execute(text(policy.drop))
        unnoticed += [] if await _noticed(matrix, policy) else [policy.name]
        await matrix.administrator.execute(text(policy.create(policy.using, policy.check)))
    assert unnoticed == []


async def test_the_matrix_notices_every_policy_that_is_opened_to_all(matrix: Matrix) -> None:
    unnoticed = []
    narrow = [policy for policy in await _policies(matrix) if not policy.is_open]
    for policy in narrow:
        await matrix.administrator.execute(text(policy.drop))
        await matrix.administrator.execute(text(policy.create("true", "true")))
        unnoticed += [] if await _noticed(matrix, policy) else [policy.name]
        await matrix.administrator.execute(text(policy.drop))
        await matrix.administrator.execute(text(policy.create(policy.using, policy.check)))
    assert unnoticed == []
    assert len(narrow) > 100


async def test_the_matrix_notices_a_kiosks_policy_that_forgets_the_organizer(
    matrix: Matrix,
) -> None:
    unnoticed = []
    named = [policy for policy in await _policies(matrix) if _TENANT.search(policy.using or "")]
    for policy in named:
        forgetful = _TENANT.sub("true", policy.using or "")
        await matrix.administrator.execute(text(policy.drop))
        await matrix.administrator.execute(text(policy.create(forgetful, policy.check)))
        unnoticed += [] if await _noticed(matrix, policy) else [policy.name]
        await matrix.administrator.execute(text(policy.drop))
        await matrix.administrator.execute(text(policy.create(policy.using, policy.check)))
    assert unnoticed == []
    assert len(named) >= 10


_TENANT = re.compile(r"organizer_id = \( SELECT private\.my_scanner_organizer_id\(\)[^)]*\)")


@pytest.mark.parametrize("whom", ["ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"])
async def test_the_matrix_notices_every_table_without_row_level_security(
    matrix: Matrix, whom: str
) -> None:
    off = {"ROW LEVEL SECURITY": "DISABLE ROW LEVEL SECURITY"}.get(whom, f"NO {whom}")
    on = {"ROW LEVEL SECURITY": "ENABLE ROW LEVEL SECURITY"}.get(whom, whom)
    unnoticed = []
    for table in await matrix.tables():
        await matrix.administrator.execute(text(f"ALTER TABLE {table} {off}"))
        unnoticed += [] if await matrix.is_violated([table]) else [table]
        await matrix.administrator.execute(text(f"ALTER TABLE {table} {on}"))
    # Whoever may touch the version at all sees the one row there is.
    assert unnoticed == ["migrations.alembic_version"]


@dataclass(frozen=True, slots=True)
class _Policy:
    """One row of `pg_policies`, and how to make it again."""

    name: str
    schema: str
    table: str
    permissive: str
    roles: tuple[str, ...]
    command: str
    using: str | None
    check: str | None

    @property
    def is_open(self) -> bool:
        return self.using == "true" and self.check is None

    @property
    def drop(self) -> str:
        return f"DROP POLICY {self.name} ON {self.schema}.{self.table}"

    def create(self, using: str | None, check: str | None) -> str:
        """Say it with these conditions, as far as it has them."""
        using = "" if self.using is None else f"USING ({using})"
        check = "" if self.check is None else f"WITH CHECK ({check})"
        return (
            f"CREATE POLICY {self.name} ON {self.schema}.{self.table} AS {self.permissive}"
            f" FOR {self.command} TO {', '.join(self.roles)} {using} {check}"
        )


async def _policies(matrix: Matrix) -> list[_Policy]:
    query = text(
        "SELECT policyname, schemaname, tablename, permissive, roles::text[], cmd, qual, with_check"
        " FROM pg_policies ORDER BY policyname",
    )
    return [_Policy(*row) for row in await matrix.administrator.execute(query)]


async def _noticed(matrix: Matrix, policy: _Policy) -> bool:
    """Try again what the policy decides about; before it was changed nothing was amiss."""
    commands = () if policy.command == "ALL" else (policy.command,)
    return await matrix.is_violated([policy.table], policy.roles, commands)
