"""What a statement can do that somebody smuggled into a request: nothing to another's rows.

Every attack runs as each kind of caller, in a transaction as a request has it, on each version.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import ANONYMOUS, WORKER, DatabaseRole
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.sessions import ClaimsLeakedError
from tests.integration.server.attacks import (
    CALLERS,
    NOT_ALLOWED,
    SECRETS,
    Besieged,
    claims_of,
    foreign_rows,
    outcome_of,
)
from tests.integration.server.two_tenants import furnish_both
from tests.plugins.postgres import Cluster, connected, spare_clone


@pytest.fixture(
    scope="module",
    params=["embedded_cluster", pytest.param("postgres15_cluster", marks=pytest.mark.postgres15)],
)
def besieged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Besieged]:
    cluster: Cluster = request.getfixturevalue(request.param)
    with spare_clone(cluster) as place:
        principals = asyncio.run(furnish_both(place, tmp_path_factory.mktemp("besieged")))
        yield Besieged(place, {each.name: each for each in principals})


@pytest.fixture
async def target(besieged: Besieged) -> AsyncIterator[Database]:
    """One connection for each pool, so that what is left on it meets the next caller."""
    opened = Database(besieged.place.login_url, DatabaseLimits(connections_max=2))
    yield opened
    await opened.close()


@pytest.fixture
async def superuser(besieged: Besieged) -> AsyncIterator[AsyncConnection]:
    async with connected(besieged.place.administrator_url) as connection:
        yield connection


@pytest.mark.parametrize("caller", CALLERS)
async def test_what_needs_rights_of_another_is_refused(
    besieged: Besieged, target: Database, caller: str
) -> None:
    claims = claims_of(besieged, caller)
    outcomes = {tried: await outcome_of(target, claims, tried) for tried in NOT_ALLOWED}
    assert {tried: code for tried, code in outcomes.items() if code != "42501"} == {}


@pytest.mark.parametrize("caller", sorted(SECRETS))
async def test_a_secret_leaves_by_no_door(
    besieged: Besieged, target: Database, caller: str
) -> None:
    claims = claims_of(besieged, caller)
    outcomes = {tried: await outcome_of(target, claims, tried) for tried in SECRETS[caller]}
    assert {tried: code for tried, code in outcomes.items() if code != "42501"} == {}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("role", [DatabaseRole.APP, DatabaseRole.DEVICE, DatabaseRole.WALLET])
async def test_a_token_under_another_role_opens_nothing_of_another(
    besieged: Besieged, target: Database, caller: str, role: DatabaseRole
) -> None:
    become = f"SELECT set_config('role', '{role}', true)"
    assert await foreign_rows(target, besieged, claims_of(besieged, caller), become) == 0


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_forged_token_is_nobodys(
    besieged: Besieged, target: Database, superuser: AsyncConnection, caller: str
) -> None:
    hashes = list(await superuser.scalars(_HASHES, {"foreign": besieged.foreign}))
    claims = claims_of(besieged, caller)
    forge = "SELECT set_config('zeraket.token', :guess, true)"
    seen = {
        guess: await foreign_rows(target, besieged, claims, forge, guess=guess)
        for guess in ("", " ", "zgu_guess", "null", *hashes)
    }
    assert set(seen.values()) == {0}
    assert len(hashes) == 4


_HASHES = text("""
    SELECT shown FROM (
        SELECT s.token_hash FROM user_sessions AS s
        JOIN organizer_members AS m ON m.user_id = s.user_id AND m.organizer_id = :foreign LIMIT 1
    ) AS s, LATERAL (VALUES (encode(token_hash, 'hex')), (encode(token_hash, 'base64')),
        (token_hash::text), (encode(token_hash, 'escape'))) AS v (shown)
