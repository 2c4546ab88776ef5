"""One transaction a request: under the caller's token, committed before the answer leaves."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import user_claims
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import ServicesDependency

_READING_METHODS: Final = frozenset({"GET", "HEAD"})
_BEARER: Final = HTTPBearer(auto_error=False, description="An opaque session token")


class AuthenticationRequiredError(ProblemError):
    status = 401
    code = "authentication_required"
    title = "Sign in first: the token is missing, over or withdrawn"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


def bearer_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> str:
    """Take the token out of the Authorization header, else raise AuthenticationRequiredError."""
    if credentials is None or not credentials.credentials:
        raise AuthenticationRequiredError
    return credentials.credentials


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
