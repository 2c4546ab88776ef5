"""How often passkeys may be tried, and what becomes of challenges nobody brings back."""

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity import attempts
from sync_server.identity.attempts import Counted
from sync_server.kit.services import Services
from sync_server.passkeys.assertions import CHALLENGES_NETWORK, PROOFS, SIGN_IN_NETWORK
from sync_server.passkeys.registration import REGISTRATIONS
from tests.factories.authenticators import decode
from tests.integration.identity.conftest import BrowserFrom
from tests.integration.passkeys.holders import Holder, signed_up

MINUTE_MS = 60_000


async def _use_up(services: Services, administrator: AsyncConnection, counted: Counted) -> None:
    """As if everything that may be tried had been."""
    await attempts.count(services, counted)
    used_up = text("UPDATE attempt_counters SET attempts = :most WHERE key_hash = :key_hash")
    values = {"most": counted.limit.attempts, "key_hash": counted.key_hash}
    await administrator.execute(used_up, values)


async def test_refusals_are_counted_and_a_sign_in_is_forgiven(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show()
    answers = [await holder.bring(shown) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 401, 401]
    policy = '"passkey-sign-in-network";q=200;w=900'
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {policy}
    # The first attempt of a window stays counted.
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
        "r=199",
        "r=198",
        "r=197",
    ]


async def test_a_network_that_tries_too_often_waits_and_a_known_device_does_not(
    browser_from: BrowserFrom, services: Services, administrator: AsyncConnection
) -> None:
    holder = await signed_up(browser_from("198.51.100.7"))
    await holder.registered()
    device = (await holder.sign_in()).json()["device_token"]
    await _use_up(services, administrator, Counted(SIGN_IN_NETWORK, "198.51.100.0/24"))
    late = await holder.sign_in()
    tokens = ("zgd_unknown", device)
    others = [await holder.sign_in(device_token=token) for token in tokens]
    assert (late.status_code, late.json()["code"]) == (429, "too_many_attempts")
    assert int(late.headers["retry-after"]) > 0
    assert [answer.status_code for answer in others] == [429, 201]


async def test_challenges_and_registrations_are_counted_too(
    browser_from: BrowserFrom, services: Services, administrator: AsyncConnection
) -> None:
    holder = await signed_up(browser_from("203.0.113.7"))
    await _use_up(services, administrator, Counted(CHALLENGES_NETWORK, "203.0.113.0/24"))
    begun = [await holder.begin() for _ in range(REGISTRATIONS.attempts + 1)]
    answer = await holder.browser.client.post("/v1/passkeys/challenges")
    assert [each.status_code for each in begun] == [201] * REGISTRATIONS.attempts + [429]
    assert answer.json()["code"] == "too_many_attempts"


async def test_proofs_are_counted_by_person(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show()
    url, client = "/v1/me/passkeys/proofs", holder.browser.client
    answers = [
        await client.post(url, json=shown, headers=holder.headers)
        for _ in range(PROOFS.attempts + 1)
    ]
    assert [answer.status_code for answer in answers] == [204] + [401] * 19 + [429]


async def test_old_challenges_are_swept_away(
    holder: Holder, clock: SettableClock, administrator: AsyncConnection
) -> None:
    await administrator.execute(text("DELETE FROM passkey_challenges"))
    old = [(await holder.challenge())["challenge_id"] for _ in range(3)]
    clock.advance(5 * MINUTE_MS + 1)
    await holder.challenge()
    query = text("SELECT count(*) FROM passkey_challenges WHERE id = ANY(:ids)")
    assert await administrator.scalar(query, {"ids": old}) == 0


async def test_a_challenge_is_kept_as_its_hash(
    holder: Holder, administrator: AsyncConnection
) -> None:
    made = await holder.challenge()
    query = text("SELECT challenge_hash FROM passkey_challenges WHERE id = :id")
    kept = await administrator.scalar(query, {"id": made["challenge_id"]})
    assert kept == hashlib.sha256(decode(made["options"]["challenge"])).digest()
