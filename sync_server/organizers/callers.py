"""Who calls an organizer's endpoint, as a type in its signature: a member with a capability."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from shared.ids import OrganizerId
from sync_server.identity.callers import ActingCaller, UserCaller
from sync_server.organizers import service
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.organizers.rules import Capability


@dataclass(frozen=True, slots=True)
class OrganizerCaller(UserCaller):
    """Who acts for the organizer named in the path, with the transaction that speaks for them: a
    member, or a program whose service account's id stands in `user_id`.
    """

    organizer_id: OrganizerId
    capabilities: frozenset[Capability]


async def organizer_member(organizer_id: UUID, caller: ActingCaller) -> OrganizerCaller:
    """Let any member or service account in; to others the organizer does not exist."""
    tenant = OrganizerId(organizer_id)
    capabilities = await service.my_capabilities(caller, tenant)
    if capabilities is None:
        raise OrganizerNotFoundError
    return OrganizerCaller(caller.user_id, caller.session, tenant, capabilities)


AnyMember = Annotated[OrganizerCaller, Depends(organizer_member)]


@dataclass(frozen=True, slots=True)
class MemberWith:
    """A dependency that lets in members with one capability."""

    capability: Capability

    def __call__(self, caller: AnyMember) -> OrganizerCaller:
        if self.capability not in caller.capabilities:
            raise CapabilityMissingError(self.capability.value)
        return caller


EventManager = Annotated[OrganizerCaller, Depends(MemberWith(Capability.EVENT_MANAGE))]
MembersManager = Annotated[OrganizerCaller, Depends(MemberWith(Capability.MEMBERS_MANAGE))]
TicketIssuer = Annotated[OrganizerCaller, Depends(MemberWith(Capability.TICKETS_ISSUE))]
ScannerProvisioner = Annotated[OrganizerCaller, Depends(MemberWith(Capability.SCANNERS_PROVISION))]
ScansViewer = Annotated[OrganizerCaller, Depends(MemberWith(Capability.SCANS_VIEW))]
FinanceViewer = Annotated[OrganizerCaller, Depends(MemberWith(Capability.FINANCE_VIEW))]
BoxOfficeSeller = Annotated[OrganizerCaller, Depends(MemberWith(Capability.BOX_OFFICE_SELL))]
RefundRequester = Annotated[OrganizerCaller, Depends(MemberWith(Capability.REFUNDS_REQUEST))]
