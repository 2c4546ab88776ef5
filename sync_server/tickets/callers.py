"""Who calls a wallet's endpoint, as a type in its signature: a claim token's holder."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from sync_server.kit.server_keys import ServerKeysDependency
from sync_server.kit.services import ServicesDependency
from sync_server.tickets.errors import ClaimTokenInvalidError
from sync_server.tickets.wallet import WalletCall

_BEARER = HTTPBearer(auto_error=False, scheme_name="ClaimToken", description="A claim token")


def ticket_holder(
    services: ServicesDependency,
    server_keys: ServerKeysDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> WalletCall:
    if credentials is None or not credentials.credentials:
        raise ClaimTokenInvalidError
    return WalletCall(services, server_keys, credentials.credentials)


TicketHolder = Annotated[WalletCall, Depends(ticket_holder)]
