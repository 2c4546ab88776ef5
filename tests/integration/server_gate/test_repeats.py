"""A request that comes twice makes one thing, and both are answered alike."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.wire.enrolment_code import EnrolmentCode
from sync_server.kit.claims import WORKER, Claims, wallet_claims
from sync_server.kit.database import sqlstate
from sync_server.kit.idempotency import KEPT_FOR, prune_answers, watch_kept_answers
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.repeats import CALLS, Call, bearer, binding, make_call
from tests.factories.scanners import Door, Kiosk
from tests.factories.tenants import Tenant, make_member
from tests.plugins.postgres import ClonedDatabase, connected

TWENTY = 20
NEEDS_A_KEY = ("tickets", "transfer", "code")
OF_PEOPLE = tuple(name for name in CALLS if name != "binding")
Json = dict[str, Any]

_ROWS = "SELECT * FROM idempotent_answers WHERE organizer_id = :organizer"
_WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'zeraket_login' AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def call(door: Door, request: pytest.FixtureRequest) -> Call:
    return await make_call(door, request.param)


async def _rows(administrator: AsyncConnection, tenant: Tenant) -> list[Any]:
    found = await administrator.execute(text(_ROWS), {"organizer": tenant.organizer_id})
    return list(found.mappings())


async def _age(administrator: AsyncConnection, tenant: Tenant, age: timedelta) -> None:
    older = text(
        "UPDATE idempotent_answers SET created_at = now() - CAST(:age AS interval)"
        " WHERE organizer_id = :o"
    )
    await administrator.execute(older, {"age": age, "o": tenant.organizer_id})


def _lasting(answer: Json) -> Json:
    """Leave out the server's time, which a wallet is always told anew."""
    return {name: value for name, value in answer.items() if name != "time"}


@pytest.mark.parametrize("call", CALLS, indirect=True)
async def test_twenty_repeats_at_once_make_one_thing_and_get_one_answer(
    call: Call, door: Door, administrator: AsyncConnection
) -> None:
    answers = await asyncio.gather(*(call.send("key") for _ in range(TWENTY)))
    assert {answer.status_code for answer in answers} <= {200, 201}, answers[0].text
    first = _lasting(answers[0].json())
    assert [_lasting(answer.json()) for answer in answers] == [first] * TWENTY
    assert await call.made(administrator, door) == 1


@pytest.mark.parametrize("call", CALLS, indirect=True)
async def test_the_order_of_names_and_spaces_make_no_other_request(
    call: Call, door: Door, administrator: AsyncConnection
) -> None:
    first = await call.send("key")
    turned = dict(reversed(call.body.items()))
    assert _lasting((await call.send("key", turned)).json()) == _lasting(first.json())
    assert await call.made(administrator, door) == 1


@pytest.mark.parametrize("call", CALLS, indirect=True)
async def test_a_key_does_not_answer_for_another_body(
    call: Call, door: Door, administrator: AsyncConnection
) -> None:
    await call.send("key")
    answer = await call.send("key", call.other_body)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await call.made(administrator, door) == 1


async def test_a_key_does_not_answer_for_another_place(door: Door) -> None:
    first, second = await make_call(door, "transfer"), await make_call(door, "transfer")
    await first.send("key")
    answer = await second.send("key")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("call", OF_PEOPLE, indirect=True)
async def test_another_persons_key_says_and_takes_nothing(
    call: Call, door: Door, services: Services, administrator: AsyncConnection
) -> None:
    """Whoever takes up a colleague's key makes a thing of their own, whatever is in the body."""
    other = await make_member(services, door.tenant, *Capability)
    mine = await call.send("key")
    theirs = await call.send("key", caller=other.headers)
    assert theirs.status_code == 201, theirs.text
    assert theirs.json() != mine.json()
    assert await call.made(administrator, door) == 2


async def test_a_programs_key_is_its_own_and_the_programs_repeat_is_answered(door: Door) -> None:
    account = await (await make_call(door, "account")).send(None)
    program = bearer(account.json()["token"])
    call = await make_call(door, "tickets")
    mine = await call.send("key")
    theirs = [(await call.send("key", caller=program)).json() for _ in range(2)]
    assert theirs[0] == theirs[1] != mine.json()


async def test_nobody_sees_another_persons_kept_answer(door: Door, services: Services) -> None:
    other = await make_member(services, door.tenant, *Capability)
    await (await make_call(door, "tickets")).send("key")
    async with services.database.transaction(other.claims) as session:
        rows = (await session.execute(text("SELECT 1 FROM idempotent_answers"))).all()
        changed = await session.execute(text("UPDATE idempotent_answers SET sealed_answer = ''"))
    assert (rows, changed.rowcount) == ([], 0)  # type: ignore[attr-defined] # of an UPDATE


