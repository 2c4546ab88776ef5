import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.bootstrap.kiosk import Kiosk, KioskPlan
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.gate.kiosk import CameraCondition, EnrolmentProblem, KioskPhase, KioskStatus
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.files import StoreFiles
from scanner_app.store.keyring import KEY_FILE
from scanner_app.store.sync_side import SyncSide
from shared.clock import SystemClock
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.scanners import RevocationOrder, SignedRevocation
from tests.factories.admission import DEVICE, NOW_MS
from tests.factories.kiosk_parts import KioskListener
from tests.factories.kiosk_store import STORE_KEY, an_enrolment, make_store
from tests.factories.snapshots import DEPLOYMENT, SnapshotContent
from tests.factories.sync import BOOT, a_machine
from tests.factories.visitors import visitor_codes, visitor_tickets

CODES = visitor_codes(3)
NOWHERE = "http://127.0.0.1:1"
CLOCK = SystemClock()


def prepare(directory: Path) -> SyncSide:
    """Leave a kiosk that was at work on this very boot; give the side to change more."""
    make_store(directory, SnapshotContent(tickets=visitor_tickets(len(CODES))))
    (directory / KEY_FILE).write_bytes(STORE_KEY)
    (directory / KEY_FILE).chmod(0o600)
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    side.enrolment.save_enrolment(an_enrolment(server_address=NOWHERE))
    side.times.save_anchor(TimeAnchor(NOW_MS, CLOCK.boottime_ns(), 0, BOOT))
    return side


Start = Callable[..., tuple[Kiosk, KioskListener]]


@pytest.fixture
def ends() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, ends: list[str]) -> Iterator[Start]:
    kiosks: list[Kiosk] = []

    def start_one(
        camera: str = "simulator:nobody", *, production: bool = False
    ) -> tuple[Kiosk, KioskListener]:
        listener = KioskListener()
        plan = KioskPlan(tmp_path, camera, production, "North 1")
        kiosk = Kiosk(plan, a_machine(), listener, ends.append)
        kiosks.append(kiosk)
        kiosk.start()
        return kiosk, listener

    yield start_one
    for kiosk in kiosks:
        kiosk.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"gate", "office", "camera"}


def phases(listener: KioskListener) -> list[KioskPhase]:
    """List the phases in order, each change once."""
    seen = [status.phase for status in listener.statuses]
    changes = zip(seen, [None, *seen], strict=False)
    return [phase for phase, before in changes if phase is not before]


def reached(listener: KioskListener, phase: KioskPhase) -> KioskStatus:
    return listener.log.wait_for(KioskStatus, lambda status: status.phase is phase)


def shown(text: str) -> ShownCode:
    return ShownCode(text, CLOCK.monotonic_ns(), "hand scanner")


def test_a_new_kiosk_waits_to_be_enrolled(start: Start) -> None:
    _, listener = start()
    reached(listener, KioskPhase.AWAITING_ENROLMENT)
    listener.log.wait_for(KioskStatus, lambda status: status.camera is CameraCondition.WORKING)
    assert phases(listener) == [KioskPhase.STARTING, KioskPhase.AWAITING_ENROLMENT]


def test_a_kiosk_at_work_never_looks_as_if_it_were_new_and_admits(
    start: Start, tmp_path: Path
) -> None:
    prepare(tmp_path).close()
    kiosk, listener = start()
    reached(listener, KioskPhase.SCANNING)
    assert KioskPhase.AWAITING_ENROLMENT not in phases(listener)
    kiosk.submit(shown(CODES[0]))
    judged = listener.log.wait_for(JudgedCode, lambda _: True)
    assert judged.judgement.verdict.code == "ADMIT_PROVISIONAL"
    status = listener.log.wait_for(KioskStatus, lambda status: status.waiting_scans == 1)
    assert (status.gate_name, status.event_name) == ("North", "Nyege Nyege")
    assert status.snapshot_age_seconds is not None
    assert (status.online, status.ticket_count) == (False, len(CODES))


def test_a_revoked_kiosk_admits_nobody_from_its_first_moment(start: Start, tmp_path: Path) -> None:
    side = prepare(tmp_path)
    order = RevocationOrder(
        session_id=BOOT,
        device_id=DEVICE,
        deployment_id=DEPLOYMENT,
        reason="revoked",
        issued_at_ms=NOW_MS,
    )
    side.revocations.save_revocation(
        SignedRevocation(order=order.model_dump_json().encode(), signature=bytes(64))
    )
    side.close()
    kiosk, listener = start()
    for code in CODES:
        kiosk.submit(shown(code))
    reached(listener, KioskPhase.REVOKED)
    kiosk.enrol(lambda: EnrolmentCode(NOWHERE, bytes(16), None))
    listener.log.wait_for(KioskStatus, lambda status: status.enrolment_problem is not None)
    kiosk.submit(shown(CODES[0]))
    kiosk.stop()
    assert not [event for event in listener.log.events if isinstance(event, JudgedCode)]
    assert not {KioskPhase.SCANNING, KioskPhase.AWAITING_ENROLMENT} & set(phases(listener))


@pytest.mark.parametrize(
    ("text", "production", "problem"),
    [
        ("TKE1:GARBAGE", False, EnrolmentProblem.CODE_INVALID),
        (
            EnrolmentCode("http://tickets.example", bytes(16), None).to_text(),
            True,
            EnrolmentProblem.SERVER_UNTRUSTED,
        ),
        (
            EnrolmentCode("http://127.0.0.1.evil.example", bytes(16), None).to_text(),
            True,
            EnrolmentProblem.SERVER_UNTRUSTED,
        ),
        (
            EnrolmentCode("http://localhost@evil.example", bytes(16), None).to_text(),
            True,
            EnrolmentProblem.SERVER_UNTRUSTED,
        ),
        (
            EnrolmentCode(NOWHERE, bytes(16), None).to_text(),
            True,
            EnrolmentProblem.SERVER_UNREACHABLE,
        ),
    ],
)
def test_an_enrolment_code_that_does_not_work_says_why(
    start: Start, tmp_path: Path, text: str, problem: EnrolmentProblem, *, production: bool
) -> None:
    kiosk, listener = start(f"file:{tmp_path / 'no-camera.mp4'}", production=production)
    reached(listener, KioskPhase.AWAITING_ENROLMENT)
    kiosk.submit(shown(text))
    listener.log.wait_until(lambda: kiosk.status.enrolment_problem is problem)
    assert KioskPhase.SCANNING not in phases(listener)


def test_a_wrong_key_is_a_fault_and_goes_away(start: Start, tmp_path: Path) -> None:
    prepare(tmp_path).close()
    (tmp_path / KEY_FILE).write_bytes(bytes(32))
    _, listener = start()
    fault = reached(listener, KioskPhase.FAULT)
    assert fault.fault == "wrong_key"
    (tmp_path / KEY_FILE).write_bytes(STORE_KEY)
    scanning = reached(listener, KioskPhase.SCANNING)
    assert scanning.fault is None


def test_a_state_directory_that_is_none_is_a_fault_not_a_silence(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / KEY_FILE).mkdir()
    _, listener = start()
    assert reached(listener, KioskPhase.FAULT).fault is None, "no screen of its own"


def test_a_camera_nobody_can_open_ends_the_program(start: Start, ends: list[str]) -> None:
    _, listener = start("simulator:elephant")
    listener.log.wait_for(KioskStatus, lambda status: status.camera is CameraCondition.ABSENT)
    reached(listener, KioskPhase.AWAITING_ENROLMENT)
    assert "elephant" in ends[0]
