import pytest

from shared.money import Money
from sync_server.payments.rules import Provider
from sync_server.payouts.books import Flying
from sync_server.reconciliation.balances import Explained, Told, balance_agrees
from sync_server.reconciliation.rules import ItemFinding, Severity

HELD = 1_000
D, N = Severity.DRIFT, Severity.NOTE
NOTHING = Explained(Flying(), 0)


@pytest.mark.parametrize(
    ("found", "explained", "severities"),
    [
        (1_000, NOTHING, []),
        # Somebody filled it, and nobody booked that.
        (1_001, NOTHING, [N]),
        (999, NOTHING, [D]),
        # What is under way may have left already, or not.
        (900, Explained(Flying(is_open=100), 0), []),
        (1_000, Explained(Flying(is_open=100), 0), []),
        (899, Explained(Flying(is_open=100), 0), [D]),
        (1_001, Explained(Flying(is_open=100), 0), [N]),
        # What ended while the rail was asked is in one of the two.
        (1_050, Explained(Flying(ended=50), 0), []),
        (950, Explained(Flying(ended=50), 0), []),
        (949, Explained(Flying(ended=50), 0), [D]),
        (1_051, Explained(Flying(ended=50), 0), [N]),
        # Fees that nobody told, and refunds, may be why, and are said.
        (950, Explained(Flying(untold=500), 0), [N]),
        (949, Explained(Flying(untold=500), 0), [D]),
        (700, Explained(Flying(), 300), [N]),
        (699, Explained(Flying(), 300), [D]),
    ],
)
def test_a_float_and_what_its_rail_says(
    found: int, explained: Explained, severities: list[Severity]
) -> None:
    told = Told(Provider.MTN, "UGX", Money(found, "UGX"))
    items = balance_agrees(told, HELD, explained)
    assert [item.severity for item in items] == severities
    assert {(item.subject, item.expected, item.found) for item in items} <= {
        ("mtn float", HELD, found)
    }


@pytest.mark.parametrize("found", [1, 5_000])
def test_a_banks_account_has_other_money_on_it_as_well(found: int) -> None:
    told = Told(Provider.BANK, "UGX", Money(found, "UGX"))
    (item,) = balance_agrees(told, HELD, NOTHING)
    assert (item.subject, item.severity) == ("bank account", N)


def test_silence_is_noted_and_no_drift() -> None:
    (item,) = balance_agrees(Told(Provider.AIRTEL, "UGX", None), HELD, NOTHING)
    assert (item.finding, item.severity, item.found) == (ItemFinding.BALANCE_NOT_TOLD, N, None)
    assert balance_agrees(Told(Provider.BANK, "UGX", None), HELD, NOTHING) == []
