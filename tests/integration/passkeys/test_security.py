"""What passkeys are worth: proofs in a session, admins, and that nobody loses their last way in."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import httpx
import pyotp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity import roles
from sync_server.identity.errors import LastWayInError
from sync_server.identity.rules import UserId
from sync_server.kit.database import sqlstate
from sync_server.kit.services import Services
from sync_server.passkeys import service
from tests.factories.authenticators import Authenticator, Json
from tests.factories.tenants import make_person
from tests.integration.identity.people import PASSWORD, Browser, bearer
from tests.integration.passkeys.holders import SITE, Holder, signed_in_as

MINUTE_MS = 60_000
NOBODY = "00000000-0000-7000-8000-000000000000"
STEP_MS = 30_000
CodeOf = Callable[[str], str]


@pytest.fixture
def code_of(clock: SettableClock) -> CodeOf:
    """The authenticator app: the code of a secret, at this moment."""
    return lambda secret: pyotp.TOTP(secret).at(clock.now_ms() // 1_000)


@pytest.fixture
async def keyless(browser: Browser, services: Services) -> Holder:
    """Somebody without a password."""
    person = await make_person(services)
    return Holder(browser, Authenticator(SITE), str(person.user_id), person.token)


async def _begin_digits(holder: Holder) -> httpx.Response:
    url, body = "/v1/me/second-factor", {"present_password": PASSWORD}
    return await holder.browser.client.post(url, json=body, headers=holder.headers)


async def _give_digits(holder: Holder, what: str, code: str) -> httpx.Response:
    url = f"/v1/me/second-factor/{what}"
    return await holder.browser.client.post(url, json={"code": code}, headers=holder.headers)


async def _turn_digits_on(holder: Holder, code_of: CodeOf) -> str:
    secret: str = (await _begin_digits(holder)).json()["secret"]
    assert (await _give_digits(holder, "confirm", code_of(secret))).status_code == 204
    return secret


async def _admins(holder: Holder) -> httpx.Response:
    return await holder.browser.client.get("/v1/admins", headers=holder.headers)


async def _security(holder: Holder) -> Json:
    shown: Json = await holder.get("/v1/me/security")
    return shown


async def test_a_person_sees_how_they_sign_in(
    holder: Holder, keyless: Holder, code_of: CodeOf, services: Services
) -> None:
    nothing = {
        "has_password": False,
        "totp": False,
        "passkeys": 0,
        "is_admin": False,
        "proved_at": None,
        "proved_by": None,
    }
    before = await _security(holder)
    await _turn_digits_on(holder, code_of)
    await holder.registered()
    await roles.grant_first_admin(services, holder.browser.address)
    after = await _security(holder)
    assert await _security(keyless) == nothing
    assert before == {**nothing, "has_password": True}
    assert after.pop("proved_at") is not None
    assert after == {
        "has_password": True,
        "totp": True,
        "passkeys": 1,
        "is_admin": True,
        "proved_by": "totp",
    }


async def test_a_session_that_a_passkey_began_has_shown_a_second_factor(holder: Holder) -> None:
    await holder.registered()
    token = (await holder.sign_in()).json()["token"]
    shown = await _security(signed_in_as(holder, token))
    assert shown["proved_by"] == "passkey"
    assert shown["proved_at"] is not None


async def test_a_passkey_proves_a_session_that_is_under_way(
    holder: Holder, clock: SettableClock
) -> None:
    await holder.registered()
    before = await _security(holder)
    clock.advance(MINUTE_MS)
    proved = await holder.prove()
    after = await _security(holder)
    assert (proved.status_code, before["proved_by"], after["proved_by"]) == (204, None, "passkey")


async def test_digits_prove_a_session_that_is_under_way(
    holder: Holder, code_of: CodeOf, clock: SettableClock
) -> None:
    missing = await _give_digits(holder, "prove", "000000")
    begun = (await _begin_digits(holder)).json()["secret"]
    unconfirmed = await _give_digits(holder, "prove", code_of(begun))
    secret = await _turn_digits_on(holder, code_of)
    clock.advance(11 * MINUTE_MS)
    stale = await holder.begin()
    answers = [await _give_digits(holder, "prove", code) for code in ("000000", code_of(secret))]
    assert [answer.json()["code"] for answer in (missing, unconfirmed, stale)] == [
        "second_factor_missing",
        "second_factor_missing",
        "fresh_proof_needed",
    ]
    assert [answer.status_code for answer in answers] == [403, 204]
    assert (await holder.begin()).status_code == 201


async def test_a_password_alone_leaves_a_session_unproved(holder: Holder) -> None:
    await holder.registered()
    answer = await holder.browser.sign_in()
    shown = await _security(signed_in_as(holder, answer.json()["token"]))
    assert (answer.status_code, shown["proved_at"], shown["proved_by"]) == (201, None, None)


async def test_an_admin_is_let_in_by_a_passkey(holder: Holder, services: Services) -> None:
    await holder.registered()
    await roles.grant_first_admin(services, holder.browser.address)
    before = await _admins(holder)
    signed_in = signed_in_as(holder, (await holder.sign_in()).json()["token"])
    await holder.prove()
    assert before.json()["code"] == "second_factor_needed"
    assert [(await _admins(each)).status_code for each in (signed_in, holder)] == [200, 200]


async def test_an_admin_with_a_passkey_may_fall_back_on_digits(
    holder: Holder, services: Services, code_of: CodeOf, clock: SettableClock
) -> None:
    await holder.registered()
    secret = await _turn_digits_on(holder, code_of)
    await roles.grant_first_admin(services, holder.browser.address)
    clock.advance(STEP_MS)
    token = (await holder.browser.sign_in(code=code_of(secret))).json()["token"]
    fallen_back = signed_in_as(holder, token)
    assert (await _admins(fallen_back)).status_code == 200
    assert (await _security(fallen_back))["proved_by"] == "totp"


async def test_an_admins_password_alone_makes_no_second_factor(
    holder: Holder, services: Services
) -> None:
    passkey_id = (await holder.registered())["id"]
    await roles.grant_first_admin(services, holder.browser.address)
    thief = signed_in_as(holder, (await holder.browser.sign_in()).json()["token"])
    answers = [
        await thief.begin(),
        await _begin_digits(thief),
        await thief.remove(passkey_id),
    ]
    assert [answer.json()["code"] for answer in answers] == ["second_factor_needed"] * 3
    await thief.prove()
    assert (await thief.begin()).status_code == 201


async def test_an_admins_first_second_factor_is_made_with_the_password(
    holder: Holder, services: Services
) -> None:
    await roles.grant_first_admin(services, holder.browser.address)
    assert (await _begin_digits(holder)).status_code == 201
    assert (await holder.register()).status_code == 201


async def test_the_operator_helps_an_admin_who_lost_their_passkeys(
    holder: Holder, services: Services, administrator: AsyncConnection
) -> None:
    made = [await holder.registered(name) for name in ("Phone", "Laptop")]
    letters = await service.remove_all(services, _id(holder), "lost")
    query = text(
        "SELECT object_id, reason, actor_id FROM admin_action_log"
        " WHERE kind = 'passkey.remove' AND object_id = ANY(:ids)"
    )
    ids = [passkey["id"] for passkey in made]
    rows = (await administrator.execute(query, {"ids": ids})).all()
    assert sorted(row.object_id for row in rows) == sorted(ids)
    assert {(row.reason, row.actor_id) for row in rows} == {("lost", None)}
    assert [letter.recipient for letter in letters] == [holder.browser.address] * 2
    assert (await holder.sign_in()).status_code == 401


async def test_coming_and_going_are_recorded(
    holder: Holder, administrator: AsyncConnection
) -> None:
    passkey_id = (await holder.registered("Phone"))["id"]
    await holder.remove(passkey_id)
    query = text(
        "SELECT kind, actor_id::text, before, after, object_kind FROM admin_action_log"
        " WHERE object_id = :id ORDER BY xid"
    )
    rows = (await administrator.execute(query, {"id": passkey_id})).all()
    assert [tuple(row) for row in rows] == [
        ("passkey.add", holder.user_id, None, {"name": "Phone", "is_synced": False}, "passkey"),
        ("passkey.remove", holder.user_id, {"name": "Phone"}, None, "passkey"),
    ]


async def test_the_last_way_in_stays(keyless: Holder) -> None:
    passkey_id = (await keyless.registered())["id"]
    refused = await keyless.remove(passkey_id)
    second = (await keyless.registered("Laptop"))["id"]
    removed = await keyless.remove(passkey_id)
    again = await keyless.remove(second)
    assert [answer.json()["code"] for answer in (refused, again)] == ["last_way_in"] * 2
    assert (refused.status_code, removed.status_code) == (409, 204)
    assert (await _security(keyless))["passkeys"] == 1


async def test_two_who_remove_the_last_two_ways_in_leave_one(keyless: Holder) -> None:
    ids = [(await keyless.registered(name))["id"] for name in ("Phone", "Laptop")]
    answers = await asyncio.gather(*(keyless.remove(passkey_id) for passkey_id in ids))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert (await _security(keyless))["passkeys"] == 1


async def test_the_operator_does_not_lock_out_somebody_without_a_password(
    keyless: Holder, services: Services
) -> None:
    await keyless.registered()
    with pytest.raises(LastWayInError):
        await service.remove_all(services, _id(keyless), "lost")
    assert (await keyless.sign_in()).status_code == 201


async def test_nobody_reads_a_public_key_or_another_persons_passkeys(
    holder: Holder, stranger: Holder, services: Services
) -> None:
    await holder.registered()
    person = await make_person(services)
    async with services.database.reading(person.claims) as session:
        others = (await session.execute(text("SELECT id FROM user_passkeys"))).all()
    with pytest.raises(DBAPIError) as refused:
        async with services.database.reading(person.claims) as session:
            await session.execute(text("SELECT public_key FROM user_passkeys"))
    assert others == []
    assert (await stranger.get("/v1/me/passkeys"))["items"] == []
    assert sqlstate(refused.value.orig) == "42501"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me/security"),
        ("GET", "/v1/me/passkeys"),
        ("POST", "/v1/me/passkeys/registrations"),
        ("DELETE", f"/v1/me/passkeys/{NOBODY}"),
    ],
)
async def test_whoever_is_not_signed_in_is_turned_away(
    browser: Browser, method: str, path: str
) -> None:
    answers = [
        await browser.client.request(method, path, headers=headers)
        for headers in ({}, bearer("zgu_unknown"))
    ]
    assert {answer.json()["code"] for answer in answers} == {"authentication_required"}


@pytest.mark.parametrize("site", ["https://192.0.2.7", "http://gate.example.org"])
async def test_passkeys_are_off_where_browsers_make_none(holder: Holder) -> None:
    options = {"challenge": "AA", "rp": {"id": "x"}, "rpId": "x", "user": {"id": "AA"}}
    made = holder.authenticator.create(options)
    shown = {"challenge_id": NOBODY, "credential": holder.authenticator.get(options)}
    proof = "/v1/me/passkeys/proofs"
    answers = [
        await holder.begin(),
        await holder.give(NOBODY, made, "Phone"),
        await holder.browser.client.post("/v1/passkeys/challenges"),
        await holder.bring(shown),
        await holder.browser.client.post(proof, json=shown, headers=holder.headers),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (409, "passkeys_off")
    }
    assert (await holder.get("/v1/me/passkeys"))["items"] == []


def _id(holder: Holder) -> UserId:
    return UserId(UUID(holder.user_id))
