from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_server.audit.blocks import (
    NO_BLOCK_HASH,
    Header,
    Place,
    SealedBlock,
    block_from_document,
    entry_id,
    entry_of,
    row_document,
    sign_block,
    split_entries,
)
from sync_server.audit.rules import Log
from sync_server.kit.instants import instant

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
ROW: dict[str, Any] = {
    "id": UUID(int=1),
    "xid": 7,
    "happened_at": instant(1_800_000_000_000) + timedelta(microseconds=5),
    "organizer_id": UUID(int=2),
    "actor_kind": "person",
    "actor_id": None,
    "kind": "device.state",
    "object_kind": "device",
    "object_id": "é",
    "request_id": None,
    "network_address": "::1",
    "before": {"b": 1, "a": [True, None]},
    "after": None,
    "reason": None,
}
HEADER = Header(
    log=Log.ACTIONS,
    number=1,
    first=Place(7, UUID(int=1)),
    last=Place(8, UUID(int=3)),
    count=2,
    root=bytes(range(32)),
    previous_hash=NO_BLOCK_HASH,
    sealed_at=instant(1_800_000_000_123),
)


def test_a_rows_entry_is_the_same_for_ever() -> None:
    entry = entry_of(Log.ACTIONS, row_document(Log.ACTIONS, ROW))
    assert entry[:16] == UUID(int=1).bytes
    written = (
        '["zeraket-audit-row-1","admin_action_log","00000000-0000-0000-0000-000000000001",7,'
        '1800000000000005,"00000000-0000-0000-0000-000000000002","person",null,"device.state",'
        '"device","\\u00e9",null,"::1",{"a":[true,null],"b":1},null,null]'
    )
    assert entry[16:] == sha256(written.encode()).digest()


def test_a_headers_bytes_are_the_same_for_ever() -> None:
    assert HEADER.to_bytes() == (
        b'["zeraket-audit-block-1","admin_action_log",1,7,'
        b'"00000000-0000-0000-0000-000000000001",8,"00000000-0000-0000-0000-000000000003",2,'
        b'"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"0000000000000000000000000000000000000000000000000000000000000000",1800000000123]'
    )


@pytest.mark.parametrize("field", sorted(ROW))
def test_every_field_of_a_row_counts(field: str) -> None:
    document = row_document(Log.ACTIONS, ROW)
    changed = {**document, field: "0190f4a2-1111-7000-8000-000000000001"}
    assert entry_of(Log.ACTIONS, changed) != entry_of(Log.ACTIONS, document)


def test_the_order_of_names_in_a_value_does_not_count() -> None:
    turned = {**ROW, "before": {"a": [True, None], "b": 1}}
    entries = {entry_of(Log.ACTIONS, row_document(Log.ACTIONS, row)) for row in (ROW, turned)}
    assert len(entries) == 1


def test_a_block_is_read_back_as_it_was_written() -> None:
    block = sign_block(HEADER, KEY)
    assert block_from_document(block.to_document()) == block


@pytest.mark.parametrize(
    "forge",
    [
        lambda block: SealedBlock(replace(HEADER, count=3), block.signature),
        lambda _: SealedBlock(HEADER, bytes(64)),
        lambda _: SealedBlock(HEADER, b""),
        lambda _: sign_block(HEADER, OTHER_KEY),
    ],
)
def test_a_forged_block_is_not_signed(forge: Callable[[SealedBlock], SealedBlock]) -> None:
    block = sign_block(HEADER, KEY)
    assert block.is_signed_by(KEY.public_key())
    assert not forge(block).is_signed_by(KEY.public_key())


def test_entries_are_taken_apart_again() -> None:
    entries = [UUID(int=number).bytes + bytes(32) for number in range(3)]
    assert split_entries(b"".join(entries)) == entries
    assert [entry_id(entry).int for entry in entries] == [0, 1, 2]
