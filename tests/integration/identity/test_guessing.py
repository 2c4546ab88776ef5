"""Codes and tokens that nobody has are counted by kind and network; whoever has the right one is
let in whatever strangers beside them try.
"""

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address
from secrets import token_bytes
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.clock import SettableClock
from shared.ids import EventId
from shared.wire.enrolment_code import EnrolmentCode
from sync_server.audit.rules import Log
from sync_server.identity.guessing import LIMITS
from sync_server.kit.problems import UnknownSecret
from sync_server.kit.services import Services
from tests.factories.repeats import bearer
from tests.factories.scanners import Door, Kiosk, make_door
from tests.factories.tenants import Tenant, make_person
from tests.integration.identity.conftest import BrowserFrom
from tests.integration.identity.people import PASSWORD, Browser

Guess = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[httpx.Response]]


async def _guess_a_claim_token(client: httpx.AsyncClient, _: dict[str, str]) -> httpx.Response:
    return await client.get("/v1/wallet/ticket", headers=bearer("zgw_guessed"))


async def _guess_an_enrolment_code(client: httpx.AsyncClient, _: dict[str, str]) -> httpx.Response:
    guessed = EnrolmentCode("http://127.0.0.1", b"guessed-guessed-", bytes(32))
    return await Kiosk(client).enrol(guessed.to_text())


async def _guess_a_letters_token(client: httpx.AsyncClient, _: dict[str, str]) -> httpx.Response:
    body = {"token": "zgl_guessed", "password": PASSWORD}
    return await client.post("/v1/sign-ups/confirm", json=body)


async def _guess_an_invitation(client: httpx.AsyncClient, mine: dict[str, str]) -> httpx.Response:
    body = {"token": "zgl_guessed"}
    return await client.post("/v1/invitations/accept", json=body, headers=mine)


async def _guess_a_service_token(client: httpx.AsyncClient, _: dict[str, str]) -> httpx.Response:
    return await client.get("/v1/organizers", headers=bearer("zgs_guessed"))


async def _guess_an_order_token(client: httpx.AsyncClient, _: dict[str, str]) -> httpx.Response:
    return await client.get("/v1/order", headers=bearer("zgo_guessed"))


GUESSES = {
    UnknownSecret.CLAIM: (_guess_a_claim_token, "claim_token_invalid"),
    UnknownSecret.ENROLMENT: (_guess_an_enrolment_code, "enrolment_code_unknown"),
    UnknownSecret.LETTER: (_guess_a_letters_token, "letter_token_invalid"),
    UnknownSecret.ORDER: (_guess_an_order_token, "order_token_invalid"),
    UnknownSecret.SERVICE: (_guess_a_service_token, "authentication_required"),
}


@pytest.fixture
async def mine(services: Services) -> dict[str, str]:
    return (await make_person(services)).headers


async def _use_up(
    administrator: AsyncConnection, client: httpx.AsyncClient, mine: dict[str, str], *guesses: Guess
) -> None:
    """Let somebody in a network that never guessed before have guessed a thousand times."""
    query = text("SELECT key_hash FROM attempt_counters")
    before = set(await administrator.scalars(query))
    for guess in guesses:
        await guess(client, mine)
    begun = set(await administrator.scalars(query)) - before
    assert len(begun) == len(guesses)
    more = text("UPDATE attempt_counters SET attempts = 1000 WHERE key_hash = ANY(:begun)")
    await administrator.execute(more, {"begun": list(begun)})


async def _guessed(guess: Guess, browser: Browser, mine: dict[str, str]) -> tuple[int, str]:
    answer = await guess(browser.client, mine)
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("secret", list(UnknownSecret))
async def test_whoever_guesses_is_told_to_wait_until_the_window_ends(
    browser: Browser, mine: dict[str, str], clock: SettableClock, secret: UnknownSecret
) -> None:
    guess, code = GUESSES[secret]
    limit = LIMITS[secret]
    told = [await _guessed(guess, browser, mine) for _ in range(limit.attempts)]
    answer = await guess(browser.client, mine)
    clock.advance(limit.window_seconds * 1_000)
    later = await _guessed(guess, browser, mine)
    assert {each[1] for each in told} == {code}
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_guesses")
    assert 0 < int(answer.headers["retry-after"]) <= limit.window_seconds
    assert later == told[0]


@pytest.mark.parametrize(
    "guess",
    [
        _guess_a_claim_token,
        _guess_an_enrolment_code,
        _guess_a_letters_token,
        _guess_an_invitation,
        _guess_a_service_token,
    ],
)
async def test_others_elsewhere_are_not_told_to_wait(
    browser_from: BrowserFrom,
    mine: dict[str, str],
    administrator: AsyncConnection,
    guess: Guess,
) -> None:
    stranger, other = (browser_from(str(IPv6Address(token_bytes(16)))) for _ in range(2))
    await _use_up(administrator, stranger.client, mine, guess)
    assert (await _guessed(guess, stranger, mine))[0] == 429
    assert (await _guessed(guess, other, mine))[0] != 429


