import pytest

from shared.admission.decide import SAME_PRESENTATION_MS
from shared.admission.facts import Direction
from shared.admission.fold import ConflictKind, FoldContext, RecordedScan, fold
from shared.ids import TicketId
from tests.factories.admission import NOW_MS, OTHER_DEVICE, OTHER_GATE
from tests.factories.credentials import TICKET_ID
from tests.factories.scans import a_scan

NOTHING_ELSE = FoldContext()
NO_EXITS = FoldContext(exits_scanned=False)
EXIT = Direction.EXIT
OTHER_TICKET = TicketId(2)


def elsewhere(number: int, after_ms: int, spread_ms: int = 0, **changes: object) -> RecordedScan:
    return a_scan(
        number, after_ms, spread_ms, device_id=OTHER_DEVICE, gate_id=OTHER_GATE, **changes
    )


def kinds(scans: list[RecordedScan], context: FoldContext = NOTHING_ELSE) -> list[ConflictKind]:
    return [conflict.kind for conflict in fold(scans, context).conflicts]


CONFLICTS = [
    pytest.param(
        [a_scan(1), elsewhere(2, 60_000)],
        NOTHING_ELSE,
        ConflictKind.SAME_TICKET_TWICE,
        (1, 2),
        id="two gates",
    ),
    pytest.param(
        [a_scan(1), a_scan(2, 1_000, device_id=OTHER_DEVICE)],
        NOTHING_ELSE,
        ConflictKind.SAME_TICKET_TWICE,
        (1, 2),
        id="two kiosks of one gate, at once",
    ),
    pytest.param(
        [a_scan(1), a_scan(2, SAME_PRESENTATION_MS)],
        NOTHING_ELSE,
        ConflictKind.SAME_TICKET_TWICE,
        (1, 2),
        id="one kiosk, four seconds later",
    ),
    pytest.param(
        [a_scan(1), a_scan(2, 9_000), a_scan(3, 18_000), a_scan(4, 27_000, direction=EXIT)],
        NOTHING_ELSE,
        ConflictKind.SAME_TICKET_TWICE,
        (1, 2, 3),
        id="three times, then out",
    ),
    pytest.param(
        [a_scan(1, 0, 500), elsewhere(2, 1_000, 500)],
        NO_EXITS,
        ConflictKind.SAME_TICKET_TWICE,
        (1, 2),
        id="in two places at once, where exits are not scanned",
    ),
    pytest.param(
        [a_scan(1), elsewhere(2, 60_000), a_scan(3, 120_000, 60_000)],
        NO_EXITS,
        ConflictKind.SAME_TICKET_TWICE,
        (2, 3),
        id="perhaps at once, where exits are not scanned",
    ),
    pytest.param(
        [a_scan(1)],
        FoldContext(revoked_at_ms={TICKET_ID: NOW_MS}),
        ConflictKind.ADMITTED_AFTER_REVOKE,
        (1,),
        id="after the revoke",
    ),
    pytest.param(
        [a_scan(1), a_scan(1, 9, entry_hash=bytes(32), admitted=False)],
        NOTHING_ELSE,
        ConflictKind.DEVICE_FORK,
        (1,),
        id="one number, two entries",
    ),
    pytest.param(
        [a_scan(1), elsewhere(2, 59_999, direction=EXIT)],
        FoldContext(travel_ms=60_000),
        ConflictKind.IMPOSSIBLE_TRAVEL,
        (1, 2),
        id="faster than a person walks",
    ),
    pytest.param(
        [a_scan(1), a_scan(2, 9_000, ticket_id=OTHER_TICKET)],
        FoldContext(capacity=1),
        ConflictKind.CAPACITY_PASSED,
        (2,),
        id="one too many",
    ),
]


@pytest.mark.parametrize(("scans", "context", "kind", "evidence"), CONFLICTS)
def test_two_facts_that_cannot_both_be_right_are_one_conflict(
    scans: list[RecordedScan], context: FoldContext, kind: ConflictKind, evidence: tuple[int, ...]
) -> None:
    (conflict,) = fold(scans, context).conflicts
    assert conflict.kind is kind
    assert conflict.scan_ids == tuple(a_scan(number).scan_id for number in evidence)


def test_every_kind_of_conflict_has_a_row() -> None:
    assert {row.values[2] for row in CONFLICTS} == set(ConflictKind)


