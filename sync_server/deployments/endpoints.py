"""HTTP: an organizer's deployments and their devices; a kiosk's enrolment and sessions."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, status

from shared.ids import DeploymentId, DeviceId, EventId, OrganizerId, ScannerSessionId
from shared.wire import paths
from shared.wire.rules import RuleBookDocument
from shared.wire.scanners import (
    EnrolmentAnswer,
    EnrolmentRequest,
    SessionAnswer,
    SessionRequest,
)
from sync_server.catalog.errors import EventNotFoundError
from sync_server.deployments import devices, enrolment, errors, service, sessions
from sync_server.deployments.callers import DeviceByKey
from sync_server.deployments.rules import DeviceState
from sync_server.deployments.schemas import (
    DeploymentShown,
    DeviceShown,
    EnrolmentCodeShown,
    NewDeployment,
    NewEnrolmentCode,
    SessionShown,
)
from sync_server.deployments.service import Place
from sync_server.kit.idempotency import (
    IdempotencyKeyReusedError,
    OptionalKey,
    RequiredKey,
)
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.server_keys import ServerKeysDependency
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import AnyMember, ScannerProvisioner
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events/{event_id}/deployments",
    tags=["deployments"],
    responses=problem_responses(
        AuthenticationRequiredError,
        CapabilityMissingError,
        OrganizerNotFoundError,
        EventNotFoundError,
        errors.DeploymentNotFoundError,
        RequestInvalidError,
    ),
)
scanner_router = ProblemRouter(
    tags=["scanner"],
    responses=problem_responses(
        errors.ProofInvalidError,
        errors.ProofNonceRequiredError,
        errors.ProofReplayedError,
        RequestInvalidError,
    ),
)


def deployment_place(organizer_id: UUID, event_id: UUID, deployment_id: UUID) -> Place:
    """Name a deployment by its path; whether the caller may see it is row-level security's word."""
    return OrganizerId(organizer_id), EventId(event_id), DeploymentId(deployment_id)


# Deployments leave out what their rules never set: in a rule an explicit null lifts a limit.
DeploymentPlace = Annotated[Place, Depends(deployment_place)]
_ONE = "/{deployment_id}"
_DEVICE = _ONE + "/devices/{device_id}"
_DEVICE_CHANGED = problem_responses(errors.DeviceNotFoundError, errors.DeviceStateRefusedError)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model_exclude_unset=True,
    responses=problem_responses(
        errors.GateUnknownError,
        errors.RulesInvalidError,
        errors.DeploymentExistsError,
        IdempotencyKeyReusedError,
    ),
)
async def create_deployment(
    event_id: UUID,
    wanted: NewDeployment,
    caller: ScannerProvisioner,
    services: ServicesDependency,
    request: OptionalKey,
) -> DeploymentShown:
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        DeploymentShown,
        lambda: service.create_deployment(caller, services, EventId(event_id), wanted),
    )


@router.get("", response_model_exclude_unset=True, responses=problem_responses(CursorInvalidError))
async def list_deployments(
    event_id: UUID, caller: AnyMember, page: PageDependency
) -> Page[DeploymentShown]:
    return await service.list_deployments(caller, EventId(event_id), page)


@router.get(_ONE, response_model_exclude_unset=True)
async def read_deployment(place: DeploymentPlace, caller: AnyMember) -> DeploymentShown:
    return await service.find_deployment(caller.session, place)


@router.put(
    _ONE + "/rules",
    response_model_exclude_unset=True,
    responses=problem_responses(errors.GateUnknownError, errors.RulesInvalidError),
)
async def set_rules(
    place: DeploymentPlace,
    rules: RuleBookDocument,
    caller: ScannerProvisioner,
    services: ServicesDependency,
) -> DeploymentShown:
    """Replace the rules; every kiosk of the deployment hears of it within a second."""
    return await service.set_rules(caller, services, place, rules)


@router.post(
    _ONE + "/enrolment-codes",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        errors.GateUnknownError, IdempotencyKeyReusedError, IdempotencyKeyRequiredError
    ),
)
async def create_enrolment_code(
    place: DeploymentPlace,
    wanted: NewEnrolmentCode,
    caller: ScannerProvisioner,
    server_keys: ServerKeysDependency,
    request: RequiredKey,
) -> EnrolmentCodeShown:
    """Make a code for one kiosk, good once and for 15 minutes."""
    services = request.services
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        EnrolmentCodeShown,
        lambda: service.create_enrolment_code(caller, services, server_keys, place, wanted),
    )


