"""Files that were damaged, cut, exchanged or opened with a wrong key are told apart."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from scanner_app.gate.kiosk import Fault
from scanner_app.gate.ports import JournalUnwritableError, SnapshotUnreadableError
from scanner_app.store.errors import (
    JournalCorruptError,
    ReplicaUnreadableError,
    StoreInUseError,
    StoreTooNewError,
    WrongStoreKeyError,
    fault_of,
)
from scanner_app.store.files import StoreFiles
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.wire.snapshots import Manifest
from tests.factories.credentials import EVENT_ID, TICKET_ID
from tests.factories.kiosk_store import STORE_KEY, a_draft, make_store
from tests.factories.snapshots import FILE_KEY, SnapshotContent, SnapshotTicket, build_snapshot
from tests.factories.visitors import visitor_core

PAGE_BYTES = 4096
Damage = Callable[[Path], None]


def overwrite(page: int) -> Damage:
    """Turn over one bit in the middle of a page."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[page * PAGE_BYTES + PAGE_BYTES // 2] ^= 1
        path.write_bytes(data)

    return damage


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 10)


def directory_with_scans(tmp_path: Path, scans: int = 400) -> Path:
    directory = tmp_path / "store"
    make_store(directory)
    store = KioskStore.open(directory, STORE_KEY)
    for number in range(1, scans + 1):
        store.journal.append(a_draft(number))
    store.close()
    return directory


@pytest.mark.parametrize("damage", [overwrite(0), cut_in_half, empty])
def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path, damage: Damage) -> None:
    directory = directory_with_scans(tmp_path)
    damage(directory / "journal.db")
    before = (directory / "journal.db").read_bytes()
    with pytest.raises(JournalCorruptError, match="bring it to support") as caught:
        KioskStore.open(directory, STORE_KEY)
    assert fault_of(caught.value) is Fault.JOURNAL_CORRUPT
    assert (directory / "journal.db").read_bytes() == before


def test_a_damaged_page_that_no_scan_reads_is_found_by_verifying_all(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path)
    overwrite(1)(directory / "journal.db")
    store = KioskStore.open(directory, STORE_KEY)
    with pytest.raises(JournalCorruptError, match="1 pages cannot be read"):
        store.verify()
    store.close()


def test_damage_far_from_the_end_is_found_by_verifying_all(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path, scans=1_500)
    writer = StoreFiles(directory, STORE_KEY).open_journal()
    writer.run("DROP TRIGGER entries_stay")
    writer.run("UPDATE entries SET entry_hash = zeroblob(32) WHERE seq = 700")
    writer.close()
    store = KioskStore.open(directory, STORE_KEY)
    with pytest.raises(JournalCorruptError, match="entry 700: altered"):
        store.verify()
    store.close()


def test_an_entry_missing_near_the_end_is_found_at_start(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path, scans=30)
    writer = StoreFiles(directory, STORE_KEY).open_journal()
    writer.run("DROP TRIGGER entries_are_kept")
    writer.run("DELETE FROM entries WHERE seq = 20")
    writer.close()
    with pytest.raises(JournalCorruptError, match="entry 21: gap"):
        KioskStore.open(directory, STORE_KEY)


def test_a_wrong_key_is_no_damage(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path, scans=1)
    with pytest.raises(WrongStoreKeyError, match="restore its key file") as caught:
        KioskStore.open(directory, bytes(32))
    assert fault_of(caught.value) is Fault.WRONG_KEY
    (directory / "store.check").unlink()
    with pytest.raises(WrongStoreKeyError):
        KioskStore.open(directory, bytes(32))
    reopened = KioskStore.open(directory, STORE_KEY)
    assert reopened.verify().seq == 1
    reopened.close()


@pytest.mark.parametrize("name", ["journal.db", "replica.db"])
def test_a_store_of_a_newer_program_is_refused_untouched(tmp_path: Path, name: str) -> None:
    directory = directory_with_scans(tmp_path, scans=1)
    files = StoreFiles(directory, STORE_KEY)
    database = {"journal.db": files.open_journal, "replica.db": files.open_replica}[name]()
    database.run("PRAGMA user_version = 2000")
    database.close()
    before = (directory / name).read_bytes()
    with pytest.raises(StoreTooNewError, match="newer version"):
        KioskStore.open(directory, STORE_KEY)
    assert (directory / name).read_bytes() == before


def test_a_second_program_is_kept_out(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path, scans=1)
    store = KioskStore.open(directory, STORE_KEY)
    with pytest.raises(StoreInUseError):
        KioskStore.open(directory, STORE_KEY)
    store.close()
    KioskStore.open(directory, STORE_KEY).close()


@pytest.mark.parametrize("damage", [overwrite(1), cut_in_half, Path.unlink])
def test_a_snapshot_damaged_on_disk_is_not_used_and_fetched_again(
    tmp_path: Path, damage: Damage
) -> None:
    directory = tmp_path / "store"
    make_store(directory)
    (file,) = (directory / "snapshots").iterdir()
    damage(file)
    store = KioskStore.open(directory, STORE_KEY)
    side = store.sync_side()
    problem = store.snapshot_problem()
    assert problem is not None
    assert fault_of(problem) is Fault.SNAPSHOT_CORRUPT
    assert store.knowledge() is None
    assert side.shelf.current() is None
    with pytest.raises(SnapshotUnreadableError):
        store.tickets.find(TICKET_ID)
    side.close()
    store.close()


