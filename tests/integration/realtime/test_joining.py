"""Who may listen to what: the database says, channel by channel, and tells strangers nothing."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit import channels
from sync_server.kit.claims import user_claims, wallet_claims
from sync_server.kit.database import sqlstate
from sync_server.organizers.rules import FOR_PEOPLE_ONLY, Capability
from sync_server.realtime.rules import Question, read_channel
from sync_server.realtime.standing import ask
from sync_server.realtime.streams import StreamLimits
from tests.factories.listening import join, listening
from tests.factories.tenants import make_person
from tests.integration.realtime.conftest import Hall, OpenHall
from tests.integration.realtime.stage import CHANNELS, Stage, make_admin

KINDS = sorted(CHANNELS)


async def _answer(hall: Hall, token: str, *names: str) -> tuple[int, str | None]:
    """Ask, and give the status and the problem's code."""
    ear = await join(hall.address, token, names)
    code = None if ear.status == 200 else (await ear.body())["code"]
    await ear.close()
    return ear.status, code


REFUSED = (404, "channel_not_found")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_member_listens_by_capability(hall: Hall, stage: Stage, kind: str) -> None:
    capability = CHANNELS[kind][1]
    able = await stage.member(capability)
    unable = await stage.member(*(frozenset(Capability) - {capability}))
    name = stage.channel(kind)
    assert await _answer(hall, stage.tenant.founder.token, name) == (200, None)
    assert await _answer(hall, able.token, name) == (200, None)
    assert await _answer(hall, unable.token, name) == REFUSED


@pytest.mark.parametrize("kind", KINDS)
async def test_no_tenant_listens_to_another(hall: Hall, stage: Stage, kind: str) -> None:
    """Neither by a person, nor a program, nor a wallet of theirs."""
    name = stage.channel(kind)
    capabilities = frozenset(Capability) - FOR_PEOPLE_ONLY
    _, program = await stage.program(stage.other, *capabilities)
    strangers = [
        stage.other.founder.token,
        program,
        str(stage.other_ticket["claim_token"]),
        (await make_person(stage.services)).token,
    ]
    assert [await _answer(hall, token, name) for token in strangers] == [REFUSED] * 4


@pytest.mark.parametrize("kind", KINDS)
async def test_a_program_listens_by_what_it_was_granted(
    hall: Hall, stage: Stage, kind: str
) -> None:
    capability = CHANNELS[kind][1]
    others = frozenset(Capability) - FOR_PEOPLE_ONLY - {capability}
    _, able = await stage.program(stage.tenant, capability)
    _, unable = await stage.program(stage.tenant, *others)
    name = stage.channel(kind)
    assert await _answer(hall, able, name) == (200, None)
    assert await _answer(hall, unable, name) == REFUSED


async def test_a_wallet_listens_to_its_ticket_and_nothing_else(hall: Hall, stage: Stage) -> None:
    (neighbour,) = await stage.door.issue()
    beside = channels.event_ticket(stage.event_id, neighbour["ticket_id"])
    refused = [beside, "me", "admins:alarms"]
    refused += [stage.channel(kind) for kind in KINDS if kind != "ticket"]
    assert await _answer(hall, stage.wallet_token, stage.channel("ticket")) == (200, None)
    assert [await _answer(hall, stage.wallet_token, name) for name in refused] == [REFUSED] * 7


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("blocked", (200, None)),
        ("payment_reversed", (200, None)),
        ("unpaid", (200, None)),
        ("cancelled", REFUSED),
        ("revoked", REFUSED),
        ("refunded", REFUSED),
    ],
)
async def test_a_wallet_listens_while_its_ticket_may_be_good(
    hall: Hall, stage: Stage, status: str, expected: tuple[int, str | None]
) -> None:
    await stage.change_status(status)
    assert await _answer(hall, stage.wallet_token, stage.channel("ticket")) == expected


