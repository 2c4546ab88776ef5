from pathlib import Path

import pytest

from scanner_app.gate.gate_time import TimeAnchor, TimeReading
from scanner_app.sync.client import ScannerClient
from scanner_app.sync.session import SessionKeeper, clock_health
from shared.clock import SettableClock
from shared.wire.scanners import Health, SignedTime
from shared.wire.signing import time_message
from tests.factories.admission import DEVICE, NOW_MS
from tests.factories.scanner_state import ServerState
from tests.factories.sync import BOOT, MemoryRecords, a_kiosk, a_machine, an_enrolment

NONCE = bytes(range(16))


class Bench:
    """A keeper whose clock a test moves, without any server."""

    def __init__(self, folder: Path) -> None:
        self.server = ServerState()
        self.clock = SettableClock(0)
        self.records = MemoryRecords()
        machine = a_machine(clock=self.clock)
        enrolment = an_enrolment(self.server.public_key)
        client = ScannerClient(enrolment.server_address, a_kiosk(folder).keys, machine, enrolment)
        self.keeper = SessionKeeper(client, enrolment, self.records, machine)

    def hear_time(self, time_ms: int, round_trip_ms: int) -> None:
        signature = self.server.key.sign(time_message(DEVICE, NONCE, time_ms, 1, None))
        asked_ns = self.clock.boottime_ns()
        self.clock.advance(round_trip_ms)
        time = SignedTime(
            device_id=DEVICE, nonce=NONCE, time_ms=time_ms, seq=1, signature=signature
        )
        self.keeper._learn_time(time, NONCE, asked_ns)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_signed_time_anchors_the_gates_own(bench: Bench) -> None:
    bench.hear_time(NOW_MS, round_trip_ms=40)
    assert bench.records.time_anchor == TimeAnchor(NOW_MS, 40_000_000, 40, BOOT)
    assert bench.keeper.read_time() == TimeReading(NOW_MS + 20, 20)


@pytest.mark.parametrize(("round_trip_ms", "anchored"), [(2_000, True), (2_001, False)])
def test_an_answer_that_took_long_says_too_little(
    bench: Bench, round_trip_ms: int, anchored: bool
) -> None:
    bench.hear_time(NOW_MS, round_trip_ms)
    assert (bench.records.time_anchor is not None) is anchored


def test_a_worse_time_does_not_replace_a_better_one(bench: Bench) -> None:
    bench.hear_time(NOW_MS, round_trip_ms=10)
    bench.hear_time(NOW_MS + 10, round_trip_ms=900)
    assert bench.keeper.read_time().uncertainty_ms == 5


def test_an_aged_time_is_replaced(bench: Bench) -> None:
    bench.hear_time(NOW_MS, round_trip_ms=10)
    bench.clock.advance(3_600_000)
    bench.hear_time(NOW_MS + 3_600_000, round_trip_ms=100)
    assert bench.keeper.read_time().uncertainty_ms == 50


def test_the_highest_time_is_kept_while_no_server_is_heard(bench: Bench) -> None:
    bench.hear_time(NOW_MS, round_trip_ms=0)
    bench.clock.advance(60_000)
    bench.keeper.keep_time()
    assert bench.records.time_seen_ms() == NOW_MS + 60_000


def test_a_time_nothing_vouches_for_is_not_kept(bench: Bench) -> None:
    bench.keeper.keep_time()
    assert bench.records.time_seen_ms() == 0


@pytest.mark.parametrize(
    ("uncertainty_ms", "health"),
    [(None, Health.FAILED), (0, Health.GOOD), (10_000, Health.GOOD), (10_001, Health.DEGRADED)],
)
def test_a_heartbeat_tells_how_far_the_clock_may_be_off(
    uncertainty_ms: int | None, health: Health
) -> None:
    assert clock_health(TimeReading(NOW_MS, uncertainty_ms)) is health
