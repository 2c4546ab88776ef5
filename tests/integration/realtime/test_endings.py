"""A stream ends when the right to it does, by whatever way the right is taken."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity import roles
from sync_server.kit import channels
from sync_server.kit.outbox import Message
from sync_server.organizers.rules import FOR_PEOPLE_ONLY, Capability
from sync_server.realtime.encoding import ClosedReason, closed
from sync_server.realtime.guard import ASK_AGAIN_SECONDS
from sync_server.realtime.rules import Question, read_channel
from sync_server.realtime.standing import ask
from tests.factories.listening import Ear, Heard, listening
from tests.factories.tenants import Person, make_person
from tests.integration.realtime.conftest import Hall
from tests.integration.realtime.stage import Stage, make_admin

TOKEN_ENDED, RIGHT_ENDED = "token_ended", "right_ended"
ANY = frozenset(Capability) - FOR_PEOPLE_ONLY
_UNTOLD = "SET session_replication_role = replica"
"""No trigger fires for this connection any more, as only a superuser can wish."""


async def _last(ear: Ear) -> tuple[str, str, list[str]]:
    """The word a stream ends with: it must end by itself."""
    (*_, last) = await ear.rest()
    return last.name or "", last.data["reason"], last.data["channels"]


async def _call(stage: Stage, method: str, path: str, person: Person, json: object = None) -> None:
    answer = await stage.client.request(method, path, json=json, headers=person.headers)
    assert answer.is_success, answer.text


async def _sign_out(stage: Stage, person: Person, _: AsyncConnection) -> None:
    await _call(stage, "DELETE", "/v1/me/sessions/current", person)


async def _sign_out_everywhere(stage: Stage, person: Person, _: AsyncConnection) -> None:
    await _call(stage, "DELETE", "/v1/me/sessions", person)


async def _disable(_: Stage, person: Person, administrator: AsyncConnection) -> None:
    disable = text("UPDATE users SET disabled_at = now() WHERE id = :id")
    await administrator.execute(disable, {"id": person.user_id})


async def _delete_session(_: Stage, person: Person, administrator: AsyncConnection) -> None:
    delete = text("DELETE FROM user_sessions WHERE user_id = :id")
    await administrator.execute(delete, {"id": person.user_id})


async def _shorten_session(_: Stage, person: Person, administrator: AsyncConnection) -> None:
    shorten = text("UPDATE user_sessions SET expires_at = now() WHERE user_id = :id")
    await administrator.execute(shorten, {"id": person.user_id})


async def _remove_member(stage: Stage, person: Person, _: AsyncConnection) -> None:
    path = f"{stage.tenant.path}/members/{person.user_id}"
    await _call(stage, "DELETE", path, stage.tenant.founder)


async def _take_capability(stage: Stage, person: Person, _: AsyncConnection) -> None:
    path = f"{stage.tenant.path}/members/{person.user_id}"
    left = {"capabilities": ["tickets.issue"]}
    await _call(stage, "PUT", path, stage.tenant.founder, left)


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (_sign_out, TOKEN_ENDED),
        (_sign_out_everywhere, TOKEN_ENDED),
        (_disable, TOKEN_ENDED),
        (_delete_session, TOKEN_ENDED),
        (_shorten_session, TOKEN_ENDED),
        (_remove_member, RIGHT_ENDED),
        (_take_capability, RIGHT_ENDED),
    ],
)
async def test_a_persons_stream_ends_with_the_right_to_it(
    hall: Hall,
    stage: Stage,
    administrator: AsyncConnection,
    take: Callable[[Stage, Person, AsyncConnection], Awaitable[None]],
    reason: str,
) -> None:
    person = await stage.member(Capability.SCANS_VIEW)
    name = stage.channel("gates")
    async with (
        listening(hall.address, stage.tenant.founder.token, name) as other,
        listening(hall.address, person.token, name) as ear,
    ):
        await take(stage, person, administrator)
        assert await _last(ear) == ("closed", reason, [name])
        await hall.tell(Message("test.after", None, (name,)))
        assert (await other.event()).name == "test.after"


async def test_one_right_of_several_that_is_lost_is_named(hall: Hall, stage: Stage) -> None:
    person = await stage.member(Capability.SCANS_VIEW, Capability.FINANCE_VIEW)
    gates, sales = stage.channel("gates"), stage.channel("sales")
    async with listening(hall.address, person.token, gates, sales) as ear:
        path = f"{stage.tenant.path}/members/{person.user_id}"
        left = {"capabilities": ["finance.view"]}
        await _call(stage, "PUT", path, stage.tenant.founder, left)
        assert await _last(ear) == ("closed", RIGHT_ENDED, [gates])


async def test_a_right_that_is_added_ends_nothing(hall: Hall, stage: Stage) -> None:
    person = await stage.member(Capability.SCANS_VIEW)
    name = stage.channel("gates")
    async with listening(hall.address, person.token, name) as ear:
        path = f"{stage.tenant.path}/members/{person.user_id}"
        more = {"capabilities": ["scans.view", "finance.view"]}
        await _call(stage, "PUT", path, stage.tenant.founder, more)
        await hall.tell(Message("test.after", None, (name,)))
        assert (await ear.event()).name == "test.after"


async def test_a_programs_stream_ends_when_it_is_revoked(hall: Hall, stage: Stage) -> None:
    program_id, token = await stage.program(stage.tenant, *ANY)
    name = stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        path = f"{stage.tenant.path}/service-accounts/{program_id}"
        await _call(stage, "DELETE", path, stage.tenant.founder)
        assert await _last(ear) == ("closed", TOKEN_ENDED, [name])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("expires_at = now()", TOKEN_ENDED),
        ("capabilities = '{tickets.issue}'", RIGHT_ENDED),
    ],
)
async def test_a_programs_stream_ends_when_less_is_granted(
    hall: Hall, stage: Stage, administrator: AsyncConnection, change: str, reason: str
) -> None:
    program_id, token = await stage.program(stage.tenant, *ANY)
    name = stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        less = text(f"UPDATE service_accounts SET {change} WHERE id = :id")
        await administrator.execute(less, {"id": program_id})
        assert await _last(ear) == ("closed", reason, [name])


@pytest.mark.parametrize("status", ["cancelled", "revoked", "refunded"])
async def test_a_wallets_stream_ends_when_its_ticket_is_no_good(
    hall: Hall, stage: Stage, status: str
) -> None:
    name = stage.channel("ticket")
    async with (
        listening(hall.address, stage.tenant.founder.token, name) as issuer,
        listening(hall.address, stage.wallet_token, name) as ear,
    ):
        await stage.change_status("blocked")
        assert (await ear.event()).name == "ticket.status"
        await stage.change_status(status)
        assert await _last(ear) == ("closed", RIGHT_ENDED, [name])
        heard = [item.name for item in await issuer.events(2)]
    assert heard == ["ticket.status"] * 2


async def test_a_wallets_stream_ends_when_its_ticket_is_passed_on(hall: Hall, stage: Stage) -> None:
    name = stage.channel("ticket")
    async with listening(hall.address, stage.wallet_token, name) as ear:
        await stage.transfer()
        assert await _last(ear) == ("closed", TOKEN_ENDED, [name])


async def test_an_admin_who_is_one_no_more_hears_no_alarms(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    admin = await make_admin(stage.services, administrator)
    await make_admin(stage.services, administrator)
    async with listening(hall.address, admin.token, "admins:alarms") as ear:
        await roles.revoke_admin(stage.services, admin.user_id, admin.user_id)
        assert await _last(ear) == ("closed", RIGHT_ENDED, ["admins:alarms"])


async def test_a_right_lost_between_question_and_connection_is_lost(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    """Its message was told before anybody was there to hear it."""
    person = await stage.member(Capability.SCANS_VIEW)
    gates = read_channel(stage.channel("gates"))
    assert gates is not None
    wanted = (gates,)
    (standing,) = await ask(stage.services, [Question(person.claims, wanted)])
    await _sign_out(stage, person, administrator)
    since = await hall.realtime._tailer.place()
    stream = hall.realtime._connect(person.claims, wanted, standing, since)
    await hall.until(lambda: stream.is_over)
    assert await stream.take(0) == closed(ClosedReason.TOKEN_ENDED, [stage.channel("gates")])


async def test_a_session_that_is_over_by_time_ends_its_stream(
    hall: Hall, stage: Stage, administrator: AsyncConnection, clock: SettableClock
) -> None:
    """The database's clock decides; ours only says when to ask."""
    person = await make_person(stage.services, lifetime=timedelta(minutes=5))
    async with listening(hall.address, person.token, "me") as ear:
        await administrator.execute(text(_UNTOLD))
        over = text("UPDATE user_sessions SET expires_at = now() WHERE user_id = :id")
        await administrator.execute(over, {"id": person.user_id})
        clock.advance(300_000)
        own = channels.person(person.user_id)
        assert await _last(ear) == ("closed", TOKEN_ENDED, [own])


