import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_app.sync.backoff import Backoff
from scanner_app.sync.plan import (
    MISSES_MAX,
    ONLINE_MS,
    POLL_QUIET_MS,
    POLL_SPEAKING_MS,
    SeqRange,
    TokenLife,
    UploadPlan,
    is_online,
    poll_wait_ms,
    wants_snapshot,
)

MILLISECOND_NS = 1_000_000


def send_all(count: int, unreadable: frozenset[int], batch_max: int) -> tuple[list[int], int]:
    """Upload by the plan to a server that refuses any batch with an unreadable entry in it."""
    plan, accepted, calls = UploadPlan.begin(batch_max), [], 0
    waiting = list(range(1, count + 1))
    while batch := plan.choose(tuple(waiting[: plan.oldest_limit])):
        calls += 1
        readable = unreadable.isdisjoint(batch)
        plan = plan.after_answer(batch) if readable else plan.after_refusal(batch)
        accepted += [seq for seq in batch if readable]
        waiting = [seq for seq in waiting if seq not in accepted]
    return accepted, calls


@given(st.integers(0, 60), st.frozensets(st.integers(1, 60)), st.integers(1, 20))
def test_every_readable_entry_arrives_once_whatever_the_others_are(
    count: int, unreadable: frozenset[int], batch_max: int
) -> None:
    accepted, _ = send_all(count, unreadable, batch_max)
    assert sorted(accepted) == [seq for seq in range(1, count + 1) if seq not in unreadable]


def test_finding_the_entry_to_blame_takes_few_calls() -> None:
    accepted, calls = send_all(500, frozenset({333}), 500)
    assert len(accepted) == 499
    assert calls < 30


def test_entries_set_aside_get_another_try() -> None:
    plan = UploadPlan.begin(5).after_refusal((4,))
    assert plan.choose((4, 5)) == (5,)
    assert plan.retrying().choose((4, 5)) == (4, 5)


@pytest.mark.parametrize(
    ("sent", "told", "next_missing"),
    [
        ((9,), (), None),
        ((9,), ((2, 3),), SeqRange(2, 3)),
        ((9,), ((2, 30),), SeqRange(2, 6)),
        ((1, 2, 3), ((2, 3),), None),
        ((2, 3), ((1, 4),), SeqRange(1, 1)),
        ((1, 2), ((1, 4),), SeqRange(3, 4)),
    ],
)
def test_gaps_are_filled_but_what_was_just_sent_is_not_sent_again(
    sent: tuple[int, ...], told: tuple[tuple[int, int], ...], next_missing: SeqRange | None
) -> None:
    assert UploadPlan.begin(5).after_answer(sent, told).next_missing == next_missing


def test_a_gap_that_was_set_aside_is_left_alone() -> None:
    plan = UploadPlan.begin(5).after_refusal((3,)).after_answer((9,), ((2, 4),))
    assert plan.missing == (SeqRange(2, 2), SeqRange(4, 4))


def test_a_gap_nobody_can_fill_is_forgotten() -> None:
    plan = UploadPlan.begin(5).after_answer((9,), ((2, 4),))
    assert plan.without(SeqRange(2, 4)).next_missing is None


@pytest.mark.parametrize(
    ("heard_ago_ms", "misses", "online"),
    [
        (None, 0, False),
        (0, 0, True),
        (ONLINE_MS, 0, True),
        (ONLINE_MS + 1, 0, False),
        (0, 1, True),
        (0, MISSES_MAX, False),
    ],
)
def test_a_server_is_in_reach_while_it_was_just_heard_and_calls_get_through(
    heard_ago_ms: int | None, misses: int, online: bool
) -> None:
    assert is_online(heard_ago_ms, misses) is online


@pytest.mark.parametrize(
    ("heard_ago_ms", "wait_ms"),
    [(None, POLL_QUIET_MS), (0, POLL_SPEAKING_MS), (60_000, POLL_QUIET_MS)],
)
def test_polls_are_rare_only_while_the_stream_speaks(
    heard_ago_ms: int | None, wait_ms: int
) -> None:
    assert poll_wait_ms(heard_ago_ms) == wait_ms


def test_a_quiet_stream_alone_never_makes_a_server_look_away() -> None:
    slow_answer_ms = 1_000
    assert POLL_SPEAKING_MS + slow_answer_ms < ONLINE_MS


@pytest.mark.parametrize(
    ("offered", "held", "wanted"), [(1, None, True), (3, 2, True), (2, 2, False), (1, 2, False)]
)
def test_only_a_newer_snapshot_is_wanted(offered: int, held: int | None, wanted: bool) -> None:
    assert wants_snapshot(offered, held) is wanted


@pytest.mark.parametrize(
    ("lifetime_ms", "age_ms", "due"),
    [
        (600_000, 0, False),
        (600_000, 480_000, False),
        (600_000, 480_001, True),
        (600_000, 700_000, True),
        (60_000, 30_000, False),
        (60_000, 30_001, True),
    ],
)
def test_a_token_is_renewed_well_before_it_ends(lifetime_ms: int, age_ms: int, due: bool) -> None:
    life = TokenLife(begins_ns=7, lifetime_ms=lifetime_ms)
    assert life.needs_renewal(7 + age_ms * MILLISECOND_NS) is due


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_grow_but_never_past_the_longest(failures: int, fraction: float) -> None:
    backoff = Backoff(first_ms=100, longest_ms=3_000)
    wait_ms = backoff.wait_ms(failures, fraction)
    assert 0 <= wait_ms < min(3_000, 100 * 2.0 ** min(failures - 1, 60))


@pytest.mark.parametrize(("failures", "wait_ms"), [(1, 50), (2, 100), (3, 200), (50, 1_500)])
def test_waits_double_after_each_failure(failures: int, wait_ms: int) -> None:
    assert Backoff(first_ms=100, longest_ms=3_000).wait_ms(failures, 0.5) == wait_ms
