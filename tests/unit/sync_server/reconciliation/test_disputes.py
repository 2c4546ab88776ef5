from uuid import UUID

import pytest

from shared.money import Money
from sync_server.payments.books import DisputableFacts
from sync_server.payments.rules import PaymentState
from sync_server.reconciliation.disputes import DisputePostings, disputes_match
from sync_server.reconciliation.rules import CheckName, ItemFinding, Postings

WHO, ID = UUID(int=7), UUID(int=9)
S, D, R = PaymentState.SUCCEEDED, PaymentState.DISPUTED, PaymentState.REVERSED
F = ItemFinding


def _posted(*amounts: int, currency: str = "UGX") -> Postings:
    """The first has no number, as in the books."""
    keys = ["", *(f":{number}" for number in range(2, len(amounts) + 1))]
    return {
        f"chargeback:{ID}{key}": Money(amount, currency)
        for key, amount in zip(keys, amounts, strict=True)
    }


NONE: Postings = {}


@pytest.mark.parametrize(
    ("state", "left", "opened", "won", "lost", "finding"),
    [
        (S, 100, NONE, NONE, NONE, []),
        (S, 100, _posted(100), _posted(100), NONE, []),
        (S, 100, _posted(100), NONE, NONE, [F.ONLY_IN_BOOKS]),
        (S, 100, _posted(100), NONE, _posted(100), [F.ONLY_IN_BOOKS]),
        (D, 100, _posted(100), NONE, NONE, []),
        (D, 100, _posted(100, 100), _posted(100), NONE, []),
        # A refund was given before, and one while the bank thought about it.
        (D, 60, _posted(60), NONE, NONE, []),
        (D, 60, _posted(100), NONE, NONE, []),
        (D, 60, _posted(59), NONE, NONE, [F.AMOUNT_DIFFERS]),
        (D, 100, _posted(101), NONE, NONE, [F.AMOUNT_DIFFERS]),
        (D, 100, _posted(100, currency="KES"), NONE, NONE, [F.CURRENCY_DIFFERS]),
        (D, 100, NONE, NONE, NONE, [F.MISSING_IN_BOOKS]),
        (D, 0, NONE, NONE, NONE, []),
        (D, 100, _posted(100), _posted(100), NONE, [F.MISSING_IN_BOOKS]),
        (D, 100, _posted(100, 100), NONE, NONE, [F.ONLY_IN_BOOKS]),
        (D, 100, _posted(100), NONE, _posted(100), [F.ONLY_IN_BOOKS]),
        (R, 100, _posted(100), NONE, _posted(100), []),
        (R, 0, NONE, NONE, NONE, []),
        (R, 100, NONE, NONE, NONE, [F.MISSING_IN_BOOKS]),
        (R, 100, _posted(100), NONE, NONE, [F.STATE_DIFFERS]),
        (R, 100, _posted(100), NONE, _posted(99), [F.AMOUNT_DIFFERS]),
    ],
)
def test_a_payment_and_its_disputes(
    state: PaymentState,
    left: int,
    opened: Postings,
    won: Postings,
    lost: Postings,
    finding: list[ItemFinding],
) -> None:
    payment = DisputableFacts(ID, state, Money(100, "UGX"), Money(left, "UGX"))
    found = disputes_match(WHO, [payment], DisputePostings(opened, won, lost))
    assert [item.finding for item in found] == finding
    assert {(item.check, item.books_of) for item in found} <= {(CheckName.CAPTURES, WHO)}


def test_a_dispute_of_a_payment_that_was_never_captured_is_named() -> None:
    (item,) = disputes_match(WHO, [], DisputePostings(_posted(100), NONE, NONE))
    assert (item.finding, item.expected, item.found) == (F.ONLY_IN_BOOKS, None, 100)
    assert str(ID) in item.subject
