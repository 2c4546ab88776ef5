"""People with an account at a provider, and a browser that signs them in there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx
from joserfc.jwk import RSAKey

from sync_server.identity.rules import UserId
from sync_server.kit.claims import WORKER
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.services import Services
from sync_server.openid import identities
from sync_server.openid.identities import LinkedBy, NewLink
from sync_server.openid.rules import ProvenPerson
from sync_server.sandboxes.openid_provider import CLIENT_ID, CLIENT_SECRET, SandboxPerson

Answered = dict[str, Any]


def google_client(issuer: str = "https://accounts.google.com") -> OpenidClient:
    return OpenidClient("google", "Google", issuer, CLIENT_ID, CLIENT_SECRET)


@cache
def _keys() -> tuple[RSAKey, ...]:
    """Made once in a test run: a new one takes a while."""
    return tuple(RSAKey.generate_key(auto_kid=True) for _ in range(4))


def key_maker() -> Callable[[], RSAKey]:
    """Keys for one provider, each followed by another."""
    return partial(next, cycle(_keys()))


def a_person(
    services: Services,
    address: str | None = None,
    *,
    hosted_domain: str | None = None,
    is_verified: bool = True,
) -> SandboxPerson:
    """Somebody nobody has seen before; without an address, one that is the provider's own."""
    number = services.new_id().int % 10**20
    address = address or f"grace.{number}@gmail.com"
    return SandboxPerson(f"{number:021}", address, "Grace Akello", hosted_domain, is_verified)


async def link_identity(services: Services, user_id: UserId, address: str) -> None:
    """Link somebody as if they had come back from Google."""
    subject = str(services.new_id().int)
    person = ProvenPerson("https://accounts.google.com", subject, address, "", None)
    link = NewLink(user_id, google_client(), person, LinkedBy.OWNER)
    async with services.database.transaction(WORKER) as session:
        await identities.add(session, services, link)


class Provider(Protocol):
    """A provider that runs, whoever wrote it."""

    @property
    def issuer(self) -> str: ...

    def add_person(self, person: SandboxPerson) -> None: ...

    async def answer(self, authorization_url: str, person: SandboxPerson) -> dict[str, str]:
        """What it sends the browser back with, once a person was chosen on its page."""
        ...


async def choose(url: str, form: dict[str, str]) -> dict[str, str]:
    """Open a provider's page, choose, and read the address the browser is sent back to."""
    async with httpx.AsyncClient() as client:
        page = await client.get(url)
        assert page.status_code == 200, page.text
        sent_back = await client.post(url, data=form)
    assert sent_back.is_redirect, sent_back.text
    return dict(parse_qsl(urlsplit(sent_back.headers["location"]).query))


@dataclass(frozen=True, slots=True)
class OpenidBrowser:
    """One browser in one network: begins, goes to the provider, and comes back."""

    client: httpx.AsyncClient
    provider: Provider

    async def begin(self, **wanted: str) -> Answered:
        answer = await self.client.post("/v1/openid/google/requests", json=wanted)
        assert answer.status_code == 201, answer.text
        begun: Answered = answer.json()
        return begun

    async def come_back(self, person: SandboxPerson, **wanted: str) -> dict[str, str]:
        """Begin and choose; give the body that finishes it."""
        begun = await self.begin(**wanted)
        answer = await self.provider.answer(begun["authorization_url"], person)
        return {**answer, "flow_token": begun["flow_token"]}

    async def finish(self, body: dict[str, str], **more: str) -> httpx.Response:
        return await self.client.post("/v1/openid/google/sessions", json={**body, **more})

    async def sign_in(self, person: SandboxPerson, **wanted: str) -> httpx.Response:
        return await self.finish(await self.come_back(person, **wanted))

    async def link(self, body: dict[str, str], token: str) -> httpx.Response:
        return await self.client.post("/v1/me/identities/google", json=body, headers=bearer(token))

    async def identities(self, token: str) -> list[Answered]:
        answer = await self.client.get("/v1/me/identities", headers=bearer(token))
        assert answer.status_code == 200, answer.text
        items: list[Answered] = answer.json()["items"]
        return items

    async def unlink(self, identity_id: str, token: str) -> httpx.Response:
        return await self.client.delete(f"/v1/me/identities/{identity_id}", headers=bearer(token))

    async def who(self, token: str) -> Answered:
        me: Answered = (await self.client.get("/v1/me", headers=bearer(token))).json()
        return me


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
