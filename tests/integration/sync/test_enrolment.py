from hashlib import sha256

import pytest

from scanner_app.gate.kiosk import EnrolmentProblem
from scanner_app.sync.enrolment import EnrolmentStage
from shared.wire.scanners import EnrolmentState
from shared.wire.signing import confirmation_digits
from tests.factories.scanner_state import CODE, FILE_KEY, SNAPSHOT
from tests.factories.sync_desk import Desk


def test_a_scanned_code_leads_to_an_installed_snapshot(desk: Desk) -> None:
    progress = desk.enrol(fingerprint=sha256(desk.server.state.public_key).digest())
    assert progress.stage is EnrolmentStage.FINISHED
    assert desk.kiosk.records.saved == progress.enrolment
    assert desk.kiosk.shelf.file_key == FILE_KEY
    assert progress.bytes_had == progress.bytes_whole == len(SNAPSHOT)
    assert desk.kiosk.records.time_anchor is not None


def test_the_six_digits_come_from_the_kiosks_own_reckoning(desk: Desk) -> None:
    keys = desk.kiosk.keys
    progress = desk.enrol()
    assert progress.digits == confirmation_digits(
        desk.server.state.public_key, (keys.signing_public, keys.sealing_public), CODE
    )


def test_a_server_with_another_key_than_promised_is_left_at_once(desk: Desk) -> None:
    progress = desk.enrol(fingerprint=bytes(32))
    assert progress.stage is EnrolmentStage.FAILED
    assert progress.problem is EnrolmentProblem.SERVER_UNTRUSTED
    assert desk.kiosk.records.saved is None


def test_an_unknown_code_is_named(desk: Desk) -> None:
    progress = desk.enrol(secret=bytes(16))
    assert progress.stage is EnrolmentStage.FAILED
    assert progress.problem is EnrolmentProblem.CODE_UNKNOWN


def test_a_server_that_is_not_there_is_named(desk: Desk) -> None:
    desk.server.stop()
    progress = desk.enrol()
    assert progress.stage is EnrolmentStage.FAILED
    assert progress.problem is EnrolmentProblem.SERVER_UNREACHABLE


def test_a_login_page_in_between_is_no_server(desk: Desk) -> None:
    desk.server.faults.garbage = True
    assert desk.enrol().problem is EnrolmentProblem.SERVER_UNREACHABLE


def test_the_kiosk_waits_until_an_organizer_confirms(desk: Desk) -> None:
    desk.server.state.state = EnrolmentState.AWAITING_CONFIRMATION
    desk.on_stage[EnrolmentStage.AWAITING_CONFIRMATION] = desk.server.confirm
    desk.enrol()
    assert [progress.stage for progress in desk.progress][:3] == [
        EnrolmentStage.CONTACTING,
        EnrolmentStage.AWAITING_CONFIRMATION,
        EnrolmentStage.DOWNLOADING,
    ]


def test_an_organizer_can_refuse(desk: Desk) -> None:
    desk.server.state.state = EnrolmentState.REFUSED
    progress = desk.enrol()
    assert progress.stage is EnrolmentStage.FAILED
    assert progress.problem is EnrolmentProblem.REFUSED


@pytest.mark.parametrize("cut_at", [0, 1, 300_000, len(SNAPSHOT) - 1])
def test_a_download_that_is_cut_goes_on_where_it_ended(desk: Desk, cut_at: int) -> None:
    desk.server.faults.download_cut_at = cut_at
    progress = desk.enrol()
    assert progress.stage is EnrolmentStage.FINISHED
    assert desk.server.state.ranges == ["bytes=0-", f"bytes={cut_at}-"]
    assert desk.kiosk.shelf.manifest is not None
