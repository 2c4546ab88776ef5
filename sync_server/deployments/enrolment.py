"""A kiosk's way in: it trades an enrolment code and two public keys for a place in a deployment."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import DeploymentId, DeviceId, EventId, OrganizerId
from shared.wire.scanners import EnrolmentAnswer, EnrolmentRequest, EnrolmentState
from shared.wire.signing import confirmation_digits
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.deployments import repository
from sync_server.deployments.errors import (
    DeviceKeyInvalidError,
    DeviceNotFoundError,
    DeviceRevokedError,
    DeviceStoppedError,
    EnrolmentCodeExpiredError,
    EnrolmentCodeUnknownError,
    EnrolmentCodeUsedError,
    ProofInvalidError,
)
from sync_server.deployments.models import Deployment, Device, StoredEnrolmentCode
from sync_server.deployments.rules import (
    DeviceState,
    EndReason,
    is_p256_point,
    state_after_enrolment,
)
from sync_server.deployments.service import enrolment_code_hash
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services

_STATES = {
    DeviceState.AWAITING_CONFIRMATION: EnrolmentState.AWAITING_CONFIRMATION,
    DeviceState.ENROLLED: EnrolmentState.ENROLLED,
    DeviceState.QUARANTINED: EnrolmentState.ENROLLED,
    DeviceState.REFUSED: EnrolmentState.REFUSED,
}


@dataclass(frozen=True, slots=True)
class ProvenDevice:
    """A call whose proof shows that it holds a private key, and what serves it; no session yet."""

    services: Services
    server_keys: ServerKeys
    signing_key: bytes


async def enrol(call: ProvenDevice, wanted: EnrolmentRequest) -> EnrolmentAnswer:
    """Use a code up; the same kiosk may repeat the call and gets the same answer.

    A key that the deployment knows stays the device it was, whatever became of that: its journal
    goes on, and scans that it still holds are taken.
    """
    if wanted.signing_key != call.signing_key:
        raise ProofInvalidError
    if not is_p256_point(wanted.sealing_key):
        raise DeviceKeyInvalidError
    services = call.services
    now = instant(services.clock.now_ms())
    code_hash = enrolment_code_hash(wanted.code)
    async with services.database.transaction(WORKER) as session:
        code = await repository.use_code(session, code_hash, now)
        if code is None:
            return await _repeated(call, session, wanted, now)
        event = (OrganizerId(code.organizer_id), EventId(code.event_id))
        place = (*event, DeploymentId(code.deployment_id))
        deployment = await repository.find_deployment(session, place)
        assert deployment is not None  # noqa: S101 - a foreign key says so
        known = await repository.lock_device_of_key(session, place, call.signing_key)
        device = known or _new_device(call, deployment, now)
        state = None if known is None else DeviceState(known.state)
        after = state_after_enrolment(state, confirms=deployment.confirm_devices)
        _place(device, call, wanted, code)
        device.state = after.value
        code.device_id = device.id
        await repository.add(session, device)
        await repository.end_sessions(session, device.id, EndReason.SUPERSEDED, now)
        await _record(call, session, code, (state, after))
        return await _answer(call, session, device)


async def _record(
    call: ProvenDevice,
    session: AsyncSession,
    code: StoredEnrolmentCode,
    states: tuple[DeviceState | None, DeviceState],
) -> None:
    """Write down which kiosk came in with which code (by its id), and where to."""
    before = None if states[0] is None else {"state": states[0].value}
    after = {
        "state": states[1].value,
        "deployment_id": str(code.deployment_id),
        "gate_id": str(code.gate_id),
        "enrolment_id": str(code.id),
    }
    subject = Subject("device", str(code.device_id), code.organizer_id)
    await audit.record_action(
        session, call.services, Action("device.enrol", subject, before, after)
    )


def _new_device(call: ProvenDevice, deployment: Deployment, now: datetime) -> Device:
    return Device(
        organizer_id=deployment.organizer_id,
        event_id=deployment.event_id,
        deployment_id=deployment.id,
        id=call.services.new_id(),
        signing_key=call.signing_key,
        enrolled_at=now,
    )


def _place(
    device: Device, call: ProvenDevice, wanted: EnrolmentRequest, code: StoredEnrolmentCode
) -> None:
    """Write on a device what this enrolment says of it."""
    keys = (wanted.signing_key, wanted.sealing_key)
    device.gate_id = code.gate_id
    device.name = wanted.name
    device.sealing_key = wanted.sealing_key
    device.software_version = wanted.software_version
    device.digits = confirmation_digits(call.server_keys.public_key, keys, wanted.code)


async def _repeated(
    call: ProvenDevice, session: AsyncSession, wanted: EnrolmentRequest, now: datetime
) -> EnrolmentAnswer:
    """Answer the kiosk that used the code; with another key to wrap secrets to, it is another."""
    code = await repository.find_code(session, enrolment_code_hash(wanted.code))
    if code is None:
        raise EnrolmentCodeUnknownError
    if code.device_id is None and code.expires_at <= now:
        raise EnrolmentCodeExpiredError
    device = code.device_id and await repository.find_device(session, code.device_id)
    if not isinstance(device, Device):
        raise EnrolmentCodeUsedError
    if (device.signing_key, device.sealing_key) != (wanted.signing_key, wanted.sealing_key):
        raise EnrolmentCodeUsedError
    return await _answer(call, session, device)


async def read_enrolment(call: ProvenDevice, device_id: DeviceId) -> EnrolmentAnswer:
    """Say what became of a device; to any other key it does not exist."""
    async with call.services.database.reading(WORKER) as session:
        device = await repository.find_device(session, device_id)
        if device is None or device.signing_key != call.signing_key:
            raise DeviceNotFoundError
        return await _answer(call, session, device)


async def _answer(call: ProvenDevice, session: AsyncSession, device: Device) -> EnrolmentAnswer:
    state = DeviceState(device.state)
    if state is DeviceState.REVOKED:
        raise DeviceRevokedError
    if state is DeviceState.STOPPED:
        raise DeviceStoppedError
    event = (OrganizerId(device.organizer_id), EventId(device.event_id))
    place = (*event, DeploymentId(device.deployment_id))
    deployment = await repository.find_deployment(session, place)
    floor = await catalog.load_event_floor(session, *event)
    gate_names = {gate.id: gate.name for gate in floor.gates}
    return EnrolmentAnswer(
        device_id=device.id,
        deployment_id=device.deployment_id,
        state=_STATES[state],
        server_key=call.server_keys.public_key,
        digits=device.digits,
        deployment_name=deployment.name if deployment else "",
        gate_id=device.gate_id,
        gate_name=gate_names.get(device.gate_id, ""),
    )
