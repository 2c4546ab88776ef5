from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner_app.sync.client import Access, ScannerClient
from scanner_app.sync.errors import (
    DownloadUnwritable,
    ServerRefusal,
    ServerUnreachable,
    SessionMissing,
    Silence,
)
from shared.ids import ScannerSessionId
from shared.wire.enrolment_code import EnrolmentCode
from shared.wire.scanners import EnrolmentRequest, SessionRequest
from tests.factories.admission import DEVICE
from tests.factories.scanner_server import ScannerServer
from tests.factories.scanner_state import CODE, SNAPSHOT, a_manifest
from tests.factories.sync import a_kiosk
from tests.factories.sync_desk import Desk


@pytest.fixture
def client(enrolled: Desk) -> Iterator[ScannerClient]:
    """A client with a session of its own."""
    identity = enrolled.kiosk.identity()
    client = ScannerClient(
        enrolled.server.address, enrolled.kiosk.keys, enrolled.kiosk.machine, identity.enrolment
    )
    answer = client.start_session(SessionRequest(device_id=DEVICE, nonce=bytes(16)))
    client.access = Access(ScannerSessionId(answer.session_id), answer.access_token)
    yield client
    client.close()


def ignore(_size: int) -> None:
    """Nobody looks at the progress."""


def test_the_first_call_learns_the_nonce_by_itself(server: ScannerServer, tmp_path: Path) -> None:
    kiosk = a_kiosk(tmp_path)
    client = ScannerClient(server.address, kiosk.keys, kiosk.machine)
    answer = client.enrol(
        EnrolmentRequest(
            code=CODE,
            signing_key=kiosk.keys.signing_public,
            sealing_key=kiosk.keys.sealing_public,
            name="North 1",
        )
    )
    assert answer.device_id == DEVICE
    client.close()


def test_a_call_that_needs_a_session_is_not_made_without_one(client: ScannerClient) -> None:
    client.access = None
    with pytest.raises(SessionMissing):
        client.manifest()


def test_a_stopped_client_makes_no_call(client: ScannerClient) -> None:
    client.close()
    with pytest.raises(ServerUnreachable) as caught:
        client.manifest()
    assert caught.value.silence is Silence.STOPPED


def test_a_refusal_carries_the_servers_code(client: ScannerClient) -> None:
    client.access = Access(ScannerSessionId(DEVICE), "another")
    with pytest.raises(ServerRefusal) as caught:
        client.manifest()
    assert caught.value.problem_code == "token_expired"


def test_a_file_that_grew_too_large_is_fetched_anew(client: ScannerClient, tmp_path: Path) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(bytes(len(SNAPSHOT) + 1))
    client.download(a_manifest(), path, ignore)
    assert path.read_bytes() == SNAPSHOT


def test_a_whole_file_is_not_fetched_again(
    client: ScannerClient, enrolled: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(SNAPSHOT)
    enrolled.server.state.ranges.clear()
    client.download(a_manifest(), path, ignore)
    assert enrolled.server.state.ranges == []


def test_a_file_that_cannot_be_written_is_the_kiosks_own_fault(
    client: ScannerClient, tmp_path: Path
) -> None:
    with pytest.raises(DownloadUnwritable):
        client.download(a_manifest(), tmp_path / "missing" / "file.part", ignore)


def test_secrets_are_not_shown() -> None:
    access = Access(ScannerSessionId(DEVICE), "the-token")
    code = EnrolmentCode("https://gate.example", CODE, None)
    assert "the-token" not in repr(access)
    assert str(CODE) not in repr(code)
