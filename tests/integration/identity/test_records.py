"""What the logs say of people: each sign-in, each refusal and each change of what they prove
themselves with, and nothing that is secret or names them.
"""

from typing import Any
from uuid import UUID

import pyotp
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.clock import SettableClock
from sync_server.audit.rules import Log
from sync_server.identity import records, roles
from sync_server.identity import service as identity
from sync_server.identity.errors import CredentialsWrongError, PasswordGuessableError
from sync_server.identity.records import Attempt
from sync_server.identity.rules import Weakness
from sync_server.identity.visitors import Visitor
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from tests.factories.audit import rows_about
from tests.factories.tenants import make_person
from tests.integration.identity.conftest import BrowserFrom
from tests.integration.identity.people import ANOTHER_PASSWORD, PASSWORD, Browser, bearer

STEP_MS = 30_000
Row = dict[str, Any]


async def _sign_ins(administrator: AsyncConnection, user_id: object) -> list[tuple[str, str]]:
    rows = await rows_about(administrator, Log.ACCESSES, user_id)
    return [(row["outcome"], row["detail"]) for row in rows if row["kind"] == "sign_in"]


async def _actions(administrator: AsyncConnection, user_id: object) -> list[Row]:
    return await rows_about(administrator, Log.ACTIONS, user_id)


