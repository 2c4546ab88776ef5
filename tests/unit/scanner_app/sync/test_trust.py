from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner_app.sync.errors import Mistrust, ServerUntrusted
from scanner_app.sync.trust import (
    check_manifest,
    check_server_key,
    check_time,
    read_revocation,
)
from shared.ids import ScannerSessionId
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.scanners import RevocationOrder, SignedRevocation, SignedTime
from shared.wire.signing import manifest_message, revocation_message, time_message
from shared.wire.snapshots import SignedManifest
from tests.factories.admission import DEVICE, NOW_MS, OTHER_DEVICE
from tests.factories.scanner_state import a_manifest
from tests.factories.sync import DEPLOYMENT, an_enrolment

KEY = ed25519.Ed25519PrivateKey.generate()
ENROLMENT = an_enrolment(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
NONCE = bytes(range(16))
SESSION = ScannerSessionId(UUID(int=1))
OTHER_SESSION = ScannerSessionId(UUID(int=2))


def a_signed_manifest(data: bytes | None = None, **changes: object) -> SignedManifest:
    data = a_manifest(**changes).model_dump_json().encode() if data is None else data
    signature = KEY.sign(manifest_message(data))
    return SignedManifest(manifest=data, signature=signature, wrapped_key=b"")


def a_signed_order(**changes: object) -> SignedRevocation:
    fields: dict[str, object] = {
        "session_id": SESSION,
        "device_id": DEVICE,
        "deployment_id": DEPLOYMENT,
        "reason": "revoked",
        "issued_at_ms": NOW_MS,
    }
    order = RevocationOrder.model_validate({**fields, **changes})
    data = order.model_dump_json().encode()
    return SignedRevocation(order=data, signature=KEY.sign(revocation_message(data)))


def test_the_key_promised_by_a_scanned_code_is_believed() -> None:
    fingerprint = sha256(ENROLMENT.server_key).digest()
    code = EnrolmentCode("https://gate.example", bytes(16), fingerprint)
    check_server_key(code, ENROLMENT.server_key)
    with pytest.raises(ServerUntrusted):
        check_server_key(code, bytes(32))


def test_a_typed_code_promises_no_key() -> None:
    code = EnrolmentCode("https://gate.example", bytes(16), None)
    assert check_server_key(code, bytes(32)) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("version_seen", [0, 2, 3])
def test_a_manifest_as_new_as_any_seen_is_believed(version_seen: int) -> None:
    assert check_manifest(a_signed_manifest(), ENROLMENT, version_seen) == a_manifest()


@pytest.mark.parametrize(
    ("signed", "mistrust"),
    [
        (a_signed_manifest(version=2), Mistrust.MANIFEST_OUTDATED),
        (a_signed_manifest(version=4, version_min=5), Mistrust.MANIFEST_OUTDATED),
        (a_signed_manifest(format=2), Mistrust.MANIFEST_FORMAT_UNKNOWN),
        (
            a_signed_manifest(deployment_id=str(UUID(int=9))),
            Mistrust.MANIFEST_FOR_ANOTHER_DEPLOYMENT,
        ),
        (a_signed_manifest(data=b"{}"), Mistrust.MANIFEST_UNREADABLE),
        (
            a_signed_manifest().model_copy(update={"manifest": b"{}"}),
            Mistrust.MANIFEST_FORGED,
        ),
    ],
)
def test_a_manifest_that_may_not_be_used_is_named(
    signed: SignedManifest, mistrust: Mistrust
) -> None:
    with pytest.raises(ServerUntrusted) as caught:
        check_manifest(signed, ENROLMENT, 3)
    assert caught.value.mistrust is mistrust


def a_signed_time(device_id: UUID, nonce: bytes, time_ms: int) -> SignedTime:
    """Make an answer that says it is for our question, signed for what is given."""
    signature = KEY.sign(time_message(device_id, nonce, time_ms, 1, None))
    return SignedTime(device_id=DEVICE, nonce=NONCE, time_ms=NOW_MS, seq=1, signature=signature)


def test_a_time_for_our_own_question_is_believed() -> None:
    time = a_signed_time(DEVICE, NONCE, NOW_MS)
    check_time(time, ENROLMENT, NONCE)
    with pytest.raises(ServerUntrusted):
        check_time(time, ENROLMENT, bytes(16))


@pytest.mark.parametrize(
    ("device_id", "nonce", "time_ms"),
    [(OTHER_DEVICE, NONCE, NOW_MS), (DEVICE, bytes(16), NOW_MS), (DEVICE, NONCE, NOW_MS + 1)],
)
def test_a_time_for_anything_else_is_not_believed(
    device_id: UUID, nonce: bytes, time_ms: int
) -> None:
    with pytest.raises(ServerUntrusted) as caught:
        check_time(a_signed_time(device_id, nonce, time_ms), ENROLMENT, NONCE)
    assert caught.value.mistrust is Mistrust.TIME_FORGED


@pytest.mark.parametrize(
    ("session_id", "reason", "obeyed"),
    [
        (SESSION, "revoked", True),
        (SESSION, "stale", True),
        (SESSION, "superseded", True),
        (OTHER_SESSION, "revoked", False),
        (OTHER_SESSION, "superseded", False),
        (None, "revoked", True),
        (None, "superseded", False),
        (None, "stale", False),
    ],
)
def test_an_order_stops_the_session_it_names(
    session_id: ScannerSessionId | None, reason: str, obeyed: bool
) -> None:
    order = read_revocation(a_signed_order(reason=reason), ENROLMENT, session_id)
    assert (order is not None) is obeyed


@pytest.mark.parametrize(
    ("signed", "mistrust"),
    [
        (SignedRevocation(order=b"{}", signature=bytes(64)), Mistrust.REVOCATION_FORGED),
        (
            SignedRevocation(order=b"{}", signature=KEY.sign(revocation_message(b"{}"))),
            Mistrust.REVOCATION_FORGED,
        ),
        (a_signed_order(device_id=OTHER_DEVICE), Mistrust.REVOCATION_FOR_ANOTHER_KIOSK),
        (a_signed_order(deployment_id=UUID(int=9)), Mistrust.REVOCATION_FOR_ANOTHER_KIOSK),
    ],
)
def test_an_order_that_is_not_ours_stops_nothing(
    signed: SignedRevocation, mistrust: Mistrust
) -> None:
    with pytest.raises(ServerUntrusted) as caught:
        read_revocation(signed, ENROLMENT, SESSION)
    assert caught.value.mistrust is mistrust
