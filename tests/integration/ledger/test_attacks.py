"""Whoever can run SQL as one of the server's roles, and what they cannot do to the books."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import WORKER, Claims
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.services import Services
from sync_server.ledger import postings
from tests.factories.ledger import a_sale, balances, post, post_raw
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase, connected

_REFUSED = {"42501"}
_LATE_LINE = (
    "INSERT INTO finance_entries (organizer_id, txn_id, line_no, n_lines, account, currency,"
    " amount) VALUES (:organizer, :txn, {line_no}, {n_lines}, 'bank:x', 'UGX', 5)"
)
_HEADER = (
    "INSERT INTO finance_txns (organizer_id, id, kind, idem_key, request_hash, n_lines,"
    " occurred_at) VALUES (:organizer, gen_random_uuid(), 'suspense', 'late',"
    " sha256('x'), 2, now())"
)
_MIRROR = (
    "INSERT INTO finance_txns (organizer_id, id, kind, idem_key, request_hash, n_lines,"
    " reverses_txn_id, reason, occurred_at) VALUES (:organizer, gen_random_uuid(), 'reversal',"
    " 'mirror', sha256('x'), 4, :txn, 'mine', now())"
)
AS_A_ROLE = {
    "a late line": _LATE_LINE.format(line_no=5, n_lines=4),
    "a header": _HEADER,
    "a mirror's header": _MIRROR,
    "an update": "UPDATE finance_entries SET amount = 1",
    "an update of a header": "UPDATE finance_txns SET kind = 'capture'",
    "a deletion": "DELETE FROM finance_entries",
    "a deletion of a header": "DELETE FROM finance_txns",
    "an emptied table": "TRUNCATE finance_txns CASCADE",
    "a guard that is lowered": "UPDATE finance_guarded_balances SET balance = -1000000",
    "a trigger switched off": "ALTER TABLE finance_txns DISABLE TRIGGER ALL",
    "triggers of replicas": "SET session_replication_role = replica",
    "the inner door": "SELECT private.add_finance_txn('{}', '[]', '')",
    "the guard's door": "SELECT private.move_guarded_balances(:organizer, '[]')",
    "rows copied in": "COPY finance_entries FROM PROGRAM 'true'",
    "another role": "SET ROLE zeraket_ledger",
    "the owner's role": "SET ROLE zeraket_owner",
}


@pytest.fixture
async def transaction_id(services: Services, tenant: Tenant) -> UUID:
    return (await post(services, tenant, postings.capture(a_sale("A")))).id


async def _state(
    database: Database, claims: Claims, statement: str, values: dict[str, UUID]
) -> str | None:
    async with database.transaction(claims) as session:
        connection = await session.connection()
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(statement), values)
        await session.rollback()
    return sqlstate(refused.value.orig)


@pytest.mark.parametrize("attack", AS_A_ROLE)
@pytest.mark.parametrize("role", ["person", "worker"])
async def test_no_role_of_the_servers_changes_the_books(
    services: Services, tenant: Tenant, transaction_id: UUID, attack: str, role: str
) -> None:
    claims = {"person": tenant.claims, "worker": WORKER}[role]
    statement = AS_A_ROLE[attack]
    named = {"organizer": tenant.organizer_id, "txn": transaction_id}
    values = {name: value for name, value in named.items() if f":{name}" in statement}
    before = await balances(services, tenant)
    assert await _state(services.database, claims, statement, values) in _REFUSED
    assert await balances(services, tenant) == before


async def test_a_person_does_not_post(services: Services, tenant: Tenant) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(tenant.claims) as session:
            await post_raw(session, tenant)
    assert sqlstate(refused.value.orig) == "42501"


@pytest.mark.parametrize("role", ["person", "neighbour"])
async def test_a_person_takes_nothing_back(
    services: Services, tenant: Tenant, other_tenant: Tenant, transaction_id: UUID, role: str
) -> None:
    claims = {"person": tenant.claims, "neighbour": other_tenant.claims}[role]
    before = await balances(services, tenant)
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(claims) as session:
            await post_raw(session, tenant, **_mirror_of(transaction_id))
    assert sqlstate(refused.value.orig) == "42501"
    assert await balances(services, tenant) == before


async def test_not_even_the_server_takes_back_what_stands_in_other_books(
    services: Services, other_tenant: Tenant, transaction_id: UUID
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(WORKER) as session:
            await post_raw(session, other_tenant, **_mirror_of(transaction_id))
    assert sqlstate(refused.value.orig) == "23503"


def _mirror_of(transaction_id: UUID) -> dict[str, str]:
    return {"kind": "reversal", "reverses": str(transaction_id), "reason": "mine"}


async def test_constraints_made_immediate_change_nothing(
    services: Services, tenant: Tenant
) -> None:
    async with services.database.transaction(WORKER) as session:
        await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert (await post_raw(session, tenant))["is_new"] is True


async def test_deferring_constraints_lets_nothing_through(
    services: Services, tenant: Tenant
) -> None:
    lines = [{"account": "bank:x", "currency": "UGX", "amount": amount} for amount in (5, -4)]
    async with services.database.transaction(WORKER) as session:
        await session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        with pytest.raises(DBAPIError, match="does not balance"):
            await post_raw(session, tenant, lines=lines)
        await session.rollback()


@pytest.fixture
async def owner(spare_database: ClonedDatabase) -> AsyncIterator[AsyncConnection]:
    """The superuser on a database of the test's own: whom rights do not stop."""
    async with connected(spare_database.administrator_url) as connection:
        yield connection


