"""SQL on organizers and members; every statement names the organizer although RLS would."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.kit.pagination import PageRequest
from sync_server.organizers.models import Organizer, OrganizerMember


async def add_organizer(session: AsyncSession, organizer: Organizer) -> None:
    session.add(organizer)
    await session.flush()


async def list_own(
    session: AsyncSession,
    user_id: UUID,
    page: PageRequest,
) -> Sequence[Organizer]:
    query = (
        select(Organizer)
        .join(OrganizerMember, OrganizerMember.organizer_id == Organizer.id)
        .where(OrganizerMember.user_id == user_id)
        .order_by(Organizer.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(Organizer.id > page.after)
    return (await session.scalars(query)).all()


async def find_organizer(session: AsyncSession, organizer_id: OrganizerId) -> Organizer | None:
    return await session.get(Organizer, organizer_id)


async def my_capabilities(session: AsyncSession, organizer_id: OrganizerId) -> list[str] | None:
    """What the transaction's caller may do here; None for strangers."""
    question = text("SELECT private.my_capabilities(:organizer_id)")
    capabilities = await session.scalar(question, {"organizer_id": organizer_id})
    return None if capabilities is None else list(capabilities)


async def add_member(session: AsyncSession, member: OrganizerMember) -> None:
    session.add(member)
    await session.flush()


async def list_members(
    session: AsyncSession,
    organizer_id: OrganizerId,
    page: PageRequest,
) -> Sequence[OrganizerMember]:
    query = (
        select(OrganizerMember)
        .where(OrganizerMember.organizer_id == organizer_id)
        .order_by(OrganizerMember.user_id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(OrganizerMember.user_id > page.after)
    return (await session.scalars(query)).all()


async def lock_members(
    session: AsyncSession,
    organizer_id: OrganizerId,
) -> Sequence[OrganizerMember]:
    """Hold every membership until commit, so two managers cannot remove one another."""
    query = (
        select(OrganizerMember)
        .where(OrganizerMember.organizer_id == organizer_id)
        .order_by(OrganizerMember.user_id)
        .with_for_update()
    )
    return (await session.scalars(query)).all()


async def set_capabilities(
    session: AsyncSession,
    organizer_id: OrganizerId,
    user_id: UUID,
    capabilities: list[str],
) -> None:
    await session.execute(
        update(OrganizerMember)
        .where(OrganizerMember.organizer_id == organizer_id, OrganizerMember.user_id == user_id)
        .values(capabilities=capabilities),
    )


async def remove_member(session: AsyncSession, organizer_id: OrganizerId, user_id: UUID) -> None:
    await session.execute(
        delete(OrganizerMember).where(
            OrganizerMember.organizer_id == organizer_id,
            OrganizerMember.user_id == user_id,
        ),
    )
