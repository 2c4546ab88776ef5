from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync_server.audit.anchors import FileAnchors, UnreadableAnchor
from sync_server.audit.blocks import BEFORE_ALL, NO_BLOCK_HASH, Header, SealedBlock, sign_block
from sync_server.audit.rules import Log
from sync_server.kit.instants import instant

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
HEADER = Header(
    log=Log.ACTIONS,
    number=1,
    first=BEFORE_ALL,
    last=BEFORE_ALL,
    count=1,
    root=bytes(32),
    previous_hash=NO_BLOCK_HASH,
    sealed_at=instant(0),
)


def _block(number: int) -> SealedBlock:
    return sign_block(replace(HEADER, number=number), KEY)


@pytest.fixture
def anchors(tmp_path: Path) -> FileAnchors:
    return FileAnchors(tmp_path / "not" / "there")


def test_a_place_without_files_holds_nothing(anchors: FileAnchors) -> None:
    assert anchors.last(Log.ACTIONS) is None
    assert list(anchors.read(Log.ACTIONS)) == []


def test_the_last_of_many_is_found_at_the_end(anchors: FileAnchors) -> None:
    anchors.append(Log.ACTIONS, [_block(number) for number in range(1, 41)])
    assert anchors.last(Log.ACTIONS) == _block(40)
    assert len(list(anchors.read(Log.ACTIONS))) == 40


def test_logs_do_not_mix(anchors: FileAnchors) -> None:
    anchors.append(Log.ACTIONS, [_block(1)])
    assert anchors.last(Log.ACCESSES) is None


def test_processes_that_anchor_the_same_write_it_once(anchors: FileAnchors) -> None:
    blocks = [_block(number) for number in range(1, 6)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: anchors.append(Log.ACTIONS, blocks), range(16)))
    assert list(anchors.read(Log.ACTIONS)) == blocks


@pytest.mark.parametrize("torn", ['{"log": "adm', "[]\n", "{}\n", "\xff\n"])
def test_a_line_that_is_no_block_is_passed_over(anchors: FileAnchors, torn: str) -> None:
    anchors.append(Log.ACTIONS, [_block(1)])
    with anchors.path(Log.ACTIONS).open("a", encoding="latin-1") as file:
        file.write(torn)
    assert anchors.last(Log.ACTIONS) == _block(1)
    anchors.append(Log.ACTIONS, [_block(2)])
    assert list(anchors.read(Log.ACTIONS)) == [_block(1), UnreadableAnchor(2), _block(2)]
