import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money, allocate
from sync_server.ledger import postings
from sync_server.ledger.postings import Dispute, Payout, Refund, Sale, Shares
from sync_server.ledger.rules import (
    Account,
    AccountKind,
    Line,
    Transaction,
    reversal,
    sums_by_currency,
)

_EVENT = UUID("01a206c5-5235-7e5e-9234-8ac622ca9a74")
_ID = UUID("01a206c5-5235-7e5e-9234-8ac622ca9a75")
_LEDGER_PAGE = Path(__file__).parents[4] / "docs" / "ledger.md"
_ROW = re.compile(r"^\| (?P<event>\w+) \| (?P<debits>[^|]+ [\d,]+) \| (?P<credits>[^|]+) \|$")


def ugx(amount: int) -> Money:
    return Money(amount, "UGX")


_SHARES = Shares(ugx(94_100), ugx(5_000), ugx(900), ugx(0), ugx(0))
_SALE = Sale("pesapal", "ABC", _EVENT, _SHARES)
_PAYOUT = Payout(_ID, "mtn", ugx(94_100))
_REFUND = Refund(_ID, "pesapal", _EVENT, _SHARES)
_DISPUTE = Dispute(_ID, "pesapal", _SHARES)
_FLOAT = Account(AccountKind.PROVIDER_FLOAT, "mtn")
_BANK = Account(AccountKind.BANK, "payouts")
_CLEARING = postings.provider_clearing("pesapal")
_REQUESTED = postings.refund_requested(_REFUND, ugx(94_100), ugx(0))

EVENTS: dict[str, Callable[[], Transaction]] = {
    "capture": lambda: postings.capture(_SALE),
    "cash_sale": lambda: postings.cash_sale(_ID, _EVENT, _SHARES),
    "cash_refund": lambda: postings.cash_refund(_ID, _EVENT, _SHARES),
    "provider_fee": lambda: postings.provider_fee("pesapal", "F1", ugx(3_500)),
    "provider_fee_borne_by_organizer": lambda: postings.provider_fee_borne_by_organizer(
        "pesapal", "F1", ugx(3_500), _EVENT
    ),
    "settlement": lambda: postings.settlement("pesapal", "S1", "stanbic", ugx(96_500)),
    "settlement_taken_back": lambda: reversal(_ID, EVENTS["settlement"]().lines, "mistyped"),
    "release": lambda: postings.release(_EVENT, 1, ugx(94_100)),
    "payout_requested": lambda: postings.payout_requested(_PAYOUT),
    "payout_confirmed": lambda: postings.payout_confirmed(_PAYOUT, _FLOAT, ugx(1_000)),
    "payout_fee": lambda: postings.payout_fee(_PAYOUT, ugx(1_000)),
    "payout_failed": lambda: postings.payout_failed(_PAYOUT),
    "payout_returned": lambda: postings.payout_returned(_PAYOUT, _FLOAT),
    "refund_requested": lambda: _REQUESTED,
    "refund_requested_after_payout": lambda: postings.refund_requested(_REFUND, ugx(0), ugx(4_100)),
    "refund_confirmed": lambda: postings.refund_confirmed(_REFUND, _CLEARING),
    "refund_confirmed_from_bank": lambda: postings.refund_confirmed(_REFUND, _BANK),
    "refund_confirmed_in_cash": lambda: postings.refund_confirmed_in_cash(_REFUND),
    "refund_fee": lambda: postings.refund_fee(_ID, "pesapal", ugx(500)),
    "refund_failed": lambda: postings.refund_failed(_REQUESTED, _REFUND),
    "chargeback_opened": lambda: postings.chargeback_opened(_DISPUTE, ugx(74_000)),
    "chargeback_lost": lambda: postings.chargeback_lost(_DISPUTE, ugx(94_100)),
    "chargeback_won": lambda: postings.chargeback_won(_DISPUTE),
    "unapplied_receipt": lambda: postings.unapplied_receipt("pesapal", "R1", ugx(2_000)),
    "receipt_returned": lambda: postings.receipt_returned(_ID, _CLEARING, ugx(2_000)),
    "receipt_returned_from_bank": lambda: postings.receipt_returned(_ID, _BANK, ugx(2_000)),
    "float_top_up": lambda: postings.float_top_up("mtn", "T1", "stanbic", ugx(500_000)),
    "suspense": lambda: postings.suspense("pesapal", "X1", _CLEARING, ugx(2_000)),
}


def documented() -> dict[str, list[tuple[str, int]]]:
    """Read the table of postings; `E` stands for the event."""
    rows = map(_ROW.match, _LEDGER_PAGE.read_text(encoding="utf-8").splitlines())
    return {
        row["event"]: sorted([*_side(row["debits"], 1), *_side(row["credits"], -1)])
        for row in rows
        if row is not None
    }


def _side(cell: str, sign: int) -> list[tuple[str, int]]:
    pairs = (part.rsplit(" ", 1) for part in cell.split(" · "))
    return [(name, sign * int(amount.replace(",", ""))) for name, amount in pairs]


def _plain(line: Line) -> tuple[str, int]:
    return line.account.name.replace(str(_EVENT), "E"), line.amount.minor_units


def test_the_page_lists_every_posting() -> None:
    assert set(documented()) == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_a_posting_is_what_the_page_says(event: str) -> None:
    assert sorted(map(_plain, EVENTS[event]().lines)) == documented()[event]


def test_no_two_events_share_a_key() -> None:
    another_way = ("organizer", "_payout", "_from_bank", "_in_cash")
    made = [make() for name, make in EVENTS.items() if not name.endswith(another_way)]
    keys = [transaction.key for transaction in made]
    assert len(set(keys)) == len(keys)


@given(st.integers(1, 10**12), st.lists(st.integers(0, 10_000), min_size=5, max_size=5))
def test_every_posting_of_every_sale_balances(total: int, weights: list[int]) -> None:
    weights[0] += 1
    shares = Shares(*allocate(ugx(total), weights))
    sale = Sale("mtn", "X", _EVENT, shares)
    refund = Refund(_ID, "mtn", _EVENT, shares)
    dispute = Dispute(_ID, "mtn", shares)
    nothing = ugx(0)
    requested = postings.refund_requested(refund, nothing, shares.organizer)
    made = (
        postings.capture(sale),
        postings.cash_sale(_ID, _EVENT, shares),
        requested,
        postings.refund_confirmed(refund, _CLEARING),
        postings.refund_confirmed_in_cash(refund),
        postings.refund_failed(requested, refund),
        postings.chargeback_opened(dispute, nothing),
        postings.chargeback_lost(dispute, nothing),
    )
    assert [sums_by_currency(transaction.lines) for transaction in made] == [{"UGX": 0}] * 8