async def test_kinds_are_counted_apart(
    browser: Browser, mine: dict[str, str], administrator: AsyncConnection
) -> None:
    await _use_up(administrator, browser.client, mine, _guess_a_claim_token)
    found = {
        secret: (await _guessed(guess, browser, mine))[0] for secret, (guess, _) in GUESSES.items()
    }
    assert [secret for secret, status in found.items() if status == 429] == [UnknownSecret.CLAIM]


@pytest.fixture
async def door(browser: Browser, tenant: Tenant, event_id: EventId) -> Door:
    """An organizer in the very network of whoever guesses."""
    return await make_door(browser.client, tenant, event_id)


async def _everything_right(door: Door) -> dict[str, Any]:
    """Make one secret of each kind, and a call that shows that it is good."""
    (ticket,) = await door.issue()
    body = {"name": "Scoreboard", "capabilities": ["scans.view"]}
    url = f"{door.tenant.path}/service-accounts"
    made = await door.client.post(url, json=body, headers=door.tenant.headers)
    return {
        "wallet": bearer(ticket["claim_token"]),
        "program": bearer(made.json()["token"]),
        "code": await door.code(),
    }


async def test_whoever_has_the_right_one_is_let_in_beside_a_stranger_who_guesses(
    browser: Browser, door: Door, mine: dict[str, str], administrator: AsyncConnection
) -> None:
    right = await _everything_right(door)
    await browser.ask_sign_up()
    await _use_up(administrator, browser.client, mine, *(guess for guess, _ in GUESSES.values()))
    refused = [(await guess(browser.client, mine)).status_code for guess, _ in GUESSES.values()]
    answers = [
        await browser.client.get("/v1/wallet/ticket", headers=right["wallet"]),
        await browser.client.get(f"{door.path}/scans", headers=right["program"]),
        await Kiosk(browser.client).enrol(right["code"]),
        await browser.confirm(browser.token()),
    ]
    assert refused == [429] * len(GUESSES)
    assert [answer.status_code for answer in answers] == [200, 200, 201, 201]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/me", bearer("zgu_over")),
        ("/v1/me", {}),
        ("/v1/wallet/ticket", {}),
    ],
    ids=["a session that is over", "no token", "no claim token"],
)
async def test_what_is_no_guess_is_not_counted(
    browser: Browser, administrator: AsyncConnection, path: str, headers: dict[str, str]
) -> None:
    """A page whose session is over hears that it must sign in again, and nothing else."""
    before = await administrator.scalar(text("SELECT count(*) FROM attempt_counters"))
    answers = [await browser.client.get(path, headers=headers) for _ in range(3)]
    after = await administrator.scalar(text("SELECT count(*) FROM attempt_counters"))
    assert {answer.status_code for answer in answers} == {401}
    assert after == before


async def test_the_first_refusal_of_a_window_is_written_down_without_what_was_guessed(
    browser: Browser, mine: dict[str, str], administrator: AsyncConnection
) -> None:
    limit = LIMITS[UnknownSecret.ENROLMENT]
    answers = [
        await _guess_an_enrolment_code(browser.client, mine) for _ in range(limit.attempts + 3)
    ]
    request_ids = [answer.headers["x-request-id"] for answer in answers]
    query = text(f"SELECT * FROM {Log.ACCESSES} WHERE request_id = ANY(:ids)")
    found = await administrator.execute(query, {"ids": request_ids})
    (row,) = found.mappings()
    assert row["request_id"] == request_ids[limit.attempts]
    assert (row["kind"], row["outcome"], row["detail"]) == ("guess", "denied", "too_many_guesses")
    assert (row["object_kind"], row["object_id"]) == (
        "enrolment_code",
        "POST /v1/scanner/enrolments",
    )
    assert (row["actor_kind"], row["actor_id"]) == ("worker", None)
    assert row["network_address"]


async def test_an_answer_stands_where_it_cannot_be_counted(
    browser: Browser, mine: dict[str, str], administrator: AsyncConnection
) -> None:
    await administrator.execute(text("REVOKE INSERT ON attempt_counters FROM zeraket_worker"))
    with capture_logs() as said:
        told = await _guessed(_guess_a_claim_token, browser, mine)
    await administrator.execute(text("GRANT INSERT ON attempt_counters TO zeraket_worker"))
    assert told == (401, "claim_token_invalid")
    assert "guessing.uncounted" in {line["event"] for line in said}
