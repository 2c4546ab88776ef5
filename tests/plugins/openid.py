"""A provider of sign-ins behind a real socket, servers that trust one, and browsers between."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.clock import SettableClock
from sync_server.app import create_app
from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import (
    OpenidSandbox,
    SandboxPerson,
    create_sandbox_app,
)
from sync_server.settings import Settings
from tests.factories.openid import OpenidBrowser, Provider, choose, google_client, key_maker
from tests.factories.serving import served
from tests.factories.tenants import PUBLIC_URL

BrowserAt = Callable[[Provider], Awaitable[OpenidBrowser]]


@dataclass(frozen=True, slots=True)
class Breakable:
    """An application, some paths of which a test has answered by another."""

    app: ASGIApp
    broken: dict[str, ASGIApp] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.broken.get(scope.get("path", ""), self.app)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class SandboxProvider:
    """Our sandbox; what a test turns hostile is `sandbox`, what it breaks `broken`."""

    issuer: str
    sandbox: OpenidSandbox
    app: ASGIApp
    broken: dict[str, ASGIApp]

    def add_person(self, person: SandboxPerson) -> None:
        self.sandbox.add_person(person)

    async def answer(self, authorization_url: str, person: SandboxPerson) -> dict[str, str]:
        return await choose(authorization_url, {"subject": person.subject})


@pytest.fixture
async def sandbox_provider(clock: SettableClock) -> AsyncIterator[SandboxProvider]:
    """Begins honest, with the test's clock."""
    redirect_uris = frozenset((f"{PUBLIC_URL}/sign-in/google",))
    sandbox = OpenidSandbox(clock, secrets.token_bytes, redirect_uris, make_key=key_maker())
    breakable = Breakable(create_sandbox_app(Settings(), sandbox))
    async with served(breakable) as issuer:
        yield SandboxProvider(issuer, sandbox, breakable.app, breakable.broken)


@pytest.fixture
async def browser_at(services: Services) -> AsyncIterator[BrowserAt]:
    """Opens a browser in a network of its own, at a server that trusts a provider."""
    async with AsyncExitStack() as stack:

        async def opened(provider: Provider) -> OpenidBrowser:
            trusting = replace(services, openid_clients=(google_client(provider.issuer),))
            app = create_app(lambda: nullcontext(trusting))
            await stack.enter_async_context(app.router.lifespan_context(app))
            host = str(IPv6Address(services.randomness(16)))
            there = httpx.ASGITransport(app, client=(host, 1), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=there, base_url=PUBLIC_URL)
            await stack.enter_async_context(client)
            return OpenidBrowser(client, provider)

        yield opened
