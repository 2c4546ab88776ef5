from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import RowMapping

from shared.clock import SettableClock
from sync_server.kit.database import Database
from tests.factories.gate_rows import fill_gate_tables
from tests.factories.tenants import Tenant, furnish, make_event, make_tenant
from tests.integration.server.isolation import Matrix
from tests.plugins.postgres import ClonedDatabase, connected, services_on


@pytest.fixture
async def matrix(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Matrix]:
    """Two tenants with an event each, alone in a database."""
    database = Database(spare_database.login_url)
    services = services_on(database, clock, tmp_path)
    tenants: list[Tenant] = []
    async with connected(spare_database.administrator_url) as administrator:
        for name in ("Nile Nights", "Lake Sounds"):
            tenant = await make_tenant(services, name)
            await furnish(services, tenant)
            await fill_gate_tables(administrator, tenant, await make_event(services, tenant))
            await administrator.execute(
                text("INSERT INTO user_roles (user_id, role) VALUES (:user_id, 'admin')"),
                {"user_id": tenant.founder.user_id},
            )
            tenants.append(tenant)
        yield Matrix(database, administrator, *tenants)
    await database.close()


async def test_no_command_on_any_table_crosses_from_one_tenant_to_another(matrix: Matrix) -> None:
    assert await matrix.violations() == []


async def test_nobody_and_tokens_of_another_kind_reach_no_row(matrix: Matrix) -> None:
    assert await matrix.strangers() == []


async def test_the_matrix_notices_every_policy_that_is_dropped(matrix: Matrix) -> None:
    unnoticed = []
    before = await matrix.violations()
    for policy in await _policies(matrix, "SELECT", "UPDATE", "DELETE"):
        await _run(matrix, "DROP POLICY {policyname} ON {tablename}", policy)
        unnoticed += [policy["policyname"]] if await matrix.violations() == before else []
        await _run(matrix, _RECREATE[policy["cmd"]], policy)
    assert unnoticed == []


async def test_the_matrix_notices_every_policy_that_is_opened_to_all(matrix: Matrix) -> None:
    unnoticed = []
    before = await matrix.violations()
    for policy in await _policies(matrix, "SELECT", "INSERT", "UPDATE", "DELETE"):
        everything = {**policy, "qual": "true", "with_check": "true"}
        await _run(matrix, "DROP POLICY {policyname} ON {tablename}", policy)
        await _run(matrix, _RECREATE[policy["cmd"]], everything)
        unnoticed += [policy["policyname"]] if await matrix.violations() == before else []
        await _run(matrix, "DROP POLICY {policyname} ON {tablename}", policy)
        await _run(matrix, _RECREATE[policy["cmd"]], policy)
    assert unnoticed == []


async def test_the_matrix_notices_a_table_without_row_level_security(matrix: Matrix) -> None:
    before = await matrix.violations()
    await matrix.administrator.execute(text("ALTER TABLE gates DISABLE ROW LEVEL SECURITY"))
    assert await matrix.violations() != before


_RECREATE = {
    "SELECT": "CREATE POLICY {policyname} ON {tablename} FOR SELECT TO zeraket_app USING ({qual})",
    "DELETE": "CREATE POLICY {policyname} ON {tablename} FOR DELETE TO zeraket_app USING ({qual})",
    "INSERT": "CREATE POLICY {policyname} ON {tablename} FOR INSERT TO zeraket_app"
    " WITH CHECK ({with_check})",
    "UPDATE": "CREATE POLICY {policyname} ON {tablename} FOR UPDATE TO zeraket_app"
    " USING ({qual}) WITH CHECK ({with_check})",
}


async def _policies(matrix: Matrix, *commands: str) -> list[RowMapping]:
    query = text(
        "SELECT policyname, tablename, cmd, qual, with_check FROM pg_policies"
        " WHERE schemaname = 'public' AND roles = '{zeraket_app}' AND cmd = ANY(:commands)",
    )
    found = await matrix.administrator.execute(query, {"commands": list(commands)})
    return list(found.mappings())


async def _run(matrix: Matrix, statement: str, values: object) -> None:
    assert isinstance(values, dict | RowMapping)
    await matrix.administrator.execute(text(statement.format(**values)))
