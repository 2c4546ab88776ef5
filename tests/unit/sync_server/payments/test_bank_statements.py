from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.providers.bank.documents import FILE_BYTES_MAX, Unreadable
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import (
    BankFile,
    Side,
    Statement,
    read_bank_file,
)
from sync_server.sandboxes.bank_files import (
    Booking,
    Day,
    OrderedTransfer,
    Verdict,
    notification,
    statement,
    status_report,
)
from sync_server.sandboxes.schemas import schema_faults

NOW = datetime(2026, 11, 26, 4, 4, 16, tzinfo=UTC)
TODAY = NOW.date()
NAMED = payment_reference("ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611")
OTHER = payment_reference("another")
TRANSFER = OrderedTransfer("MSG1-EFT", "E2E1", "", "5000", "UGX")

bookings = st.builds(
    Booking,
    bank_reference=st.from_regex(r"SB[0-9]{8}", fullmatch=True),
    amount=st.integers(1, 10**12).map(Decimal),
    currency=st.just("UGX"),
    is_credit=st.booleans(),
    on=st.dates(date(2026, 1, 1), date(2027, 1, 1)),
    end_to_end_id=st.from_regex(r"[0-9a-f]{0,32}", fullmatch=True),
    note=st.text("abc 123'&<>\"é", max_size=140).map(str.strip),
    structured_reference=st.sampled_from(["", NAMED]),
    return_reason=st.sampled_from(["", "AC04"]),
    is_reversal=st.booleans(),
    charges=st.integers(0, 10_000).map(Decimal),
    tells_charges_within=st.booleans(),
)


def read(content: bytes) -> BankFile:
    file = read_bank_file(content)
    assert isinstance(file, BankFile), file
    return file


def only_statement(content: bytes) -> Statement:
    (found,) = read(content).statements
    return found


def a_booking(**changes: object) -> Booking:
    standard = {
        "bank_reference": "SB1",
        "amount": Decimal(5_000),
        "currency": "UGX",
        "is_credit": True,
        "on": TODAY,
    }
    return Booking(**{**standard, **changes})  # type: ignore[arg-type]


@given(st.integers(-(10**9), 10**9).map(Decimal), st.lists(bookings, max_size=5))
def test_every_statement_keeps_to_the_schema_and_adds_up(
    opening: Decimal, booked: list[Booking]
) -> None:
    day = Day("ST1", 7, "9030001234567", "UGX", opening, booked)
    content = statement(day, NOW)
    assert schema_faults(content) == ()
    found = only_statement(content)
    assert (found.account, found.sequence, found.adds_up) == ("9030001234567", 7, True)
    assert [balance.amount.minor_units for balance in found.balances] == [opening, day.closing]
    assert [entry.signed.minor_units for entry in found.entries] == [each.signed for each in booked]
    assert [entry.details[0].amount.minor_units for entry in found.entries] == [
        each.amount for each in booked
    ]


@given(st.lists(bookings, max_size=5))
def test_every_notification_keeps_to_the_schema_and_is_read_back(booked: list[Booking]) -> None:
    content = notification("NT1", "9030001234567", booked, NOW)
    assert schema_faults(content) == ()
    found = only_statement(content)
    assert found.adds_up
    assert [
        (entry.booked_on, entry.bank_reference, entry.is_reversal, entry.side is Side.CREDIT)
        for entry in found.entries
    ] == [(each.on, each.bank_reference, each.is_reversal, each.is_credit) for each in booked]
    assert [
        (entry.details[0].end_to_end_id, entry.details[0].return_reason) for entry in found.entries
    ] == [(each.end_to_end_id, each.return_reason) for each in booked]


def test_a_statement_that_does_not_add_up_says_so() -> None:
    content = statement(Day("ST1", 1, "9", "UGX", Decimal(100), [a_booking()]), NOW)
    wrong = content.replace(b">5100<", b">5101<")
    assert [only_statement(each).adds_up for each in (content, wrong)] == [True, False]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"structured_reference": NAMED}, NAMED),
        ({"note": f"Tickets {NAMED.lower()} Grace"}, NAMED),
        ({"note": f"{NAMED[:8]} {NAMED[8:]}"}, NAMED),
        ({"end_to_end_id": NAMED}, NAMED),
        ({"note": NAMED, "structured_reference": NAMED}, NAMED),
        # Whoever names two has paid neither for sure.
        ({"note": f"{NAMED} {OTHER}"}, ""),
        ({"note": "Tickets"}, ""),
        ({}, ""),
    ],
)
def test_a_buyer_is_known_by_the_reference(changes: dict[str, str], found: str) -> None:
    file = read(notification("NT1", "9", [a_booking(**changes)], NOW))
    assert [movement.payment_reference for movement in file.movements] == [found]


