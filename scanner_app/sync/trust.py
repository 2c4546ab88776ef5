"""Believing the server: every signed answer checked against the key pinned at enrolment. Pure."""

import hmac
from hashlib import sha256

from pydantic import ValidationError

from scanner_app.gate.enrolment import Enrolment
from scanner_app.sync.errors import Mistrust, ServerUntrusted
from shared.credentials.keys import verifies_ed25519
from shared.ids import ScannerSessionId
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.scanners import RevocationOrder, SignedRevocation, SignedTime
from shared.wire.signing import manifest_message, revocation_message, time_message
from shared.wire.snapshots import SNAPSHOT_FORMAT, Manifest, SignedManifest


def check_server_key(code: EnrolmentCode, server_key: bytes) -> None:
    """Raise ServerUntrusted unless a scanned code promised this key; a typed one promises none."""
    if code.fingerprint is None:
        return
    if not hmac.compare_digest(sha256(server_key).digest(), code.fingerprint):
        raise ServerUntrusted(Mistrust.SERVER_KEY_UNEXPECTED)


def check_manifest(signed: SignedManifest, enrolment: Enrolment, version_seen: int) -> Manifest:
    """Read a manifest that this kiosk may use, or raise ServerUntrusted."""
    message = manifest_message(signed.manifest)
    if not verifies_ed25519(enrolment.server_key, signed.signature, message):
        raise ServerUntrusted(Mistrust.MANIFEST_FORGED)
    manifest = _manifest(signed.manifest)
    if manifest.deployment_id != enrolment.deployment_id:
        raise ServerUntrusted(Mistrust.MANIFEST_FOR_ANOTHER_DEPLOYMENT)
    if manifest.format != SNAPSHOT_FORMAT:
        raise ServerUntrusted(Mistrust.MANIFEST_FORMAT_UNKNOWN)
    if manifest.version < max(version_seen, manifest.version_min):
        raise ServerUntrusted(Mistrust.MANIFEST_OUTDATED)
    return manifest


def check_time(time: SignedTime, enrolment: Enrolment, nonce: bytes) -> None:
    """Raise ServerUntrusted unless the server signed this time for this device and this nonce."""
    message = time_message(enrolment.device_id, nonce, time.time_ms, time.seq, time.lease_until_ms)
    if not verifies_ed25519(enrolment.server_key, time.signature, message):
        raise ServerUntrusted(Mistrust.TIME_FORGED)


def read_revocation(
    signed: SignedRevocation, enrolment: Enrolment, session_id: ScannerSessionId | None
) -> RevocationOrder | None:
    """Read an order to stop; None when it is about an earlier session, ServerUntrusted if forged.

    A kiosk that has no session yet obeys only an order against the device itself: an old order
    about a session that is over must not stop the next one.
    """
    if not verifies_ed25519(
        enrolment.server_key, signed.signature, revocation_message(signed.order)
    ):
        raise ServerUntrusted(Mistrust.REVOCATION_FORGED)
    order = _order(signed.order)
    addressed = (order.device_id, order.deployment_id)
    if addressed != (enrolment.device_id, enrolment.deployment_id):
        raise ServerUntrusted(Mistrust.REVOCATION_FOR_ANOTHER_KIOSK)
    if session_id is None:
        return order if order.reason == "revoked" else None
    return order if order.session_id == session_id else None


def _manifest(data: bytes) -> Manifest:
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ServerUntrusted(Mistrust.MANIFEST_UNREADABLE) from error


def _order(data: bytes) -> RevocationOrder:
    try:
        return RevocationOrder.model_validate_json(data)
    except ValidationError as error:
        raise ServerUntrusted(Mistrust.REVOCATION_FORGED) from error
