import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from structlog.contextvars import bound_contextvars

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity import service as identity
from sync_server.identity.models import User
from sync_server.kit.claims import ANONYMOUS, WORKER, Claims, DatabaseRole, token_hash, user_claims
from sync_server.kit.database import (
    Database,
    DatabaseLimits,
    sqlstate,
    violated_constraint,
)
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.kit.sessions import ClaimsLeakedError
from tests.factories.tenants import Tenant, make_person, make_tenant
from tests.plugins.postgres import ClonedDatabase

_WHO = text("SELECT current_user, coalesce(current_setting('zeraket.token', true), '')")
_MINE = text("SELECT private.my_user_id()")


@pytest.mark.parametrize("role", DatabaseRole)
async def test_a_transaction_speaks_for_its_claims(database: Database, role: DatabaseRole) -> None:
    async with database.transaction(Claims(role, "a token")) as session:
        assert tuple((await session.execute(_WHO)).one()) == (role.value, "a token")


async def test_claims_hold_inside_a_savepoint_and_after_it(database: Database) -> None:
    expected = ("zeraket_app", "a token")
    async with database.transaction(user_claims("a token")) as session:
        async with session.begin_nested():
            assert tuple((await session.execute(_WHO)).one()) == expected
        assert tuple((await session.execute(_WHO)).one()) == expected


async def test_nothing_can_be_done_after_a_commit_half_way(database: Database) -> None:
    with pytest.raises(InvalidRequestError):
        await _commit_and_go_on(database)


async def _commit_and_go_on(database: Database) -> None:
    async with database.transaction(user_claims("a token")) as session:
        await session.commit()
        await session.execute(_WHO)


async def test_nothing_of_a_caller_is_left_on_the_connection(
    cloned_database: ClonedDatabase, tenant: Tenant
) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    async with single.transaction(tenant.claims) as session:
        assert await session.scalar(_MINE) == tenant.founder.user_id
    async with single.engine.connect() as connection:
        assert tuple((await connection.execute(_WHO)).one()) == ("zeraket_login", "")
    async with single.transaction(ANONYMOUS) as session:
        assert await session.scalar(_MINE) is None
    await single.close()


@pytest.mark.parametrize("claims", [ANONYMOUS, WORKER], ids=["app", "worker"])
async def test_a_connection_that_keeps_a_role_is_noticed_and_thrown_away(
    cloned_database: ClonedDatabase, claims: Claims
) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    engine = single.worker_engine if claims == WORKER else single.engine
    role = DatabaseRole.WORKER if claims == WORKER else DatabaseRole.WALLET
    async with engine.connect() as connection:
        await connection.execute(text(f"SET ROLE {role.value}"))
        await connection.commit()
    with pytest.raises(ClaimsLeakedError):
        await _who(single, claims)
    assert await _who(single, claims) == (claims.role.value, "")
    await single.close()


async def _fail(database: Database, claims: Claims) -> None:
    async with database.transaction(claims) as session:
        await session.execute(_MINE)
        message = "half-way"
        raise RuntimeError(message)


async def _time_out(database: Database, claims: Claims) -> None:
    async with database.transaction(claims) as session:
        await session.execute(text("SELECT pg_sleep(20)"))


async def _be_refused(database: Database, claims: Claims) -> None:
    async with database.transaction(claims) as session:
        await session.execute(text("SELECT * FROM user_passwords"))


@pytest.mark.parametrize(
    ("end", "error"), [(_fail, RuntimeError), (_time_out, DBAPIError), (_be_refused, DBAPIError)]
)
async def test_nothing_of_a_caller_is_left_by_a_transaction_that_failed(
    cloned_database: ClonedDatabase,
    tenant: Tenant,
    end: Callable[[Database, Claims], Awaitable[None]],
    error: type[Exception],
) -> None:
    limits = DatabaseLimits(statement_milliseconds=1_000, connections_max=1)
    single = Database(cloned_database.login_url, limits)
    with pytest.raises(error):
        await end(single, tenant.claims)
    assert await _who(single) == ("zeraket_app", "")
    async with single.transaction(ANONYMOUS) as session:
        assert await session.scalar(_MINE) is None
    await single.close()