def test_a_line_has_one_key_in_the_notice_and_in_the_statement() -> None:
    booked = [a_booking(), a_booking(bank_reference="SB2")]
    notice = read(notification("NT1", "9", booked, NOW))
    whole = read(statement(Day("ST1", 1, "9", "UGX", Decimal(0), booked), NOW))
    keys = [[movement.key for movement in file.movements] for file in (notice, whole)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


def test_lines_that_look_alike_are_two() -> None:
    file = read(notification("NT1", "9", [a_booking(bank_reference="")] * 2, NOW))
    assert len({movement.key for movement in file.movements}) == 2


@pytest.mark.parametrize("within", [False, True])
def test_charges_are_told_beside_what_was_sent(within: bool) -> None:
    booked = a_booking(is_credit=False, charges=Decimal(3_000), tells_charges_within=within)
    content = notification("NT1", "9", [booked], NOW)
    assert schema_faults(content) == ()
    (movement,) = read(content).movements
    assert (movement.amount, movement.charges) == (Money(5_000, "UGX"), Money(3_000, "UGX"))


@pytest.mark.parametrize(
    ("total", "charged"),
    [
        (
            "10003",
            [Money(2, "UGX"), Money(1, "UGX")],
        ),
        ("10000", [None, None]),
    ],
)
def test_charges_of_a_batch_are_split_where_they_are_within_it(
    total: str, charged: list[Money | None]
) -> None:
    entry = (
        f'<Amt Ccy="UGX">{total}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'
        '<Chrgs><TtlChrgsAndTaxAmt Ccy="UGX">3</TtlChrgsAndTaxAmt></Chrgs><NtryDtls>'
        + '<TxDtls><Amt Ccy="UGX">5000</Amt></TxDtls>' * 2
        + "</NtryDtls>"
    )
    movements = read(camt(entry)).movements
    assert [movement.amount for movement in movements] == [Money(5_000, "UGX")] * 2
    assert [movement.charges for movement in movements] == charged


def camt(entry: str, kind: str = "camt.053.001.02") -> bytes:
    """A statement as another bank writes one, in another version."""
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{kind}"><BkToCstmrStmt><GrpHdr/>'
        "<Stmt><Id>S</Id><Acct><Id><Othr><Id>9</Id></Othr></Id></Acct>"
        f"<Ntry>{entry}</Ntry></Stmt></BkToCstmrStmt></Document>"
    ).encode()


PLAIN = '<Amt Ccy="UGX">1,503,000.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>'


@pytest.mark.parametrize(
    ("entry", "amounts"),
    [
        (PLAIN, [1_503_000]),
        (
            f'{PLAIN}<Chrgs><TtlChrgsAndTaxAmt Ccy="UGX">3000</TtlChrgsAndTaxAmt></Chrgs>',
            [1_500_000],
        ),
        (f"{PLAIN}<NtryDtls><TxDtls><Refs/></TxDtls></NtryDtls>", [1_503_000]),
        (
            (
                f'{PLAIN}<NtryDtls><TxDtls><Chrgs><TtlChrgsAndTaxAmt Ccy="UGX">3000'
                "</TtlChrgsAndTaxAmt></Chrgs></TxDtls></NtryDtls>"
            ),
            [1_500_000],
        ),
        # What its payer gave in another currency is not what came.
        (
            f'{PLAIN}<NtryDtls><TxDtls><Amt Ccy="GBP">310</Amt></TxDtls></NtryDtls>',
            [1_503_000],
        ),
        (
            (
                f'{PLAIN}<NtryDtls><TxDtls><Amt Ccy="UGX">1500000</Amt></TxDtls>'
                '<TxDtls><Amt Ccy="UGX">3000</Amt></TxDtls></NtryDtls>'
            ),
            [1_500_000, 3_000],
        ),
        # Only announced, it is none.
        (PLAIN.replace("BOOK", "PDNG"), []),
    ],
)
def test_every_bank_s_way_to_write_a_line_is_read(entry: str, amounts: list[int]) -> None:
    found = read(camt(entry)).movements
    assert [movement.amount.minor_units for movement in found] == amounts


