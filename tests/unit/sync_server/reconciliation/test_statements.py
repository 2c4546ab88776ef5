import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.transfers import end_to_end_id
from sync_server.payments.rules import Provider
from sync_server.payments.statements import Direction, LineKind, StatementLine
from sync_server.reconciliation.errors import StatementUnreadableError
from sync_server.reconciliation.statements import FORMATS, read_statement
from sync_server.sandboxes.bank_files import Booking, notification

P, K = Provider, LineKind
OURS = "ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611"
TEN = datetime(2026, 12, 1, 7, tzinfo=UTC)
"""Ten in the morning in Kampala."""

MTN = """\
Id,External id,Date,Status,Type,Provider Category,From,Amount,Currency,Fee
1927264368,ORD-1001,2026-12-01 10:00:00,Successful,Payment,,256772123456,"50,000",UGX,500
1927264369,PO7F2A,2026-12-01 10:00:00,Successful,Transfer,,256772123456,-20000,UGX,390
1927264370,ORD-1002,2026-12-01 10:00:00,Failed,Payment,,256772123456,50000,UGX,0
"""
AIRTEL = """\
Transaction ID,Transaction Date Time,Transaction Amount,Currency,Transaction Status,\
Service Type,Reference No,Service Charge
MP210603.1234.L06941,01-12-2026 10:00:00,5000,UGX,TS,Merchant Payment,pay000123abc,140
MP210603.1234.L06942,01-12-2026 10:00:00,5000,UGX,TF,Merchant Payment,pay000124abc,0
"""
FLUTTERWAVE = """\
id,tx_ref,flw_ref,type,amount,currency,app_fee,merchant_fee,status,created_at
288200108,PAY-000123,FLW-1,transaction,100.00,KES,1.4,0,successful,2026-12-01T07:00:00.000Z
288200109,PAY-000124,FLW-2,transaction,5000,UGX,98.6,0,successful,2026-12-01T07:00:00.000Z
"""
PESAPAL = """\
Confirmation Code,Merchant Reference,Date,Payment Method,Currency,Amount,Commission,Status
6513008693186320103009,1515111111,01/12/2026 10:00:00,Visa,UGX,100000,3500,COMPLETED
"""


def _line(kind: LineKind, reference: str, theirs: str, amount: Money, fee: int) -> StatementLine:
    fees = Money(fee, amount.currency)
    moved = Direction.CREDIT if kind is K.COLLECTION else Direction.DEBIT
    return StatementLine(f"{kind}:{theirs}", kind, reference, theirs, amount, fees, TEN, moved)


def _ugx(amount: int) -> Money:
    return Money(amount, "UGX")


