"""The kiosk's window on a screen that is not there."""

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QGuiApplication

from scanner_app.ui.palette import Theme
from screenshots import STANDING
from tests.ui.driving import Kiosk, OpenKiosk, open_kiosk


@pytest.fixture(scope="session")
def qapp_cls() -> type[QGuiApplication]:
    return QGuiApplication


@pytest.fixture
def kiosk_at() -> Iterator[OpenKiosk]:
    """Open windows of any size and take them apart after the test."""
    opened: list[Kiosk] = []

    def open_one(size: tuple[int, int] = (1024, 600), theme: Theme = Theme.DAY) -> Kiosk:
        kiosk = open_kiosk(size, theme)
        opened.append(kiosk)
        return kiosk

    yield open_one
    for kiosk in opened:
        kiosk.window.dispose()
        kiosk.settle()


@pytest.fixture
def kiosk(kiosk_at: OpenKiosk) -> Kiosk:
    """Give a small kiosk that scans."""
    kiosk = kiosk_at()
    kiosk.window.view_model.show_status(STANDING)
    kiosk.settle()
    return kiosk
