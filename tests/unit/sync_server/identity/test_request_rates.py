from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from sync_server.identity import request_rates
from sync_server.identity.request_rates import BUCKETS_MAX, Buckets, Rate

SECOND = 1_000_000_000
RATE = Rate("requests", 60)
KEY = b"grace"


def test_a_minutes_worth_is_there_at_once_and_comes_back_steadily() -> None:
    buckets = Buckets()
    left = [buckets.take(KEY, RATE, 0).remaining for _ in range(60)]
    refused = buckets.take(KEY, RATE, 0)
    assert left == list(range(59, -1, -1))
    assert (refused.is_exceeded, refused.seconds_left) == (True, 1)
    assert not buckets.take(KEY, RATE, SECOND).is_exceeded
    assert buckets.take(KEY, RATE, SECOND).is_exceeded


def test_what_is_refused_costs_nothing() -> None:
    buckets = Buckets()
    for _ in range(500):
        buckets.take(KEY, RATE, 0)
    assert not buckets.take(KEY, RATE, SECOND).is_exceeded


def test_callers_do_not_share_a_bucket() -> None:
    buckets = Buckets()
    for _ in range(60):
        buckets.take(KEY, RATE, 0)
    assert not buckets.take(b"moses", RATE, 0).is_exceeded


def test_what_is_left_is_said_as_the_draft_has_it() -> None:
    standing = Buckets().take(KEY, RATE, 0)
    assert standing.headers == {
        "RateLimit-Policy": '"requests";q=60;w=60',
        "RateLimit": '"requests";r=59;t=1',
    }


def test_memory_is_bounded_by_forgetting_full_buckets_first() -> None:
    buckets = Buckets()
    for number in range(BUCKETS_MAX):
        buckets.take(number.to_bytes(4, "big"), RATE, 0)
    for _ in range(60):
        buckets.take(KEY, RATE, 2 * SECOND)
    assert len(buckets._full_at_ns) == 1
    assert buckets.take(KEY, RATE, 2 * SECOND).is_exceeded


@given(st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=300), st.integers(1, 100))
def test_no_window_lets_more_through_than_two_windows_worth(gaps: list[int], requests: int) -> None:
    """A full bucket and its refilling: the most that fits into any window."""
    passed = _passed(gaps, Rate("requests", requests))
    window = request_rates.WINDOW_SECONDS * SECOND
    most = max(sum(begin <= at < begin + window for at in passed) for begin in passed)
    assert most <= 2 * requests


def _passed(gaps: list[int], rate: Rate) -> list[int]:
    """When a caller that comes after these pauses was let through."""
    buckets = Buckets()
    return [at for at in accumulate(gaps) if not buckets.take(KEY, rate, at).is_exceeded]