async def test_nothing_of_a_caller_is_left_by_a_task_that_was_cancelled(
    cloned_database: ClonedDatabase, administrator: AsyncConnection, tenant: Tenant
) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    lock = text("SELECT pg_advisory_xact_lock(616161)")
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 616161"
        " AND NOT granted",
    )

    async def wait_for_the_lock() -> None:
        async with single.transaction(tenant.claims) as session:
            await session.execute(lock)

    async with single.transaction(WORKER) as holder:
        await holder.execute(lock)
        task = asyncio.create_task(wait_for_the_lock())
        while not await administrator.scalar(waiting):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await _who(single) == ("zeraket_app", "")
        while await administrator.scalar(waiting):
            pass
    async with single.transaction(ANONYMOUS) as session:
        assert await session.scalar(_MINE) is None
    await single.close()


@pytest.mark.parametrize("claims", [ANONYMOUS, WORKER], ids=["app", "worker"])
async def test_the_database_knows_which_request_it_serves(
    database: Database, claims: Claims
) -> None:
    shown = text(
        "SELECT current_setting('application_name'),"
        " coalesce(current_setting('zeraket.request_id', true), '')"
    )
    with bound_contextvars(request_id="0123456789abcdef0123456789abcdef"):
        async with database.reading(claims) as session:
            served = tuple((await session.execute(shown)).one())
    async with database.reading(claims) as session:
        afterwards = tuple((await session.execute(shown)).one())
    assert served == (
        "zeraket-server 0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
    )
    assert afterwards == ("zeraket-server", "")


async def _who(database: Database, claims: Claims = ANONYMOUS) -> tuple[object, ...]:
    async with database.reading(claims) as session:
        return tuple((await session.execute(_WHO)).one())


async def test_callers_side_by_side_are_told_apart(database: Database, services: Services) -> None:
    tenants = [await make_tenant(services) for _ in range(5)]

    async def who(tenant: Tenant) -> object:
        async with database.reading(tenant.claims) as session:
            return await session.scalar(_MINE)

    found = await asyncio.gather(*(who(tenant) for tenant in tenants * 4))
    assert found == [tenant.founder.user_id for tenant in tenants] * 4


async def test_the_login_role_alone_can_do_nothing(database: Database) -> None:
    async with database.engine.connect() as connection:
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text("SELECT * FROM public.events"))
    assert sqlstate(refused.value.orig) == "42501"


async def test_giving_the_role_up_inside_a_transaction_gives_all_rights_up(
    database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant.claims) as session:
        await session.execute(text("RESET ROLE"))
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text("SELECT * FROM public.organizers"))
        await session.rollback()
    assert sqlstate(refused.value.orig) == "42501"


async def test_a_revoked_token_is_refused_at_the_next_statement(
    database: Database, services: Services, tenant: Tenant
) -> None:
    async with database.transaction(tenant.claims) as session:
        assert await _organizers_seen(session) == 1
        async with database.transaction(tenant.claims) as other:
            ended = await identity.revoke_own_sessions(other, services, tenant.founder.user_id)
        assert ended == 1
        assert await _organizers_seen(session) == 0


async def test_an_expired_token_is_refused(database: Database, services: Services) -> None:
    person = await make_person(services, lifetime=timedelta(seconds=-1))
    async with database.reading(person.claims) as session:
        assert await session.scalar(_MINE) is None


async def test_a_disabled_person_is_refused(
    database: Database, administrator: AsyncConnection, tenant: Tenant
) -> None:
    disable = text("UPDATE users SET disabled_at = now() WHERE id = :id")
    await administrator.execute(disable, {"id": tenant.founder.user_id})
    async with database.reading(tenant.claims) as session:
        assert await session.scalar(_MINE) is None


async def test_an_administrator_is_known_by_role_in_the_database(
    database: Database, administrator: AsyncConnection, tenant: Tenant
) -> None:
    question = text("SELECT private.has_role('admin')")
    async with database.reading(tenant.claims) as session:
        assert await session.scalar(question) is False
    grant = text("INSERT INTO user_roles VALUES (:id, 'admin')")
    await administrator.execute(grant, {"id": tenant.founder.user_id})
    async with database.reading(tenant.claims) as session:
        assert await session.scalar(question) is False
    await administrator.execute(_PROVE, {"id": tenant.founder.user_id})
    async with database.reading(tenant.claims) as session:
        assert await session.scalar(question) is True


