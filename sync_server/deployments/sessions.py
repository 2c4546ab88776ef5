"""Scanner sessions: begun with a proof, renewed with tokens, ended by their organizer, silence or
a newer one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import (
    DeploymentId,
    DeviceId,
    EventId,
    GateId,
    OrganizerId,
    ScannerSessionId,
)
from shared.wire.proofs import NONCE_LIFETIME_MS, NONCE_SKEW_MS, VerifiedProof, thumbprint
from shared.wire.scanners import (
    RevocationOrder,
    SessionAnswer,
    SessionRequest,
    SignedRevocation,
    SignedTime,
)
from shared.wire.signing import revocation_message, time_message
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.deployments import repository
from sync_server.deployments.enrolment import ProvenDevice
from sync_server.deployments.errors import (
    DeviceNotFoundError,
    DeviceQuarantinedError,
    DeviceRevokedError,
    DeviceStoppedError,
    EnrolmentRefusedError,
    EnrolmentUnconfirmedError,
    ProofReplayedError,
    SessionRevokedError,
    SessionSupersededError,
    TokenExpiredError,
    TokenInvalidError,
)
from sync_server.deployments.models import Device, ScannerSession
from sync_server.deployments.news import device_news
from sync_server.deployments.rules import (
    HEARTBEAT_INTERVAL_SECONDS,
    DeviceState,
    EndReason,
    Scanner,
    session_token,
)
from sync_server.deployments.tokens import AccessToken, issue_token
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.outbox import publish
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services

_OUT = {
    DeviceState.REFUSED: EnrolmentRefusedError,
    DeviceState.REVOKED: DeviceRevokedError,
    DeviceState.STOPPED: DeviceStoppedError,
}
_NO_SESSION = UUID(int=0)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device's public keys (it signs with one, secrets are wrapped to the other) and its past."""

    signing_key: bytes
    sealing_key: bytes
    enrolled_at_ms: int
    quarantined: bool


@dataclass(frozen=True, slots=True)
class _Started:
    """A session just begun or renewed."""

    scanner: Scanner
    stale_after_seconds: int
    time_seq: int


async def start_session(call: ProvenDevice, wanted: SessionRequest) -> SessionAnswer:
    """Begin a session; the device's older one is superseded in the same transaction."""
    services = call.services
    now = instant(services.clock.now_ms())
    session_id = ScannerSessionId(services.new_id())
    async with services.database.transaction(WORKER) as session:
        found = await repository.lock_device(session, wanted.device_id)
        device = _known_device(found, call)
        await _require_allowed(session, call, device)
        await repository.end_sessions(session, device.id, EndReason.SUPERSEDED, now)
        opaque = session_token(call.server_keys.session_secret, session_id)
        row = ScannerSession(
            organizer_id=device.organizer_id,
            event_id=device.event_id,
            deployment_id=device.deployment_id,
            device_id=device.id,
            id=session_id,
            token_hash=token_hash(opaque),
            time_seq=1,
            started_at=now,
            last_seen_at=now,
            ended_at=None,
            end_reason=None,
        )
        await repository.add(session, row)
        stale_after = await _stale_after_seconds(session, row)
    started = _Started(_scanner(row, device), stale_after, row.time_seq)
    return _answer(call, started, wanted.nonce)


async def renew_token(
    call: ProvenDevice, session_id: ScannerSessionId, wanted: SessionRequest
) -> SessionAnswer:
    """Give a running session a new token; a session that is over answers with its order."""
    services = call.services
    async with services.database.transaction(WORKER) as session:
        device = _known_device(await repository.find_device(session, wanted.device_id), call)
        row = await repository.find_session(session, session_id)
        if row is None or row.device_id != device.id:
            raise TokenInvalidError
        _require_running(call.server_keys, row)
        seq = await repository.hear_from(session, row.id, instant(services.clock.now_ms()))
        stale_after = await _stale_after_seconds(session, row)
    started = _Started(_scanner(row, device), stale_after, seq or row.time_seq)
    return _answer(call, started, wanted.nonce)


