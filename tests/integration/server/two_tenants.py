"""Two tenants alone in a database, and everybody who might reach into it from the first."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock, system_clock
from shared.ids import EventId
from sync_server.kit.claims import WORKER, device_claims, token_hash, user_claims, wallet_claims
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.gate_rows import GateRows, fill_gate_tables
from tests.factories.server_rows import fill_server_tables
from tests.factories.tenants import Tenant, furnish, make_event, make_member, make_tenant
from tests.integration.server import reach
from tests.integration.server.reach import Principal
from tests.plugins.postgres import ClonedDatabase, connected, services_on

_PROGRAM: Final = "the token of a program"
# What else stands in the way, so that the policies have to do it alone.
_OTHER_GUARDS: Final = (
    "ALTER TABLE user_roles DISABLE TRIGGER keep_one_admin",
    "DROP INDEX ix_events_id",
    "DROP INDEX ix_deployments_id",
)
_GIVE_THE_PROGRAM_A_TOKEN: Final = text(
    "UPDATE service_accounts SET token_hash = :hash WHERE organizer_id = :id RETURNING id"
)
_TWIN: Final = text("""
    INSERT INTO events
    SELECT :foreign, id, name, base_time, timezone, venue, status, created_at
    FROM events WHERE id = :event
""")


async def furnish_both(place: ClonedDatabase, folder: Path) -> tuple[Principal, ...]:
    """Make two tenants in a database that nobody else uses, outside every event loop of a test."""
    database = Database(place.login_url)
    services = services_on(database, SettableClock(system_clock().now_ms()), folder)
    async with connected(place.administrator_url) as administrator:
        principals = await make_two_tenants(services, administrator)
    await database.close()
    return principals


async def make_two_tenants(
    services: Services, administrator: AsyncConnection
) -> tuple[Principal, ...]:
    """Give everybody who has to do with the first."""
    for guard in _OTHER_GUARDS:
        await administrator.execute(text(guard))
    own, (rows, other) = await _furnished(services, administrator, "Nile Nights")
    foreign, _ = await _furnished(services, administrator, "Lake Sounds")
    await _make_twins(administrator, foreign, rows)
    # Another gate's device in the same deployment, and another deployment of the same event.
    for deployment_id in (rows.deployment, None):
        await fill_gate_tables(administrator, own, EventId(rows.event), deployment_id)
    known = {"hash": token_hash(_PROGRAM), "id": own.organizer_id}
    account = await administrator.scalar(_GIVE_THE_PROGRAM_A_TOKEN, known)
    bystander = await make_member(services, own)
    values: dict[str, Any] = {
        "organizer": own.organizer_id,
        "foreign": foreign.organizer_id,
        "user": own.founder.user_id,
        "principal": str(own.founder.user_id),
        "manages": True,
        "event": rows.event,
        "elsewhere": other.event,
        "deployment": rows.deployment,
        "device": rows.device,
        "session": rows.session,
        "claim": token_hash(rows.claim_token),
    }
    program = {**values, "user": None, "principal": str(account), "manages": False}
    beside = {
        **values,
        "user": bystander.user_id,
        "principal": str(bystander.user_id),
        "manages": False,
    }
    scans = frozenset({Capability.SCANS_VIEW})
    return (
        Principal("member", reach.APP, own.claims, values, frozenset(Capability)),
        Principal("bystander", reach.APP, bystander.claims, beside),
        Principal("program", reach.APP, user_claims(_PROGRAM), program, scans),
        Principal("device", reach.DEVICE, device_claims(rows.session_token), values),
        Principal("wallet", reach.WALLET, wallet_claims(rows.claim_token), values),
        Principal("worker", reach.WORKER, WORKER, values),
        Principal("resolver", reach.RESOLVER, None, values),
        Principal("ledger", reach.LEDGER, None, values),
        Principal("queue", reach.QUEUE, None, values),
        Principal("owner", reach.OWNER, None, values),
    )


async def _furnished(
    services: Services, administrator: AsyncConnection, name: str
) -> tuple[Tenant, tuple[GateRows, GateRows]]:
    """A tenant with rows of two events."""
    tenant = await make_tenant(services, name)
    await furnish(services, tenant)
    await fill_server_tables(administrator, tenant)
    first, second = [
        await fill_gate_tables(administrator, tenant, await make_event(services, tenant))
        for _ in range(2)
    ]
    return tenant, (first, second)


async def _make_twins(administrator: AsyncConnection, foreign: Tenant, rows: GateRows) -> None:
    """Give the other tenant an event and a deployment with the very ids of the first one's."""
    values = {"foreign": foreign.organizer_id, "event": rows.event}
    await administrator.execute(_TWIN, values)
    await fill_gate_tables(administrator, foreign, EventId(rows.event), rows.deployment)