async def test_a_second_factor_in_another_session_makes_no_admin_of_this_one(
    database: Database, administrator: AsyncConnection, services: Services, tenant: Tenant
) -> None:
    async with database.transaction(WORKER) as session:
        other = await identity.start_session(session, services, tenant.founder.user_id)
    await administrator.execute(
        text("INSERT INTO user_roles VALUES (:id, 'admin')"), {"id": tenant.founder.user_id}
    )
    await administrator.execute(_PROVE_ONE, {"hash": token_hash(other.token)})
    question = text("SELECT private.has_role('admin')")
    for claims, expected in ((tenant.claims, False), (user_claims(other.token), True)):
        async with database.reading(claims) as session:
            assert await session.scalar(question) is expected


@pytest.mark.parametrize(
    ("proof", "recorded"), [("NULL", False), ("now()", True)], ids=["password", "second factor"]
)
async def test_an_admin_acts_on_every_organizer_with_a_second_factor_alone(
    database: Database,
    administrator: AsyncConnection,
    services: Services,
    tenant: Tenant,
    other_tenant: Tenant,
    proof: str,
    recorded: bool,
) -> None:
    for statement in (
        "INSERT INTO user_roles VALUES (:id, 'admin')",
        f"UPDATE user_sessions SET second_factor_at = {proof} WHERE user_id = :id",
    ):
        await administrator.execute(text(statement), {"id": tenant.founder.user_id})
    subject = Subject("organizer", str(other_tenant.organizer_id), other_tenant.organizer_id)
    async with database.transaction(tenant.claims) as session:
        await audit.record_action(session, services, Action("look", subject))
    found = await administrator.scalar(
        text("SELECT organizer_id FROM admin_action_log WHERE actor_id = :id AND kind = 'look'"),
        {"id": tenant.founder.user_id},
    )
    assert (found == other_tenant.organizer_id) is recorded


_PROVE = text("UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id")
_PROVE_ONE = text("UPDATE user_sessions SET second_factor_at = now() WHERE token_hash = :hash")


async def test_database_and_program_hash_a_token_alike(database: Database) -> None:
    async with database.reading(user_claims("zgu_ü")) as session:
        assert await session.scalar(text("SELECT private.token_hash()")) == token_hash("zgu_ü")


async def test_a_person_cannot_read_token_hashes(database: Database, tenant: Tenant) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with database.reading(tenant.claims) as session:
            await session.execute(text("SELECT token_hash FROM user_sessions"))
    assert sqlstate(refused.value.orig) == "42501"


async def test_a_person_cannot_bring_an_ended_session_back_for_another(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    revive = text("UPDATE user_sessions SET revoked_at = NULL WHERE user_id = :id RETURNING id")
    async with database.transaction(tenant.claims) as session:
        found = await session.execute(revive, {"id": other_tenant.founder.user_id})
        assert found.all() == []


async def test_a_reading_transaction_cannot_write(database: Database, services: Services) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with database.reading(WORKER) as session:
            await identity.add_user(session, services, "Nobody")
    assert sqlstate(refused.value.orig) == "25006"


async def test_an_error_takes_everything_back(database: Database, services: Services) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        await _add_and_fail(database, services)
    async with database.reading(WORKER) as session:
        question = text("SELECT count(*) FROM users WHERE display_name = 'Half-way'")
        assert await session.scalar(question) == 0


async def _add_and_fail(database: Database, services: Services) -> None:
    async with database.transaction(WORKER) as session:
        await identity.add_user(session, services, "Half-way")
        message = "half-way"
        raise RuntimeError(message)


async def test_a_violated_constraint_is_known_by_name(
    database: Database, services: Services
) -> None:
    person = await make_person(services)
    now = instant(services.clock.now_ms())
    again = User(id=person.user_id, display_name="Again", created_at=now, language="en")
    async with database.transaction(WORKER) as session:
        session.add(again)
        with pytest.raises(IntegrityError) as refused:
            await session.flush()
        await session.rollback()
    assert violated_constraint(refused.value) == "pk_users"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "30s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "15s"),
    ],
)
async def test_connections_have_time_outs(database: Database, setting: str, value: str) -> None:
    async with database.reading(ANONYMOUS) as session:
        assert await session.scalar(text(f"SHOW {setting}")) == value


async def _organizers_seen(session: AsyncSession) -> int:
    return int(await session.scalar(text("SELECT count(*) FROM organizers")) or 0)
