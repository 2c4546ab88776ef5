"""HTTP: what a kiosk decides by (manifest, file, changes), and an organizer's wish for a new
snapshot.
"""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, status
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from shared.ids import DeploymentId, EventId
from shared.journal.entry import Cursor
from shared.wire import paths
from shared.wire.changes import CHANGES_PER_PAGE_MAX, ChangesPage
from shared.wire.snapshots import SignedManifest
from sync_server.deployments import errors, sessions
from sync_server.deployments import service as deployments
from sync_server.deployments.callers import ScannerAdmission, ScannerSessionCaller
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.server_keys import ServerKeysDependency
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import ScannerProvisioner
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.snapshots import service
from sync_server.snapshots.errors import SnapshotNotFoundError
from sync_server.snapshots.schemas import SnapshotShown
from sync_server.snapshots.wakeups import ChangeTailerDependency
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream

_SESSION = problem_responses(
    errors.ProofInvalidError,
    errors.ProofNonceRequiredError,
    errors.ProofReplayedError,
    errors.TokenInvalidError,
    errors.TokenExpiredError,
    errors.SessionRevokedError,
    errors.SessionSupersededError,
    RequestInvalidError,
)
router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events/{event_id}/deployments/{deployment_id}/snapshots",
    tags=["snapshots"],
    responses=problem_responses(
        AuthenticationRequiredError,
        CapabilityMissingError,
        OrganizerNotFoundError,
        errors.DeploymentNotFoundError,
        RequestInvalidError,
    ),
)
scanner_router = ProblemRouter(tags=["scanner"], responses=_SESSION)
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Place = Annotated[int, Query(ge=0, lt=1 << 63)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def rebuild(
    event_id: UUID,
    deployment_id: UUID,
    caller: ScannerProvisioner,
    services: ServicesDependency,
    server_keys: ServerKeysDependency,
) -> SnapshotShown:
    """Build a new snapshot now, so that kiosks that start later have less to catch up with."""
    place = (caller.organizer_id, EventId(event_id), DeploymentId(deployment_id))
    await deployments.find_deployment(caller.session, place)
    await service.record_rebuild(caller, services, place)
    # Building takes seconds: the caller's own transaction does not wait for it.
    await caller.session.commit()
    return await service.rebuild(services, server_keys, place)


@scanner_router.get(
    paths.MANIFEST,
    responses=problem_responses(errors.DeviceQuarantinedError),
)
async def read_manifest(caller: ScannerAdmission) -> SignedManifest:
    return await service.signed_manifest(caller.services, caller.server_keys, caller.scanner)


@scanner_router.get(
    paths.SNAPSHOT,
    response_class=FileResponse,
    responses=problem_responses(SnapshotNotFoundError),
)
async def read_snapshot(sha256: Sha256, caller: ScannerAdmission) -> FileResponse:
    """Give the file, or the part that `Range` asks for."""
    path = await service.find_file(caller.services, caller.claims, caller.scanner, sha256)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


@scanner_router.get(
    paths.CHANGES,
    response_model_exclude_unset=True,  # in rules an explicit null lifts a limit
    responses=problem_responses(errors.DeviceQuarantinedError),
)
async def read_changes(
    caller: ScannerSessionCaller,
    xid: Place,
    id: Place,  # noqa: A002 - the contract's name
    limit: Annotated[int, Query(ge=1, le=CHANGES_PER_PAGE_MAX)] = CHANGES_PER_PAGE_MAX,
) -> ChangesPage:
    """Give what follows a cursor; `more` says whether to ask again at once."""
    scanner = caller.scanner
    await sessions.require_trusted(caller.session, scanner)
    stream = Stream(scanner.organizer_id, scanner.event_id, scanner.deployment_id)
    page = await changes.read_page(caller.session, stream, Cursor(xid, id), limit)
    return ChangesPage(changes=page.changes, cursor=page.cursor, more=page.more)


@scanner_router.get(paths.CHANGES_STREAM, response_class=EventSourceResponse)
async def stream_changes(
    caller: ScannerAdmission, tailer: ChangeTailerDependency
) -> AsyncIterator[ServerSentEvent]:
    """Wake the kiosk whenever there is something to fetch; what it is, stands in the pages.

    A comment comes every second in which nothing else does. The stream ends with the session, and
    with the token it was opened with.
    """
    async for cursor in tailer.listen(caller):
        yield _sign_of_life() if cursor is None else _wake_up(cursor)


def _sign_of_life() -> ServerSentEvent:
    return ServerSentEvent(comment="alive")


def _wake_up(cursor: Cursor) -> ServerSentEvent:
    place = f"{cursor.xid},{cursor.id}"
    return ServerSentEvent(event=paths.CHANGED_EVENT, raw_data=place, id=place)
