"""Uploading journal entries: a batch in, an answer for every entry back.

A scan is never refused for its verdict.
"""

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from shared.wire.base import Base64Bytes, WireModel

ENTRIES_PER_BATCH_MAX: Final = 500


class UploadedEntry(WireModel):
    """An entry's canonical bytes and the hash the device stored for it."""

    seq: Annotated[int, Field(ge=1)]
    entry: Base64Bytes
    entry_hash: Annotated[Base64Bytes, Field(min_length=32, max_length=32)]


class ScanBatch(WireModel):
    """Entries in order, signed by the device key (raw r‖s over `batch_message`)."""

    device_id: UUID
    entries: Annotated[tuple[UploadedEntry, ...], Field(min_length=1, max_length=500)]
    signature: Base64Bytes


class EntryResult(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"


class EntryAnswer(WireModel):
    """What became of one entry; `finding` says why it was quarantined."""

    seq: int
    result: EntryResult
    finding: str | None = None


class Finding(WireModel):
    """Something the gate should know: a conflict that one of its scans is part of."""

    kind: str
    scan_ids: tuple[UUID, ...]


class ScanBatchAnswer(WireModel):
    """What became of a batch; `missing` lists gaps (first, last) to be sent again."""

    answers: tuple[EntryAnswer, ...]
    contiguous_seq: int
    missing: tuple[tuple[int, int], ...] = ()
    findings: tuple[Finding, ...] = ()
