"""Row-level security reads the caller's set once a statement and then goes by index: shown on the
statements of every list, as they are sent, among the rows of a thousand organizers.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from shared.clock import SettableClock, system_clock
from sync_server.app import create_app
from sync_server.kit.claims import Claims, DatabaseRole
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.kit.sessions import CLAIMS
from sync_server.media.rules import Bucket
from tests.factories.crowd import crowd
from tests.factories.gate_rows import GateRows, fill_gate_tables
from tests.factories.orders import sell
from tests.factories.tenants import PUBLIC_URL, Tenant, furnish, make_event, make_tenant
from tests.plugins.postgres import ClonedDatabase, Cluster, connected, services_on, spare_clone

pytestmark = pytest.mark.timeout(300)  # filling the tables, on a machine that has more to do

_ORGANIZER: Final = "/v1/organizers/{organizer_id}"
_EVENT: Final = f"{_ORGANIZER}/events/{{event_id}}"
_DEPLOYMENT: Final = f"{_EVENT}/deployments/{{deployment_id}}"
LISTS: Final = {
    "/v1/me/identities": "user_openid_identities",
    "/v1/me/passkeys": "user_passkeys",
    "/v1/me/sessions": "user_sessions",
    "/v1/organizers": "organizers",
    f"{_ORGANIZER}/members": "organizer_members",
    f"{_ORGANIZER}/invitations": "organizer_invitations",
    f"{_ORGANIZER}/service-accounts": "service_accounts",
    f"{_ORGANIZER}/audit/actions": "admin_action_log",
    f"{_ORGANIZER}/audit/accesses": "access_audit_log",
    "/v1/audit/actions": "admin_action_log",
    "/v1/audit/accesses": "access_audit_log",
    f"{_ORGANIZER}/ledger/transactions": "finance_txns",
    f"{_ORGANIZER}/media/{{bucket}}": "stored_objects",
    f"{_ORGANIZER}/events": "events",
    f"{_ORGANIZER}/payouts": "payouts",
    f"{_ORGANIZER}/payout-destinations": "payout_destinations",
    f"{_EVENT}/gates": "gates",
    f"{_EVENT}/zones": "zones",
    f"{_EVENT}/ticket-types": "ticket_types",
    f"{_EVENT}/tickets": "tickets",
    f"{_EVENT}/orders": "orders",
    f"{_EVENT}/promo-codes": "promo_codes",
    f"{_EVENT}/deployments": "deployments",
    f"{_DEPLOYMENT}/devices": "devices",
    f"{_DEPLOYMENT}/sessions": "scanner_sessions",
    f"{_DEPLOYMENT}/scans": "scans",
    f"{_DEPLOYMENT}/conflicts": "conflicts",
    f"{_DEPLOYMENT}/heartbeats": "device_heartbeats",
}
"""Every endpoint that gives pages of somebody's rows, and the table they are in."""
_OF_THE_SERVER: Final = {
    "/v1/alarms",
    "/v1/jobs/dead",
    "/v1/payments/mismatched",
    "/v1/reconciliation/runs",
    "/v1/reconciliation/runs/{run_id}/items",
    "/v1/refunds/refused",
}
"""Whoever looks after the server sees every row: no policy chooses among them."""
_ROWS: Final = {"events": 100_000, "tickets": 100_000, "scans": 100_000}
_ROWS_ELSEWHERE: Final = 10_000
_ROWS_TOUCHED_MAX: Final = 300
_POLICY: Final = "ALTER POLICY events_app_select ON events USING ({})"
_NUMBERS: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Crowded:
    """A database in which each listed table is full of others' rows."""

    place: ClonedDatabase
    tenant: Tenant
    rows: GateRows

    def path(self, template: str) -> str:
        return template.format(
            organizer_id=self.tenant.organizer_id,
            event_id=self.rows.event,
            deployment_id=self.rows.deployment,
            bucket=Bucket.MARKETING_MEDIA,
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as it was sent, and for whom."""

    claims: Claims
    statement: str
    values: tuple[object, ...]


@pytest.fixture(
    scope="module",
    params=["embedded_cluster", pytest.param("postgres15_cluster", marks=pytest.mark.postgres15)],
)
def crowded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crowded]:
    cluster: Cluster = request.getfixturevalue(request.param)
    with spare_clone(cluster) as place:
        yield asyncio.run(_fill(place, tmp_path_factory.mktemp("crowded")))


async def _fill(place: ClonedDatabase, folder: Path) -> Crowded:
    database = Database(place.login_url)
    services = _services(database, folder)
    tenant = await make_tenant(services)
    await furnish(services, tenant)
    event_id = await make_event(services, tenant)
    await sell(services, tenant, event_id)
    async with connected(place.administrator_url) as superuser:
        rows = await fill_gate_tables(superuser, tenant, event_id)
        for statement in _LET_AN_ADMIN_IN:
            await superuser.execute(text(statement), {"id": tenant.founder.user_id})
        for statement in (*_HEADERS_WITHOUT_LINES, *_A_PAYOUT):
            await superuser.execute(text(statement), {"id": tenant.organizer_id})
        places = {"event_id": rows.event, "deployment_id": rows.deployment}
        for table in dict.fromkeys(LISTS.values()):
            wanted = _ROWS.get(table, _ROWS_ELSEWHERE)
            await crowd(superuser, (table, wanted), _owner(table, tenant), places)
        for statement in _PARTS:
            await superuser.execute(text(statement))
        await superuser.execute(text("ANALYZE"))
    await database.close()
    return Crowded(place, tenant, rows)


_LET_AN_ADMIN_IN = (
    "INSERT INTO user_roles VALUES (:id, 'admin')",
    "UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id",
)
# Triggers that nothing evades see that a sale has its lines; here they come after the crowd.
_HEADERS_WITHOUT_LINES = (
    "ALTER TABLE finance_txns DISABLE TRIGGER USER",
    "ALTER TABLE finance_entries DISABLE TRIGGER USER",
    """
    INSERT INTO finance_txns (organizer_id, id, kind, idem_key, request_hash, n_lines, occurred_at)
    VALUES (:id, gen_random_uuid(), 'capture', 'a sale', sha256(''), 2, now())
    """,
)
# The same of payouts, which post.
_A_PAYOUT = (
    "ALTER TABLE payouts DISABLE TRIGGER USER",
    """
    INSERT INTO payout_destinations (organizer_id, id, rail, currency, label, account_ending,
        sealed_account, name_check, added_by, added_at)
    VALUES (:id, gen_random_uuid(), 'mtn', 'UGX', 'MTN', '456', '', 'unchecked', :id, now())
    """,
    """
    INSERT INTO payouts (organizer_id, id, number, destination_id, rail, state, reference,
        currency, amount, rail_fee, requested_by, requested_at, accepts_name, attempts,
        state_changed_at)
    SELECT organizer_id, gen_random_uuid(), 'PO11', id, 'mtn', 'requested', gen_random_uuid(),
        'UGX', 1, 0, organizer_id, now(), false, 0, now()
    FROM payout_destinations
    """,
)
_PARTS = (
    """
    INSERT INTO finance_entries (organizer_id, txn_id, line_no, n_lines, account, currency, amount)
    SELECT organizer_id, id, 1, n_lines, 'bank', 'UGX', 1 FROM finance_txns
    """,
    """
    INSERT INTO stored_object_variants
        (organizer_id, object_id, width, height, sha256, size_bytes, media_type)
    SELECT organizer_id, id, 17, 17, sha256, 1, media_type FROM stored_objects
    """,
)
"""What is listed along with a row of the crowd."""


def _owner(table: str, tenant: Tenant) -> tuple[str, Any]:
    odd: dict[str, tuple[str, Any]] = {
        "organizers": ("id", tenant.organizer_id),
        "user_openid_identities": ("user_id", tenant.founder.user_id),
        "user_passkeys": ("user_id", tenant.founder.user_id),
        "user_sessions": ("user_id", tenant.founder.user_id),
    }
    return odd.get(table, ("organizer_id", tenant.organizer_id))


def _services(database: Database, folder: Path) -> Services:
    return services_on(database, SettableClock(system_clock().now_ms()), folder)


@pytest.fixture
async def database(crowded: Crowded) -> AsyncIterator[Database]:
    opened = Database(crowded.place.login_url)
    yield opened
    await opened.close()


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    services = _services(database, tmp_path)

    @asynccontextmanager
    async def given() -> AsyncIterator[Services]:
        yield services

    app = create_app(given)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as opened,
    ):
        yield opened


async def test_each_table_is_crowded(crowded: Crowded) -> None:
    async with connected(crowded.place.administrator_url) as superuser:
        counts = {
            table: await superuser.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in LISTS.values()
        }
    wanted = {table: _ROWS.get(table, _ROWS_ELSEWHERE) for table in counts}
    assert {table for table in counts if counts[table] < wanted[table] - 100} == set()


async def test_every_list_there_is_is_looked_at(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    listing = {path for path, calls in paths.items() if _gives_pages(calls.get("get", {}))}
    assert listing - _OF_THE_SERVER == set(LISTS)


def _gives_pages(call: dict[str, Any]) -> bool:
    return any(each["name"] == "cursor" for each in call.get("parameters", []))


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_every_list_goes_by_index_and_reads_the_callers_set_once(
    crowded: Crowded, client: httpx.AsyncClient, database: Database, mode: str
) -> None:
    faults: dict[str, list[str]] = {}
    for template, table in LISTS.items():
        sent = await _statements_of(crowded, client, database, template)
        assert any(f"FROM {table}" in each.statement for each in sent), template
        for each in sent:
            plan = await _plan(database, each, mode)
            faults[f"{template}: {each.statement}"] = _faults(plan, each.claims.role)
    assert {statement: found for statement, found in faults.items() if found} == {}
    assert len(faults) > 2 * len(LISTS)


@pytest.mark.parametrize(
    ("path", "sabotage", "undo"),
    [
        (
            f"{_ORGANIZER}/events",
            _POLICY.format("private.has_organizer_role(organizer_id, 'event.manage')"),
            _POLICY.format("organizer_id = ANY ((SELECT private.my_organizer_ids())::uuid[])"),
        ),
        (
            "/v1/me/sessions",
            "DROP INDEX ix_user_sessions_user_id",
            "CREATE INDEX ix_user_sessions_user_id ON user_sessions (user_id, id)",
        ),
    ],
)
async def test_a_policy_or_an_index_that_spoils_a_list_is_noticed(
    crowded: Crowded,
    client: httpx.AsyncClient,
    database: Database,
    path: str,
    sabotage: str,
    undo: str,
) -> None:
    async with connected(crowded.place.administrator_url) as superuser:
        await superuser.execute(text(sabotage))
        # One row in a hundred is the caller's, anywhere: so many are not found by chance.
        sent = await _statements_of(crowded, client, database, path, limit=20)
        plans = [(await _plan(database, each, "auto"), each.claims.role) for each in sent]
        await superuser.execute(text(undo))
    assert [fault for plan, role in plans for fault in _faults(plan, role)] != []


async def _statements_of(
    crowded: Crowded,
    client: httpx.AsyncClient,
    database: Database,
    template: str,
    limit: int = 5,
) -> list[Sent]:
    """Ask for two pages, and keep what that reads from tables."""
    sent: list[Sent] = []

    def keep(connection: Connection, _: object, statement: str, values: Any, *__: object) -> None:  # noqa: ANN401 - the driver's own
        if " FROM " in statement.replace("\n", " "):
            sent.append(Sent(connection.info[CLAIMS], statement, tuple(values)))

    engines = [engine.sync_engine for engine in (database.engine, database.worker_engine)]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", keep)
    headers, path = crowded.tenant.headers, crowded.path(template)
    first = await client.get(path, params={"limit": limit}, headers=headers)
    cursor = first.json()["next_cursor"]
    asked = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    second = await client.get(path, params=asked, headers=headers)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", keep)
    assert (first.status_code, second.status_code) == (200, 200)
    return sent


async def _plan(database: Database, sent: Sent, mode: str) -> dict[str, Any]:
    """Run a statement as it was sent, and give how PostgreSQL did."""
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in sent.values)
    name = f"listed_{next(_NUMBERS)}"
    call = f"{name}({values})" if values else name
    async with database.reading(sent.claims) as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {mode}"))
        connection = await session.connection()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        prepared = await driver.prepare(sent.statement, name=name)
        explained = await connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {call}"
        )
        (document,) = explained.scalar_one()
        # For as long as the driver's own object lives there is such a statement.
        assert len(prepared.get_parameters()) == len(sent.values)
    plan: dict[str, Any] = document["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def _faults(plan: dict[str, Any], role: DatabaseRole) -> list[str]:
    nodes = list(_nodes(plan))
    scans = [node for node in nodes if "Relation Name" in node]
    asked = [node for node in nodes if node.get("Parent Relationship") == "InitPlan"]
    touched = sum(_touched(node) for node in scans)
    found = [
        f"Seq Scan on {node['Relation Name']}"
        for node in scans
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LISTS.values()
    ]
    found += [f"{touched} rows touched"] if touched > _ROWS_TOUCHED_MAX else []
    found += ["asked for each row"] if any(_is_asked_for_each_row(node) for node in nodes) else []
    asks = role is DatabaseRole.WORKER or any(node["Actual Loops"] == 1 for node in asked)
    return found if asks or not scans else [*found, "the caller's set is not read once"]


def _touched(node: dict[str, Any]) -> float:
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows: float = sum(node.get(name, 0) for name in counted)
    return rows * float(node["Actual Loops"])


def _is_asked_for_each_row(node: dict[str, Any]) -> bool:
    return node.get("Parent Relationship") == "SubPlan" and "private." in json.dumps(node)
