from uuid import UUID

import pytest

from shared.money import Money
from sync_server.ledger.rules import (
    CLASSES,
    Account,
    AccountKind,
    Line,
    Transaction,
    TransactionKind,
    UnbalancedTransactionError,
    account_from_name,
    reversal,
)

_BANK = Account(AccountKind.BANK, "stanbic")
_CLEARING = Account(AccountKind.PROVIDER_CLEARING, "mtn")
_ID = UUID(int=7)


def _lines(*amounts: int, currency: str = "UGX") -> tuple[Line, ...]:
    return tuple(Line(_BANK, Money(amount, currency)) for amount in amounts)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((), "2 to 500 lines"),
        (_lines(0), "2 to 500 lines"),
        (_lines(*[1, -1] * 251), "2 to 500 lines"),
        (_lines(5, -4), "debits and credits differ"),
        (_lines(0, 0), "a line is zero"),
        (_lines(5) + _lines(-5, currency="KES"), "debits and credits differ"),
        ((Line(Account(AccountKind.BANK, "x" * 61), Money(1, "UGX")), *_lines(-1)), "too long"),
    ],
)
def test_what_no_book_can_hold_is_never_made(lines: tuple[Line, ...], fault: str) -> None:
    with pytest.raises(UnbalancedTransactionError, match=fault):
        Transaction(TransactionKind.SUSPENSE, "key", lines)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_is_neither_empty_nor_endless(key: str) -> None:
    with pytest.raises(UnbalancedTransactionError, match="key"):
        Transaction(TransactionKind.SUSPENSE, key, _lines(1, -1))


@pytest.mark.parametrize(
    ("kind", "reverses"), [(TransactionKind.REVERSAL, None), (TransactionKind.SUSPENSE, _ID)]
)
def test_only_a_reversal_names_what_it_reverses(
    kind: TransactionKind, reverses: UUID | None
) -> None:
    with pytest.raises(UnbalancedTransactionError, match="reversal"):
        Transaction(kind, "key", _lines(1, -1), reverses)


def test_a_reversal_is_the_mirror() -> None:
    lines = (Line(_BANK, Money(5, "UGX")), Line(_CLEARING, Money(-5, "UGX")))
    mirror = reversal(_ID, lines, "posted to the wrong event")
    assert [(line.account, line.amount.minor_units) for line in mirror.lines] == [
        (_BANK, -5),
        (_CLEARING, 5),
    ]
    assert mirror.reverses == _ID


@pytest.mark.parametrize("account", [_BANK, Account(AccountKind.ROUNDING)])
def test_a_name_is_read_back(account: Account) -> None:
    assert account_from_name(account.name) == account


def test_every_kind_has_a_class() -> None:
    assert set(CLASSES) == set(AccountKind)
