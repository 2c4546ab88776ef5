"""Who is whom at a provider: written down once, recorded, and told to its owner."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.identity import service as identity
from sync_server.identity.rules import UserId
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.instants import instant
from sync_server.kit.mail import Letter
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.services import Services
from sync_server.openid import repository
from sync_server.openid.models import UserOpenidIdentity
from sync_server.openid.rules import ProvenPerson


class LinkedBy(StrEnum):
    """How a link came about, as the audit log says it."""

    SIGN_UP = "sign_up"
    ADDRESS = "address"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class NewLink:
    user_id: UserId
    client: OpenidClient
    person: ProvenPerson
    by: LinkedBy


async def add(session: AsyncSession, services: Services, link: NewLink) -> UserOpenidIdentity:
    """Write a link down and record it; where somebody was faster, give theirs. Needs the worker's
    transaction.
    """
    now = instant(services.clock.now_ms())
    row = UserOpenidIdentity(
        id=services.new_id(),
        user_id=link.user_id,
        provider=link.client.provider,
        issuer=link.person.issuer,
        subject=link.person.subject,
        address=link.person.address,
        created_at=now,
        last_used_at=now,
    )
    if await repository.add_identity(session, row):
        after = {"provider": link.client.provider, "linked_by": link.by.value}
        subject = Subject("openid_identity", str(row.id))
        action = Action("openid.link", subject, after=after, actor_id=link.user_id)
        await audit.record_action(session, services, action)
        return row
    return await repository.get_identity(session, link.person.issuer, link.person.subject)


async def remove(
    session: AsyncSession, services: Services, user_id: UserId, identity_id: UUID
) -> str | None:
    """Undo a link and record it; give its provider, or None where its owner has no such link."""
    provider = await repository.remove_identity(session, user_id, identity_id)
    if provider is None:
        return None
    before, subject = {"provider": provider}, Subject("openid_identity", str(identity_id))
    action = Action("openid.unlink", subject, before=before, actor_id=user_id)
    await audit.record_action(session, services, action)
    return provider


async def write_of_linking(session: AsyncSession, user_id: UserId, provider: str) -> Letter | None:
    """Tell somebody of a new way into their account; None where they have no address."""
    return await _written(session, user_id, Occasion.IDENTITY_LINKED, provider)


async def write_of_unlinking(
    session: AsyncSession, user_id: UserId, provider: str
) -> Letter | None:
    return await _written(session, user_id, Occasion.IDENTITY_UNLINKED, provider)


async def _written(
    session: AsyncSession, user_id: UserId, occasion: Occasion, provider: str
) -> Letter | None:
    account = await identity.find_account(session, user_id)
    address = await identity.find_address(session, user_id)
    if account is None or address is None:
        return None
    words = {"name": account.display_name, "provider": provider}
    return write_letter(address, account.language, occasion, **words)