def test_a_snapshot_that_rots_while_in_use_stops_only_what_cannot_be_read(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    tickets = tuple(SnapshotTicket(core=visitor_core(number)) for number in range(3_000))
    make_store(directory, SnapshotContent(tickets=tickets))
    store = KioskStore.open(directory, STORE_KEY)
    (file,) = (directory / "snapshots").iterdir()
    overwrite(30)(file)
    unreadable = 0
    for ticket in tickets:
        try:
            store.tickets.find(ticket.core.ticket_id)
        except SnapshotUnreadableError:
            unreadable += 1
    assert 0 < unreadable < 100
    store.close()


def test_a_snapshot_in_doubt_is_looked_at_again_and_serves_if_it_is_whole(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    make_store(directory)
    store = KioskStore.open(directory, STORE_KEY)
    store.doubt_snapshot()
    assert store.knowledge() is not None
    assert store.snapshot_problem() is None
    store.close()


@pytest.mark.parametrize("damage", [overwrite(1), cut_in_half, Path.unlink])
def test_a_snapshot_damaged_in_use_is_closed_and_fetched_again(
    tmp_path: Path, damage: Damage
) -> None:
    directory = tmp_path / "store"
    make_store(directory)
    store = KioskStore.open(directory, STORE_KEY)
    side = store.sync_side()
    assert side.shelf.current() is not None
    (file,) = (directory / "snapshots").iterdir()
    damage(file)
    store.doubt_snapshot()
    assert store.knowledge() is None
    assert store.snapshot_problem() is not None
    assert side.shelf.current() is None, "sync sees that it must fetch it again"
    side.close()
    store.close()


def test_a_damaged_record_of_changes_keeps_the_kiosk_from_starting(tmp_path: Path) -> None:
    directory = directory_with_scans(tmp_path, scans=1)
    overwrite(0)(directory / "replica.db")
    with pytest.raises(ReplicaUnreadableError, match="support"):
        KioskStore.open(directory, STORE_KEY)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalUnwritableError, match="check its permissions"):
        KioskStore.open(tmp_path / "file", STORE_KEY)


def next_snapshot(folder: Path, **changes: object) -> tuple[Path, Manifest]:
    path = folder / "download"
    content = SnapshotContent(version=2, cursor=(200, 0))
    manifest = build_snapshot(path, FILE_KEY, content)
    return path, manifest.model_copy(update=changes)


@pytest.mark.parametrize(
    ("damage", "changes", "key"),
    [
        (overwrite(2), {}, FILE_KEY),
        (cut_in_half, {}, FILE_KEY),
        (Path.unlink, {}, FILE_KEY),
        (Path.touch, {}, bytes(32)),
        (Path.touch, {"sha256": "0" * 64}, FILE_KEY),
        (Path.touch, {"ticket_count": 7}, FILE_KEY),
        (Path.touch, {"format": 2}, FILE_KEY),
        (Path.touch, {"version": 0}, FILE_KEY),
        (Path.touch, {"version_min": 3}, FILE_KEY),
        (Path.touch, {"deployment_id": EVENT_ID}, FILE_KEY),
    ],
    ids=[
        "bit turned",
        "half",
        "missing",
        "wrong key",
        "swapped",
        "other count",
        "other format",
        "rolled back",
        "below minimum",
        "other deployment",
    ],
)
def test_a_download_that_is_not_right_leaves_the_last_good_snapshot(
    tmp_path: Path, damage: Damage, changes: dict[str, object], key: bytes
) -> None:
    directory = tmp_path / "store"
    make_store(directory)
    store = KioskStore.open(directory, STORE_KEY)
    side = store.sync_side()
    path, manifest = next_snapshot(tmp_path, **changes)
    partial = side.shelf.partial_path(manifest.sha256)
    path.rename(partial)
    damage(partial)
    with pytest.raises(SnapshotUnreadableError):
        side.shelf.install(manifest, key)
    current = side.shelf.current()
    assert current is not None
    assert current.version == 1
    assert store.tickets.find(TICKET_ID) is not None
    assert store.snapshot_problem() is None
    side.close()
    store.close()


def test_an_intact_file_with_damaged_pages_is_found(tmp_path: Path) -> None:
    """The server may have signed what its disk had already damaged."""
    directory = tmp_path / "store"
    make_store(directory)
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    tickets = tuple(
        SnapshotTicket(seat="x" * 500, core=core) for core in map(visitor_core, range(300))
    )
    path = tmp_path / "download"
    manifest = build_snapshot(path, FILE_KEY, SnapshotContent(tickets=tickets, version=2))
    overwrite(20)(path)
    digest = sha256(path.read_bytes()).hexdigest()
    signed = manifest.model_copy(update={"sha256": digest})
    path.rename(side.shelf.partial_path(signed.sha256))
    with pytest.raises(SnapshotUnreadableError, match="damaged in"):
        side.shelf.install(signed, FILE_KEY)
    side.close()


@pytest.mark.parametrize("name", ["journal.db", "replica.db", "journal.db-wal"])
def test_no_file_holds_plain_text(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "store"
    holder = "Wanjiku Nakimuli"
    make_store(directory, SnapshotContent(tickets=(SnapshotTicket(holder_name=holder),)))
    store = KioskStore.open(directory, STORE_KEY)
    store.journal.append(a_draft(1, override_reason=holder, verdict=holder))
    files = [directory / name, *(directory / "snapshots").iterdir()]
    contents = b"".join(file.read_bytes() for file in files)
    assert len(contents) > PAGE_BYTES
    assert holder.encode() not in contents
    assert b"CREATE TABLE" not in contents
    assert b"SQLite format" not in contents
    store.close()
