"""Who buys: anybody, signed in or not; and the owner of an order, by its token."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from sync_server.identity import service as identity
from sync_server.kit.claims import user_claims
from sync_server.kit.idempotency import RepeatableRequest, RequiredKey
from sync_server.kit.requests import (
    AuthenticationRequiredError,
    presented_token,
    require_own_page,
)
from sync_server.kit.services import ServicesDependency
from sync_server.orders.errors import IdempotencyKeyWeakError, OrderTokenInvalidError
from sync_server.orders.service import OrderCall

GUESTS_KEY_CHARACTERS_MIN: Final = 16
_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="OrderToken", description="An order's token"
)


async def buyer_id(request: Request, services: ServicesDependency) -> UUID | None:
    """Find out who is signed in; nobody need be. A session that is over is refused, so that its
    owner does not buy as a guest unawares.
    """
    presented = presented_token(request, services)
    if presented is None:
        return None
    require_own_page(request, services, presented)
    async with services.database.reading(user_claims(presented.text)) as session:
        current = await identity.resolve_session(session)
    if current is None:
        raise AuthenticationRequiredError
    return current.user_id


BuyerId = Annotated[UUID | None, Depends(buyer_id)]


def buyers_request(request: RequiredKey) -> RepeatableRequest:
    """The answer to a repeat holds the order's token: a guest's key must not be guessed."""
    if len(request.key or "") < GUESTS_KEY_CHARACTERS_MIN:
        raise IdempotencyKeyWeakError
    return request


BuyersRequest = Annotated[RepeatableRequest, Depends(buyers_request)]


def order_owner(
    services: ServicesDependency,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> OrderCall:
    if credentials is None or not credentials.credentials:
        raise OrderTokenInvalidError
    return OrderCall(services, credentials.credentials)


OrderOwner = Annotated[OrderCall, Depends(order_owner)]
