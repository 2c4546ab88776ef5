"""Row-level security reads the caller's set once a statement and then goes by index."""

from pathlib import Path

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.database import Database
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on

MANY_ORGANIZERS = """
    INSERT INTO organizers SELECT gen_random_uuid(), 'o', gen_random_uuid(), now()
    FROM generate_series(1, 200)
"""
MANY_EVENTS = """
    INSERT INTO events
    SELECT o.id, gen_random_uuid(), 'e', now(), 'UTC', 'v', 'scheduled', now()
    FROM organizers o, generate_series(1, 100)
"""


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM events",
        "SELECT * FROM events WHERE organizer_id = '{}' ORDER BY id LIMIT 51",
    ],
)
async def test_a_tenants_rows_are_found_by_index(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path, query: str
) -> None:
    database = Database(spare_database.login_url)
    tenant = await make_tenant(services_on(database, clock, tmp_path))
    async with connected(spare_database.administrator_url) as administrator:
        for statement in (MANY_ORGANIZERS, MANY_EVENTS, "ANALYZE"):
            await administrator.execute(text(statement))
    async with database.reading(tenant.claims) as session:
        plan = await session.scalars(text(f"EXPLAIN {query.format(tenant.organizer_id)}"))
        lines = "\n".join(plan)
    await database.close()
    assert "InitPlan" in lines
    assert "Index" in lines
    assert "Seq Scan" not in lines
