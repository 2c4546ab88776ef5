"""Inclusion proofs: made from the database, checked with nothing but the proof and a public key."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import repository
from sync_server.audit.blocks import (
    Place,
    block_from_document,
    entry_id,
    entry_of,
    row_document,
    split_entries,
)
from sync_server.audit.errors import LoggedRowNotFoundError, NotSealedYetError, SealBrokenRowError
from sync_server.audit.merkle import inclusion_path, is_included, leaf_hash
from sync_server.audit.rules import Log
from sync_server.audit.schemas import InclusionProof
from sync_server.kit.claims import WORKER
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services

_FORMAT: Final = "zeraket-audit-proof-1"


async def prove(
    services: Services, keys: ServerKeys, log: Log, row_id: UUID, organizer_id: UUID | None = None
) -> InclusionProof:
    """Prove that a row was sealed; a row of another organizer than the one named is not found."""
    async with services.database.reading(WORKER) as session:
        row = await repository.find_row(session, log, row_id, organizer_id)
        if row is None:
            raise LoggedRowNotFoundError
        return await _prove_row(session, keys, log, row)


async def _prove_row(
    session: AsyncSession, keys: ServerKeys, log: Log, row: RowMapping
) -> InclusionProof:
    found = await repository.block_over(session, log, Place(row["xid"], row["id"]))
    if found is None:
        raise NotSealedYetError
    block, entries = found[0], split_entries(found[1])
    document = row_document(log, dict(row))
    numbers = {entry_id(entry): number for number, entry in enumerate(entries)}
    index = numbers.get(row["id"])
    if index is None or entries[index] != entry_of(log, document):
        raise SealBrokenRowError
    path = inclusion_path([leaf_hash(entry) for entry in entries], index)
    return InclusionProof(
        format=_FORMAT,
        row=document,
        block=block.to_document(),
        index=index,
        path=[step.hex() for step in path],
        public_key=keys.audit_key.public_key().public_bytes_raw().hex(),
    )


def proof_holds(proof: Mapping[str, Any], public_key: bytes) -> bool:
    """Check a proof that somebody else wrote; whatever is misshapen proves nothing."""
    try:
        read = InclusionProof.model_validate(proof)
        block = block_from_document(read.block)
        leaf = leaf_hash(entry_of(block.header.log, read.row))
        path = [bytes.fromhex(step) for step in read.path]
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except (ValueError, KeyError, TypeError):
        return False
    header = block.header
    return (
        read.format == _FORMAT
        and block.is_signed_by(key)
        and is_included(leaf, read.index, header.count, path, header.root)
    )
