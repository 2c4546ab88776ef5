"""Who calls an endpoint, as a type in its signature: a person who is signed in."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import service
from sync_server.identity.rules import UserId
from sync_server.kit.requests import AuthenticationRequiredError, UserTransaction


@dataclass(frozen=True, slots=True)
class UserCaller:
    """A person, with the transaction that speaks for them."""

    user_id: UserId
    session: AsyncSession


async def user_caller(session: UserTransaction) -> UserCaller:
    user_id = await service.resolve_caller(session)
    if user_id is None:
        raise AuthenticationRequiredError
    return UserCaller(user_id, session)


SignedInUser = Annotated[UserCaller, Depends(user_caller)]
