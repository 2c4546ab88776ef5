"""Members invited by e-mail: a letter with a link that works once, for the address it was sent
to.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.identity import service as identity
from sync_server.identity.rules import (
    LETTER_TOKEN_PREFIX,
    TOKEN_BYTES,
    Language,
    UserId,
    opaque_token,
)
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.mail import send_quietly
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers import repository, service
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.errors import (
    InvitationNotFoundError,
    InvitationTokenUnknownError,
    MemberExistsError,
    TooManyInvitationsError,
)
from sync_server.organizers.models import OrganizerInvitation, OrganizerMember
from sync_server.organizers.rules import known, stored
from sync_server.organizers.schemas import (
    INVITATION_LIFETIME,
    InvitationShown,
    MembershipShown,
    NewInvitation,
)

INVITATIONS_AN_HOUR_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation, and what its letter needs."""

    shown: InvitationShown
    organizer_name: str
    language: Language
    link: str


async def invite(caller: OrganizerCaller, services: Services, wanted: NewInvitation) -> Invited:
    now = instant(services.clock.now_ms())
    await _require_room(caller, now - timedelta(hours=1))
    token = opaque_token(LETTER_TOKEN_PREFIX, services.randomness(TOKEN_BYTES))
    invitation = OrganizerInvitation(
        organizer_id=caller.organizer_id,
        id=services.new_id(),
        address=wanted.address,
        capabilities=stored(wanted.capabilities),
        token_hash=token_hash(token),
        invited_by=caller.user_id,
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
        accepted_by=None,
        accepted_at=None,
        withdrawn_at=None,
    )
    await repository.add_invitation(caller.session, invitation)
    to = {"address": wanted.address, "capabilities": invitation.capabilities}
    change = Action("invitation.create", _subject(invitation.organizer_id, invitation.id), after=to)
    await audit.record_action(caller.session, services, change)
    organizer = await service.find_organizer(caller, caller.organizer_id)
    # What follows `#` never reaches a server's log.
    link = f"{services.public_url}/invitation#{token}"
    shown = InvitationShown.model_validate(invitation)
    return Invited(shown, " ".join(organizer.name.split()), wanted.language, link)


async def send_invitation(services: Services, invited: Invited) -> None:
    """Write in the person's own language where they have an account, and send."""
    address = invited.shown.address
    async with services.database.reading(WORKER) as session:
        own = await identity.find_language_of_address(session, address)
    words = {"organizer": invited.organizer_name, "link": invited.link}
    letter = write_letter(address, own or invited.language, Occasion.INVITATION, **words)
    await send_quietly(services.mail, letter)


async def list_invitations(caller: OrganizerCaller, page: PageRequest) -> Page[InvitationShown]:
    organizer_id = caller.organizer_id
    listed = Subject("invitations_of_organizer", str(organizer_id), organizer_id)
    audit.note_access(Access(AccessKind.READ, listed))
    rows = await repository.list_invitations(caller.session, caller.organizer_id, page)
    return page_of(rows, page, InvitationShown.model_validate, lambda row: row.id)


async def withdraw_invitation(
    caller: OrganizerCaller, services: Services, invitation_id: UUID
) -> None:
    moment = instant(services.clock.now_ms())
    organizer_id = caller.organizer_id
    if not await repository.withdraw_invitation(
        caller.session, organizer_id, invitation_id, moment
    ):
        raise InvitationNotFoundError
    change = Action("invitation.withdraw", _subject(organizer_id, invitation_id))
    await audit.record_action(caller.session, services, change)


async def accept_invitation(services: Services, user_id: UserId, token: str) -> MembershipShown:
    """Make the person a member; the database checks that somebody invited them."""
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        address = await identity.find_address(session, user_id)
        if address is None:
            raise InvitationTokenUnknownError
        invited = (user_id, address)
        invitation = await repository.accept_invitation(session, token_hash(token), invited, now)
        if invitation is None:
            raise InvitationTokenUnknownError
        member = OrganizerMember(
            organizer_id=invitation.organizer_id,
            user_id=user_id,
            capabilities=invitation.capabilities,
            created_at=now,
        )
        try:
            await repository.add_member(session, member)
        except IntegrityError as error:
            raise MemberExistsError from error
        accepted = _subject(invitation.organizer_id, invitation.id)
        rights = {"capabilities": member.capabilities}
        change = Action("invitation.accept", accepted, after=rights, actor_id=user_id)
        await audit.record_action(session, services, change)
        return MembershipShown(
            organizer_id=member.organizer_id, capabilities=known(member.capabilities)
        )


def _subject(organizer_id: UUID, invitation_id: UUID) -> Subject:
    return Subject("invitation", str(invitation_id), organizer_id)


async def _require_room(caller: OrganizerCaller, since: datetime) -> None:
    """Letters in our name go to strangers: nobody sends them by the thousand."""
    sent = await repository.count_invitations(caller.session, caller.organizer_id, since)
    if sent >= INVITATIONS_AN_HOUR_MAX:
        raise TooManyInvitationsError(headers={"Retry-After": "3600"})