@pytest.mark.parametrize(
    ("scans", "context"),
    [
        pytest.param([], NOTHING_ELSE, id="nothing happened"),
        pytest.param([a_scan(1)], NOTHING_ELSE, id="one entry"),
        pytest.param(
            [a_scan(1), a_scan(2, 9_000, direction=EXIT), a_scan(3, 18_000)],
            NOTHING_ELSE,
            id="in, out, in",
        ),
        pytest.param(
            [a_scan(1, 0, 499), elsewhere(2, 1_000, 500)],
            NO_EXITS,
            id="back, where exits are not scanned",
        ),
        pytest.param([a_scan(1), a_scan(1)], NOTHING_ELSE, id="uploaded twice"),
        pytest.param(
            [a_scan(1), a_scan(2, SAME_PRESENTATION_MS - 1)], NOTHING_ELSE, id="read twice"
        ),
        pytest.param(
            [a_scan(1), a_scan(2, 10), a_scan(3, 20), a_scan(4, SAME_PRESENTATION_MS - 1)],
            NOTHING_ELSE,
            id="read four times",
        ),
        pytest.param(
            [a_scan(1), elsewhere(2, 9_000, admitted=False)],
            NOTHING_ELSE,
            id="refused at the other gate",
        ),
        pytest.param(
            [a_scan(1), a_scan(2, 9_000, ticket_id=OTHER_TICKET)], NOTHING_ELSE, id="two tickets"
        ),
        pytest.param(
            [a_scan(1)], FoldContext(revoked_at_ms={TICKET_ID: NOW_MS + 1}), id="before the revoke"
        ),
        pytest.param(
            [a_scan(1, direction=EXIT)],
            FoldContext(revoked_at_ms={TICKET_ID: NOW_MS}),
            id="out after the revoke",
        ),
        pytest.param(
            [a_scan(1, admitted=False)],
            FoldContext(revoked_at_ms={TICKET_ID: NOW_MS}),
            id="refused after the revoke",
        ),
        pytest.param(
            [a_scan(1), elsewhere(2, 60_000, direction=EXIT)],
            FoldContext(travel_ms=60_000),
            id="time enough to walk",
        ),
        pytest.param(
            [a_scan(1), a_scan(2, 1, direction=EXIT, device_id=OTHER_DEVICE)],
            FoldContext(travel_ms=60_000),
            id="two kiosks of one gate",
        ),
        pytest.param(
            [a_scan(1, 25_000, 25_000), elsewhere(2, 1_000, direction=EXIT)],
            FoldContext(travel_ms=49_000),
            id="time enough, seen from the widest interval",
        ),
        pytest.param(
            [
                a_scan(1),
                a_scan(2, 9_000, direction=EXIT),
                a_scan(3, 18_000, ticket_id=OTHER_TICKET),
            ],
            FoldContext(capacity=1),
            id="one out, one in",
        ),
        pytest.param(
            [a_scan(1), a_scan(2, 9_000, ticket_id=None)],
            FoldContext(capacity=1),
            id="an override without a ticket",
        ),
    ],
)
def test_what_can_be_right_is_no_conflict(scans: list[RecordedScan], context: FoldContext) -> None:
    assert kinds(scans, context) == []


def test_a_repeat_is_measured_from_the_admission_and_not_from_the_last_read() -> None:
    scans = [a_scan(1), a_scan(2, 3_000), a_scan(3, 6_000)]
    (conflict,) = fold(scans, NOTHING_ELSE).conflicts
    assert conflict.scan_ids == (scans[0].scan_id, scans[2].scan_id)


def test_a_repeat_is_known_though_another_gate_admitted_in_between() -> None:
    scans = [a_scan(1), elsewhere(2, 1_000), a_scan(3, 2_000)]
    folding = fold(scans, NOTHING_ELSE)
    assert folding.tickets[TICKET_ID].entries == 2
    (conflict,) = folding.conflicts
    assert conflict.scan_ids == (scans[0].scan_id, scans[1].scan_id)


def test_whoever_left_in_between_did_not_repeat() -> None:
    scans = [a_scan(1), a_scan(2, 1_000, direction=EXIT), a_scan(3, 2_000)]
    state = fold(scans, NOTHING_ELSE).tickets[TICKET_ID]
    assert (state.entries, state.inside) == (2, True)


def test_repeats_do_not_fill_the_place() -> None:
    scans = [
        a_scan(1),
        a_scan(2, 9_000, ticket_id=OTHER_TICKET),
        a_scan(3, 9_500, ticket_id=OTHER_TICKET),
        a_scan(4, 20_000, ticket_id=OTHER_TICKET),
    ]
    capacity = [
        conflict
        for conflict in fold(scans, FoldContext(capacity=1)).conflicts
        if conflict.kind is ConflictKind.CAPACITY_PASSED
    ]
    assert [conflict.scan_ids for conflict in capacity] == [(scans[1].scan_id,)]


