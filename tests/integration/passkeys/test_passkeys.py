"""Passkeys as their owner knows them: made, seen, named, removed, and good to sign in with."""

import asyncio

import pytest

from shared.clock import SettableClock
from sync_server.passkeys.rules import PASSKEYS_MAX
from tests.factories.authenticators import HONEST, SYNCED, Algorithm, Authenticator, Flags, Manner
from tests.integration.identity.people import Browser, bearer
from tests.integration.passkeys.holders import SITE, Holder

MINUTE_MS = 60_000


async def test_a_browser_is_asked_for_a_passkey_that_stands_alone(holder: Holder) -> None:
    begun = await holder.begin()
    options = begun.json()["options"]
    assert (begun.status_code, begun.headers["cache-control"]) == (201, "no-store")
    assert options["rp"] == {"id": "gate.example.org", "name": "ZERAKET"}
    assert options["user"]["name"] == holder.browser.address
    assert options["user"]["displayName"] == "Grace"
    assert [wanted["alg"] for wanted in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (options["attestation"], options["excludeCredentials"]) == ("none", [])
    assert options["timeout"] == 5 * MINUTE_MS


async def test_what_a_person_has_is_not_made_again(holder: Holder) -> None:
    await holder.registered()
    (excluded,) = (await holder.begin()).json()["options"]["excludeCredentials"]
    assert excluded["transports"] == ["hybrid", "internal"]
    assert len(excluded["id"]) == 43


async def test_a_challenge_says_nothing_of_who_has_an_account(holder: Holder) -> None:
    await holder.registered()
    options = (await holder.challenge())["options"]
    challenge = options.pop("challenge")
    assert len(challenge) == 43
    assert options == {
        "rpId": "gate.example.org",
        "timeout": 5 * MINUTE_MS,
        "userVerification": "required",
    }


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.EDDSA, Algorithm.RS256])
@pytest.mark.parametrize("attestation", ["none", "packed"])
async def test_whoever_has_a_passkey_signs_in_without_a_password(
    holder: Holder, algorithm: Algorithm, attestation: str
) -> None:
    holder.authenticator.algorithm = algorithm
    await holder.registered(manner=Manner(attestation=attestation))
    answer = await holder.sign_in()
    made = answer.json()
    me = await holder.browser.client.get("/v1/me", headers=bearer(made["token"]))
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert set(made) == {"user_id", "token", "device_token", "expires_at"}
    assert me.json()["user_id"] == made["user_id"] == holder.user_id


async def test_a_passkey_is_listed_with_its_use(holder: Holder, clock: SettableClock) -> None:
    made = await holder.registered("Blue phone")
    clock.advance(MINUTE_MS)
    await holder.sign_in()
    (shown,) = (await holder.get("/v1/me/passkeys"))["items"]
    assert set(shown) == {"id", "name", "created_at", "last_used_at", "is_synced"}
    assert (shown["id"], shown["name"], shown["is_synced"]) == (made["id"], "Blue phone", False)
    assert made["last_used_at"] is None
    assert shown["last_used_at"] > shown["created_at"]


async def test_passkeys_are_listed_in_pages(holder: Holder) -> None:
    names = ["Key", "Laptop", "Phone"]
    for name in names:
        await holder.registered(name)
    first = await holder.get("/v1/me/passkeys?limit=2")
    second = await holder.get(f"/v1/me/passkeys?limit=2&cursor={first['next_cursor']}")
    assert sorted(shown["name"] for shown in first["items"] + second["items"]) == names
    assert second["next_cursor"] is None


async def test_a_passkey_tells_when_it_came_to_be_synced(holder: Holder) -> None:
    may_be = Manner(flags=HONEST.flags | Flags.MAY_BE_SYNCED)
    before = await holder.registered(manner=may_be)
    await holder.sign_in(Manner(flags=SYNCED))
    (after,) = (await holder.get("/v1/me/passkeys"))["items"]
    assert (before["is_synced"], after["is_synced"]) == (False, True)


