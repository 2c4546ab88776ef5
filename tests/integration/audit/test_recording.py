from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.audit import service
from sync_server.audit.rules import Access, AccessKind, AccessOutcome, Action, Log, Subject
from sync_server.kit.claims import ANONYMOUS, WORKER, Claims, user_claims
from tests.factories.audit import World, action
from tests.factories.tenants import make_member

STRANGER = UUID(int=7)


async def test_an_action_says_who_did_what_and_how_it_was_before(world: World) -> None:
    await world.act(before={"state": "enrolled"}, reason="stolen")
    (row,) = await world.rows(Log.ACTIONS)
    assert (row["actor_kind"], row["actor_id"]) == ("person", world.tenant.founder.user_id)
    assert row["organizer_id"] == world.tenant.organizer_id
    assert (row["before"], row["after"]) == ({"state": "enrolled"}, {"state": "revoked"})
    assert (row["kind"], row["object_kind"], row["reason"]) == ("device.state", "device", "stolen")


async def test_an_action_that_is_undone_leaves_no_row(world: World) -> None:
    services = world.services
    async with services.database.transaction(world.tenant.claims) as session:
        await service.record_action(session, services, action(world.tenant))
        await session.rollback()
    assert await world.rows(Log.ACTIONS) == []


@pytest.mark.parametrize("claims", [ANONYMOUS, user_claims("made up")])
async def test_nobody_records_no_action(world: World, claims: Claims) -> None:
    async with world.services.database.transaction(claims) as session:
        with pytest.raises(DBAPIError, match="row-level security"):
            await service.record_action(session, world.services, action(world.tenant))
        await session.rollback()


async def test_nobodys_look_leaves_no_row(world: World) -> None:
    access = Access(AccessKind.READ, Subject("ticket", "1"))
    await service.record_accesses_apart(world.services, ANONYMOUS, [access])
    assert await world.rows(Log.ACCESSES) == []


async def test_a_person_speaks_for_nobody_else_and_for_no_foreign_organizer(world: World) -> None:
    other = await world.another_tenant()
    access = Access(
        AccessKind.REQUEST,
        Subject("endpoint", "GET /", other.organizer_id),
        AccessOutcome.DENIED,
        actor_id=STRANGER,
    )
    await service.record_accesses_apart(world.services, world.tenant.claims, [access])
    (row,) = await world.rows(Log.ACCESSES)
    assert (row["actor_id"], row["organizer_id"]) == (world.tenant.founder.user_id, None)


async def test_the_worker_names_whom_it_acts_for(world: World) -> None:
    access = Access(AccessKind.SIGN_IN, Subject("user", "?"), AccessOutcome.FAILED, None, STRANGER)
    await service.record_accesses_apart(world.services, WORKER, [access])
    (row,) = await world.rows(Log.ACCESSES)
    assert (row["actor_kind"], row["actor_id"], row["outcome"]) == ("worker", STRANGER, "failed")


async def test_a_program_with_a_service_account_acts_under_its_own_name(world: World) -> None:
    tenant = world.tenant
    await world.administrator.execute(
        text(
            "INSERT INTO service_accounts VALUES (:organizer, :id, 'Shop', '{tickets.issue}',"
            " sha256('shop token'), :founder, now(), now() + interval '1 day', NULL)"
        ),
        {"organizer": tenant.organizer_id, "id": STRANGER, "founder": tenant.founder.user_id},
    )
    async with world.services.database.transaction(user_claims("shop token")) as session:
        await service.record_action(session, world.services, action(tenant))
    (row,) = await world.rows(Log.ACTIONS)
    assert (row["actor_kind"], row["actor_id"]) == ("service", STRANGER)
    assert row["organizer_id"] == tenant.organizer_id


async def test_secrets_and_addresses_do_not_reach_the_log(world: World) -> None:
    await world.act(after={"claim_token": "s3cr3t", "to": "grace@example.org"}, reason="0772123456")
    (row,) = await world.rows(Log.ACTIONS)
    assert row["after"] == {"claim_token": "[withheld]", "to": "…@example.org"}
    assert row["reason"] == "[withheld]"


@pytest.mark.parametrize("log", list(Log))
@pytest.mark.parametrize("statement", ["UPDATE {} SET kind = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("role", ["zeraket_owner", "none"])
async def test_not_even_owner_and_superuser_change_a_log(
    world: World, log: Log, statement: str, role: str
) -> None:
    await world.administrator.execute(text(f"SET ROLE {role}"))
    with pytest.raises(DBAPIError, match="append-only"):
        await world.administrator.execute(text(statement.format(log)))


@pytest.mark.parametrize("setting", ["SET session_replication_role = replica"])
async def test_playing_replica_does_not_help(world: World, setting: str) -> None:
    await world.administrator.execute(text(setting))
    with pytest.raises(DBAPIError, match="append-only"):
        await world.administrator.execute(text("DELETE FROM admin_action_log"))


@pytest.mark.parametrize("claims", [WORKER, None])
async def test_nobody_writes_around_the_function(world: World, claims: Claims | None) -> None:
    statement = text(
        "INSERT INTO admin_action_log (id, happened_at, actor_kind, kind, object_kind, object_id)"
        " VALUES (gen_random_uuid(), now(), 'worker', 'x', 'x', 'x')"
    )
    async with world.services.database.transaction(claims or world.tenant.claims) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(statement)
        await session.rollback()


async def _seen(world: World, claims: Claims) -> list[Any]:
    async with world.services.database.reading(claims) as session:
        return list(await session.scalars(text("SELECT organizer_id FROM admin_action_log")))


async def test_those_who_manage_members_read_their_own_organizers_rows(world: World) -> None:
    other = await world.another_tenant()
    helper = await make_member(world.services, world.tenant)
    await world.begin_anew()
    await world.act()
    async with world.services.database.transaction(WORKER) as session:
        foreign = Action("x", Subject("x", "x", other.organizer_id))
        await service.record_action(session, world.services, foreign)
    assert await _seen(world, world.tenant.claims) == [world.tenant.organizer_id]
    assert await _seen(world, helper.claims) == []
    assert await _seen(world, ANONYMOUS) == []
    assert len(await _seen(world, WORKER)) == 2
