"""The bytes that are hashed and signed: a row, its entry in the tree, and a block's header; pure.

Version 1 of each is a JSON array in a fixed order, without spaces, in ASCII: an auditor can write
it down again in any language.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sync_server.audit.merkle import HASH_BYTES, leaf_hash, root_hash
from sync_server.audit.rules import Log
from sync_server.kit.instants import instant, unix_ms

NO_BLOCK_HASH: Final = bytes(HASH_BYTES)
FIRST_NUMBER: Final = 1
_ID_BYTES: Final = 16
ENTRY_BYTES: Final = _ID_BYTES + HASH_BYTES
_ROW_FORMAT: Final = "zeraket-audit-row-1"
_BLOCK_FORMAT: Final = "zeraket-audit-block-1"
_COMMON_FIELDS: Final = (
    "id",
    "xid",
    "happened_at",
    "organizer_id",
    "actor_kind",
    "actor_id",
    "kind",
    "object_kind",
    "object_id",
    "request_id",
    "network_address",
)
ROW_FIELDS: Final[Mapping[Log, tuple[str, ...]]] = {
    Log.ACTIONS: (*_COMMON_FIELDS, "before", "after", "reason"),
    Log.ACCESSES: (*_COMMON_FIELDS, "outcome", "detail"),
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a row stands in its log: by transaction, then by id."""

    xid: int
    id: UUID


BEFORE_ALL: Final = Place(0, UUID(int=0))


@dataclass(frozen=True, slots=True)
class Header:
    """What a block says of the rows between two places."""

    log: Log
    number: int
    first: Place
    last: Place
    count: int
    root: bytes
    previous_hash: bytes
    sealed_at: datetime

    def to_bytes(self) -> bytes:
        return _canonical([_BLOCK_FORMAT, *self.to_document().values()])

    @property
    def hash(self) -> bytes:
        return sha256(self.to_bytes()).digest()

    def to_document(self) -> dict[str, Any]:
        return {
            "log": self.log.value,
            "number": self.number,
            "first_xid": self.first.xid,
            "first_id": str(self.first.id),
            "last_xid": self.last.xid,
            "last_id": str(self.last.id),
            "count": self.count,
            "root": self.root.hex(),
            "previous_hash": self.previous_hash.hex(),
            "sealed_at_ms": unix_ms(self.sealed_at),
        }


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A header and the signature over it, as it stands in the database and in the second place."""

    header: Header
    signature: bytes

    def is_signed_by(self, public_key: Ed25519PublicKey) -> bool:
        try:
            public_key.verify(self.signature, self.header.to_bytes())
        except InvalidSignature:
            return False
        return True

    def to_document(self) -> dict[str, Any]:
        return {**self.header.to_document(), "signature": self.signature.hex()}


def block_from_document(document: Mapping[str, Any]) -> SealedBlock:
    """Undo `SealedBlock.to_document`, else raise ValueError, KeyError or TypeError."""
    header = Header(
        log=Log(document["log"]),
        number=int(document["number"]),
        first=Place(int(document["first_xid"]), UUID(document["first_id"])),
        last=Place(int(document["last_xid"]), UUID(document["last_id"])),
        count=int(document["count"]),
        root=bytes.fromhex(document["root"]),
        previous_hash=bytes.fromhex(document["previous_hash"]),
        sealed_at=instant(int(document["sealed_at_ms"])),
    )
    return SealedBlock(header, bytes.fromhex(document["signature"]))


def row_document(log: Log, row: Mapping[str, Any]) -> dict[str, Any]:
    """Write a row as JSON has it; times become microseconds since 1970."""
    return {field: _plain(row[field]) for field in ROW_FIELDS[log]}


def entry_of(log: Log, document: Mapping[str, Any]) -> bytes:
    """What the tree is built of: the row's id, so that a row that is gone still has its name, and
    the hash of its content.
    """
    values = [document[field] for field in ROW_FIELDS[log]]
    content = _canonical([_ROW_FORMAT, log.value, *values])
    return UUID(document["id"]).bytes + sha256(content).digest()


def entry_id(entry: bytes) -> UUID:
    return UUID(bytes=entry[:_ID_BYTES])


def split_entries(entries: bytes) -> list[bytes]:
    """Give the whole entries; a piece of one, where somebody cut them, is none."""
    starts = range(0, len(entries) // ENTRY_BYTES * ENTRY_BYTES, ENTRY_BYTES)
    return [entries[start : start + ENTRY_BYTES] for start in starts]


def root_of(entries: Sequence[bytes]) -> bytes:
    return root_hash([leaf_hash(entry) for entry in entries])


def sign_block(header: Header, key: Ed25519PrivateKey) -> SealedBlock:
    return SealedBlock(header, key.sign(header.to_bytes()))


def _plain(value: Any) -> Any:  # noqa: ANN401 - a column's value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return (value - instant(0)) // _MICROSECOND
    return value


def _canonical(values: Sequence[Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


_MICROSECOND: Final = datetime.resolution
