"""HTTP: what was done and who looked, with proofs; for members who manage members, and
for admins.
"""

from uuid import UUID

from shared.ids import OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.errors import LoggedRowNotFoundError, NotSealedYetError, SealBrokenRowError
from sync_server.audit.proofs import prove
from sync_server.audit.rules import Access, AccessKind, Log, Subject
from sync_server.audit.schemas import AccessShown, ActionShown, InclusionProof
from sync_server.evidence.callers import ManagedOrganizer
from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.claims import WORKER
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.server_keys import ServerKeysDependency
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import MembersManager
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/audit",
    tags=["audit"],
    responses=problem_responses(
        AuthenticationRequiredError,
        RequestInvalidError,
        OrganizerNotFoundError,
        CapabilityMissingError,
    ),
)


admin_router = ProblemRouter(
    prefix="/v1/audit",
    tags=["audit"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        RequestInvalidError,
        CursorInvalidError,
    ),
)


@router.get("/actions", responses=problem_responses(CursorInvalidError))
async def list_actions(caller: MembersManager, page: PageDependency) -> Page[ActionShown]:
    _note(Log.ACTIONS, "*", caller.organizer_id)
    return await audit.list_actions(caller.session, caller.organizer_id, page)


@router.get("/accesses", responses=problem_responses(CursorInvalidError))
async def list_accesses(caller: MembersManager, page: PageDependency) -> Page[AccessShown]:
    _note(Log.ACCESSES, "*", caller.organizer_id)
    return await audit.list_accesses(caller.session, caller.organizer_id, page)


@router.get(
    "/actions/{action_id}/proof",
    responses=problem_responses(LoggedRowNotFoundError, NotSealedYetError, SealBrokenRowError),
)
async def read_proof(
    action_id: UUID,
    organizer_id: ManagedOrganizer,
    services: ServicesDependency,
    server_keys: ServerKeysDependency,
) -> InclusionProof:
    _note(Log.ACTIONS, str(action_id), organizer_id)
    return await prove(services, server_keys, Log.ACTIONS, action_id, organizer_id)


@admin_router.get("/actions")
async def list_every_action(
    _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[ActionShown]:
    _note(Log.ACTIONS, "*")
    async with services.database.reading(WORKER) as session:
        return await audit.list_actions(session, None, page)


@admin_router.get("/accesses")
async def list_every_access(
    _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[AccessShown]:
    _note(Log.ACCESSES, "*")
    async with services.database.reading(WORKER) as session:
        return await audit.list_accesses(session, None, page)


def _note(log: Log, row: str, organizer_id: OrganizerId | None = None) -> None:
    """Reading a log is itself a look."""
    audit.note_access(Access(AccessKind.READ, Subject(log, row, organizer_id)))