async def _set_up_code(browser: Browser, token: str, clock: SettableClock) -> pyotp.TOTP:
    url, headers = "/v1/me/second-factor", bearer(token)
    asked = {"present_password": PASSWORD}
    begun = await browser.client.post(url, json=asked, headers=headers)
    totp = pyotp.TOTP(begun.json()["secret"])
    code = {"code": totp.at(clock.now_ms() // 1_000)}
    confirmed = await browser.client.post(f"{url}/confirm", json=code, headers=headers)
    assert confirmed.status_code == 204, confirmed.text
    clock.advance(STEP_MS)
    return totp


async def test_whoever_signs_up_and_in_is_written_down(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    answer = await browser.sign_in()
    rows = await rows_about(administrator, Log.ACCESSES, made["user_id"])
    (signed_up,) = await _actions(administrator, made["user_id"])
    assert [(row["outcome"], row["detail"]) for row in rows] == [
        ("allowed", "letter"),
        ("allowed", "password"),
    ]
    newest = rows[-1]
    assert (newest["actor_kind"], str(newest["actor_id"])) == ("worker", made["user_id"])
    assert newest["request_id"] == answer.headers["x-request-id"]
    assert newest["network_address"]
    assert signed_up["kind"] == "person.sign_up"
    assert str(signed_up["actor_id"]) == made["user_id"]


async def test_another_way_to_sign_in_is_named(
    services: Services, administrator: AsyncConnection
) -> None:
    person = await make_person(services)
    visitor = Visitor("192.0.2.0/24", "Firefox")
    async with services.database.transaction(WORKER) as session:
        who = (session, services, person.user_id, visitor)
        await identity.sign_in_visitor(*who, method="passkey")
        await identity.sign_in_visitor(*who)
    # Both are of one transaction, and in no order.
    assert sorted(await _sign_ins(administrator, person.user_id)) == [
        ("allowed", "passkey"),
        ("allowed", "password"),
    ]


async def test_a_wrong_password_is_a_failure_of_the_person_whose_it_is_not(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    await browser.sign_in("wrong password")
    row = (await rows_about(administrator, Log.ACCESSES, made["user_id"]))[-1]
    assert (row["outcome"], row["detail"]) == ("failed", "credentials_wrong")
    assert (row["actor_kind"], row["actor_id"], row["object_kind"]) == ("worker", None, "person")


async def test_of_an_address_without_an_account_the_domain_is_written_down(
    browser_from: BrowserFrom, services: Services, administrator: AsyncConnection
) -> None:
    domain = f"{services.new_id().hex}.example.org"
    stranger = browser_from("198.51.100.77")
    stranger = Browser(stranger.client, f"grace.akello@{domain}", stranger.folder)
    await stranger.sign_in()
    (row,) = await rows_about(administrator, Log.ACCESSES, domain)
    assert (row["object_kind"], row["outcome"]) == ("email_domain", "failed")
    assert row["detail"] == "credentials_wrong"
    assert "akello" not in str(row)


async def test_wrong_and_missing_codes_are_failures_and_a_right_one_is_named(
    browser: Browser, administrator: AsyncConnection, clock: SettableClock
) -> None:
    made = await browser.sign_up()
    totp = await _set_up_code(browser, made["token"], clock)
    await browser.sign_in()
    await browser.sign_in(code="000000")
    await browser.sign_in(code=totp.at(clock.now_ms() // 1_000))
    assert (await _sign_ins(administrator, made["user_id"]))[1:] == [
        ("failed", "second_factor_required"),
        ("failed", "second_factor_wrong"),
        ("allowed", "password+second_factor"),
    ]


async def test_of_too_many_attempts_the_first_is_written_down(
    browser: Browser, administrator: AsyncConnection, clock: SettableClock
) -> None:
    """A stranger who goes on trying does not fill a log that nobody may shorten."""
    made = await browser.sign_up()
    for _ in range(13):
        await browser.sign_in("wrong password")
    first = await _sign_ins(administrator, made["user_id"])
    clock.advance(15 * 60_000)
    for _ in range(11):
        await browser.sign_in("wrong password")
    later = await _sign_ins(administrator, made["user_id"])
    assert first[1:] == [("failed", "credentials_wrong")] * 10 + [("denied", "too_many_attempts")]
    assert later.count(("denied", "too_many_attempts")) == 2


async def test_a_refused_reset_is_a_failure_of_its_person(
    browser: Browser, administrator: AsyncConnection, clock: SettableClock
) -> None:
    made = await browser.sign_up()
    await _set_up_code(browser, made["token"], clock)
    await browser.ask_reset()
    await browser.reset(browser.token())
    assert (await _sign_ins(administrator, made["user_id"]))[-1] == (
        "failed",
        "second_factor_required",
    )


async def test_too_many_codes_for_a_letter_are_nobodys_failure(
    browser: Browser, administrator: AsyncConnection, services: Services
) -> None:
    body = {"token": services.new_id().hex, "password": ANOTHER_PASSWORD, "code": "000000"}
    url = "/v1/password-resets/confirm"
    answers = [await browser.client.post(url, json=body) for _ in range(12)]
    request_ids = {answer.headers["x-request-id"] for answer in answers}
    rows = await rows_about(administrator, Log.ACCESSES, "unknown")
    mine = [row for row in rows if row["request_id"] in request_ids]
    assert [(row["outcome"], row["detail"]) for row in mine] == [("denied", "too_many_attempts")]


async def test_passwords_that_are_changed_or_chosen_anew(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    await browser.sign_in()
    body = {"present_password": PASSWORD, "new_password": ANOTHER_PASSWORD}
    headers = bearer(made["token"])
    await browser.client.put("/v1/me/password", json=body, headers=headers)
    await browser.ask_reset()
    await browser.reset(browser.token(), PASSWORD)
    rows = await _actions(administrator, made["user_id"])
    assert [(row["kind"], row["after"]) for row in rows[1:]] == [
        ("password.change", {"sessions_ended": 1}),
        ("password.reset", {"sessions_ended": 1}),
    ]
    assert {str(row["actor_id"]) for row in rows} == {made["user_id"]}


async def test_a_second_factor_that_is_set_and_removed(
    browser: Browser, administrator: AsyncConnection, clock: SettableClock
) -> None:
    made = await browser.sign_up()
    totp = await _set_up_code(browser, made["token"], clock)
    code = {"code": totp.at(clock.now_ms() // 1_000)}
    url = "/v1/me/second-factor/remove"
    await browser.client.post(url, json={"code": "000000"}, headers=bearer(made["token"]))
    await browser.client.post(url, json=code, headers=bearer(made["token"]))
    rows = await _actions(administrator, made["user_id"])
    assert [row["kind"] for row in rows[1:]] == ["second_factor.set", "second_factor.remove"]


async def test_sessions_that_their_owner_ends(
    browser: Browser, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    mine = bearer((await browser.sign_in()).json()["token"])
    listed = await browser.client.get("/v1/me/sessions", headers=mine)
    by_age = {item["is_current"]: item["id"] for item in listed.json()["items"]}
    older, current = by_age[False], by_age[True]
    await browser.client.delete(f"/v1/me/sessions/{older}", headers=mine)
    await browser.client.delete(f"/v1/me/sessions/{older}", headers=mine)
    await browser.client.delete("/v1/me/sessions?keep_current=true", headers=mine)
    await browser.client.delete("/v1/me/sessions/current", headers=mine)
    last = bearer((await browser.sign_in()).json()["token"])
    await browser.client.delete("/v1/me/sessions", headers=last)
    rows = await _actions(administrator, made["user_id"])
    assert [(row["kind"], row["after"]) for row in rows[1:]] == [
        ("session.end", {"session_id": older}),
        ("session.end_all", {"kept_session_id": current}),
        ("session.sign_out", {"session_id": current}),
        ("session.end_all", {"kept_session_id": None}),
    ]
    assert {(row["actor_kind"], str(row["actor_id"])) for row in rows[1:]} == {
        ("person", made["user_id"])
    }


async def test_roles_that_an_admin_grants_and_takes_back(
    browser: Browser, services: Services, administrator: AsyncConnection, clock: SettableClock
) -> None:
    made = await browser.sign_up()
    await roles.grant_first_admin(services, browser.address)
    await _set_up_code(browser, made["token"], clock)
    person = await make_person(services)
    url, mine = f"/v1/admins/{person.user_id}", bearer(made["token"])
    for _ in range(2):
        await browser.client.put(url, headers=mine)
    for _ in range(2):
        await browser.client.delete(url, headers=mine)
    rows = await _actions(administrator, person.user_id)
    assert [(row["kind"], row["after"], str(row["actor_id"])) for row in rows] == [
        ("role.grant", {"role": "admin"}, made["user_id"]),
        ("role.revoke", {"role": "admin"}, made["user_id"]),
    ]


async def test_what_the_operator_does_is_nobody_elses_doing(
    browser: Browser, services: Services, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    await roles.grant_first_admin(services, browser.address)
    await roles.grant_first_admin(services, browser.address, lost_second_factor=True)
    async with services.database.transaction(WORKER) as session:
        given = await identity.add_operators_user(session, services, "Grace Akello")
    rows = (await _actions(administrator, made["user_id"]))[1:]
    (created,) = await _actions(administrator, given.user_id)
    assert [row["kind"] for row in rows] == ["role.grant", "second_factor.remove"]
    assert created["kind"] == "person.create"
    assert created["after"] == {"session_id": str(given.session_id)}
    assert {(row["actor_kind"], row["actor_id"]) for row in (*rows, created)} == {("worker", None)}
    assert "Akello" not in str(created)


async def test_nothing_secret_or_personal_of_a_person_is_in_the_logs(
    browser: Browser, administrator: AsyncConnection, clock: SettableClock
) -> None:
    made = await browser.sign_up(display_name="Grace Akello")
    totp = await _set_up_code(browser, made["token"], clock)
    await browser.sign_in()
    await browser.sign_in(code=totp.at(clock.now_ms() // 1_000))
    await browser.ask_reset()
    token = browser.token()
    clock.advance(STEP_MS)
    body = {"token": token, "password": ANOTHER_PASSWORD}
    code = {"code": totp.at(clock.now_ms() // 1_000)}
    await browser.client.post("/v1/password-resets/confirm", json={**body, **code})
    rows = [row for log in Log for row in await rows_about(administrator, log, made["user_id"])]
    text = str(rows)
    secrets = (PASSWORD, ANOTHER_PASSWORD, token, made["token"], made["device_token"], totp.secret)
    assert len(rows) >= 7
    assert [secret for secret in secrets if secret in text] == []
    assert browser.address.partition("@")[0] not in text
    assert "Akello" not in text


@pytest.mark.parametrize(
    ("refused", "recorded"),
    [(CredentialsWrongError(), 1), (PasswordGuessableError(Weakness.COMMON), 0)],
)
async def test_only_who_is_turned_away_is_written_down(
    services: Services, administrator: AsyncConnection, refused: ProblemError, recorded: int
) -> None:
    attempt = Attempt(user_id=services.new_id())
    with pytest.raises(type(refused)):
        await _refuse(services, attempt, refused)
    rows = await rows_about(administrator, Log.ACCESSES, attempt.user_id)
    assert len(rows) == recorded


async def _refuse(services: Services, attempt: Attempt, refused: ProblemError) -> None:
    async with records.refusals_recorded(services, attempt):
        raise refused


async def test_a_refusal_stands_where_the_log_cannot_be_written(services: Services) -> None:
    attempt = Attempt(user_id=UUID(int=5))
    unwritable = CredentialsWrongError()
    unwritable.code = "x" * 300  # type: ignore[misc] # longer than a row takes
    with capture_logs() as said, pytest.raises(CredentialsWrongError):
        await _refuse(services, attempt, unwritable)
    assert [line["event"] for line in said] == ["audit.access_unrecorded"]