async def test_a_passkey_is_given_another_name(holder: Holder, stranger: Holder) -> None:
    url = f"/v1/me/passkeys/{(await holder.registered())['id']}"
    patch = holder.browser.client.patch
    answers = [
        await patch(url, json={"name": " Old phone "}, headers=holder.headers),
        await patch(url, json={"name": "line\nfeed"}, headers=holder.headers),
        await patch(url, json={"name": "Mine now"}, headers=stranger.headers),
    ]
    (shown,) = (await holder.get("/v1/me/passkeys"))["items"]
    assert [answer.status_code for answer in answers] == [200, 422, 404]
    assert answers[0].json() == shown
    assert shown["name"] == "Old phone"


async def test_a_removed_passkey_signs_in_no_more(holder: Holder, stranger: Holder) -> None:
    passkey_id = (await holder.registered())["id"]
    foreign = await stranger.remove(passkey_id)
    removed = [await holder.remove(passkey_id) for _ in range(2)]
    assert foreign.json()["code"] == "passkey_not_found"
    assert [answer.status_code for answer in removed] == [204, 404]
    assert (await holder.sign_in()).json()["code"] == "passkey_refused"
    assert await holder.get("/v1/me/passkeys") == {"items": [], "next_cursor": None}


async def test_the_owner_is_told_of_each_passkey_that_comes_and_goes(browser: Browser) -> None:
    made = await browser.sign_up(language="fr")
    holder = Holder(browser, Authenticator(SITE), made["user_id"], made["token"])
    await holder.remove((await holder.registered("Téléphone"))["id"])
    added, removed = browser.letters()[-2:]
    assert added["Subject"] == "Une clé d'accès a été ajoutée à votre compte"
    assert removed["Subject"] == "Une clé d'accès a été supprimée de votre compte"
    assert all("« Téléphone »" in letter.get_content() for letter in (added, removed))


@pytest.mark.parametrize(("minutes", "status"), [(9, 201), (11, 403)])
async def test_adding_asks_that_somebody_signed_in_a_moment_ago(
    holder: Holder, clock: SettableClock, minutes: int, status: int
) -> None:
    clock.advance(minutes * MINUTE_MS)
    assert (await holder.begin()).status_code == status


async def test_removing_asks_that_somebody_was_there_a_moment_ago(
    holder: Holder, clock: SettableClock
) -> None:
    passkey_id = (await holder.registered())["id"]
    clock.advance(11 * MINUTE_MS)
    refused = await holder.remove(passkey_id)
    proved = await holder.prove()
    assert (refused.status_code, refused.json()["code"]) == (403, "fresh_proof_needed")
    assert proved.status_code == 204
    assert (await holder.remove(passkey_id)).status_code == 204


async def test_a_registration_is_good_for_five_minutes_and_once(
    holder: Holder, clock: SettableClock
) -> None:
    late, timely = [(await holder.begin()).json() for _ in range(2)]
    credential = holder.authenticator.create(timely["options"])
    answers = [await holder.give(timely["registration_id"], credential, "Phone") for _ in range(2)]
    clock.advance(5 * MINUTE_MS)
    credential = holder.authenticator.create(late["options"])
    answers.append(await holder.give(late["registration_id"], credential, "Laptop"))
    assert [answer.status_code for answer in answers] == [201, 401, 401]


async def test_there_is_an_end_to_passkeys(holder: Holder, clock: SettableClock) -> None:
    for number in range(PASSKEYS_MAX - 1):
        await holder.registered(f"number {number}")
        await holder.prove()
        clock.advance(2 * MINUTE_MS)
    begun = [(await holder.begin()).json() for _ in range(2)]
    answers = [
        await holder.give(
            each["registration_id"], holder.authenticator.create(each["options"]), "The last"
        )
        for each in begun
    ]
    answers.append(await holder.begin())
    assert [answer.json().get("code") for answer in answers] == [
        None,
        "too_many_passkeys",
        "too_many_passkeys",
    ]


async def test_of_two_who_bring_one_challenge_together_one_is_too_late(holder: Holder) -> None:
    await holder.registered()
    shown = await holder.show()
    answers = await asyncio.gather(*(holder.bring(shown) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401]
