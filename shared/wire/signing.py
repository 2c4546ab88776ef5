"""The bytes that server and device sign beside ticket codes.

Each is a label, a zero byte, then fixed fields or one document.
"""

from hashlib import sha256
from typing import Final
from uuid import UUID

SNAPSHOT_LABEL: Final = b"tkt1/snap\0"
TIME_LABEL: Final = b"tkt1/time\0"
BATCH_LABEL: Final = b"tkt1/batch\0"
REVOCATION_LABEL: Final = b"tkt1/revoke\0"
FILE_KEY_LABEL: Final = b"tkt1/filekey\0"
DIGITS_LABEL: Final = b"tkt1/digits\0"
NONCE_BYTES: Final = 16
CONFIRMATION_DIGITS: Final = 6


def manifest_message(manifest: bytes) -> bytes:
    """Build what the server signs for a snapshot: the manifest's bytes as they travel."""
    return SNAPSHOT_LABEL + manifest


def revocation_message(order: bytes) -> bytes:
    """Build what the server signs when it revokes a scanner session."""
    return REVOCATION_LABEL + order


def time_message(
    device_id: UUID, nonce: bytes, time_ms: int, seq: int, lease_until_ms: int | None
) -> bytes:
    """Build what the server signs when asked for the time; no lease is written as zero."""
    numbers = (time_ms, seq, lease_until_ms or 0)
    packed = b"".join(number.to_bytes(8, "big") for number in numbers)
    return TIME_LABEL + device_id.bytes + nonce + packed


def batch_message(device_id: UUID, first_seq: int, entry_hashes: tuple[bytes, ...]) -> bytes:
    """Build what a device signs for a batch of journal entries."""
    digest = sha256(b"".join(entry_hashes)).digest()
    return BATCH_LABEL + device_id.bytes + first_seq.to_bytes(8, "big") + digest


def file_key_info(deployment_id: UUID, device_id: UUID, snapshot_sha256: str) -> bytes:
    """Build the HPKE `info` that ties a wrapped snapshot key to one file on one device."""
    return FILE_KEY_LABEL + deployment_id.bytes + device_id.bytes + bytes.fromhex(snapshot_sha256)


def confirmation_digits(server_key: bytes, device_keys: tuple[bytes, ...], code: bytes) -> str:
    """Derive the six digits both sides show at enrolment from the keys of both and the code."""
    digest = sha256(DIGITS_LABEL + server_key + b"".join(device_keys) + code).digest()
    number = int.from_bytes(digest[:8], "big") % 10**CONFIRMATION_DIGITS
    return f"{number:0{CONFIRMATION_DIGITS}d}"
