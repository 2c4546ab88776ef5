"""The providers this server was given a client for, each opened once a process; to callers any
other does not exist.
"""

from typing import Annotated, Final

from fastapi import Depends, Path, Request

from shared.clock import Clock
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.services import ServicesDependency
from sync_server.openid.errors import OpenidProviderUnknownError
from sync_server.openid.fetching import Fetcher
from sync_server.openid.provider import OpenidProvider

_PAGE: Final = "sign-in"


def open_provider(client: OpenidClient, clock: Clock, public_url: str) -> OpenidProvider:
    """The provider sends browsers back to a page of ours; its address is registered there."""
    fetcher = Fetcher(client.provider)
    return OpenidProvider(client, clock, fetcher, f"{public_url}/{_PAGE}/{client.provider}")


def configured_provider(
    provider: Annotated[str, Path(pattern="^[a-z]{1,20}$")],
    request: Request,
    services: ServicesDependency,
) -> OpenidProvider:
    """Find the provider of the path, else raise OpenidProviderUnknownError."""
    opened = getattr(request.app.state, "openid_providers", None)
    if opened is None:
        opened = {
            client.provider: open_provider(client, services.clock, services.public_url)
            for client in services.openid_clients
        }
        request.app.state.openid_providers = opened
    found = opened.get(provider)
    if not isinstance(found, OpenidProvider):
        raise OpenidProviderUnknownError
    return found


ConfiguredProvider = Annotated[OpenidProvider, Depends(configured_provider)]
