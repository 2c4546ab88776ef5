"""Signing up, in and out, and choosing passwords, as a browser does it."""

import asyncio

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity.service import SIGNED_IN_MAX
from tests.integration.identity.people import ANOTHER_PASSWORD, PASSWORD, Browser, bearer

HOUR_MS = 3_600_000


async def test_whoever_reads_the_letter_chooses_the_password_and_is_signed_in(
    browser: Browser,
) -> None:
    made = await browser.sign_up()
    me = await browser.client.get("/v1/me", headers=bearer(made["token"]))
    again = await browser.sign_in()
    assert me.json() == {"user_id": made["user_id"], "display_name": "Grace"}
    assert (again.status_code, again.json()["user_id"]) == (201, made["user_id"])
    assert again.headers["cache-control"] == "no-store"


async def test_no_account_exists_before_the_letter_comes_back(browser: Browser) -> None:
    await browser.ask_sign_up()
    assert (await browser.sign_in()).status_code == 401


@pytest.mark.parametrize("spelling", ["{}", " {} ", "GRACE"])
async def test_an_address_is_one_however_it_is_written(browser: Browser, spelling: str) -> None:
    made = await browser.sign_up()
    written = {"GRACE": browser.address.upper()}.get(spelling, spelling.format(browser.address))
    body = {"address": written, "password": PASSWORD}
    answer = await browser.client.post("/v1/sessions", json=body)
    assert answer.json()["user_id"] == made["user_id"]


async def test_a_letters_token_works_once(browser: Browser) -> None:
    await browser.ask_sign_up()
    token = browser.token()
    answers = await asyncio.gather(*(browser.confirm(token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400]


async def test_of_two_letters_only_the_first_that_comes_back_makes_the_account(
    browser: Browser,
) -> None:
    await browser.ask_sign_up()
    first = browser.token()
    await browser.ask_sign_up()
    second = browser.token()
    assert (await browser.confirm(second)).status_code == 201
    late = await browser.confirm(first, ANOTHER_PASSWORD)
    assert (late.status_code, late.json()["code"]) == (400, "letter_token_invalid")


@pytest.mark.parametrize(("hours", "status"), [(23, 201), (25, 400)])
async def test_a_sign_up_letter_is_good_for_a_day(
    browser: Browser, clock: SettableClock, hours: int, status: int
) -> None:
    await browser.ask_sign_up()
    clock.advance(hours * HOUR_MS)
    assert (await browser.confirm(browser.token())).status_code == status


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("elevenchars", "request_invalid"),
        ("password1234", "password_guessable"),
        ("123456789012", "password_guessable"),
        ("qwertyuiopas", "password_guessable"),
        ("Grace Grace Grace", "password_guessable"),
    ],
)
async def test_a_guessable_password_is_refused_and_the_letter_stays_good(
    browser: Browser, password: str, code: str
) -> None:
    await browser.ask_sign_up()
    refused = await browser.confirm(browser.token(), password)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert password not in refused.text
    assert (await browser.confirm(browser.token())).status_code == 201


async def test_the_same_is_said_of_a_known_and_an_unknown_address(browser: Browser) -> None:
    stranger = Browser(browser.client, "stranger." + browser.address, browser.folder)
    await browser.sign_up()
    pairs = [
        (await browser.ask_sign_up(), await stranger.ask_sign_up()),
        (await browser.ask_reset(), await stranger.ask_reset()),
        (await browser.sign_in("wrong password"), await stranger.sign_in("wrong password")),
    ]
    assert [_said(known) for known, _ in pairs] == [_said(unknown) for _, unknown in pairs]


def _said(answer: httpx.Response) -> tuple[int, object]:
    body = answer.json()
    body.pop("instance", None)
    return answer.status_code, body


async def test_an_owner_is_told_that_they_have_an_account_already(browser: Browser) -> None:
    await browser.sign_up(language="sw")
    await browser.ask_sign_up(language="fr")
    assert browser.letters()[-1]["Subject"] == "Tayari una akaunti"


async def test_a_stranger_who_forgets_a_password_gets_no_letter(browser: Browser) -> None:
    await browser.ask_reset()
    assert browser.letters() == []


async def test_a_new_password_ends_every_session_and_the_old_password(browser: Browser) -> None:
    old = (await browser.sign_up())["token"]
    await browser.ask_reset()
    renewed = await browser.reset(browser.token())
    assert renewed.status_code == 201
    assert not await browser.is_signed_in(old)
    assert await browser.is_signed_in(renewed.json()["token"])
    assert (await browser.sign_in(PASSWORD)).status_code == 401
    assert (await browser.sign_in(ANOTHER_PASSWORD)).status_code == 201
    assert browser.letters()[-1]["Subject"] == "Your password was changed"


async def test_every_reset_letter_is_used_up_by_the_first(browser: Browser) -> None:
    await browser.sign_up()
    await browser.ask_reset()
    first = browser.token()
    await browser.ask_reset()
    second = browser.token()
    answers = [await browser.reset(token) for token in (second, second, first)]
    assert [answer.status_code for answer in answers] == [201, 400, 400]


async def test_a_reset_letter_is_good_for_an_hour(browser: Browser, clock: SettableClock) -> None:
    await browser.sign_up()
    await browser.ask_reset()
    clock.advance(HOUR_MS + 1)
    assert (await browser.reset(browser.token())).status_code == 400