@pytest.mark.parametrize(
    "entry",
    [
        "",
        PLAIN.replace("1,503,000.00", "much"),
        PLAIN.replace("1,503,000.00", "-5"),
        PLAIN.replace("1,503,000.00", "5.5"),
        PLAIN.replace("DBIT", "BOTH"),
        PLAIN.replace("UGX", "ZZZ"),
        f"{PLAIN}<BookgDt><Dt>yesterday</Dt></BookgDt>",
        f"{PLAIN}<NtryDtls><TxDtls/><TxDtls/></NtryDtls>",
    ],
)
def test_a_line_that_cannot_be_read_keeps_its_whole_file_out(entry: str) -> None:
    assert isinstance(read_bank_file(camt(entry)), Unreadable)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict("RJCT", "FF01")], [("", "", "RJCT", ("FF01",))]),
        ([Verdict("ACTC", "", TRANSFER)], [("MSG1-EFT", "E2E1", "ACTC", ())]),
        ([Verdict("RJCT", "AC01", TRANSFER)], [("MSG1-EFT", "E2E1", "RJCT", ("AC01",))]),
        # A file of which some were taken: what is said of one stands for itself.
        (
            [Verdict("PART"), Verdict("RJCT", "AC04", TRANSFER)],
            [("MSG1-EFT", "E2E1", "RJCT", ("AC04",))],
        ),
    ],
)
def test_a_status_is_that_of_a_transfer_or_of_its_file(
    verdicts: list[Verdict], expected: list[tuple[str, str, str, tuple[str, ...]]]
) -> None:
    content = status_report("R1", "MSG1", verdicts, NOW)
    assert schema_faults(content) == ()
    assert said(content) == expected


def said(content: bytes) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [
        (each.payment_id, each.end_to_end_id, each.status, each.reasons)
        for each in read(content).statuses
    ]


def test_what_is_said_of_a_file_holds_for_whatever_has_no_word_of_its_own() -> None:
    verdicts = [Verdict("RJCT", "AM04"), Verdict("ACTC", "", TRANSFER)]
    report = status_report("R1", "MSG1", verdicts, NOW)
    silent = report.replace(b"<TxSts>ACTC</TxSts>", b"")
    assert said(report) == [("MSG1-EFT", "E2E1", "ACTC", ())]
    assert said(silent) == [("MSG1-EFT", "E2E1", "RJCT", ("AM04",))]


def test_a_status_of_a_payment_holds_for_its_transfers_alone() -> None:
    report = status_report("R1", "MSG1", [Verdict("ACTC", "", TRANSFER)], NOW)
    of_payment = report.replace(b"TxInfAndSts>", b"Ignored>").replace(
        b"<OrgnlPmtInfId>MSG1-EFT</OrgnlPmtInfId>",
        b"<OrgnlPmtInfId>MSG1-EFT</OrgnlPmtInfId><PmtInfSts>RJCT</PmtInfSts>",
    )
    assert read(of_payment).statuses == (
        TransferStatus("R1", "MSG1", "MSG1-EFT", "", "RJCT", (), ""),
    )


LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
A_FILE = b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
A_HOST = b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">'
EMPTY_STATEMENT = camt(PLAIN)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<a/>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"><A/></Document>',
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"/>',
        LAUGHS + EMPTY_STATEMENT.replace(b">S<", b">&c;<"),
        A_FILE + EMPTY_STATEMENT.replace(b">S<", b">&a;<"),
        A_HOST + EMPTY_STATEMENT,
        EMPTY_STATEMENT[:-20],
        b" " * (FILE_BYTES_MAX + 1),
    ],
    ids=range(12),
)
def test_what_is_none_or_does_harm_is_not_read(content: bytes) -> None:
    assert isinstance(read_bank_file(content), Unreadable)


def test_the_same_without_harm_is_read() -> None:
    assert isinstance(read_bank_file(EMPTY_STATEMENT), BankFile)


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(content: bytes) -> None:
    assert isinstance(read_bank_file(content), Unreadable)


def test_nobody_s_name_shows() -> None:
    booked = a_booking(note="from Grace Nakato")
    assert "Nakato" not in repr(read(notification("NT1", "9", [booked], NOW)))
