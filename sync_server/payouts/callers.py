"""Who calls an endpoint of payouts, as a type in its signature."""

from typing import Annotated, Final

from fastapi import Depends

from sync_server.organizers.callers import AnyMember, MemberWith, OrganizerCaller
from sync_server.organizers.errors import CapabilityMissingError
from sync_server.organizers.rules import Capability

_SEES_PAYOUTS: Final = frozenset(
    {Capability.FINANCE_VIEW, Capability.PAYOUTS_REQUEST, Capability.PAYOUTS_APPROVE}
)


def payouts_viewer(caller: AnyMember) -> OrganizerCaller:
    """Let in whoever sees the books, asks for money or lets it go."""
    if not caller.capabilities & _SEES_PAYOUTS:
        raise CapabilityMissingError(Capability.FINANCE_VIEW.value)
    return caller


PayoutsViewer = Annotated[OrganizerCaller, Depends(payouts_viewer)]
PayoutRequester = Annotated[OrganizerCaller, Depends(MemberWith(Capability.PAYOUTS_REQUEST))]
PayoutApprover = Annotated[OrganizerCaller, Depends(MemberWith(Capability.PAYOUTS_APPROVE))]
