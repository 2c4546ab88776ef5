import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.kit.job_queue import PgQueuerJobs, QueueLimits, install_queue
from sync_server.kit.jobs import Job, JobHandler, JobRegistry, Jobs, Schedule, jittered_ms
from sync_server.kit.services import Services


async def handle(_: Services, __: Job) -> None:
    """Do nothing."""


def test_the_adapter_fits_the_port() -> None:
    port: Jobs = PgQueuerJobs()
    assert port.handlers == {}
    assert port.schedules == {}


@pytest.mark.parametrize(
    ("now_ms", "offset_seconds", "due_ms"),
    [
        (0, 0, 0),
        (59_999, 0, 0),
        (60_000, 0, 60_000),
        (60_000, 10, 10_000),
        (70_000, 10, 70_000),
        (1_700_000_000_000, 0, 1_699_999_980_000),
    ],
)
def test_a_period_begins_on_the_clock(now_ms: int, offset_seconds: int, due_ms: int) -> None:
    assert Schedule("tests.a", 60, offset_seconds).due_ms(now_ms) == due_ms


@given(st.integers(0, 2**45), st.integers(1, 90_000), st.integers(0, 90_000))
def test_what_is_due_has_come_and_lasts_for_one_period(
    now_ms: int, every: int, offset: int
) -> None:
    schedule = Schedule("tests.a", every, offset)
    due_ms = schedule.due_ms(now_ms)
    assert due_ms <= now_ms < due_ms + every * 1_000
    assert schedule.due_ms(due_ms) == due_ms
    assert schedule.due_ms(due_ms - 1) == due_ms - every * 1_000


@given(st.integers(1, 60), st.binary(min_size=8, max_size=8))
def test_a_wait_stays_below_its_ceiling(failures: int, randomness: bytes) -> None:
    assert 0 <= jittered_ms(1_000, 600_000, failures, randomness) < 600_000


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 999), (2, 1_999), (5, 15_999), (10, 511_999), (11, 599_999)]
)
def test_the_ceiling_doubles_up_to_the_longest(failures: int, longest: int) -> None:
    assert jittered_ms(1_000, 600_000, failures, b"\xff" * 8) == longest
    assert jittered_ms(1_000, 600_000, failures, b"\0" * 8) == 0


@pytest.mark.parametrize("name", ["", "Work", "work done", "a..b", ".a", "1a", "a" * 61])
def test_a_job_has_a_name_to_be_found_by(name: str) -> None:
    with pytest.raises(ValueError, match="named"):
        JobRegistry().handler(JobHandler(name, handle))


def test_a_name_has_one_handler_and_one_schedule() -> None:
    registry = JobRegistry()
    registry.handler(JobHandler("tests.a", handle))
    registry.schedule(Schedule("tests.a", 60))
    with pytest.raises(ValueError, match="handler already"):
        registry.handler(JobHandler("tests.a", handle))
    with pytest.raises(ValueError, match="schedule already"):
        registry.schedule(Schedule("tests.a", 60))


def test_what_nobody_handles_is_not_scheduled() -> None:
    with pytest.raises(ValueError, match="no handler"):
        JobRegistry().schedule(Schedule("tests.a", 60))


@pytest.mark.parametrize(("at_once", "batch"), [(0, 1), (1, 1), (3, 1), (10, 5)])
def test_a_batch_is_half_of_what_runs_at_once(at_once: int, batch: int) -> None:
    assert QueueLimits(at_once_max=at_once).batch == batch


def test_no_variable_of_the_environment_renames_the_queues_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = install_queue()
    for name in ("PGQUEUER_PREFIX", "QUEUE_TABLE", "CHANNEL", "DURABILITY", "PGQUEUER_SCHEMA"):
        monkeypatch.setenv(name, "other")
    assert install_queue() == before
    assert "CREATE TABLE jobs.pgqueuer (" in before
    assert "UNLOGGED" not in before
