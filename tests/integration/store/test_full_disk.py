"""A disk that fills up stops admissions, harms nothing, and lets work go on when there is room."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scanner_app.gate.kiosk import Fault
from scanner_app.store.errors import DiskFullError, fault_of
from scanner_app.store.kiosk_store import KioskStore
from tests.factories.kiosk_store import STORE_KEY, a_draft, make_store

DISK_BYTES = 3_000_000
PAGE_BYTES = 4_096


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; only root may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(tmp_path)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk takes root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607


def append_until_full(store: KioskStore) -> int:
    """Write scans until one is refused; give how many were accepted."""
    for number in range(1, 100_000):
        try:
            store.journal.append(a_draft(number))
        except DiskFullError:
            return number - 1
    message = "the disk never filled up"
    raise AssertionError(message)


def test_a_full_disk_refuses_scans_and_work_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    make_store(small_disk / "store")
    store = KioskStore.open(small_disk / "store", STORE_KEY)
    filler.write_bytes(bytes(DISK_BYTES // 2))
    written = append_until_full(store)
    with pytest.raises(DiskFullError, match="free some space") as caught:
        store.journal.append(a_draft(200_000))
    assert fault_of(caught.value) is Fault.DISK_FULL
    assert store.verify().seq == written
    filler.unlink()
    entry = store.journal.append(a_draft(200_001))
    assert entry.seq == written + 1
    assert store.verify().seq == written + 1
    store.close()
    reopened = KioskStore.open(small_disk / "store", STORE_KEY)
    assert reopened.verify().seq == written + 1
    reopened.close()


def fill(path: Path) -> None:
    """Take every block that is left."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE_BYTES))


@pytest.mark.parametrize("first_start", [True, False])
def test_a_kiosk_that_starts_on_a_full_disk_says_so_and_starts_when_there_is_room(
    small_disk: Path, *, first_start: bool
) -> None:
    directories = {True: small_disk / "new", False: small_disk / "store"}
    make_store(directories[False])
    fill(small_disk / "filler")
    with pytest.raises(DiskFullError, match="free some space"):
        KioskStore.open(directories[first_start], STORE_KEY)
    (small_disk / "filler").unlink()
    KioskStore.open(directories[first_start], STORE_KEY).close()


def test_a_journal_that_may_not_grow_keeps_its_chain(tmp_path: Path) -> None:
    make_store(tmp_path / "store")
    store = KioskStore.open(tmp_path / "store", STORE_KEY)
    pages = store._databases.journal.number("PRAGMA page_count")
    store._databases.journal.run(f"PRAGMA max_page_count = {pages + 20}")
    written = append_until_full(store)
    store._databases.journal.run("PRAGMA max_page_count = 100000")
    entry = store.journal.append(a_draft(200_000))
    assert written > 0
    assert entry.seq == written + 1
    assert store.verify().seq == entry.seq
    store.close()
