"""A provider that lies, or somebody between: nothing it says lets anybody in."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.services import Services
from sync_server.sandboxes.openid_tokens import Forgery
from tests.factories.openid import OpenidBrowser, a_person
from tests.plugins.openid import SandboxProvider

HARMLESS = {Forgery.CHANGED_SUBJECT, Forgery.NO_CHALLENGE, Forgery.REPLAYED_CODE}
"""What a client cannot see by itself; what becomes of it is in tests of their own."""
REFUSED = [
    (Forgery.WRONG_ISSUER, "openid_token_refused", "iss"),
    (Forgery.WRONG_AUDIENCE, "openid_token_refused", "aud"),
    (Forgery.SECOND_AUDIENCE, "openid_token_refused", "aud"),
    (Forgery.WRONG_AUTHORIZED_PARTY, "openid_token_refused", "azp"),
    (Forgery.NO_SUBJECT, "openid_token_refused", "sub"),
    (Forgery.EXPIRED, "openid_token_refused", "exp"),
    (Forgery.ISSUED_LATER, "openid_token_refused", "iat"),
    (Forgery.ISSUED_BEFORE, "openid_token_refused", "iat"),
    (Forgery.WRONG_NONCE, "openid_token_refused", "nonce"),
    (Forgery.NO_NONCE, "openid_token_refused", "nonce"),
    (Forgery.WRONG_ACCESS_TOKEN_HASH, "openid_token_refused", "at_hash"),
    (Forgery.UNVERIFIED_ADDRESS, "openid_address_unverified", None),
    (Forgery.VERIFIED_IN_WORDS, "openid_address_unverified", None),
    (Forgery.NO_ADDRESS, "openid_token_refused", "email"),
    (Forgery.NO_ALGORITHM, "openid_token_refused", "alg"),
    (Forgery.PUBLIC_KEY_AS_SECRET, "openid_token_refused", "alg"),
    (Forgery.UNKNOWN_KEY, "openid_token_refused", "kid"),
    (Forgery.FOREIGN_KEY, "openid_token_refused", "signature"),
    (Forgery.SWAPPED_SIGNATURE, "openid_token_refused", "signature"),
    (Forgery.NOT_A_TOKEN, "openid_token_refused", "id_token"),
    (Forgery.WRONG_RESPONSE_ISSUER, "openid_token_refused", "response_iss"),
    (Forgery.NO_RESPONSE_ISSUER, "openid_token_refused", "response_iss"),
]


def test_every_forgery_is_tried() -> None:
    assert {forgery for forgery, _, _ in REFUSED} | HARMLESS == set(Forgery)


@pytest.mark.parametrize(("forgery", "code", "at_fault"), REFUSED)
async def test_a_forgery_lets_nobody_in_and_says_why(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    administrator: AsyncConnection,
    forgery: Forgery,
    code: str,
    at_fault: str | None,
) -> None:
    grace = a_person(services)
    sandbox_provider.add_person(grace)
    sandbox_provider.sandbox.forgery = forgery
    body = await browser.come_back(grace)
    answer = await browser.finish(body)
    told = answer.json()
    made = text("SELECT count(*) FROM user_emails WHERE address = :address")
    accounts = await administrator.scalar(made, {"address": grace.address})
    assert (answer.status_code, told["code"], told.get("at_fault")) == (403, code, at_fault)
    assert accounts == 0


@pytest.mark.parametrize(("forgery", "code", "at_fault"), REFUSED)
async def test_a_forgery_links_nothing_and_ends_its_flow(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    forgery: Forgery,
    code: str,
    at_fault: str | None,
) -> None:
    grace, other = a_person(services), a_person(services)
    sandbox_provider.add_person(grace)
    sandbox_provider.add_person(other)
    token = (await browser.sign_in(grace)).json()["token"]
    sandbox_provider.sandbox.forgery = forgery
    body = await browser.come_back(other)
    refused = await browser.link(body, token)
    sandbox_provider.sandbox.forgery = None
    late = await browser.link(body, token)
    assert (refused.json()["code"], refused.json().get("at_fault")) == (code, at_fault)
    assert late.json()["code"] == "openid_flow_invalid"
    assert len(await browser.identities(token)) == 1


async def test_a_provider_that_takes_codes_twice_changes_nothing(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace = a_person(services)
    sandbox_provider.add_person(grace)
    sandbox_provider.sandbox.forgery = Forgery.REPLAYED_CODE
    mine, later = await browser.come_back(grace), await browser.begin()
    first = await browser.finish(mine)
    replayed = await browser.finish(mine)
    moved = await browser.finish({**mine, "flow_token": later["flow_token"]})
    assert [answer.status_code for answer in (first, replayed, moved)] == [201, 400, 400]


async def test_a_code_of_another_flow_fails_by_its_nonce_where_no_challenge_is_checked(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace, mallory = a_person(services), a_person(services)
    sandbox_provider.add_person(grace)
    sandbox_provider.add_person(mallory)
    mine, theirs = await browser.come_back(grace), await browser.come_back(mallory)
    sandbox_provider.sandbox.forgery = Forgery.NO_CHALLENGE
    answer = await browser.finish({**mine, "code": theirs["code"]})
    assert (answer.status_code, answer.json()["at_fault"]) == (403, "nonce")


async def test_a_changed_subject_is_somebody_else_whatever_the_address_says(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace = a_person(services)
    sandbox_provider.add_person(grace)
    await browser.sign_in(grace)
    sandbox_provider.sandbox.forgery = Forgery.CHANGED_SUBJECT
    answer = await browser.sign_in(grace)
    assert (answer.status_code, answer.json()["code"]) == (409, "openid_address_taken")