async def admit_call(
    services: Services, keys: ServerKeys, proof: VerifiedProof, token: AccessToken
) -> Scanner:
    """Let a call of a running session through, once; every refusal of a session is made here."""
    async with services.database.transaction(WORKER) as session:
        await _use_proof(session, services, proof)
        row = await repository.find_session(session, token.session_id)
        if row is None or row.deployment_id != token.deployment_id:
            raise TokenInvalidError
        _require_running(keys, row)
        device = await repository.find_device(session, row.device_id)
        if device is None or device.signing_key != proof.signing_key:
            raise TokenInvalidError
        return _scanner(row, device)


async def admit_proof(services: Services, proof: VerifiedProof) -> None:
    """Remember a proof that comes without a token, else raise ProofReplayedError."""
    async with services.database.transaction(WORKER) as session:
        await _use_proof(session, services, proof)


async def _use_proof(session: AsyncSession, services: Services, proof: VerifiedProof) -> None:
    digest = sha256(f"{proof.thumbprint}\0{proof.jti}".encode()).digest()
    kept_ms = NONCE_LIFETIME_MS + 2 * NONCE_SKEW_MS
    expires_at = instant(services.clock.now_ms()) + timedelta(milliseconds=kept_ms)
    if not await repository.use_proof(session, digest, expires_at):
        raise ProofReplayedError


async def hear_from(session: AsyncSession, services: Services, scanner: Scanner) -> int:
    """Note that a scanner is alive, and count the times it was given the time.

    A session that ended since the call was admitted is no longer known by its token.
    """
    now = instant(services.clock.now_ms())
    seq = await repository.hear_from(session, scanner.session_id, now)
    if seq is None:
        raise TokenExpiredError
    return seq


async def quarantine_device(session: AsyncSession, services: Services, scanner: Scanner) -> None:
    """Mark the calling device: its journal contradicts itself."""
    device = await repository.find_device(session, scanner.device_id)
    if device is None or device.state == DeviceState.QUARANTINED:
        return
    states = ({"state": device.state}, {"state": DeviceState.QUARANTINED.value})
    subject = Subject("device", str(scanner.device_id), scanner.organizer_id)
    await audit.record_action(session, services, Action("device.state", subject, *states))
    await repository.set_device_state(session, scanner.device_id, DeviceState.QUARANTINED)
    place = scanner.organizer_id, scanner.event_id, scanner.deployment_id
    await publish(session, device_news("device.quarantined", place, scanner.device_id))


async def describe_device(session: AsyncSession, device_id: DeviceId) -> DeviceFacts:
    """Give what other domains ask about a device, else raise DeviceNotFoundError."""
    device = await repository.find_device(session, device_id)
    if device is None:
        raise DeviceNotFoundError
    return DeviceFacts(
        signing_key=device.signing_key,
        sealing_key=device.sealing_key,
        enrolled_at_ms=unix_ms(device.enrolled_at),
        quarantined=device.state == DeviceState.QUARANTINED,
    )


async def require_trusted(session: AsyncSession, scanner: Scanner) -> None:
    """Refuse a quarantined device what it would decide by."""
    device = await describe_device(session, scanner.device_id)
    if device.quarantined:
        raise DeviceQuarantinedError


def signed_time(
    services: Services, keys: ServerKeys, device_id: DeviceId, nonce: bytes, seq: int
) -> SignedTime:
    """Sign the server's time for one nonce of one device."""
    now_ms = services.clock.now_ms()
    message = time_message(device_id, nonce, now_ms, seq, None)
    signature = keys.sign(message)
    return SignedTime(
        device_id=device_id, nonce=nonce, time_ms=now_ms, seq=seq, signature=signature
    )


