"""HTTP: a kiosk delivers scans; an organizer reads them and resolves conflicts."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from shared.wire import paths
from shared.wire.scans import ScanBatch, ScanBatchAnswer
from sync_server.admissions import intake, service
from sync_server.admissions.errors import BatchUnsignedError, ConflictNotFoundError
from sync_server.admissions.schemas import ConflictShown, Resolution, ScanShown
from sync_server.deployments import errors
from sync_server.deployments.callers import ScannerSessionCaller
from sync_server.deployments.endpoints import DeploymentPlace
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import MemberWith, OrganizerCaller, ScansViewer
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.organizers.rules import Capability

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events/{event_id}/deployments/{deployment_id}",
    tags=["admissions"],
    responses=problem_responses(
        AuthenticationRequiredError,
        CapabilityMissingError,
        OrganizerNotFoundError,
        errors.DeploymentNotFoundError,
        RequestInvalidError,
    ),
)
scanner_router = ProblemRouter(tags=["scanner"])
ConflictResolver = Annotated[OrganizerCaller, Depends(MemberWith(Capability.SCANS_OVERRIDE))]


@scanner_router.post(
    paths.SCANS,
    responses=problem_responses(
        errors.ProofInvalidError,
        errors.ProofNonceRequiredError,
        errors.ProofReplayedError,
        errors.TokenInvalidError,
        errors.TokenExpiredError,
        errors.SessionRevokedError,
        errors.SessionSupersededError,
        BatchUnsignedError,
        RequestInvalidError,
    ),
)
async def upload_scans(batch: ScanBatch, caller: ScannerSessionCaller) -> ScanBatchAnswer:
    """Take up to 500 journal entries; sent again, they change nothing."""
    return await intake.take_batch(caller, batch)


@router.get("/scans", responses=problem_responses(CursorInvalidError))
async def list_scans(
    place: DeploymentPlace, caller: ScansViewer, page: PageDependency
) -> Page[ScanShown]:
    return await service.list_scans(caller, place, page)


@router.get("/conflicts", responses=problem_responses(CursorInvalidError))
async def list_conflicts(
    place: DeploymentPlace, caller: ScansViewer, page: PageDependency
) -> Page[ConflictShown]:
    return await service.list_conflicts(caller, place, page)


@router.post("/conflicts/{conflict_id}/resolve", responses=problem_responses(ConflictNotFoundError))
async def resolve_conflict(
    conflict_id: UUID,
    place: DeploymentPlace,
    wanted: Resolution,
    caller: ConflictResolver,
    services: ServicesDependency,
) -> ConflictShown:
    """Say what came of a conflict; new evidence opens it again."""
    return await service.resolve_conflict(caller, services, place, conflict_id, wanted)
