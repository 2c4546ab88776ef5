import logging
import threading
from collections.abc import Iterator

import pytest

from scanner_app.sync.backoff import Backoff
from scanner_app.sync.duty import Duty
from scanner_app.sync.errors import AnswerIncomplete
from scanner_app.sync.stream import is_wake_up
from shared.errors import ZeraketError

HOUR_MS = 3_600_000


class Work:
    """Steps that fail as told, and a duty that never waits long after a failure."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.outcomes: list[str | None] = []
        self.wait_ms = HOUR_MS
        self.step_done = threading.Semaphore(0)
        self.told = threading.Event()
        self.duty = Duty("test", self.step, self.note, lambda: 0.0, Backoff())

    def step(self) -> int:
        if self.failures:
            self.step_done.release()
            raise self.failures.pop(0)
        self.step_done.release()
        return self.wait_ms

    def note(self, name: str, error: ZeraketError | None) -> None:
        self.outcomes.append(None if error is None else f"{name}: {error.code}")
        self.told.set()

    def await_steps(self, count: int) -> None:
        for _ in range(count):
            assert self.step_done.acquire(timeout=10)


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.duty.stop()
    assert work.duty.join(10)


def test_a_duty_waits_between_steps_until_it_is_woken(work: Work) -> None:
    work.duty.start()
    work.await_steps(1)
    work.duty.wake()
    work.await_steps(1)
    assert not work.step_done.acquire(blocking=False)


def test_a_duty_that_asks_for_no_wait_goes_on(work: Work) -> None:
    work.wait_ms = 0
    work.duty.start()
    work.await_steps(5)
    assert set(work.outcomes) == {None}


def test_a_failure_is_told_and_tried_again(work: Work) -> None:
    work.failures = [AnswerIncomplete(), AnswerIncomplete()]
    work.duty.start()
    work.await_steps(3)
    work.duty.stop()
    assert work.duty.join(10)
    assert work.outcomes == ["test: answer_incomplete", "test: answer_incomplete", None]


def test_a_bug_is_logged_and_does_not_end_the_duty(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.failures = [ArithmeticError("a bug")]
    with caplog.at_level(logging.ERROR):
        work.duty.start()
        work.await_steps(2)
    assert [record.message for record in caplog.records] == ["duty_bug"]


def test_waking_does_not_cut_the_wait_after_a_failure_short() -> None:
    work = Work()
    work.failures = [AnswerIncomplete()]
    an_hour = Backoff(first_ms=HOUR_MS, longest_ms=HOUR_MS)
    slow = Duty("slow", work.step, work.note, lambda: 0.999, an_hour)
    slow.start()
    assert work.told.wait(10)
    work.await_steps(1)
    slow.wake()
    slow.retry_now()
    work.await_steps(1)
    slow.stop()
    assert slow.join(10)
    assert not work.step_done.acquire(blocking=False)


def test_a_duty_that_was_never_started_can_be_stopped() -> None:
    duty = Work().duty
    duty.stop()
    assert duty.join(1)


@pytest.mark.parametrize(
    ("line", "wakes"),
    [
        ("event: changed", True),
        ("event:changed", True),
        ("event: other", False),
        (": still here", False),
        ("data: changed", False),
        ("", False),
    ],
)
def test_only_a_changed_event_wakes(line: str, wakes: bool) -> None:
    assert is_wake_up(line) is wakes
