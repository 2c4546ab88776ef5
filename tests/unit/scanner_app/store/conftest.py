"""An open store of an enrolled kiosk, and sync's side of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from tests.factories.kiosk_store import STORE_KEY, make_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KioskStore]:
    make_store(tmp_path / "store")
    opened = KioskStore.open(tmp_path / "store", STORE_KEY)
    yield opened
    opened.close()


@pytest.fixture
def side(store: KioskStore) -> Iterator[SyncSide]:
    opened = store.sync_side()
    yield opened
    opened.close()
