"""Journal entries: their fields, canonical bytes and place in a device's hash chain. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from types import NoneType
from typing import Any, Final, NamedTuple, Self, get_args
from uuid import UUID

from shared.errors import JournalError
from shared.ids import DeviceId, GateId, ScanId, StaffId, TicketId

LABEL: Final = b"tkt1/scan\0\x01"
"""The purpose, a zero byte, and version 1 of the layout."""
HASH_BYTES: Final = 32
GENESIS_HASH: Final = bytes(HASH_BYTES)
"""What the first entry of a device carries as `prev_hash`."""
_ABSENT: Final = 0xFFFF
_LENGTH_BYTES: Final = 2
_NUMBER_BYTES: Final = 8


class MalformedEntryError(JournalError):
    """Bytes that are no journal entry, or a field too long to be written."""

    code = "malformed_entry"


class Cursor(NamedTuple):
    """A place in the server's change stream: all of `xid` below it and, within it, up to `id`."""

    xid: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanEntry:
    """One scan as written before the light turned green; fields stand in canonical order.

    `verdict` and `reasons` are wire codes. `foreign_hash` stands in for the text of a code that is
    no ticket, which is never kept.
    """

    scan_id: ScanId
    device_id: DeviceId
    seq: int
    boot_id: UUID
    monotonic_ns: int
    gate_time_ms: int
    uncertainty_ms: int | None
    gate_id: GateId
    direction: str
    ticket_id: TicketId | None
    foreign_hash: bytes | None
    form: str
    generation: int | None
    counter: int | None
    medium: str
    verdict: str
    reasons: tuple[str, ...]
    staff_id: StaffId | None
    override_reason: str | None
    snapshot_version: int
    cursor: Cursor
    lease_id: str | None
    online: bool
    prev_hash: bytes

    def canonical_bytes(self) -> bytes:
        """Write the label, then every field in order: a two-byte length and the field.

        The length FFFF stands for an absent field.
        """
        parts = [LABEL]
        for name, codec in _CODECS.items():
            value = getattr(self, name)
            parts.append(_ABSENT_FIELD if value is None else _with_length(codec.write(value)))
        return b"".join(parts)

    def entry_hash(self) -> bytes:
        """Hash the canonical bytes (SHA-256); the next entry carries it as `prev_hash`."""
        return sha256(self.canonical_bytes()).digest()

    @classmethod
    def from_canonical_bytes(cls, data: bytes) -> Self:
        """Read an entry; MalformedEntryError for bytes `canonical_bytes` would not have written."""
        try:
            entry = cls(**_read_fields(data))
            canonical = entry.canonical_bytes()
        except (ValueError, OverflowError, TypeError) as error:
            message = "these bytes are not a journal entry"
            raise MalformedEntryError(message) from error
        if canonical != data:
            message = "a journal entry that is not in canonical form"
            raise MalformedEntryError(message)
        return entry


class _Codec(NamedTuple):
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


def _write_number(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


def _read_number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _write_codes(codes: tuple[str, ...]) -> bytes:
    return ",".join(codes).encode("ascii")


def _read_codes(data: bytes) -> tuple[str, ...]:
    return tuple(data.decode("ascii").split(",")) if data else ()


def _write_cursor(cursor: Cursor) -> bytes:
    return _write_number(cursor.xid) + _write_number(cursor.id)


def _read_cursor(data: bytes) -> Cursor:
    return Cursor(_read_number(data[:_NUMBER_BYTES]), _read_number(data[_NUMBER_BYTES:]))


def _read_hash(data: bytes) -> bytes:
    if len(data) != HASH_BYTES:
        message = f"a hash is {HASH_BYTES} bytes"
        raise ValueError(message)
    return data


def _read_uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


_UUID: Final = _Codec(lambda value: value.bytes, _read_uuid)
_NUMBER: Final = _Codec(_write_number, _read_number)
_TEXT: Final = _Codec(str.encode, bytes.decode)
_HASH: Final = _Codec(bytes, _read_hash)
_FLAG: Final = _Codec(lambda value: bytes((value,)), lambda data: data == b"\x01")
_SPECIAL: Final[Mapping[str, _Codec]] = {
    "reasons": _Codec(_write_codes, _read_codes),
    "cursor": _Codec(_write_cursor, _read_cursor),
    "online": _FLAG,
    "foreign_hash": _HASH,
    "prev_hash": _HASH,
    **dict.fromkeys(("scan_id", "device_id", "boot_id", "gate_id", "staff_id"), _UUID),
    **dict.fromkeys(
        (
            "seq",
            "monotonic_ns",
            "gate_time_ms",
            "uncertainty_ms",
            "ticket_id",
            "generation",
            "counter",
            "snapshot_version",
        ),
        _NUMBER,
    ),
}
_CODECS: Final[Mapping[str, _Codec]] = {
    field.name: _SPECIAL.get(field.name, _TEXT) for field in fields(ScanEntry)
}
_OPTIONAL: Final = frozenset(
    field.name for field in fields(ScanEntry) if NoneType in get_args(field.type)
)
"""Fields that may be absent; any other that claims to be is not in canonical form."""
_ABSENT_FIELD: Final = _ABSENT.to_bytes(_LENGTH_BYTES, "big")


def _with_length(data: bytes) -> bytes:
    if len(data) >= _ABSENT:
        message = "a journal field is too long"
        raise MalformedEntryError(message)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _read_fields(data: bytes) -> dict[str, Any]:
    if not data.startswith(LABEL):
        message = "not a journal entry of this version"
        raise ValueError(message)
    values: dict[str, Any] = {}
    position = len(LABEL)
    for name, codec in _CODECS.items():
        length = int.from_bytes(data[position : position + _LENGTH_BYTES], "big")
        position += _LENGTH_BYTES
        if length == _ABSENT and name in _OPTIONAL:
            values[name] = None
            continue
        values[name] = codec.read(data[position : position + length])
        position += length
    return values