async def test_a_wallet_whose_ticket_was_passed_on_opens_nothing(hall: Hall, stage: Stage) -> None:
    await stage.transfer()
    answer = await _answer(hall, stage.wallet_token, stage.channel("ticket"))
    assert answer == (401, "claim_token_invalid")


async def test_me_is_the_callers_own_channel_and_of_people_only(hall: Hall, stage: Stage) -> None:
    person = await stage.member()
    _, program = await stage.program(stage.tenant, Capability.SCANS_VIEW)
    async with listening(hall.address, person.token, "me", greeted=False) as ear:
        greeting = await ear.event()
    assert greeting.data == {"channels": [channels.person(person.user_id)]}
    assert await _answer(hall, program, "me") == REFUSED
    by_id = channels.person(stage.tenant.founder.user_id)
    assert await _answer(hall, stage.tenant.founder.token, by_id) == REFUSED


async def test_alarms_are_for_admins_who_showed_a_second_factor(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    admin = await make_admin(stage.services, administrator)
    assert await _answer(hall, admin.token, "admins:alarms") == (200, None)
    forget = "UPDATE user_sessions SET second_factor_at = NULL WHERE user_id = :id"
    await administrator.execute(text(forget), {"id": admin.user_id})
    assert await _answer(hall, admin.token, "admins:alarms") == REFUSED
    assert await _answer(hall, stage.tenant.founder.token, "admins:alarms") == REFUSED


@pytest.mark.parametrize("token", ["", "zgu_unknown", "zgs_unknown"])
async def test_whoever_nobody_knows_signs_in_first(hall: Hall, stage: Stage, token: str) -> None:
    for name in (stage.channel("sales"), "no:such:channel"):
        assert await _answer(hall, token, name) == (401, "authentication_required")


async def test_an_unknown_wallet_link_opens_nothing(hall: Hall, stage: Stage) -> None:
    answer = await _answer(hall, "zgw_unknown", stage.channel("ticket"))
    assert answer == (401, "claim_token_invalid")


async def test_unknown_and_forbidden_channels_are_answered_alike(hall: Hall, stage: Stage) -> None:
    nowhere = "00000000-0000-7000-8000-000000000000"
    names = [
        stage.channel("sales"),
        f"event:{nowhere}:sales",
        f"event:{stage.event_id}:gate:{nowhere}",
        f"event:{stage.event_id}:ticket:{'0' * 16}",
        f"organizer:{nowhere}:alerts",
        channels.right_of_person(stage.other.founder.user_id),
        "event:*:sales",
        "",
        "🎟",
    ]
    token = stage.other.founder.token
    answers: list[dict[str, Any]] = []
    for name in names:
        ear = await join(hall.address, token, [name])
        answers.append({**await ear.body(), "instance": ""})
        await ear.close()
    assert answers == [answers[0]] * len(names)
    assert answers[0]["code"] == "channel_not_found"


async def test_one_forbidden_channel_among_others_is_refused(hall: Hall, stage: Stage) -> None:
    token = (await stage.member(Capability.SCANS_VIEW)).token
    names = [stage.channel("gates"), stage.channel("alerts")]
    assert await _answer(hall, token, *names) == (200, None)
    assert await _answer(hall, token, *names, stage.channel("sales")) == REFUSED


async def test_callers_asked_about_together_are_answered_each_for_themselves(
    stage: Stage,
) -> None:
    """One statement speaks for one after the other; nobody is taken for the one before."""
    member = await stage.member(Capability.SCANS_VIEW)
    tokens = [stage.tenant.founder.token, "zgu_unknown", stage.other.founder.token, member.token]
    wanted = tuple(filter(None, [read_channel(stage.channel(kind)) for kind in KINDS]))
    questions = [Question(user_claims(token), wanted) for token in [*tokens, *tokens[::-1]]]
    standings = await ask(stage.services, questions)
    heard = [frozenset(standing.channels) for standing in standings]
    everything = frozenset(channel.name for channel in wanted)
    scans = frozenset(stage.channel(kind) for kind in ("gates", "gate", "alerts"))
    nothing: frozenset[str] = frozenset()
    expected = [everything, nothing, nothing, scans]
    assert heard == [*expected, *expected[::-1]]
    assert [it.is_known for it in standings[:4]] == [True, False, True, True]
    assert len({it.rights for it in standings}) == 4


async def test_wallets_asked_about_together_are_answered_each_for_themselves(
    stage: Stage,
) -> None:
    own, foreign = (
        channels.event_ticket(door.event_id, ticket["ticket_id"])
        for door, ticket in (
            (stage.door, stage.ticket),
            (stage.other_door, stage.other_ticket),
        )
    )
    wanted = tuple(filter(None, [read_channel(own), read_channel(foreign)]))
    tokens = [stage.wallet_token, "zgw_unknown", str(stage.other_ticket["claim_token"])]
    questions = [Question(wallet_claims(token), wanted) for token in tokens]
    heard = [list(standing.channels) for standing in await ask(stage.services, questions)]
    assert heard == [[own], [], [foreign]]


async def test_nobody_asks_in_a_role_that_is_not_theirs(stage: Stage) -> None:
    """A wallet's function is no way to a person's rights, nor the other way round."""
    calls = [
        (wallet_claims(stage.wallet_token), "standings_of_people"),
        (stage.tenant.claims, "standings_of_wallets"),
    ]
    refused = []
    for claims, function in calls:
        with pytest.raises(DBAPIError) as error:
            async with stage.services.database.reading(claims) as session:
                await session.execute(text(f"SELECT private.{function}('[]')"))
        refused.append(sqlstate(error.value.orig))
    assert refused == ["42501", "42501"]


async def test_a_stream_has_one_to_twenty_channels(hall: Hall, stage: Stage) -> None:
    token = stage.tenant.founder.token
    gates = [f"event:{stage.event_id}:gates"]
    assert await _answer(hall, token) == (422, "request_invalid")
    assert await _answer(hall, token, *gates * 20) == (200, None)
    assert await _answer(hall, token, *gates * 21) == (422, "request_invalid")


async def test_the_head_keeps_everybody_between_from_holding_back(hall: Hall, stage: Stage) -> None:
    token = stage.tenant.founder.token
    async with listening(hall.address, token, stage.channel("sales"), greeted=False) as ear:
        greeting = await ear.event()
    assert ear.headers["content-type"].startswith("text/event-stream")
    assert ear.headers["cache-control"] == "no-store"
    assert ear.headers["x-accel-buffering"] == "no"
    assert (greeting.name, greeting.retry) == ("listening", "2000")
    assert greeting.place.xid > 0


async def test_a_caller_has_so_many_streams_and_a_server_too(
    open_hall: OpenHall, stage: Stage
) -> None:
    hall = await open_hall(StreamLimits(streams_per_caller_max=1, streams_max=2))
    name = stage.channel("sales")
    founder, second, third = (
        stage.tenant.founder,
        await stage.member(Capability.FINANCE_VIEW),
        await stage.member(Capability.FINANCE_VIEW),
    )
    async with listening(hall.address, founder.token, name):
        assert await _answer(hall, founder.token, name) == (429, "too_many_streams")
        async with listening(hall.address, second.token, name):
            assert await _answer(hall, third.token, name) == (503, "streams_exhausted")
        await hall.until(lambda: len(hall.realtime.switchboard.streams) == 1)
        assert await _answer(hall, third.token, name) == (200, None)


async def test_a_session_that_is_over_by_time_joins_nothing(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    person = await stage.member(Capability.FINANCE_VIEW)
    over = "UPDATE user_sessions SET expires_at = now() WHERE user_id = :id"
    await administrator.execute(text(over), {"id": person.user_id})
    answer = await _answer(hall, person.token, stage.channel("sales"))
    assert answer == (401, "authentication_required")
