"""Who asks for a proof: checked first and then let go, since the proof is read in the worker's
transaction and a request that holds two connections could exhaust the pool.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from shared.ids import OrganizerId
from sync_server.identity.callers import Person, UserCaller
from sync_server.kit.claims import user_claims
from sync_server.kit.requests import bearer_token
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import MemberWith, organizer_member
from sync_server.organizers.rules import Capability

_MANAGER = MemberWith(Capability.MEMBERS_MANAGE)


async def managed_organizer(
    organizer_id: UUID,
    person: Person,
    token: Annotated[str, Depends(bearer_token)],
    services: ServicesDependency,
) -> OrganizerId:
    """Give the organizer whose members the caller manages; its transaction has ended."""
    async with services.database.reading(user_claims(token)) as session:
        member = await organizer_member(organizer_id, UserCaller(person.user_id, session))
    return _MANAGER(member).organizer_id


ManagedOrganizer = Annotated[OrganizerId, Depends(managed_organizer)]
