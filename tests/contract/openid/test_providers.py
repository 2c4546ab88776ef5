"""What must hold at any provider that speaks OpenID Connect: our sandbox, and one that somebody
else wrote (oidc-provider-mock).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from oidc_provider_mock import run_server_in_thread

from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import SandboxPerson
from tests.factories.openid import OpenidBrowser, Provider, a_person, choose
from tests.factories.team import confirm_address
from tests.factories.tenants import make_person
from tests.plugins.openid import BrowserAt


@dataclass(frozen=True, slots=True)
class IndependentProvider:
    """Its people are made over HTTP."""

    issuer: str

    def add_person(self, person: SandboxPerson) -> None:
        claims = {
            "email": person.address,
            "email_verified": person.is_verified,
            "name": person.name,
            **({"hd": person.hosted_domain} if person.hosted_domain else {}),
        }
        answer = httpx.put(f"{self.issuer}/users/{person.subject}", json=claims)
        assert answer.status_code == 204, answer.text

    async def answer(self, authorization_url: str, person: SandboxPerson) -> dict[str, str]:
        return await choose(authorization_url, {"sub": person.subject})


@pytest.fixture
def independent_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[IndependentProvider]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with run_server_in_thread() as server:
        yield IndependentProvider(f"http://localhost:{server.server_port}")


@pytest.fixture(params=["sandbox_provider", "independent_provider"])
def provider(request: pytest.FixtureRequest) -> Provider:
    """Each in turn."""
    found: Provider = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def browser(browser_at: BrowserAt, provider: Provider) -> OpenidBrowser:
    return await browser_at(provider)


async def test_a_first_visit_makes_an_account_and_a_second_finds_it(
    browser: OpenidBrowser, provider: Provider, services: Services
) -> None:
    grace = a_person(services)
    provider.add_person(grace)
    answers = [await browser.sign_in(grace) for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert first["user_id"] == second["user_id"]
    assert (await browser.who(first["token"]))["display_name"] == "Grace Akello"


async def test_a_flow_is_used_once_and_by_its_own_browser(
    browser: OpenidBrowser, provider: Provider, services: Services
) -> None:
    grace = a_person(services)
    provider.add_person(grace)
    body, other = await browser.come_back(grace), await browser.come_back(grace)
    crossed = await browser.finish({**body, "flow_token": other["flow_token"]})
    answers = [await browser.finish(body) for _ in range(2)]
    assert crossed.json()["code"] == "openid_flow_invalid"
    assert [answer.status_code for answer in answers] == [201, 400]


async def test_a_code_is_good_once(
    browser: OpenidBrowser, provider: Provider, services: Services
) -> None:
    grace = a_person(services)
    provider.add_person(grace)
    used, fresh = await browser.come_back(grace), await browser.come_back(grace)
    assert (await browser.finish(used)).status_code == 201
    replayed = await browser.finish({**fresh, "code": used["code"]})
    assert (replayed.status_code, replayed.json()["code"]) == (400, "openid_code_refused")


async def test_an_address_that_is_not_verified_opens_nothing(
    browser: OpenidBrowser, provider: Provider, services: Services
) -> None:
    eric = a_person(services, is_verified=False)
    provider.add_person(eric)
    refused = await browser.sign_in(eric)
    assert (refused.status_code, refused.json()["code"]) == (403, "openid_address_unverified")


@pytest.mark.parametrize(("hosted_domain", "status"), [("nile.example", 201), (None, 409)])
async def test_an_account_is_linked_by_an_address_of_the_hosted_domain_only(
    browser: OpenidBrowser,
    provider: Provider,
    services: Services,
    hosted_domain: str | None,
    status: int,
) -> None:
    address = f"moses.{services.new_id().hex}@nile.example"
    made = await make_person(services, "Moses")
    await confirm_address(services, made.user_id, address)
    moses = a_person(services, address, hosted_domain=hosted_domain)
    provider.add_person(moses)
    assert (await browser.sign_in(moses)).status_code == status


async def test_whoever_is_signed_in_links_and_unlinks(
    browser: OpenidBrowser, provider: Provider, services: Services
) -> None:
    amina, first, second = await make_person(services), a_person(services), a_person(services)
    for person in (first, second):
        provider.add_person(person)
        assert (await browser.link(await browser.come_back(person), amina.token)).is_success
    entered = await browser.sign_in(second)
    held = await browser.identities(amina.token)
    unlinked = [await browser.unlink(one["id"], amina.token) for one in held]
    assert entered.json()["user_id"] == str(amina.user_id)
    assert [answer.status_code for answer in unlinked] == [204, 409]
