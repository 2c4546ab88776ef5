"""A person's passkeys: seen, named and removed; and how somebody signs in at all."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity import roles, second_factor
from sync_server.identity import service as identity
from sync_server.identity.errors import LastWayInError
from sync_server.identity.rules import UserId
from sync_server.identity.service import CurrentSession
from sync_server.identity.writing import Occasion
from sync_server.kit.claims import WORKER
from sync_server.kit.mail import Letter
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.passkeys import repository
from sync_server.passkeys.errors import PasskeyNotFoundError
from sync_server.passkeys.letters import write_to_owner
from sync_server.passkeys.schemas import PasskeyShown, SecurityShown


async def list_own(session: AsyncSession, user_id: UserId, page: PageRequest) -> Page[PasskeyShown]:
    rows = await repository.list_shown(session, user_id, page)
    return page_of(rows, page, PasskeyShown.model_validate, lambda row: row.id)


async def rename(
    session: AsyncSession, user_id: UserId, passkey_id: UUID, name: str
) -> PasskeyShown:
    renamed = await repository.rename(session, user_id, passkey_id, name)
    if renamed is None:
        raise PasskeyNotFoundError
    return PasskeyShown.model_validate(renamed)


async def remove(services: Services, current: CurrentSession, passkey_id: UUID) -> Letter | None:
    """Remove a passkey and write to its owner; the database keeps their last way in."""
    try:
        async with services.database.transaction(WORKER) as session:
            await second_factor.require_shown(session, current)
            return await _remove(session, services, current.user_id, passkey_id)
    except IntegrityError as error:
        raise LastWayInError from error


async def remove_all(services: Services, user_id: UserId, reason: str) -> list[Letter]:
    """Help somebody who lost their passkeys; the operator alone may."""
    try:
        async with services.database.transaction(WORKER) as session:
            passkeys = await repository.list_of_person(session, user_id)
            letters = [
                await _remove(session, services, user_id, passkey.id, reason)
                for passkey in passkeys
            ]
    except IntegrityError as error:
        raise LastWayInError from error
    return [letter for letter in letters if letter is not None]


async def read_security(services: Services, current: CurrentSession) -> SecurityShown:
    """Say how somebody signs in, and what this session showed."""
    async with services.database.reading(WORKER) as session:
        return SecurityShown(
            has_password=await identity.has_password(session, current.user_id),
            totp=await second_factor.is_on(session, current.user_id),
            passkeys=await repository.count_of_person(session, current.user_id),
            is_admin=await roles.is_admin(session, current.user_id),
            proved_at=current.second_factor_at,
            proved_by=current.second_factor_kind,
        )


async def _remove(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    passkey_id: UUID,
    reason: str | None = None,
) -> Letter | None:
    name = await repository.remove(session, user_id, passkey_id)
    if name is None:
        raise PasskeyNotFoundError
    subject = Subject("passkey", str(passkey_id))
    actor_id = user_id if reason is None else None
    action = Action(
        "passkey.remove", subject, before={"name": name}, reason=reason, actor_id=actor_id
    )
    await audit.record_action(session, services, action)
    return await write_to_owner(session, user_id, Occasion.PASSKEY_REMOVED, name)
