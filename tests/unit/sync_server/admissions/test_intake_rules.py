import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission.fold import FoldContext
from shared.journal.chain import Head
from sync_server.admissions.rules import (
    ChainProgress,
    EntryFinding,
    Interval,
    Link,
    fold_context,
    follow_chain,
    interval,
    is_admission,
    read_entry,
    sort_out,
)
from sync_server.deployments.rules import FoldRules
from tests.factories.admission import DEVICE
from tests.factories.journal import a_chain, an_entry, chained


@pytest.mark.parametrize(
    ("deployments", "expected"),
    [
        pytest.param([], FoldContext(), id="none"),
        pytest.param(
            [FoldRules(5, exits_scanned=False, travel_seconds=60)],
            FoldContext(capacity=5, exits_scanned=False, travel_ms=60_000),
            id="one",
        ),
        pytest.param(
            [
                FoldRules(5, exits_scanned=True, travel_seconds=60),
                FoldRules(9, exits_scanned=True, travel_seconds=30),
            ],
            FoldContext(capacity=9, travel_ms=30_000),
            id="the larger capacity, the shorter way",
        ),
        pytest.param(
            [
                FoldRules(5, exits_scanned=True, travel_seconds=60),
                FoldRules(None, exits_scanned=False, travel_seconds=0),
            ],
            FoldContext(exits_scanned=False),
            id="one without limits",
        ),
    ],
)
def test_where_deployments_differ_the_mildest_counts(
    deployments: list[FoldRules], expected: FoldContext
) -> None:
    assert fold_context(deployments, {}) == expected
    assert fold_context(deployments[::-1], {}) == expected


def _links(length: int) -> list[Link]:
    return [Link(item.entry.seq, item.entry.prev_hash, item.entry_hash) for item in a_chain(length)]


@given(st.permutations(_links(6)))
def test_the_order_of_arrival_does_not_matter_to_a_chain(links: list[Link]) -> None:
    assert follow_chain(Head(), links) == follow_chain(Head(), _links(6))


@given(st.binary(max_size=400), st.binary(min_size=32, max_size=32))
def test_no_bytes_are_an_error(raw: bytes, entry_hash: bytes) -> None:
    assert read_entry(1, raw, entry_hash, DEVICE).finding is EntryFinding.MALFORMED


def test_gaps_are_named_and_the_head_stays_before_the_first() -> None:
    links = _links(9)
    progress = follow_chain(Head(), [*links[:2], links[4], links[8]])
    assert progress == ChainProgress(Head(2, links[1].entry_hash), ((3, 4), (6, 8)), None)


def test_a_link_that_does_not_fit_is_named_and_the_chain_goes_on() -> None:
    links = _links(3)
    wrong = Link(2, bytes(32), links[1].entry_hash)
    progress = follow_chain(Head(), [links[0], wrong, links[2]])
    assert (progress.head.seq, progress.broken_at) == (3, 2)


def test_an_unreadable_entry_breaks_no_chain() -> None:
    links = _links(3)
    unreadable = Link(2, None, links[1].entry_hash)
    progress = follow_chain(Head(), [links[0], unreadable, links[2]])
    assert (progress.head.seq, progress.broken_at) == (3, None)


def test_an_entry_twice_in_one_batch_is_no_fork_and_another_under_its_number_is() -> None:
    first, other = chained(an_entry()), chained(an_entry(monotonic_ns=7))
    read = [
        read_entry(1, item.entry.canonical_bytes(), item.entry_hash, DEVICE)
        for item in (first, first, other)
    ]
    findings = [item and item.finding for item in sort_out(read, {}, frozenset())]
    assert findings == [None, None, EntryFinding.DEVICE_FORK]


def test_what_is_known_is_told_apart_from_what_is_new() -> None:
    item = chained(an_entry())
    read = [read_entry(1, item.entry.canonical_bytes(), item.entry_hash, DEVICE)]
    assert sort_out(read, {1: item.entry_hash}, frozenset()) == [None]
    assert sort_out(read, {}, frozenset()) == read


def test_a_scan_happened_within_what_its_gate_was_sure_of() -> None:
    entry = an_entry(gate_time_ms=5_000, uncertainty_ms=40)
    assert interval(entry, 1_000, 9_000) == Interval(4_960, 5_040)


def test_without_a_trusted_clock_only_enrolment_and_arrival_bound_a_scan() -> None:
    entry = an_entry(gate_time_ms=5_000, uncertainty_ms=None)
    assert interval(entry, 1_000, 9_000) == Interval(1_000, 9_000)


def test_exits_and_provisional_admissions_let_somebody_through() -> None:
    verdicts = ("ADMIT", "EXIT", "ADMIT_PROVISIONAL", "STALE_CODE", "TIME_UNTRUSTED")
    let_through = [is_admission(an_entry(verdict=verdict)) for verdict in verdicts]
    assert let_through == [True, True, True, False, False]
