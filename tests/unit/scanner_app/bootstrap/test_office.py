import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanner_app.bootstrap.office import Office, OfficeParts
from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.ports import GateError, SnapshotUnreadableError
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from scanner_app.sync.enrolment import EnrolmentProgress, EnrolmentStage
from scanner_app.sync.status import SyncStatus
from shared.wire.enrolment_code import EnrolmentCode
from tests.factories.kiosk_parts import Log
from tests.factories.kiosk_store import STORE_KEY
from tests.factories.scanner_server import ScannerServer
from tests.factories.scanner_state import CODE
from tests.factories.sync import GoodHealth, a_machine


@dataclass(frozen=True)
class Known:
    """What the office said of who this kiosk is."""

    enrolment: Enrolment | None
    revoked: bool


class Listener:
    def __init__(self) -> None:
        self.log = Log()

    def on_identity(self, enrolment: Enrolment | None, *, revoked: bool) -> None:
        self.log.note(Known(enrolment, revoked))

    def on_office_fault(self, error: GateError) -> None:
        self.log.note(error)

    def on_enrolment(self, progress: EnrolmentProgress) -> None:
        self.log.note(progress)

    def on_sync(self, status: SyncStatus) -> None:
        self.log.note(status)


@pytest.fixture
def server() -> Iterator[ScannerServer]:
    server = ScannerServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KioskStore]:
    store = KioskStore.open(tmp_path / "store", STORE_KEY)
    yield store
    store.close()


Open = Callable[[Callable[[], SyncSide]], tuple[Office, Listener]]


@pytest.fixture
def open_office() -> Iterator[Open]:
    offices: list[Office] = []

    def open_one(open_side: Callable[[], SyncSide]) -> tuple[Office, Listener]:
        listener = Listener()
        office = Office(OfficeParts(a_machine(), GoodHealth(), listener, "North 1"))
        offices.append(office)
        office.start(open_side)
        return office, listener

    yield open_one
    for office in offices:
        office.stop()


def enrol(open_office: Open, store: KioskStore, server: ScannerServer) -> None:
    """Enrol a kiosk and close its office again; the server has no snapshot it could open."""
    office, listener = open_office(store.sync_side)
    listener.log.wait_for(Known, lambda known: known.enrolment is None)
    office.enrol(EnrolmentCode(server.address, CODE, None))
    progress = listener.log.wait_for(
        EnrolmentProgress, lambda progress: progress.stage is EnrolmentStage.DOWNLOADING
    )
    assert progress.enrolment is not None
    office.stop()


def test_a_kiosk_enrols_and_is_at_work_from_the_next_start(
    open_office: Open, store: KioskStore, server: ScannerServer
) -> None:
    enrol(open_office, store, server)
    _, listener = open_office(store.sync_side)
    known = listener.log.wait_for(Known, lambda _: True)
    assert known.enrolment is not None
    assert (known.enrolment.gate_name, known.revoked) == ("North", False)
    listener.log.wait_for(SyncStatus, lambda status: status.online)


def test_a_code_nobody_knows_fails_and_the_next_one_counts(
    open_office: Open, store: KioskStore, server: ScannerServer
) -> None:
    office, listener = open_office(store.sync_side)
    office.enrol(EnrolmentCode(server.address, bytes(16), None))
    failed = listener.log.wait_for(EnrolmentProgress, lambda progress: progress.over)
    assert failed.problem is not None
    office.enrol(EnrolmentCode(server.address, CODE, None))
    listener.log.wait_for(
        EnrolmentProgress, lambda progress: progress.stage is EnrolmentStage.DOWNLOADING
    )


def test_a_kiosk_at_work_takes_no_other_code_and_goes_on(
    open_office: Open, store: KioskStore, server: ScannerServer
) -> None:
    enrol(open_office, store, server)
    office, listener = open_office(store.sync_side)
    listener.log.wait_for(SyncStatus, lambda status: status.online)
    session = server.state.session_id
    office.enrol(EnrolmentCode(server.address, bytes(16), None))
    beats = len(server.state.heartbeats)
    server.faults.revoked = True
    listener.log.wait_for(SyncStatus, lambda status: status.revocation is not None)
    assert len(server.state.heartbeats) >= beats
    assert server.state.session_id == session, "sync was not begun again"
    assert not [event for event in listener.log.events if isinstance(event, EnrolmentProgress)]


def test_a_revoked_kiosk_stays_revoked_through_restarts_and_failed_enrolments(
    open_office: Open, store: KioskStore, server: ScannerServer
) -> None:
    enrol(open_office, store, server)
    server.faults.revoked = True
    office, listener = open_office(store.sync_side)
    listener.log.wait_for(SyncStatus, lambda status: status.revocation is not None)
    office.stop()
    office, listener = open_office(store.sync_side)
    listener.log.wait_for(SyncStatus, lambda status: status.revocation is not None)
    server.state.enrolled = None
    office.enrol(EnrolmentCode(server.address, bytes(16), None))
    listener.log.wait_for(EnrolmentProgress, lambda progress: progress.over)
    listener.log.wait_until(lambda: isinstance(listener.log.events[-1], SyncStatus))
    known = [event for event in listener.log.events if isinstance(event, Known)]
    assert [one.revoked for one in known] == [True, True]


def test_a_store_that_fails_the_office_is_told_and_tried_again(
    open_office: Open, store: KioskStore
) -> None:
    faults = [SnapshotUnreadableError("locked")]

    def open_side() -> SyncSide:
        for fault in [faults.pop() for _ in faults]:
            raise fault
        return store.sync_side()

    _, listener = open_office(open_side)
    assert listener.log.wait_for(GateError, lambda _: True).code == "snapshot_unreadable"
    known = listener.log.wait_for(Known, lambda _: True)
    assert known.enrolment is None


def test_an_office_ends_while_a_server_keeps_silent(
    open_office: Open, store: KioskStore, server: ScannerServer
) -> None:
    enrol(open_office, store, server)
    office, listener = open_office(store.sync_side)
    listener.log.wait_for(SyncStatus, lambda status: status.online)
    server.faults.silent = True
    office.stop()
    assert "office" not in {thread.name for thread in threading.enumerate()}


def test_an_office_that_never_opened_ends_too() -> None:
    listener = Listener()
    Office(OfficeParts(a_machine(), GoodHealth(), listener, "North 1")).stop()
    assert listener.log.events == []