""")


@pytest.mark.parametrize("caller", CALLERS)
async def test_whoever_gives_the_role_up_has_no_rights_left(
    besieged: Besieged, target: Database, caller: str
) -> None:
    claims = claims_of(besieged, caller)
    ways = (
        "RESET ROLE",
        "SET ROLE NONE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SELECT set_config('role', 'none', true)",
    )
    reads = (
        "SELECT 1 FROM public.tickets",
        "SELECT private.my_user_id()",
        "SELECT 1 FROM public.users",
    )
    outcomes = {
        (way, read): await outcome_of(target, claims, way, read) for way in ways for read in reads
    }
    assert set(outcomes.values()) == {"42501"}


@pytest.mark.parametrize("caller", CALLERS)
async def test_row_security_switched_off_shows_nothing(
    besieged: Besieged, target: Database, caller: str
) -> None:
    claims = claims_of(besieged, caller)
    for off in ("SET LOCAL row_security = off", "SELECT set_config('row_security', 'off', true)"):
        assert await outcome_of(target, claims, off, "SELECT 1 FROM tickets") == "42501"


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("path", ["pg_temp, public", "private, public", "public, pg_catalog", ""])
async def test_a_search_path_leads_no_function_astray(
    besieged: Besieged, target: Database, caller: str, path: str
) -> None:
    forge = "SELECT set_config('search_path', :path, true)"
    claims = claims_of(besieged, caller)
    assert await foreign_rows(target, besieged, claims, forge, path=path) == 0


async def test_a_request_sees_nothing_of_what_the_worker_runs(
    besieged: Besieged, target: Database, superuser: AsyncConnection
) -> None:
    seen = text(
        "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND query LIKE '%said by the worker%'",
    )
    async with target.reading(WORKER) as busy:
        await busy.execute(text("SELECT 'said by the worker'"))
        assert await superuser.scalar(seen) == 1
        async with target.reading(claims_of(besieged, "member")) as session:
            assert await session.scalar(seen) == 0
            await session.execute(text("RESET ROLE"))
            assert await session.scalar(seen) == 0


async def test_what_requests_run_has_no_value_in_it(
    besieged: Besieged,
) -> None:
    """As their login role they see one another's statements: those say $1."""
    claims = claims_of(besieged, "member")
    database = Database(besieged.place.login_url, DatabaseLimits(connections_max=4))
    seen = text("SELECT string_agg(query, ';') FROM pg_stat_activity WHERE usename = session_user")
    async with database.reading(claims) as victim, database.reading(claims) as session:
        await victim.execute(text("SELECT 1 FROM events WHERE name = :n"), {"n": "a name"})
        await session.execute(text("RESET ROLE"))
        queries = str(await session.scalar(seen))
    await database.close()
    assert "WHERE name = $1" in queries
    assert "a name" not in queries
    assert claims.token not in queries


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_planners_statistics_tell_nothing(
    besieged: Besieged, target: Database, superuser: AsyncConnection, caller: str
) -> None:
    await superuser.execute(text("ANALYZE"))
    told = text("SELECT count(*) FROM pg_stats WHERE schemaname = 'public'")
    assert await superuser.scalar(told) != 0
    async with target.reading(claims_of(besieged, caller)) as session:
        assert await session.scalar(told) == 0