async def test_nobody_keeps_an_answer_in_another_persons_name(
    door: Door, services: Services
) -> None:
    other = await make_member(services, door.tenant, *Capability)
    forged = text(
        "INSERT INTO idempotent_answers VALUES (:organizer, :principal, 'key', :organizer,"
        " sha256(''), NULL, now())"
    )
    values = {"organizer": door.tenant.organizer_id, "principal": str(door.tenant.founder.user_id)}
    with pytest.raises(DBAPIError) as refused:
        await _execute(services, other.claims, forged, values)
    assert sqlstate(refused.value.orig) == "42501"


async def _execute(services: Services, claims: Claims, statement: Any, values: Json) -> None:  # noqa: ANN401 - a text of SQL
    async with services.database.transaction(claims) as session:
        await session.execute(statement, values)


async def test_whoever_left_the_team_is_not_answered(door: Door, services: Services) -> None:
    member = await make_member(services, door.tenant, Capability.TICKETS_ISSUE)
    call = await make_call(door, "tickets")
    await call.send("key", caller=member.headers)
    path = f"{door.tenant.path}/members/{member.user_id}"
    await door.client.delete(path, headers=door.tenant.headers)
    answer = await call.send("key", caller=member.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "organizer_not_found")


async def test_a_request_that_failed_keeps_no_key(door: Door) -> None:
    call = await make_call(door, "code")
    refused = await call.send("key", call.other_body)
    made = await call.send("key")
    assert (refused.status_code, refused.json()["code"]) == (422, "gate_unknown")
    assert made.status_code == 201


async def test_what_is_cut_off_half_way_leaves_nothing(
    door: Door, cloned_database: ClonedDatabase, administrator: AsyncConnection
) -> None:
    """The connection is lost after the key was claimed and before the tickets are there."""
    call = await make_call(door, "tickets")
    async with connected(cloned_database.administrator_url) as other:
        await other.execute(text("BEGIN"))
        await other.execute(text("LOCK TABLE tickets IN SHARE MODE"))
        sent = asyncio.create_task(call.send("key"))
        pid = await _waiting(administrator)
        await administrator.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        lost = await sent
        await other.execute(text("ROLLBACK"))
    rows = await _rows(administrator, door.tenant)
    made = await call.send("key")
    assert lost.status_code == 503
    assert rows == []
    assert (made.status_code, await call.made(administrator, door)) == (201, 1)


async def _waiting(administrator: AsyncConnection) -> int:
    async with asyncio.timeout(20):
        while True:
            if pid := await administrator.scalar(text(_WAITING)):
                return int(pid)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("call", "field"), [("account", "token"), ("code", "letters")], indirect=["call"]
)
async def test_secrets_in_kept_answers_are_sealed(
    call: Call, door: Door, administrator: AsyncConnection, field: str
) -> None:
    secret = (await call.send("key")).json()[field]
    (row,) = await _rows(administrator, door.tenant)
    assert len(secret) > 20
    assert secret.encode() not in row["sealed_answer"]
    assert secret not in str(dict(row))


@pytest.mark.parametrize("call", NEEDS_A_KEY, indirect=True)
async def test_what_makes_tickets_or_codes_asks_for_a_key(
    call: Call, door: Door, administrator: AsyncConnection
) -> None:
    answer = await call.send(None)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    assert "Idempotency-Key" in answer.json()["title"]
    assert await call.made(administrator, door) == 0


@pytest.mark.parametrize("call", [name for name in CALLS if name not in NEEDS_A_KEY], indirect=True)
async def test_elsewhere_every_request_without_a_key_is_a_new_one(
    call: Call, door: Door, administrator: AsyncConnection
) -> None:
    kept = len(await _rows(administrator, door.tenant))
    answers = [await call.send(None, body) for body in (call.body, call.other_body)]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert await call.made(administrator, door) == 2
    assert len(await _rows(administrator, door.tenant)) == kept


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_has_a_length(door: Door, key: str) -> None:
    answer = await (await make_call(door, "tickets")).send(key)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize("body", [b"tickets", b"", b"\xff\xfe"], ids=["words", "empty", "bytes"])
