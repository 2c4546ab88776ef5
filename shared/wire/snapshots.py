"""What a kiosk downloads before it can decide: the signed manifest and the snapshot's tables."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from shared.wire.base import Base64Bytes, Sha256Hex, WireModel

SNAPSHOT_FORMAT: Final = 1
"""A kiosk refuses a snapshot of another format."""

SNAPSHOT_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tickets (
  id INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL,
  status TEXT NOT NULL,
  holder_algorithm INTEGER,
  holder_key BLOB,
  core BLOB NOT NULL,
  medium TEXT,
  nfc_binding BLOB,
  attention INTEGER NOT NULL DEFAULT 0,
  holder_name TEXT,
  seat TEXT
);
CREATE TABLE tiers (tier INTEGER PRIMARY KEY, name TEXT NOT NULL, medium TEXT NOT NULL);
CREATE TABLE gates (
  id BLOB PRIMARY KEY, number INTEGER NOT NULL, name TEXT NOT NULL, zones INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE zones (bit INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE key_sets (position INTEGER PRIMARY KEY, kid INTEGER NOT NULL, event_key BLOB NOT NULL);
CREATE TABLE issuer_keys (ikid INTEGER PRIMARY KEY, public_key BLOB NOT NULL);
CREATE TABLE staff (id BLOB PRIMARY KEY, name TEXT NOT NULL, pin_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE passages (
  scan_id BLOB PRIMARY KEY,
  ticket_id INTEGER NOT NULL,
  device_id BLOB NOT NULL,
  gate_id BLOB NOT NULL,
  direction TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX passages_by_ticket ON passages (ticket_id);
"""
"""Tables of the SQLCipher file.

`tickets.id` is the ticket's id folded into signed 64 bits; `medium` is NULL where the tier's demand
holds; `passages` are admissions known when the file was built. `meta` holds `rules`
(a RuleBookDocument in JSON).
"""


class KeySetMember(WireModel):
    """A key set's id, so that a kiosk can tell a foreign event before it opens the file."""

    kid: Annotated[int, Field(ge=0, le=255)]


class IssuerKeyMember(WireModel):
    ikid: Annotated[int, Field(ge=0, le=255)]
    public_key: Base64Bytes


class Manifest(WireModel):
    """What a snapshot is, for one deployment; signed by the server as the bytes that travel."""

    format: int = SNAPSHOT_FORMAT
    deployment_id: UUID
    event_id: UUID
    event_name: str
    version: Annotated[int, Field(ge=1)]
    version_min: Annotated[int, Field(ge=1)]
    """A kiosk refuses to work on anything older."""
    cursor: tuple[int, int]
    sha256: Sha256Hex
    size_bytes: Annotated[int, Field(ge=0)]
    ticket_count: Annotated[int, Field(ge=0)]
    frozen_at_ms: int
    base_time_ms: int
    timezone: str
    key_sets: tuple[KeySetMember, ...]
    issuer_keys: tuple[IssuerKeyMember, ...]


class SignedManifest(WireModel):
    """A manifest as bytes of JSON with the server's signature, and the file key for this device.

    `wrapped_key` is HPKE (RFC 9180: DHKEM P-256, HKDF-SHA256, AES-256-GCM), `info` as in
    `shared.wire.signing.file_key_info`.
    """

    manifest: Base64Bytes
    signature: Base64Bytes
    wrapped_key: Base64Bytes
