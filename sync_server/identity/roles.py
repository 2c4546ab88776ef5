"""Admins: made by another admin, or by the operator's command; the database keeps the last one."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Subject
from sync_server.identity import repository, second_factor
from sync_server.identity.errors import LastAdminError, UserNotFoundError
from sync_server.identity.models import UserRole
from sync_server.identity.records import record_of_person
from sync_server.identity.rules import UserId
from sync_server.identity.schemas import AdminShown, AdminsShown
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services

ADMIN = "admin"
_ADMINS_ROLE = {"role": ADMIN}


async def list_admins(services: Services) -> AdminsShown:
    audit.note_access(Access(AccessKind.READ, Subject("admins", "*")))
    async with services.database.reading(WORKER) as session:
        rows = await repository.list_admins(session)
    return AdminsShown(items=[AdminShown.model_validate(row) for row in rows])


async def is_admin(session: AsyncSession, user_id: UserId) -> bool:
    """Needs the worker's transaction."""
    return await repository.is_person_admin(session, user_id)


async def grant_admin(services: Services, granter: UserId, user_id: UUID) -> None:
    """Make somebody an admin; the database refuses a granter who is none."""
    async with services.database.transaction(WORKER) as session:
        await _grant(session, services, user_id, granter)


async def grant_first_admin(
    services: Services, address: str, *, lost_second_factor: bool = False
) -> UserId:
    """Make the owner of an address an admin in the operator's name, and let them set up a new
    second factor if they lost theirs.
    """
    async with services.database.transaction(WORKER) as session:
        user = await repository.find_user_by_address(session, address)
        if user is None:
            raise UserNotFoundError
        await _grant(session, services, user.id, None)
        if lost_second_factor:
            await second_factor.forget(session, services, UserId(user.id))
        return UserId(user.id)


async def revoke_admin(services: Services, revoker: UserId, user_id: UUID) -> None:
    """Take the role from somebody, unless nobody would be left who has it."""
    try:
        async with services.database.transaction(WORKER) as session:
            if not await repository.revoke_role(session, user_id, ADMIN):
                raise UserNotFoundError
            await record_of_person(
                session, services, "role.revoke", user_id, after=_ADMINS_ROLE, by=revoker
            )
    except IntegrityError as error:
        raise LastAdminError from error


async def _grant(
    session: AsyncSession, services: Services, user_id: UUID, granter: UserId | None
) -> None:
    if await repository.find_user(session, user_id) is None:
        raise UserNotFoundError
    granted_at = instant(services.clock.now_ms())
    role = UserRole(user_id=user_id, role=ADMIN, granted_by=granter, granted_at=granted_at)
    if await repository.grant_role(session, role):
        await record_of_person(
            session, services, "role.grant", user_id, after=_ADMINS_ROLE, by=granter
        )