async def test_a_body_that_is_no_json_is_refused_and_keeps_no_key(
    door: Door, administrator: AsyncConnection, body: bytes
) -> None:
    call = await make_call(door, "tickets")
    headers = {**call.headers, "Idempotency-Key": "key", "Content-Type": "text/plain"}
    answer = await door.client.post(call.path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert await _rows(administrator, door.tenant) == []


async def test_an_explicit_null_is_not_lost_in_a_kept_answer(door: Door) -> None:
    call = await make_call(door, "deployment")
    first, second = [(await call.send("key")).json() for _ in range(2)]
    assert first["rules"]["rules"][0]["set"] == {"capacity": None, "check_identity": True}
    assert second == first


async def test_a_letter_is_sent_once(door: Door, services: Services) -> None:
    call = await make_call(door, "invitation")
    for _ in range(3):
        await call.send("key")
    assert len(list((services.data_directory / "mail").glob("*.eml"))) == 1


async def test_a_phones_repeat_does_not_take_the_ticket_back(door: Door) -> None:
    """The first phone's answer was lost; when it asks again another phone has the ticket."""
    call = await make_call(door, "binding")
    await call.send("first")
    await call.send("second", call.other_body)
    repeated = await call.send("first")
    shown = await door.client.get("/v1/wallet/ticket", headers=call.headers)
    assert (repeated.status_code, repeated.json()["generation"]) == (200, 2)
    assert _lasting(repeated.json()) == _lasting(shown.json())


async def test_two_wallets_may_choose_one_key(door: Door) -> None:
    first, second = await make_call(door, "binding"), await make_call(door, "binding")
    answers = [await first.send("key"), await second.send("key", binding("three"))]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["ticket_id"] != answers[1].json()["ticket_id"]


async def test_a_wallet_keeps_no_answer_for_another_organizer(
    door: Door, services: Services, other_tenant: Tenant
) -> None:
    call = await make_call(door, "binding")
    token = call.headers["Authorization"].removeprefix("Bearer ")
    forged = text(
        "INSERT INTO idempotent_answers (organizer_id, key, id, request_hash, created_at)"
        " VALUES (:organizer, 'key', :organizer, sha256(''), now())"
    )
    values = {"organizer": other_tenant.organizer_id}
    with pytest.raises(DBAPIError) as refused:
        await _execute(services, wallet_claims(token), forged, values)
    assert sqlstate(refused.value.orig) == "42501"


async def test_answers_are_kept_for_a_week_and_then_forgotten(
    door: Door, services: Services, administrator: AsyncConnection
) -> None:
    call = await make_call(door, "tickets")
    first = await call.send("key")
    await _age(administrator, door.tenant, KEPT_FOR - timedelta(minutes=5))
    await prune_answers(services)
    repeated = await call.send("key")
    await _age(administrator, door.tenant, KEPT_FOR + timedelta(minutes=5))
    gone = await prune_answers(services)
    later = await call.send("key")
    assert repeated.json() == first.json()
    assert gone >= 1
    assert later.json() != first.json()


async def test_the_database_lets_no_job_forget_an_answer_too_early(
    door: Door, services: Services, clock: SettableClock, administrator: AsyncConnection
) -> None:
    """Not even one whose own clock is wrong."""
    await (await make_call(door, "tickets")).send("key")
    clock.advance(8 * 24 * 3_600_000)
    await prune_answers(services)
    assert len(await _rows(administrator, door.tenant)) == 1


async def test_the_job_cannot_read_what_it_forgets(services: Services) -> None:
    with pytest.raises(DBAPIError) as refused:
        await _execute(services, WORKER, text("SELECT sealed_answer FROM idempotent_answers"), {})
    assert sqlstate(refused.value.orig) == "42501"


async def test_the_watch_forgets_by_itself(
    door: Door, services: Services, administrator: AsyncConnection
) -> None:
    await (await make_call(door, "tickets")).send("key")
    await _age(administrator, door.tenant, KEPT_FOR + timedelta(minutes=5))
    watch = asyncio.create_task(watch_kept_answers(services))
    async with asyncio.timeout(20):
        # The watch tells nobody when it has looked.
        while await _rows(administrator, door.tenant):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert watch.cancelled()


async def test_a_kiosk_that_repeats_its_enrolment_is_one_device_and_gets_one_answer(
    door: Door,
) -> None:
    kiosk, code = Kiosk(door.client), await door.code()
    answers = [await kiosk.enrol(code)]
    answers += await asyncio.gather(*(kiosk.enrol(code) for _ in range(TWENTY)))
    listed = (await door.get("/devices")).json()["items"]
    assert [answer.json() for answer in answers] == [answers[0].json()] * (TWENTY + 1)
    assert len(listed) == 1


async def test_calls_at_once_with_one_code_enrol_one_device(door: Door) -> None:
    kiosk, code = Kiosk(door.client), await door.code()
    unknown = EnrolmentCode("http://127.0.0.1", bytes(16), bytes(32)).to_text()
    await kiosk.enrol(unknown)  # for the nonce that every proof carries
    answers = await asyncio.gather(*(kiosk.enrol(code) for _ in range(TWENTY)))
    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json() for answer in answers] == [answers[0].json()] * TWENTY


async def test_a_code_that_was_used_does_not_answer_for_another_key_to_seal_to(door: Door) -> None:
    kiosk, code = Kiosk(door.client), await door.code()
    await kiosk.enrol(code)
    kiosk.sealing = Kiosk(door.client).sealing
    answer = await kiosk.enrol(code)
    assert (answer.status_code, answer.json()["code"]) == (409, "enrolment_code_used")