async def test_a_session_that_is_used_goes_on_past_its_first_end(
    hall: Hall, stage: Stage, administrator: AsyncConnection, clock: SettableClock
) -> None:
    person = await make_person(stage.services, lifetime=timedelta(minutes=5))
    async with listening(hall.address, person.token, "me") as ear:
        longer = "UPDATE user_sessions SET ends_at = ends_at + interval '1 day',"
        longer += " expires_at = expires_at + interval '1 day' WHERE user_id = :id"
        await administrator.execute(text(longer), {"id": person.user_id})
        (stream,) = hall.realtime.switchboard.streams
        first = stream.expires_at_ms
        clock.advance(300_000)
        await hall.until(lambda: stream.expires_at_ms != first)
        await hall.tell(Message("test.after", None, (channels.person(person.user_id),)))
        # Their signing in is told late where somebody's transaction was open meanwhile.
        while (told := await ear.event()).name == "session.started":
            continue
        assert told.name == "test.after"


async def test_what_no_message_told_is_found_by_asking_everybody_in_turn(
    hall: Hall, stage: Stage, administrator: AsyncConnection, clock: SettableClock
) -> None:
    person = await stage.member(Capability.SCANS_VIEW)
    name = stage.channel("gates")
    async with AsyncExitStack() as stack:
        ears = [
            await stack.enter_async_context(listening(hall.address, person.token, name))
            for _ in range(3)
        ]
        await hall.until(lambda: not any(it.in_doubt for it in hall.realtime.switchboard.streams))
        await administrator.execute(text(_UNTOLD))
        remove = text("DELETE FROM organizer_members WHERE user_id = :id")
        await administrator.execute(remove, {"id": person.user_id})
        await hall.tell(Message("test.before", None, (name,)))
        heard: list[Heard] = [await ear.event() for ear in ears]
        clock.advance(ASK_AGAIN_SECONDS * 1_000)
        endings = [await _last(ear) for ear in ears]
    assert [item.name for item in heard] == ["test.before"] * 3
    assert endings == [("closed", RIGHT_ENDED, [name])] * 3
