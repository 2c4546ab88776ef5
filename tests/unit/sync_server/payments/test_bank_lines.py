from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.money import Money
from sync_server.payments.providers.bank.lines import statement_lines
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.statements import BankFile, read_bank_file
from sync_server.payments.providers.bank.transfers import end_to_end_id
from sync_server.payments.statements import Direction, LineKind, StatementLine
from sync_server.sandboxes.bank_files import Booking, notification
from sync_server.sandboxes.schemas import schema_faults

NOW = datetime(2026, 11, 26, 4, 4, 16, tzinfo=UTC)
NOON = datetime(2026, 11, 26, 9, tzinfo=UTC)
OURS = "ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611"
NAMED = payment_reference(OURS)
K = LineKind


def line_of(*, is_credit: bool, **names: str | bool) -> StatementLine:
    charges = Decimal(0 if is_credit else 3_000)
    booking = Booking(
        "SB1",
        Decimal(5_000),
        "UGX",
        is_credit,
        NOW.date(),
        charges=charges,
        **names,  # type: ignore[arg-type]
    )
    file = read_bank_file(notification("NT1", "9", [booking], NOW))
    assert isinstance(file, BankFile)
    (line,) = statement_lines(file)
    return line


@pytest.mark.parametrize(
    ("is_credit", "names", "kind", "reference", "theirs"),
    [
        (True, {"structured_reference": NAMED}, K.COLLECTION, None, NAMED),
        (True, {}, K.SETTLEMENT, None, "SB1"),
        (False, {"end_to_end_id": end_to_end_id(OURS)}, K.DISBURSEMENT, OURS, "SB1"),
        (False, {"end_to_end_id": "of somebody else"}, K.OTHER, None, "SB1"),
        (
            True,
            {"end_to_end_id": end_to_end_id(OURS), "return_reason": "AC04"},
            K.OTHER,
            OURS,
            "SB1",
        ),
        (False, {"structured_reference": NAMED, "is_reversal": True}, K.REVERSAL, None, NAMED),
        (False, {"structured_reference": NAMED}, K.OTHER, None, NAMED),
    ],
)
def test_a_line_is_of_one_kind_and_has_its_names(
    is_credit: bool,
    names: dict[str, str | bool],
    kind: LineKind,
    reference: str | None,
    theirs: str,
) -> None:
    line = line_of(is_credit=is_credit, **names)
    assert (line.kind, line.reference, line.provider_reference) == (kind, reference, theirs)
    assert (line.amount, line.booked_at) == (Money(5_000, "UGX"), NOON)


@pytest.mark.parametrize(
    ("word", "kind"),
    [(b"CHRG", K.FEE), (b"COMM", K.FEE), (b"FEES", K.FEE), (b"DMCT", K.OTHER)],
)
def test_what_a_bank_took_for_itself_is_a_fee(word: bytes, kind: LineKind) -> None:
    booking = Booking("SB1", Decimal(5_000), "UGX", is_credit=False, on=NOW.date())
    content = notification("NT1", "9", [booking], NOW).replace(b"DMCT", word)
    assert schema_faults(content) == ()
    file = read_bank_file(content)
    assert isinstance(file, BankFile)
    (line,) = statement_lines(file)
    assert (line.kind, line.direction) == (kind, Direction.DEBIT)


@pytest.mark.parametrize(("is_credit", "fee"), [(True, 0), (False, 3_000)])
def test_what_the_bank_kept_stands_beside_it(is_credit: bool, fee: int) -> None:
    assert line_of(is_credit=is_credit).fee == Money(fee, "UGX")
