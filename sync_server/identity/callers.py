"""Who calls an endpoint, as a type in its signature: a person who is signed in, an admin, or
whoever acts for an organizer.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import BackgroundTasks, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import repository, service
from sync_server.identity.errors import (
    AdminRequiredError,
    FreshProofNeededError,
    SecondFactorNeededError,
)
from sync_server.identity.rules import UserId
from sync_server.identity.service import CurrentSession
from sync_server.identity.visitors import VisitorDependency
from sync_server.kit.claims import user_claims
from sync_server.kit.requests import (
    AuthenticationRequiredError,
    UserTransaction,
    bearer_token,
)
from sync_server.kit.services import ServicesDependency


@dataclass(frozen=True, slots=True)
class UserCaller:
    """A person, with the transaction that speaks for them."""

    user_id: UserId
    session: AsyncSession


async def current_session(
    session: UserTransaction,
    services: ServicesDependency,
    visitor: VisitorDependency,
    background: BackgroundTasks,
) -> CurrentSession | None:
    """Find a person's session, and have it noted after the answer that it is in use."""
    current = await service.resolve_session(session)
    if current is not None and service.is_due_to_be_seen(services, current):
        background.add_task(service.keep_session_alive, services, current.session_id, visitor)
    return current


FoundSession = Annotated[CurrentSession | None, Depends(current_session)]


async def signed_in_session(current: FoundSession) -> CurrentSession:
    if current is None:
        raise AuthenticationRequiredError
    return current


OwnSession = Annotated[CurrentSession, Depends(signed_in_session)]


async def user_caller(current: OwnSession, session: UserTransaction) -> UserCaller:
    return UserCaller(current.user_id, session)


SignedInUser = Annotated[UserCaller, Depends(user_caller)]


async def acting_caller(current: FoundSession, session: UserTransaction) -> UserCaller:
    """Let in a person, or a program with a service account: to whom an organizer gave rights."""
    if current is not None:
        return UserCaller(current.user_id, session)
    account_id = await service.resolve_service_account(session)
    if account_id is None:
        raise AuthenticationRequiredError
    return UserCaller(account_id, session)


ActingCaller = Annotated[UserCaller, Depends(acting_caller)]


async def person(
    token: Annotated[str, Depends(bearer_token)], services: ServicesDependency
) -> CurrentSession:
    """Find a person and let go of the connection: what follows is done in the server's name."""
    async with services.database.reading(user_claims(token)) as session:
        current = await service.resolve_session(session)
    if current is None:
        raise AuthenticationRequiredError
    return current


Person = Annotated[CurrentSession, Depends(person)]


async def freshly_proved_person(current: Person, services: ServicesDependency) -> CurrentSession:
    """Let in whoever signed in or showed a second factor a moment ago: a session that was left
    open, or stolen, does not change how its owner signs in.
    """
    if not service.is_freshly_proved(services, current):
        raise FreshProofNeededError
    return current


FreshlyProvedPerson = Annotated[CurrentSession, Depends(freshly_proved_person)]


async def admin(
    token: Annotated[str, Depends(bearer_token)], services: ServicesDependency
) -> CurrentSession:
    """Let an admin in who showed a passkey or digits; the database says who is one."""
    async with services.database.reading(user_claims(token)) as session:
        current = await service.resolve_session(session)
        is_admin = await repository.is_admin(session)
    if current is None:
        raise AuthenticationRequiredError
    if not is_admin:
        raise AdminRequiredError
    if current.second_factor_at is None:
        raise SecondFactorNeededError
    return current


Admin = Annotated[CurrentSession, Depends(admin)]
