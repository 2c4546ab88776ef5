"""Scans are a set: neither order, copies nor what happened to other tickets can change a ticket."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from shared.admission.fold import Conflict, ConflictKind, FoldContext, Folding, RecordedScan, fold
from shared.ids import TicketId, ticket_id_to_hex
from tests.factories.admission import NOW_MS
from tests.factories.credentials import TICKET_ID
from tests.factories.strategies import SCAN_LISTS

CONTEXTS = st.builds(
    FoldContext,
    revoked_at_ms=st.dictionaries(
        st.sampled_from([TICKET_ID, TicketId(2)]), st.integers(NOW_MS, NOW_MS + 20_000)
    ),
    travel_ms=st.sampled_from([0, 4_000]),
    capacity=st.none() | st.integers(0, 2),
)
TWO_ORDERS = SCAN_LISTS.flatmap(lambda scans: st.tuples(st.just(scans), st.permutations(scans)))


def about(folding: Folding, ticket_id: TicketId) -> list[Conflict]:
    subject = ticket_id_to_hex(ticket_id)
    return [conflict for conflict in folding.conflicts if conflict.subject == subject]


@given(TWO_ORDERS, CONTEXTS)
def test_the_order_of_arrival_changes_nothing(
    orders: tuple[list[RecordedScan], list[RecordedScan]], context: FoldContext
) -> None:
    assert fold(orders[0], context) == fold(orders[1], context)


@given(TWO_ORDERS, CONTEXTS)
def test_arriving_again_changes_nothing(
    orders: tuple[list[RecordedScan], list[RecordedScan]], context: FoldContext
) -> None:
    scans, shuffled = orders
    assert fold([*shuffled[:5], *scans, *shuffled], context) == fold(scans, context)


@given(SCAN_LISTS, CONTEXTS)
def test_a_ticket_folded_alone_stands_where_it_stands_among_all(
    scans: list[RecordedScan], context: FoldContext
) -> None:
    whole = fold(scans, context)
    for ticket_id, state in whole.tickets.items():
        alone = fold([scan for scan in scans if scan.ticket_id == ticket_id], context)
        assert alone.tickets == {ticket_id: state}
        assert about(alone, ticket_id) == about(whole, ticket_id)


@given(SCAN_LISTS, CONTEXTS)
def test_conflicts_name_scans_that_exist_once_each(
    scans: list[RecordedScan], context: FoldContext
) -> None:
    folding = fold(scans, context)
    identities = [(conflict.kind, conflict.subject) for conflict in folding.conflicts]
    assert len(identities) == len(set(identities))
    evidence = chain.from_iterable(conflict.scan_ids for conflict in folding.conflicts)
    assert set(evidence) <= {scan.scan_id for scan in scans}
    assert all(conflict.scan_ids for conflict in folding.conflicts)


@given(SCAN_LISTS, CONTEXTS)
def test_the_count_inside_is_that_of_the_tickets_inside(
    scans: list[RecordedScan], context: FoldContext
) -> None:
    folding = fold(scans, context)
    assert folding.inside == sum(state.inside for state in folding.tickets.values())


@given(SCAN_LISTS, CONTEXTS)
def test_refused_scans_matter_to_nothing_but_forks(
    scans: list[RecordedScan], context: FoldContext
) -> None:
    whole = fold(scans, context)
    admitted = fold([scan for scan in scans if scan.admitted], context)
    assert whole.tickets == admitted.tickets
    fork = ConflictKind.DEVICE_FORK
    assert [item for item in whole.conflicts if item.kind is not fork] == [
        item for item in admitted.conflicts if item.kind is not fork
    ]


@given(SCAN_LISTS)
def test_no_admitted_ticket_disappears(scans: list[RecordedScan]) -> None:
    admitted = {scan.ticket_id for scan in scans if scan.admitted and scan.ticket_id is not None}
    assert set(fold(scans, FoldContext()).tickets) == admitted