@pytest.mark.parametrize("first", ["SELECT 1", "RESET ROLE"])
@pytest.mark.parametrize("stop", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_request_cannot_stop_the_worker(
    besieged: Besieged, target: Database, first: str, stop: str
) -> None:
    async with target.reading(WORKER) as busy:
        pid = await busy.scalar(text("SELECT pg_backend_pid()"))
        member = claims_of(besieged, "member")
        assert await outcome_of(target, member, first, f"SELECT {stop}({pid})") == "42501"
        assert await busy.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize(
    "oracle",
    [
        "SELECT 1 / (organizer_id <> :foreign)::int FROM events",
        "SELECT 1 FROM events WHERE 1 / (organizer_id <> :foreign)::int > 0",
        "SELECT 1 FROM tickets ORDER BY 1 / (organizer_id <> :foreign)::int",
        "UPDATE events SET name = name WHERE 1 / (organizer_id <> :foreign)::int > 0",
        "DELETE FROM organizer_members WHERE 1 / (organizer_id <> :foreign)::int > 0",
    ],
)
async def test_no_error_tells_of_rows_that_are_not_the_callers(
    besieged: Besieged, target: Database, oracle: str
) -> None:
    async with target.transaction(claims_of(besieged, "member")) as session:
        ran = await session.connection()
        assert (await ran.execute(text(oracle), {"foreign": besieged.foreign})).rowcount > 0
        await session.rollback()


@pytest.mark.parametrize(
    "join",
    [
        "UPDATE events AS e SET name = o.name FROM events AS o WHERE o.organizer_id = :foreign",
        """
        UPDATE gates SET name = m.user_id::text FROM organizer_members AS m
        WHERE m.organizer_id = :foreign
        """,
        "DELETE FROM organizer_members USING events AS e WHERE e.organizer_id = :foreign",
        "SELECT 1 FROM events AS e JOIN organizers AS o ON o.id = :foreign",
        """
        INSERT INTO gates SELECT e.organizer_id, e.id, e.id, 9, 'x', 1 FROM events AS e
        WHERE e.organizer_id = :foreign
        """,
        """
        INSERT INTO organizer_members SELECT :foreign, user_id, capabilities, now()
        FROM organizer_members WHERE organizer_id = :foreign
        """,
        """
        WITH gone AS (DELETE FROM organizer_members WHERE organizer_id = :foreign RETURNING 1)
        SELECT * FROM gone
        """,
        "SELECT 1 FROM events TABLESAMPLE SYSTEM (100) WHERE organizer_id = :foreign",
        "SELECT 1 FROM ONLY tickets WHERE organizer_id = :foreign FOR UPDATE",
        "SELECT 1 WHERE private.my_capabilities(:foreign) IS NOT NULL",
        "SELECT 1 WHERE private.has_organizer_role(:foreign, 'event.manage')",
        "SELECT 1 WHERE private.is_founding(:foreign)",
        "SELECT 1 FROM unnest(private.my_organizer_ids()) AS mine WHERE mine = :foreign",
    ],
)
async def test_no_join_and_no_function_reaches_a_foreign_row(
    besieged: Besieged, target: Database, join: str
) -> None:
    async with target.transaction(claims_of(besieged, "member")) as session:
        ran = await session.connection()
        assert (await ran.execute(text(join), {"foreign": besieged.foreign})).rowcount == 0
        await session.rollback()


@pytest.mark.parametrize("caller", CALLERS)
async def test_nobody_is_told_news_in_the_name_of_another(
    besieged: Besieged, target: Database, caller: str
) -> None:
    publish = f"SELECT private.publish('news', '{besieged.foreign}', '{{}}', '{{}}')"
    claims = claims_of(besieged, caller)
    roles = (DatabaseRole.APP, DatabaseRole.DEVICE, DatabaseRole.WALLET)
    outcomes = [
        await outcome_of(target, claims, f"SELECT set_config('role', '{role}', true)", publish)
        for role in roles
    ]
    assert outcomes == ["42501"] * 3


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("role", [DatabaseRole.APP, DatabaseRole.DEVICE, DatabaseRole.WALLET])
async def test_nobody_records_an_action_of_another(
    besieged: Besieged,
    target: Database,
    superuser: AsyncConnection,
    caller: str,
    role: DatabaseRole,
) -> None:
    """What is recorded says who recorded it, or names neither a person nor an organizer."""
    entry = (
        '{"id": "%s", "happened_at": "2026-12-01", "organizer_id": "%s", "actor_id": "%s",'
        ' "kind": "forged", "object_kind": "x", "object_id": "x"}'
    )
    row_id = await superuser.scalar(text("SELECT gen_random_uuid()"))
    values = besieged.callers[caller].values
    forged = entry % (row_id, besieged.foreign, besieged.foreign)
    record = text("SELECT private.record_action(CAST(:entry AS jsonb))")
    with contextlib.suppress(DBAPIError):
        async with target.transaction(claims_of(besieged, caller)) as session:
            await session.execute(text(f"SELECT set_config('role', '{role}', true)"))
            await session.execute(record, {"entry": forged})
    found = await superuser.execute(
        text("SELECT organizer_id, actor_id FROM admin_action_log WHERE id = :id"), {"id": row_id}
    )
    named = {str(value) for row in found for value in row if value is not None}
    assert str(besieged.foreign) not in named
    assert named <= {str(value) for value in values.values()}


@pytest.mark.parametrize(
    "left",
    [
        "SELECT set_config('role', 'zeraket_device', false)",
        "SELECT set_config('zeraket.token', (SELECT current_setting('zeraket.token')), false)",
        "SELECT set_config('mine.stash', (SELECT string_agg(name, ',') FROM events), false)",
        "SELECT set_config('search_path', 'pg_catalog', false)",
        "SELECT set_config('row_security', 'off', false)",
        "DECLARE stash CURSOR WITH HOLD FOR SELECT name FROM events",
        "PREPARE stash AS SELECT name FROM events",
        "LISTEN stash",
        "SELECT pg_advisory_lock(20260008)",
    ],
)
async def test_nothing_that_is_left_on_a_connection_meets_the_next_caller(
    besieged: Besieged, target: Database, left: str
) -> None:
    async with target.transaction(claims_of(besieged, "member")) as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        await session.execute(text(left))
    with contextlib.suppress(ClaimsLeakedError):
        async with target.reading(ANONYMOUS) as session:
            assert await session.scalar(_LEFT_BEHIND) == ("zeraket_app", "", "", 0, 0, 0)
            assert await session.scalar(text("SELECT count(*) FROM events")) == 0
            assert await session.scalar(text("SELECT pg_backend_pid()")) == pid


_LEFT_BEHIND = text("""
    SELECT ROW(current_user, current_setting('zeraket.token'),
        coalesce(current_setting('mine.stash', true), ''),
        (SELECT count(*) FROM pg_cursors WHERE is_holdable),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))
""")


@pytest.mark.parametrize(
    "ending", ["COMMIT", "ROLLBACK", "ABORT", "END", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN"]
)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_transaction_that_is_ended_half_way_has_no_rights_any_more(
    besieged: Besieged, target: Database, caller: str, ending: str
) -> None:
    claims = claims_of(besieged, caller)
    assert await outcome_of(target, claims, ending, "SELECT 1 FROM public.tickets") == "42501"
    async with target.reading(claims) as session:
        assert await session.scalar(text("SELECT current_user")) == claims.role


async def test_two_phases_are_not_to_be_had(besieged: Besieged, target: Database) -> None:
    tried = await outcome_of(target, claims_of(besieged, "member"), "PREPARE TRANSACTION 'mine'")
    assert tried == "55000"


async def test_a_lock_that_a_statement_took_ends_with_its_transaction(
    besieged: Besieged, target: Database
) -> None:
    """It can keep others waiting, for as long as a transaction may last."""
    take, free = text("SELECT pg_advisory_lock(7)"), text("SELECT pg_try_advisory_xact_lock(7)")
    async with target.transaction(claims_of(besieged, "member")) as session:
        await session.execute(take)
        async with target.reading(WORKER) as worker:
            assert await worker.scalar(free) is False
    async with target.reading(WORKER) as worker:
        assert await worker.scalar(free) is True


async def test_a_statement_cannot_outlast_its_time(besieged: Besieged) -> None:
    """A time-out can be lifted by the statement before: what is then left is the next one's."""
    limits = DatabaseLimits(statement_milliseconds=500, connections_max=2)
    database = Database(besieged.place.login_url, limits)
    claims = claims_of(besieged, "member")
    assert await outcome_of(database, claims, "SELECT pg_sleep(20)") == "57014"
    lifted = "SELECT set_config('statement_timeout', '0', false)"
    assert await outcome_of(database, claims, lifted, "SELECT pg_sleep(0.8)") is None
    assert await outcome_of(database, claims, "SELECT pg_sleep(20)") == "57014"
    await database.close()


async def test_rights_that_are_passed_on_go_nowhere(
    besieged: Besieged, target: Database, superuser: AsyncConnection
) -> None:
    async with target.transaction(claims_of(besieged, "member")) as session:
        await session.execute(text("GRANT SELECT ON events TO zeraket_device WITH GRANT OPTION"))
    granted = "SELECT has_table_privilege('zeraket_device', 'events', 'SELECT')"
    assert await superuser.scalar(text(granted)) is False
