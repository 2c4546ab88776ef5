"""Who listens, as a type in the endpoint's signature: whoever the token speaks for."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from sync_server.kit.claims import Claims, user_claims, wallet_claims
from sync_server.kit.requests import bearer_token
from sync_server.kit.services import ServicesDependency
from sync_server.realtime.service import Realtime
from sync_server.tickets.rules import CLAIM_TOKEN_PREFIX


def listener(token: Annotated[str, Depends(bearer_token)]) -> Claims:
    """Tell wallets from people and programs by their token; the database says whose it is."""
    is_wallet = token.startswith(CLAIM_TOKEN_PREFIX)
    return wallet_claims(token) if is_wallet else user_claims(token)


Listener = Annotated[Claims, Depends(listener)]


def realtime(request: Request, services: ServicesDependency) -> Realtime:
    """Give the process's only one."""
    found = getattr(request.app.state, "realtime", None)
    if not isinstance(found, Realtime):
        found = Realtime(services)
        request.app.state.realtime = found
    return found


RealtimeDependency = Annotated[Realtime, Depends(realtime)]


def stop_listening(app: FastAPI) -> None:
    """End every stream of an application that stops."""
    found = getattr(app.state, "realtime", None)
    if isinstance(found, Realtime):
        found.stop()
