from uuid import UUID

import pytest

from shared.admission.policy import (
    ContradictoryPolicyError,
    Policy,
    Rule,
    RuleBook,
    TimeWindow,
    check_rule_book,
)
from shared.errors import AdmissionPolicyError
from shared.ids import GateId
from tests.factories.admission import GATE, OTHER_GATE

NORTH, SOUTH = GATE, OTHER_GATE
FOR_ALL = Rule((("minutes_between", 1),))
FOR_NORTH = Rule((("minutes_between", 2),), gates=frozenset({NORTH}))
FOR_VIP = Rule((("minutes_between", 3),), tiers=frozenset({9}))
FOR_VIP_AT_NORTH = Rule((("minutes_between", 4),), gates=frozenset({NORTH}), tiers=frozenset({9}))


@pytest.mark.parametrize(
    ("gate", "tier", "minutes"),
    [
        pytest.param(SOUTH, 1, 1, id="the deployment's"),
        pytest.param(NORTH, 1, 2, id="the gate's goes over it"),
        pytest.param(SOUTH, 9, 3, id="the tier's goes over the gate's"),
        pytest.param(NORTH, 9, 4, id="one for both goes over all"),
        pytest.param(NORTH, None, 2, id="a ticket of no known tier"),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_the_most_specific_rule_wins_in_whatever_order_they_are_written(
    gate: GateId, tier: int | None, minutes: int, step: int
) -> None:
    book = RuleBook((FOR_ALL, FOR_NORTH, FOR_VIP, FOR_VIP_AT_NORTH)[::step])
    assert book.policy_for(gate, tier).minutes_between == minutes


def test_of_equally_specific_rules_the_later_one_wins() -> None:
    book = RuleBook((FOR_ALL, Rule((("minutes_between", 7),))))
    assert book.policy_for(NORTH, 1).minutes_between == 7


def test_rules_change_only_what_they_name() -> None:
    book = RuleBook(
        (Rule((("capacity", 50),)), Rule((("entry_open", False),), gates=frozenset({NORTH})))
    )
    assert book.policy_for(NORTH, 1) == Policy(capacity=50, entry_open=False)


def test_no_rules_let_a_ticket_in_once() -> None:
    assert RuleBook().policy_for(NORTH, 1) == Policy()
    assert Policy().entries_max == 1


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"entries_max": 0}, id="no entry"),
        pytest.param({"reentries_max": 0}, id="no re-entry"),
        pytest.param({"entries_per_day_max": 0}, id="no entry a day"),
        pytest.param({"minutes_between": -1}, id="negative minutes"),
        pytest.param({"capacity_reserve": -1}, id="negative reserve"),
        pytest.param({"capacity": 4, "capacity_reserve": 5}, id="reserve above capacity"),
        pytest.param({"capacity": -1}, id="negative capacity"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ContradictoryPolicyError):
        Policy(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("until_ms", [9, 10])
def test_a_window_that_never_opens_is_refused(until_ms: int) -> None:
    with pytest.raises(AdmissionPolicyError):
        TimeWindow(10, until_ms)


def test_rules_that_clash_at_one_gate_and_tier_are_found_when_saved() -> None:
    book = RuleBook(
        (
            Rule((("capacity", 10),), gates=frozenset({NORTH})),
            Rule((("capacity_reserve", 20),), tiers=frozenset({9})),
        )
    )
    assert len(check_rule_book(book, [NORTH, SOUTH], [1])) == 2
    assert len(check_rule_book(book, [SOUTH], [1, 9])) == 2
    with pytest.raises(ContradictoryPolicyError):
        check_rule_book(book, [NORTH, SOUTH], [1, 9])


def test_a_rule_covers_what_it_names() -> None:
    stranger = GateId(UUID(int=1))
    assert FOR_ALL.covers(stranger, None)
    assert not FOR_NORTH.covers(stranger, 9)
    assert not FOR_VIP.covers(NORTH, None)
