"""A server that speaks the contract, and a kiosk beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories.scanner_server import ScannerServer
from tests.factories.sync import a_kiosk
from tests.factories.sync_desk import Desk


@pytest.fixture
def server() -> Iterator[ScannerServer]:
    server = ScannerServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def desk(server: ScannerServer, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(a_kiosk(tmp_path), server)
    yield desk
    for loop in desk.loops:
        loop.stop()


@pytest.fixture
def enrolled(desk: Desk) -> Desk:
    """A kiosk at work with its first snapshot."""
    desk.enrol()
    return desk
