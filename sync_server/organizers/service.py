"""Organizers and their members; other domains ask here what a caller may do."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from shared.ids import OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.identity.callers import UserCaller
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.organizers import repository
from sync_server.organizers.errors import (
    LastManagerError,
    MemberExistsError,
    MemberNotFoundError,
    OrganizerExistsError,
    OrganizerNotFoundError,
)
from sync_server.organizers.models import Organizer, OrganizerMember
from sync_server.organizers.rules import Capability, known, leaves_nobody_in_charge, stored
from sync_server.organizers.schemas import MemberShown, NewMember, NewOrganizer, OrganizerShown


async def create_organizer(
    caller: UserCaller,
    services: Services,
    wanted: NewOrganizer,
) -> OrganizerShown:
    """Found an organizer; whoever does becomes its first member and may do everything."""
    now = instant(services.clock.now_ms())
    organizer = Organizer(
        id=wanted.id or services.new_id(),
        name=wanted.name,
        created_by=caller.user_id,
        created_at=now,
    )
    founder = OrganizerMember(
        organizer_id=organizer.id,
        user_id=caller.user_id,
        capabilities=stored(Capability),
        created_at=now,
    )
    try:
        await repository.add_organizer(caller.session, organizer)
    except IntegrityError as error:
        raise OrganizerExistsError from error
    await repository.add_member(caller.session, founder)
    founded = Subject("organizer", str(organizer.id), organizer.id)
    change = Action("organizer.create", founded, after={"name": organizer.name})
    await audit.record_action(caller.session, services, change)
    return OrganizerShown.model_validate(organizer)


async def list_organizers(caller: UserCaller, page: PageRequest) -> Page[OrganizerShown]:
    rows = await repository.list_own(caller.session, caller.user_id, page)
    return page_of(rows, page, OrganizerShown.model_validate, lambda row: row.id)


async def find_organizer(caller: UserCaller, organizer_id: OrganizerId) -> OrganizerShown:
    organizer = await repository.find_organizer(caller.session, organizer_id)
    if organizer is None:
        raise OrganizerNotFoundError
    return OrganizerShown.model_validate(organizer)


async def my_capabilities(
    caller: UserCaller,
    organizer_id: OrganizerId,
) -> frozenset[Capability] | None:
    """Say what the caller may do for this organizer; None where they are no member."""
    words = await repository.my_capabilities(caller.session, organizer_id)
    return None if words is None else known(words)


async def list_members(
    caller: UserCaller,
    organizer_id: OrganizerId,
    page: PageRequest,
) -> Page[MemberShown]:
    listed = Subject("members_of_organizer", str(organizer_id), organizer_id)
    audit.note_access(Access(AccessKind.READ, listed))
    rows = await repository.list_members(caller.session, organizer_id, page)
    return page_of(rows, page, MemberShown.model_validate, lambda row: row.user_id)


async def add_member(
    caller: UserCaller,
    services: Services,
    organizer_id: OrganizerId,
    wanted: NewMember,
) -> MemberShown:
    member = OrganizerMember(
        organizer_id=organizer_id,
        user_id=wanted.user_id,
        capabilities=stored(wanted.capabilities),
        created_at=instant(services.clock.now_ms()),
    )
    try:
        await repository.add_member(caller.session, member)
    except IntegrityError as error:
        raise MemberExistsError from error
    rights = {"capabilities": member.capabilities}
    change = Action("member.add", _member(organizer_id, wanted.user_id), after=rights)
    await audit.record_action(caller.session, services, change)
    return MemberShown.model_validate(member)


async def set_capabilities(
    caller: UserCaller,
    services: Services,
    organizer_id: OrganizerId,
    user_id: UUID,
    capabilities: frozenset[Capability],
) -> MemberShown:
    member = await _changeable(caller, organizer_id, user_id, capabilities)
    words = stored(capabilities)
    # Recorded first: whoever gives up their own rights has none to record under afterwards.
    rights = ({"capabilities": member.capabilities}, {"capabilities": words})
    change = Action("member.change", _member(organizer_id, user_id), *rights)
    await audit.record_action(caller.session, services, change)
    await repository.set_capabilities(caller.session, organizer_id, user_id, words)
    return MemberShown(
        user_id=member.user_id,
        capabilities=capabilities,
        created_at=member.created_at,
    )


async def remove_member(
    caller: UserCaller, services: Services, organizer_id: OrganizerId, user_id: UUID
) -> None:
    member = await _changeable(caller, organizer_id, user_id, frozenset())
    rights = {"capabilities": member.capabilities}
    change = Action("member.remove", _member(organizer_id, user_id), before=rights)
    await audit.record_action(caller.session, services, change)
    await repository.remove_member(caller.session, organizer_id, user_id)


def _member(organizer_id: OrganizerId, user_id: UUID) -> Subject:
    return Subject("member", str(user_id), organizer_id)


async def _changeable(
    caller: UserCaller,
    organizer_id: OrganizerId,
    user_id: UUID,
    remaining: frozenset[Capability],
) -> OrganizerMember:
    """Find the member, unless the change would leave the organizer without a manager."""
    members = {
        row.user_id: row for row in await repository.lock_members(caller.session, organizer_id)
    }
    member = members.pop(user_id, None)
    if member is None:
        raise MemberNotFoundError
    others = [known(other.capabilities) for other in members.values()]
    if leaves_nobody_in_charge(others, remaining):
        raise LastManagerError
    return member