def signed_revocation(keys: ServerKeys, row: ScannerSession) -> SignedRevocation:
    """Write the order that stops a kiosk; the same bytes whenever it is asked for."""
    assert row.ended_at is not None  # noqa: S101 - callers look before they sign
    order = RevocationOrder.model_validate(
        {
            "session_id": row.id,
            "device_id": row.device_id,
            "deployment_id": row.deployment_id,
            "reason": row.end_reason,
            "issued_at_ms": unix_ms(row.ended_at),
        }
    )
    return _signed(keys, order)


async def running_sessions(
    session: AsyncSession, session_ids: Sequence[ScannerSessionId]
) -> frozenset[ScannerSessionId]:
    """Say which of these sessions have not ended."""
    found = await repository.running_sessions(session, session_ids)
    return frozenset(ScannerSessionId(session_id) for session_id in found)


async def _require_allowed(session: AsyncSession, call: ProvenDevice, device: Device) -> None:
    """Refuse a device that may not work; one whose journal is broken may still deliver it."""
    state = DeviceState(device.state)
    if state is DeviceState.AWAITING_CONFIRMATION:
        raise EnrolmentUnconfirmedError
    if state in _OUT:
        raise _OUT[state](await _order_against(session, call, device))


async def _order_against(
    session: AsyncSession, call: ProvenDevice, device: Device
) -> SignedRevocation:
    """Write the order for a device that was off when it was put out, so knows of no session."""
    last = await repository.last_session(session, device.id)
    order = RevocationOrder(
        session_id=_NO_SESSION if last is None else last.id,
        device_id=device.id,
        deployment_id=device.deployment_id,
        reason="revoked",
        issued_at_ms=call.services.clock.now_ms(),
    )
    return _signed(call.server_keys, order)


def _signed(keys: ServerKeys, order: RevocationOrder) -> SignedRevocation:
    text = order.model_dump_json().encode()
    return SignedRevocation(order=text, signature=keys.sign(revocation_message(text)))


def _require_running(keys: ServerKeys, row: ScannerSession) -> None:
    if row.ended_at is None:
        return
    revocation = signed_revocation(keys, row)
    if row.end_reason == EndReason.SUPERSEDED:
        raise SessionSupersededError(revocation)
    raise SessionRevokedError(revocation)


def _known_device(device: Device | None, call: ProvenDevice) -> Device:
    """To any other key a device does not exist."""
    if device is None or device.signing_key != call.signing_key:
        raise DeviceNotFoundError
    return device


async def _stale_after_seconds(session: AsyncSession, row: ScannerSession) -> int:
    place = (
        OrganizerId(row.organizer_id),
        EventId(row.event_id),
        DeploymentId(row.deployment_id),
    )
    deployment = await repository.find_deployment(session, place)
    assert deployment is not None  # noqa: S101 - a foreign key says so
    return deployment.stale_after_seconds


def _scanner(row: ScannerSession, device: Device) -> Scanner:
    return Scanner(
        organizer_id=OrganizerId(row.organizer_id),
        event_id=EventId(row.event_id),
        deployment_id=DeploymentId(row.deployment_id),
        device_id=DeviceId(row.device_id),
        session_id=ScannerSessionId(row.id),
        gate_id=GateId(device.gate_id),
    )


def _answer(call: ProvenDevice, started: _Started, nonce: bytes) -> SessionAnswer:
    services, keys, scanner = call.services, call.server_keys, started.scanner
    key_thumbprint = thumbprint(call.signing_key)
    token, expires_at_ms = issue_token(keys, scanner, key_thumbprint, services.clock.now_ms())
    return SessionAnswer(
        session_id=scanner.session_id,
        access_token=token,
        expires_at_ms=expires_at_ms,
        heartbeat_interval_seconds=HEARTBEAT_INTERVAL_SECONDS,
        stale_after_seconds=started.stale_after_seconds,
        time=signed_time(services, keys, scanner.device_id, nonce, started.time_seq),
    )