@pytest.mark.parametrize(
    ("provider", "content", "lines"),
    [
        (
            P.MTN,
            MTN,
            [
                _line(K.COLLECTION, "ORD-1001", "1927264368", _ugx(50_000), 500),
                _line(K.DISBURSEMENT, "PO7F2A", "1927264369", _ugx(20_000), 390),
            ],
        ),
        (
            P.AIRTEL,
            AIRTEL,
            [_line(K.COLLECTION, "pay000123abc", "MP210603.1234.L06941", _ugx(5_000), 140)],
        ),
        (
            P.FLUTTERWAVE,
            FLUTTERWAVE,
            [
                _line(K.COLLECTION, "PAY-000123", "288200108", Money(10_000, "KES"), 140),
                _line(K.COLLECTION, "PAY-000124", "288200109", _ugx(5_000), 99),
            ],
        ),
        (
            P.PESAPAL,
            PESAPAL,
            [_line(K.COLLECTION, "1515111111", "6513008693186320103009", _ugx(100_000), 3_500)],
        ),
    ],
)
def test_what_a_provider_exports(
    provider: Provider, content: str, lines: list[StatementLine]
) -> None:
    assert read_statement(provider, content.encode()) == lines
    assert read_statement(provider, b"\xef\xbb\xbf" + content.upper().encode()) != []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("50,000", "many"), "line 2: column 'Amount'"),
        (("50,000", "0.5"), "line 2: column 'Amount'"),
        (("2026-12-01 10:00:00", "yesterday"), "line 2: column 'Date'"),
        (("Currency", "Money"), "line 2: column 'Currency'"),
        (('"50,000"', "--50000"), "line 2: column 'Amount'"),
        ((",UGX,500", ",GBP,500"), "line 2: column 'Amount'"),
        ((",UGX,500", ",UGX,much"), "line 2: column 'Fee'"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_repeated(change: tuple[str, str], told: str) -> None:
    with pytest.raises(StatementUnreadableError, match=told) as refused:
        read_statement(P.MTN, MTN.replace(*change).encode())
    assert "256772123456" not in str(refused.value)


IN, OUT = Direction.CREDIT, Direction.DEBIT


@pytest.mark.parametrize(
    ("provider", "kind", "amount", "read"),
    [
        (P.MTN, "Payment", "5000", (K.COLLECTION, IN)),
        (P.MTN, "Payment", "-5000", (K.REVERSAL, OUT)),
        (P.MTN, "Debit", "-5,000", (K.REVERSAL, OUT)),
        (P.MTN, "Reversal", "-5000", (K.REVERSAL, OUT)),
        # It may as well be a payout that came back.
        (P.MTN, "Reversal", "5000", (K.REVERSAL, None)),
        (P.MTN, "Transfer", "-5000", (K.DISBURSEMENT, OUT)),
        (P.MTN, "Transfer", "5000", (K.DISBURSEMENT, OUT)),
        (P.MTN, "Refund", "-5000", (K.REFUND, OUT)),
        (P.MTN, "Settlement", "-5000", (K.SETTLEMENT, OUT)),
        (P.MTN, "Adjustment", "-5000", (K.OTHER, OUT)),
        (P.MTN, "Adjustment", "5000", (K.OTHER, None)),
        (P.AIRTEL, "Reversal", "-5000", (K.REVERSAL, OUT)),
        (P.AIRTEL, "MerchPay", "-5000", (K.REVERSAL, OUT)),
        (P.FLUTTERWAVE, "chargeback", "5000", (K.REVERSAL, None)),
        (P.FLUTTERWAVE, "", "-5000", (K.REVERSAL, OUT)),
        (P.PESAPAL, "Chargeback", "-5000", (K.REVERSAL, OUT)),
        (P.PESAPAL, "", "-5000", (K.REVERSAL, OUT)),
    ],
)
def test_a_minus_sign_says_that_money_left(
    provider: Provider, kind: str, amount: str, read: tuple[LineKind, Direction | None]
) -> None:
    layout = FORMATS[provider]
    cells = {
        layout.key: "77",
        layout.amount: amount,
        layout.currency: "UGX",
        layout.booked_at: "2026-12-01 10:00:00",
        layout.status: min(layout.done),
        layout.kind: kind,
    }
    sheet = io.StringIO()
    rows = csv.DictWriter(sheet, list(cells))
    rows.writeheader()
    rows.writerow(cells)
    (line,) = read_statement(provider, sheet.getvalue().encode())
    assert (line.kind, line.direction) == read
    assert line.amount == _ugx(5_000)


def test_what_is_no_text_is_no_statement() -> None:
    with pytest.raises(StatementUnreadableError, match="no CSV"):
        read_statement(P.MTN, b"\xff\xfe\x00")


def _notification(*, is_credit: bool) -> bytes:
    day = TEN.date()
    named = payment_reference(OURS) if is_credit else ""
    sent = "" if is_credit else end_to_end_id(OURS)
    booking = Booking(
        "SB1", Decimal(5_000), "UGX", is_credit, day, sent, structured_reference=named
    )
    return notification("NT1", "9", [booking], TEN)


@pytest.mark.parametrize(("is_credit", "kind"), [(True, K.COLLECTION), (False, K.DISBURSEMENT)])
def test_what_a_bank_sends(is_credit: bool, kind: LineKind) -> None:
    (line,) = read_statement(P.BANK, _notification(is_credit=is_credit))
    assert (line.kind, line.amount) == (kind, _ugx(5_000))


@pytest.mark.parametrize("content", [b"", b"Id,Amount", b"<Document/>"])
def test_what_no_bank_sends(content: bytes) -> None:
    with pytest.raises(StatementUnreadableError, match="no statement of a bank"):
        read_statement(P.BANK, content)


@pytest.mark.parametrize("provider", FORMATS)
def test_an_empty_file_has_no_lines(provider: Provider) -> None:
    assert read_statement(provider, b"") == []


@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**6)), max_size=20))
def test_what_was_written_is_read(rows: list[tuple[int, int]]) -> None:
    written = io.StringIO()
    sheet = csv.writer(written)
    sheet.writerow(["Id", "Date", "Status", "Type", "Amount", "Currency", "Fee"])
    for number, (amount, fee) in enumerate(rows):
        sheet.writerow(
            [number, "2026-12-01 10:00", "Successful", "Payment", f"{amount:,}", "UGX", fee]
        )
    lines = read_statement(P.MTN, written.getvalue().encode())
    assert [(line.amount.minor_units, line.fee.minor_units) for line in lines] == rows
