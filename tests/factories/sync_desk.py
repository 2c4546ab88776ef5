"""A kiosk beside a server: what a test of sync does with the two."""

from collections.abc import Callable
from threading import Event

from scanner_app.sync.enrolment import (
    EnrolmentFlow,
    EnrolmentOffer,
    EnrolmentProgress,
    EnrolmentStage,
    EnrolmentStore,
)
from scanner_app.sync.loop import SyncLoop
from shared.wire.enrolment_code import EnrolmentCode
from tests.factories.scanner_server import ScannerServer
from tests.factories.scanner_state import CODE
from tests.factories.sync import GoodHealth, Kiosk, StatusWatch


class Desk:
    """A kiosk and what a test does with it; every loop it starts is stopped at the end."""

    def __init__(self, kiosk: Kiosk, server: ScannerServer) -> None:
        self.kiosk = kiosk
        self.server = server
        self.progress: list[EnrolmentProgress] = []
        self.on_stage: dict[EnrolmentStage, Callable[[], None]] = {}
        self.stopping = Event()
        self.loops: list[SyncLoop] = []

    def enrol(self, fingerprint: bytes | None = None, secret: bytes = CODE) -> EnrolmentProgress:
        code = EnrolmentCode(self.server.address, secret, fingerprint)
        kiosk = self.kiosk
        flow = EnrolmentFlow(
            EnrolmentOffer(code, "North 1"),
            kiosk.keys,
            EnrolmentStore(kiosk.records, kiosk.records, kiosk.shelf),
            kiosk.machine,
            self._note,
        )
        return flow.run(self.stopping)

    def work(self) -> tuple[SyncLoop, StatusWatch]:
        """Start sync for the enrolled kiosk."""
        watch = StatusWatch()
        loop = SyncLoop(
            self.kiosk.identity(), self.kiosk.store, self.kiosk.machine, GoodHealth(), watch
        )
        self.loops.append(loop)
        loop.start()
        return loop, watch

    def _note(self, progress: EnrolmentProgress) -> None:
        self.progress.append(progress)
        self.on_stage.get(progress.stage, _do_nothing)()


def _do_nothing() -> None:
    """Most stages need nothing from a test."""