@router.get(_ONE + "/devices", responses=problem_responses(CursorInvalidError))
async def list_devices(
    place: DeploymentPlace, caller: AnyMember, page: PageDependency
) -> Page[DeviceShown]:
    return await devices.list_devices(caller, place, page)


@router.post(_DEVICE + "/confirm", responses=_DEVICE_CHANGED)
async def confirm_device(
    device_id: UUID,
    place: DeploymentPlace,
    caller: ScannerProvisioner,
    services: ServicesDependency,
) -> DeviceShown:
    """Let a device in whose six digits were compared; let one work again that was stopped or put
    in quarantine.
    """
    return await devices.set_device_state(caller, services, place, device_id, DeviceState.ENROLLED)


@router.post(_DEVICE + "/refuse", responses=_DEVICE_CHANGED)
async def refuse_device(
    device_id: UUID,
    place: DeploymentPlace,
    caller: ScannerProvisioner,
    services: ServicesDependency,
) -> DeviceShown:
    return await devices.set_device_state(caller, services, place, device_id, DeviceState.REFUSED)


@router.post(_DEVICE + "/revoke", responses=_DEVICE_CHANGED)
async def revoke_device(
    device_id: UUID,
    place: DeploymentPlace,
    caller: ScannerProvisioner,
    services: ServicesDependency,
) -> DeviceShown:
    """Put a device out until it is enrolled again with a new code; its kiosk stops as soon as it
    hears of it.
    """
    return await devices.set_device_state(caller, services, place, device_id, DeviceState.REVOKED)


@router.get(_ONE + "/sessions", responses=problem_responses(CursorInvalidError))
async def list_sessions(
    place: DeploymentPlace, caller: AnyMember, page: PageDependency
) -> Page[SessionShown]:
    return await devices.list_sessions(caller, place, page)


@router.post(
    _ONE + "/sessions/{session_id}/revoke",
    responses=problem_responses(errors.SessionNotFoundError),
)
async def revoke_session(
    session_id: UUID,
    place: DeploymentPlace,
    caller: ScannerProvisioner,
    services: ServicesDependency,
) -> SessionShown:
    """End a session and stop its device: the kiosk ends its work as soon as it hears of it, and
    works again once it is enrolled again (or confirmed, where it had not heard of it).
    """
    return await devices.revoke_session(caller, services, place, session_id)


@scanner_router.post(
    paths.ENROLMENTS,
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        errors.EnrolmentCodeUnknownError,
        errors.EnrolmentCodeUsedError,
        errors.EnrolmentCodeExpiredError,
        errors.DeviceKeyInvalidError,
        errors.DeviceRevokedError,
        errors.DeviceStoppedError,
    ),
)
async def enrol(wanted: EnrolmentRequest, caller: DeviceByKey) -> EnrolmentAnswer:
    return await enrolment.enrol(caller, wanted)


@scanner_router.get(
    paths.ENROLMENT,
    responses=problem_responses(
        errors.DeviceNotFoundError, errors.DeviceRevokedError, errors.DeviceStoppedError
    ),
)
async def read_enrolment(device_id: UUID, caller: DeviceByKey) -> EnrolmentAnswer:
    return await enrolment.read_enrolment(caller, DeviceId(device_id))


_SESSION_REFUSALS = problem_responses(
    errors.DeviceNotFoundError,
    errors.EnrolmentUnconfirmedError,
    errors.EnrolmentRefusedError,
    errors.DeviceRevokedError,
    errors.DeviceStoppedError,
)


@scanner_router.post(
    paths.SESSIONS, status_code=status.HTTP_201_CREATED, responses=_SESSION_REFUSALS
)
async def start_session(wanted: SessionRequest, caller: DeviceByKey) -> SessionAnswer:
    return await sessions.start_session(caller, wanted)


@scanner_router.post(
    paths.SESSION_TOKENS,
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        errors.DeviceNotFoundError,
        errors.TokenInvalidError,
        errors.SessionRevokedError,
        errors.SessionSupersededError,
    ),
)
async def renew_token(
    session_id: UUID, wanted: SessionRequest, caller: DeviceByKey
) -> SessionAnswer:
    return await sessions.renew_token(caller, ScannerSessionId(session_id), wanted)