async def test_a_letter_is_good_for_its_own_purpose_only(browser: Browser) -> None:
    await browser.ask_sign_up()
    assert (await browser.reset(browser.token())).status_code == 400


async def test_a_password_is_changed_by_whoever_knows_it(browser: Browser) -> None:
    here = (await browser.sign_up())["token"]
    elsewhere = (await browser.sign_in()).json()["token"]
    answers = [
        await browser.client.put(
            "/v1/me/password",
            json={"present_password": present, "new_password": ANOTHER_PASSWORD},
            headers=bearer(here),
        )
        for present in ("not the password", PASSWORD)
    ]
    assert answers[0].json()["code"] == "password_wrong"
    assert answers[1].json() == {"sessions_ended": 1}
    assert await browser.is_signed_in(here)
    assert not await browser.is_signed_in(elsewhere)
    assert (await browser.sign_in(ANOTHER_PASSWORD)).status_code == 201


async def test_a_disabled_person_cannot_sign_in(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    disable = text("UPDATE users SET disabled_at = now() WHERE id = :id")
    await administrator.execute(disable, {"id": made["user_id"]})
    assert (await browser.sign_in()).status_code == 401


async def test_an_outdated_hash_is_made_anew_at_sign_in(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    question = text("SELECT password_hash FROM user_passwords WHERE user_id = :id")
    outdated = text("UPDATE user_passwords SET password_hash = :hash WHERE user_id = :id")
    values = {"id": made["user_id"]}
    await administrator.execute(outdated, {**values, "hash": _outdated_hash()})
    assert (await browser.sign_in()).status_code == 201
    renewed = str(await administrator.scalar(question, values))
    assert "m=1024" not in renewed
    assert (await browser.sign_in()).status_code == 201


def _outdated_hash() -> str:
    return PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)


async def test_no_person_device_or_wallet_may_read_a_hash(administrator: AsyncConnection) -> None:
    query = text(
        "SELECT table_name FROM information_schema.column_privileges"
        " WHERE grantee IN ('zeraket_app', 'zeraket_device', 'zeraket_wallet')"
        " AND privilege_type = 'SELECT'"
        " AND column_name IN ('password_hash', 'token_hash', 'key_hash')"
        " AND table_name NOT LIKE 'scanner%'",
    )
    assert list(await administrator.scalars(query)) == []


async def test_sessions_are_listed_by_device_and_ended_one_by_one(browser: Browser) -> None:
    here = (await browser.sign_up())["token"]
    elsewhere = (await browser.sign_in()).json()["token"]
    listed = await browser.client.get("/v1/me/sessions", headers=bearer(here))
    other, current = sorted(listed.json()["items"], key=lambda shown: shown["is_current"])
    ended = await browser.client.delete(f"/v1/me/sessions/{other['id']}", headers=bearer(here))
    again = await browser.client.delete(f"/v1/me/sessions/{other['id']}", headers=bearer(here))
    assert (current["device_name"], current["is_current"]) == ("Firefox · Android", True)
    assert current["last_seen_from"].endswith("/56")
    assert (ended.status_code, again.json()["code"]) == (204, "session_not_found")
    assert not await browser.is_signed_in(elsewhere)
    assert await browser.is_signed_in(here)


async def test_every_other_session_is_ended(browser: Browser) -> None:
    here = (await browser.sign_up())["token"]
    others = [(await browser.sign_in()).json()["token"] for _ in range(2)]
    url = "/v1/me/sessions?keep_current=true"
    ended = await browser.client.delete(url, headers=bearer(here))
    assert ended.json() == {"sessions_ended": 2}
    assert [await browser.is_signed_in(token) for token in (here, *others)] == [True, False, False]


async def test_signing_out_ends_this_session_alone(browser: Browser) -> None:
    here = (await browser.sign_up())["token"]
    elsewhere = (await browser.sign_in()).json()["token"]
    out = await browser.client.delete("/v1/me/sessions/current", headers=bearer(here))
    assert out.status_code == 204
    assert [await browser.is_signed_in(token) for token in (here, elsewhere)] == [False, True]


async def test_nobody_ends_anothers_session(browser: Browser) -> None:
    mine = (await browser.sign_up())["token"]
    other = Browser(browser.client, "other." + browser.address, browser.folder)
    theirs = (await other.sign_up())["token"]
    listed = await browser.client.get("/v1/me/sessions", headers=bearer(theirs))
    (shown,) = listed.json()["items"]
    refused = await browser.client.delete(f"/v1/me/sessions/{shown['id']}", headers=bearer(mine))
    assert refused.json()["code"] == "session_not_found"
    assert await browser.is_signed_in(theirs)


async def test_a_session_in_use_slides_and_never_past_its_last_day(
    browser: Browser, clock: SettableClock, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    question = text(
        "SELECT expires_at - created_at, ends_at - created_at, last_seen_at - created_at"
        " FROM user_sessions WHERE user_id = :id",
    )
    values = {"id": made["user_id"]}
    before = (await administrator.execute(question, values)).one()
    ends = [before]
    for days in (10, 85):
        clock.advance(days * 24 * HOUR_MS)
        assert await browser.is_signed_in(made["token"])
        ends.append((await administrator.execute(question, values)).one())
    assert [end[0].days for end in ends] == [14, 24, 90]
    assert {end[1] for end in ends} == {SIGNED_IN_MAX}
    assert [end[2].days for end in ends] == [0, 10, 95]
