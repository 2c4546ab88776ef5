"""SQL on organizers, members, invitations and service accounts; every statement names the
organizer although RLS would.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.kit.pagination import PageRequest
from sync_server.organizers.models import (
    Organizer,
    OrganizerInvitation,
    OrganizerMember,
    ServiceAccount,
)


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


async def add_invitation(session: AsyncSession, invitation: OrganizerInvitation) -> None:
    session.add(invitation)
    await session.flush()


async def count_invitations(
    session: AsyncSession, organizer_id: OrganizerId, since: datetime
) -> int:
    query = (
        select(func.count())
        .select_from(OrganizerInvitation)
        .where(
            OrganizerInvitation.organizer_id == organizer_id,
            OrganizerInvitation.created_at > since,
        )
    )
    return await session.scalar(query) or 0


async def list_invitations(
    session: AsyncSession, organizer_id: OrganizerId, page: PageRequest
) -> Sequence[OrganizerInvitation]:
    query = (
        select(OrganizerInvitation)
        .where(OrganizerInvitation.organizer_id == organizer_id)
        .order_by(OrganizerInvitation.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(OrganizerInvitation.id > page.after)
    return (await session.scalars(query)).all()


async def withdraw_invitation(
    session: AsyncSession, organizer_id: OrganizerId, invitation_id: UUID, moment: datetime
) -> bool:
    withdrawn = await session.execute(
        update(OrganizerInvitation)
        .where(
            OrganizerInvitation.organizer_id == organizer_id,
            OrganizerInvitation.id == invitation_id,
            OrganizerInvitation.accepted_at.is_(None),
            OrganizerInvitation.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=moment)
        .returning(OrganizerInvitation.id),
    )
    return withdrawn.one_or_none() is not None


async def accept_invitation(
    session: AsyncSession, token_hash: bytes, invited: tuple[UUID, str], moment: datetime
) -> OrganizerInvitation | None:
    """Take an invitation once, for the person whose address it names."""
    user_id, address = invited
    accepted = await session.execute(
        update(OrganizerInvitation)
        .where(
            OrganizerInvitation.token_hash == token_hash,
            OrganizerInvitation.address == address,
            OrganizerInvitation.accepted_at.is_(None),
            OrganizerInvitation.withdrawn_at.is_(None),
            OrganizerInvitation.expires_at > moment,
        )
        .values(accepted_by=user_id, accepted_at=moment)
        .returning(OrganizerInvitation),
    )
    return accepted.scalar_one_or_none()


async def add_service_account(session: AsyncSession, account: ServiceAccount) -> None:
    session.add(account)
    await session.flush()


async def list_service_accounts(
    session: AsyncSession, organizer_id: OrganizerId, page: PageRequest
) -> Sequence[ServiceAccount]:
    query = (
        select(ServiceAccount)
        .where(ServiceAccount.organizer_id == organizer_id)
        .order_by(ServiceAccount.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(ServiceAccount.id > page.after)
    return (await session.scalars(query)).all()


async def revoke_service_account(
    session: AsyncSession, organizer_id: OrganizerId, account_id: UUID, moment: datetime
) -> bool:
    revoked = await session.execute(
        update(ServiceAccount)
        .where(
            ServiceAccount.organizer_id == organizer_id,
            ServiceAccount.id == account_id,
            ServiceAccount.revoked_at.is_(None),
        )
        .values(revoked_at=moment)
        .returning(ServiceAccount.id),
    )
    return revoked.one_or_none() is not None