def test_two_admissions_under_one_number_are_both_counted_and_called_a_fork() -> None:
    copy = a_scan(2, 1_000, seq=1)
    folding = fold([a_scan(1), copy], NOTHING_ELSE)
    assert folding.tickets[TICKET_ID].entries == 2
    assert [conflict.kind for conflict in folding.conflicts] == [
        ConflictKind.DEVICE_FORK,
        ConflictKind.SAME_TICKET_TWICE,
    ]


def test_what_follows_a_fork_repeats_either_branch() -> None:
    scans = [a_scan(1), a_scan(2, 500, seq=1), a_scan(3, 1_000, seq=2)]
    assert fold(scans, NOTHING_ELSE).tickets[TICKET_ID].entries == 2


def test_one_fork_conflict_a_device_names_all_its_forked_entries() -> None:
    scans = [
        a_scan(1, admitted=False),
        a_scan(2, 1, seq=1, admitted=False),
        a_scan(3, 2, seq=7, admitted=False),
        a_scan(4, 3, seq=7, admitted=False),
        a_scan(5, 4, seq=8, admitted=False),
        a_scan(6, 5, seq=1, admitted=False, device_id=OTHER_DEVICE),
    ]
    (conflict,) = fold(scans, NOTHING_ELSE).conflicts
    assert conflict.scan_ids == tuple(scan.scan_id for scan in scans[:4])


@pytest.mark.parametrize(
    ("after_ms", "spread_ms", "concurrent"),
    [
        pytest.param(9_000, 4_499, False, id="apart"),
        pytest.param(9_000, 4_500, True, id="touching"),
        pytest.param(9_000, 9_000, True, id="overlapping"),
        pytest.param(0, 0, True, id="at the same instant"),
    ],
)
def test_where_intervals_overlap_no_culprit_is_named(
    after_ms: int, spread_ms: int, concurrent: bool
) -> None:
    scans = [a_scan(1, 0, spread_ms), elsewhere(2, after_ms, spread_ms)]
    (conflict,) = fold(scans, NOTHING_ELSE).conflicts
    assert conflict.concurrent is concurrent


@pytest.mark.parametrize(
    ("scans", "concurrent"),
    [
        pytest.param([a_scan(1, 0, 0)], False, id="surely after"),
        pytest.param([a_scan(1, 0, 10)], True, id="perhaps before"),
        pytest.param(
            [a_scan(1, 0, 10), a_scan(2, 9_000, 0, direction=EXIT), a_scan(3, 18_000, 0)],
            False,
            id="one of two surely after",
        ),
    ],
)
def test_a_revoke_during_a_scan_names_no_culprit(
    scans: list[RecordedScan], concurrent: bool
) -> None:
    (conflict,) = fold(scans, FoldContext(revoked_at_ms={TICKET_ID: NOW_MS})).conflicts
    assert conflict.concurrent is concurrent


@pytest.mark.parametrize(
    ("scans", "inside", "entries"),
    [
        pytest.param([a_scan(1)], True, 1, id="in"),
        pytest.param([a_scan(1), a_scan(2, 9_000, direction=EXIT)], False, 1, id="in and out"),
        pytest.param([a_scan(1, direction=EXIT)], False, 0, id="out only"),
        pytest.param([a_scan(1), a_scan(2, 9_000)], True, 2, id="in twice"),
        pytest.param([a_scan(1), a_scan(2, 10)], True, 1, id="in once, read twice"),
        pytest.param(
            [a_scan(1, 9_000), a_scan(2, 0, direction=EXIT)], True, 1, id="time goes before number"
        ),
    ],
)
def test_where_a_holder_stands(scans: list[RecordedScan], inside: bool, entries: int) -> None:
    folding = fold(scans, NOTHING_ELSE)
    state = folding.tickets[TICKET_ID]
    assert (state.inside, state.entries) == (inside, entries)
    assert folding.inside == int(inside)


def test_an_admission_becomes_a_passage() -> None:
    scan = a_scan(1, 0, 50)
    (passage,) = fold([scan], NOTHING_ELSE).tickets[TICKET_ID].passages
    assert passage.scan_id == scan.scan_id
    assert passage.at_ms == scan.earliest_ms


def test_a_refused_or_foreign_scan_changes_no_ticket() -> None:
    scans = [a_scan(1, admitted=False), a_scan(2, ticket_id=None)]
    assert fold(scans, NOTHING_ELSE).tickets == {}