_BOOK = {"organizer": UUID(int=1), "txn": UUID(int=2)}
_WHOLE = (
    "WITH h AS (INSERT INTO finance_txns (organizer_id, id, kind, idem_key, request_hash, n_lines,"
    " occurred_at) VALUES (:organizer, :txn, 'suspense', 'k', sha256('x'), 2, now()))"
    " INSERT INTO finance_entries (organizer_id, txn_id, line_no, n_lines, account, currency,"
    " amount) VALUES (:organizer, :txn, 1, 2, 'bank:x', 'UGX', 5),"
    " (:organizer, :txn, 2, 2, 'bank:y', 'UGX', -5)"
)


@pytest.mark.parametrize(
    ("attack", "state"),
    [
        (_LATE_LINE.format(line_no=3, n_lines=2), "23514"),
        (_LATE_LINE.format(line_no=2, n_lines=2), "23505"),
        (_LATE_LINE.format(line_no=3, n_lines=3), "23503"),
        ("UPDATE finance_entries SET amount = 6 WHERE false", "42501"),
        ("DELETE FROM finance_txns WHERE false", "42501"),
        ("TRUNCATE finance_entries", "42501"),
        (_HEADER, "23514"),
    ],
)
async def test_even_a_superuser_cannot_add_to_or_change_what_is_sealed(
    owner: AsyncConnection, attack: str, state: str
) -> None:
    await owner.execute(text(_WHOLE), _BOOK)
    used = {name: value for name, value in _BOOK.items() if f":{name}" in attack}
    with pytest.raises(DBAPIError) as refused:
        await owner.execute(text(attack), used)
    assert sqlstate(refused.value.orig) == state


async def test_replicas_triggers_are_checked_as_well(owner: AsyncConnection) -> None:
    """A superuser who plays the replica still meets both triggers, which are always on."""
    await owner.execute(text(_WHOLE), _BOOK)
    await owner.execute(text("SET session_replication_role = replica"))
    with pytest.raises(DBAPIError, match="append-only"):
        await owner.execute(text("DELETE FROM finance_entries"))
    with pytest.raises(DBAPIError, match="has 0 of 2 lines"):
        await owner.execute(text(_HEADER), {"organizer": _BOOK["organizer"]})


async def test_savepoints_hide_nothing_from_the_check(services: Services, tenant: Tenant) -> None:
    async with services.database.transaction(WORKER) as session:
        async with session.begin_nested():
            made = await post_raw(session, tenant, key="inside")
        again = await post_raw(session, tenant, key="inside")
    assert (made["is_new"], again["is_new"]) == (True, False)


async def test_two_who_move_the_same_accounts_never_block_each_other_for_ever(
    services: Services, tenant: Tenant
) -> None:
    """Both take two guarded accounts, named in opposite order."""
    lines = [
        {"account": "buyer_credit:a", "currency": "UGX", "amount": -5},
        {"account": "organizer_reserve", "currency": "UGX", "amount": -5},
        {"account": "bank:x", "currency": "UGX", "amount": 10},
    ]

    async def move(number: int) -> None:
        async with services.database.transaction(WORKER) as session:
            ordered = lines if number % 2 else lines[::-1]
            made = {"id": str(UUID(int=100 + number)), "key": f"move {number}", "lines": ordered}
            await post_raw(session, tenant, **made)

    await asyncio.gather(*(move(number) for number in range(20)))
    assert (await balances(services, tenant))["bank:x"] == 200
