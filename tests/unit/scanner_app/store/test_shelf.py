from pathlib import Path

import pytest

from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.store.errors import SnapshotTooOldError
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from tests.factories.kiosk_store import install_snapshot
from tests.factories.snapshots import FILE_KEY, SnapshotContent, build_snapshot


def files(side: SyncSide) -> list[Path]:
    return sorted(side.shelf.partial_path("any").parent.iterdir())


def test_the_newest_snapshot_is_in_use_and_the_old_file_is_gone(
    store: KioskStore, side: SyncSide
) -> None:
    manifest = install_snapshot(side, SnapshotContent(version=2, cursor=(200, 0)))
    known = store.knowledge()
    assert known is not None
    assert known.snapshot_version == 2
    assert side.shelf.current() == store.manifest() == manifest
    assert side.shelf.highest_version_seen() == 2
    assert [path.name for path in files(side)] == [f"{manifest.sha256}.db"]


def test_an_older_snapshot_is_refused_even_where_its_signature_holds(side: SyncSide) -> None:
    install_snapshot(side, SnapshotContent(version=5))
    with pytest.raises(SnapshotTooOldError):
        install_snapshot(side, SnapshotContent(version=4))
    current = side.shelf.current()
    assert current is not None
    assert current.version == 5


def test_the_same_version_may_be_fetched_again(side: SyncSide) -> None:
    for _ in range(2):
        install_snapshot(side, SnapshotContent(version=3))
    assert side.shelf.highest_version_seen() == 3


@pytest.mark.parametrize(("share", "kept"), [(0.5, True), (1.0, False)])
def test_half_a_download_may_be_continued_and_a_wrong_one_is_deleted(
    side: SyncSide, tmp_path: Path, *, share: float, kept: bool
) -> None:
    manifest = build_snapshot(tmp_path / "file", FILE_KEY, SnapshotContent(version=2))
    partial = side.shelf.partial_path(manifest.sha256)
    partial.write_bytes(bytes(int(manifest.size_bytes * share)))
    with pytest.raises(SnapshotUnreadableError):
        side.shelf.install(manifest, FILE_KEY)
    assert partial.exists() is kept


def test_the_right_key_opens_a_download_that_a_wrong_one_did_not(side: SyncSide) -> None:
    partial = side.shelf.partial_path("new")
    manifest = build_snapshot(partial, FILE_KEY, SnapshotContent(version=2))
    partial.rename(side.shelf.partial_path(manifest.sha256))
    with pytest.raises(SnapshotUnreadableError):
        side.shelf.install(manifest, bytes(32))
    side.shelf.install(manifest, FILE_KEY)
    assert side.shelf.current() == manifest
