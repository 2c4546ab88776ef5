"""Whose token a request carries, and one transaction a request under it, committed before the
answer leaves.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from sync_server.kit.claims import user_claims
from sync_server.kit.problems import ForbiddenError, UnknownSecret, UnknownSecretError
from sync_server.kit.services import Services, ServicesDependency
from sync_server.kit.session_cookies import (
    COOKIE_NAME,
    SAFE_METHODS,
    cookie_token,
    is_from_our_pages,
)

_READING_METHODS: Final = frozenset({"GET", "HEAD"})
# Both describe the API and read nothing: `presented_token` does.
_BEARER: Final = HTTPBearer(auto_error=False, description="An opaque session token")
_COOKIE: Final = APIKeyCookie(
    name=COOKIE_NAME,
    scheme_name="SessionCookie",
    auto_error=False,
    description="The same token, as our own pages keep it",
)


class AuthenticationRequiredError(UnknownSecretError):
    secret = UnknownSecret.SERVICE
    status = 401
    code = "authentication_required"
    title = "Sign in first: the token is missing, over or withdrawn"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class CrossSiteRequestError(ForbiddenError):
    code = "cross_site_request"
    title = "A session in a cookie changes nothing at the wish of another site's page"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A session token as it came; a browser adds a cookie by itself, whoever made it ask."""

    text: str = field(repr=False)
    is_from_cookie: bool


def header_token(connection: HTTPConnection) -> str | None:
    """Take the token out of the Authorization header; another scheme than Bearer holds none."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None


def presented_token(connection: HTTPConnection, services: Services) -> PresentedToken | None:
    """Find a request's token: in its header first, else in its cookie."""
    if (token := header_token(connection)) is not None:
        return PresentedToken(token, is_from_cookie=False)
    if (token := cookie_token(connection, services)) is not None:
        return PresentedToken(token, is_from_cookie=True)
    return None


def require_own_page(request: Request, services: Services, presented: PresentedToken) -> None:
    """Refuse, as CrossSiteRequestError, what another site's page sent with our cookie."""
    if not presented.is_from_cookie or request.method in SAFE_METHODS:
        return
    if not is_from_our_pages(request.headers, services):
        raise CrossSiteRequestError


def bearer_token(
    request: Request,
    services: ServicesDependency,
    _header: Annotated[object, Depends(_BEARER)],
    _cookie: Annotated[object, Depends(_COOKIE)],
) -> str:
    """Take the token of header or cookie, else raise AuthenticationRequiredError."""
    presented = presented_token(request, services)
    if presented is None:
        raise AuthenticationRequiredError
    require_own_page(request, services, presented)
    return presented.text


async def user_transaction(
    request: Request,
    services: ServicesDependency,
    token: Annotated[str, Depends(bearer_token)],
) -> AsyncIterator[AsyncSession]:
    """Reading methods get a transaction that cannot write."""
    database, claims = services.database, user_claims(token)
    reads = request.method in _READING_METHODS
    opened = database.reading(claims) if reads else database.transaction(claims)
    async with opened as session:
        yield session


# Scope "function" ends the transaction before the answer leaves: a failed commit is told to the
# caller.
UserTransaction = Annotated[AsyncSession, Depends(user_transaction, scope="function")]
