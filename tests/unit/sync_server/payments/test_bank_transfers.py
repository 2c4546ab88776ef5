from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.ports import Destination, DisbursementRequest
from sync_server.payments.providers.bank.rail import working_day
from sync_server.payments.providers.bank.transfers import (
    BankAccount,
    Clearing,
    TransferFile,
    build_transfer_file,
    clearing_of,
    destination_fault,
    end_to_end_id,
)
from sync_server.sandboxes.bank_files import read_order
from sync_server.sandboxes.schemas import schema_faults

ACCOUNT = BankAccount("9030001234567", "UGX", "ZERAKET Ltd", "SBICUGKX", eft_max=20_000_000)
NOW = datetime(2026, 11, 26, 4, 4, 16, tzinfo=UTC)
PAYOUT = DisbursementRequest(
    reference="ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611",
    payout_number="PAYOUT-77",
    amount=Money(1_500_000, "UGX"),
    destination=Destination("Grace Nakato", "3100 0123-4567", "CERBUGKA", "Kampala Road"),
    description="Payout of Nile Nights, l'été",
    callback_url="",
)


def file_of(*transfers: DisbursementRequest, account: BankAccount = ACCOUNT) -> TransferFile:
    return TransferFile("MSG1", NOW, date(2026, 11, 26), account, transfers)


def texts(content: bytes, name: str) -> list[str]:
    return [element.text or "" for element in fromstring(content).iter() if _is(element.tag, name)]


def _is(tag: str, name: str) -> bool:
    return tag.rpartition("}")[2] == name


payouts = st.builds(
    DisbursementRequest,
    reference=st.uuids(version=4).map(str),
    payout_number=st.text(max_size=50),
    amount=st.integers(1, 10**12).map(lambda amount: Money(amount, "UGX")),
    destination=st.builds(
        Destination,
        holder=st.text(max_size=200),
        account=st.from_regex(r"[0-9]{1,34}", fullmatch=True),
        bank=st.sampled_from(["CERBUGKA", "SBICUGKXXXX", "010147"]),
        branch=st.text(max_size=50),
    ),
    description=st.text(max_size=300),
    callback_url=st.just(""),
)


@given(st.lists(payouts, min_size=1, max_size=4))
def test_every_file_keeps_to_the_published_schema(transfers: list[DisbursementRequest]) -> None:
    content = build_transfer_file(file_of(*transfers))
    assert schema_faults(content) == ()
    order = read_order(content)
    assert sorted((each.uetr, int(each.amount)) for each in order.transfers) == sorted(
        (each.reference, each.amount.minor_units) for each in transfers
    )


@pytest.mark.parametrize("currency", ["UGX", "KES", "RWF", "TZS", "USD", "EUR", "BIF"])
def test_every_currency_is_written_in_its_own_units(currency: str) -> None:
    payout = replace(PAYOUT, amount=Money(1_234_567, currency))
    content = build_transfer_file(file_of(payout, account=replace(ACCOUNT, currency=currency)))
    digits = {"UGX": "1234567", "RWF": "1234567", "BIF": "1234567"}.get(currency, "12345.67")
    assert schema_faults(content) == ()
    assert (texts(content, "InstdAmt"), set(texts(content, "CtrlSum"))) == ([digits], {digits})


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert build_transfer_file(file_of(PAYOUT)) == build_transfer_file(file_of(PAYOUT))


def test_a_file_says_who_pays_whom_and_how() -> None:
    content = build_transfer_file(file_of(PAYOUT))
    said = {
        "MsgId": ["MSG1"],
        "CreDtTm": ["2026-11-26T04:04:16+00:00"],
        "Dt": ["2026-11-26"],
        "PmtInfId": ["MSG1-EFT"],
        "InstrId": ["PAYOUT-77"],
        "EndToEndId": [end_to_end_id(PAYOUT.reference)],
        "UETR": [PAYOUT.reference],
        "BICFI": ["SBICUGKX", "CERBUGKA"],
        "Nm": ["ZERAKET Ltd", "ZERAKET Ltd", "Grace Nakato"],
        "Ustrd": ["PAYOUT-77 Payout of Nile Nights, l'ete"],
        "Prtry": ["EFT"],
    }
    assert {name: texts(content, name) for name in said} == said
    assert "310001234567" in texts(content, "Id")


def test_what_is_too_much_for_the_clearing_house_goes_gross() -> None:
    large = replace(
        PAYOUT,
        reference="bb9c4dbf-dfb6-48bf-8a32-dc92b7fca611",
        amount=Money(ACCOUNT.eft_max + 1, "UGX"),
    )
    content = build_transfer_file(file_of(large, PAYOUT))
    assert texts(content, "PmtInfId") == ["MSG1-EFT", "MSG1-RTGS"]
    assert texts(content, "InstrPrty") == ["NORM", "HIGH"]
    assert texts(content, "CtrlSum") == ["21500001", "1500000", "20000001"]


@pytest.mark.parametrize(
    ("amount", "clearing"), [(20_000_000, Clearing.EFT), (20_000_001, Clearing.RTGS)]
)
def test_the_limit_itself_still_goes_by_eft(amount: int, clearing: Clearing) -> None:
    assert clearing_of(Money(amount, "UGX"), ACCOUNT) is clearing


@pytest.mark.parametrize(
    ("account", "bank", "fault"),
    [
        ("3100 0123-4567", "CERBUGKA", None),
        ("310001234567", "010147", None),
        ("", "CERBUGKA", "AC03"),
        ("1" * 35, "CERBUGKA", "AC03"),
        ("3100<0123", "CERBUGKA", "AC03"),
        ("310001234567", "", "RC01"),
        ("310001234567", "Centenary & Sons", "RC01"),
    ],
)
def test_an_account_that_cannot_be_paid_is_refused(
    account: str, bank: str, fault: str | None
) -> None:
    assert destination_fault(Destination("Grace", account, bank)) == fault


def test_a_reference_that_is_no_uuid_is_no_uetr() -> None:
    content = build_transfer_file(file_of(replace(PAYOUT, reference="PAYOUT-77-1")))
    assert schema_faults(content) == ()
    assert (texts(content, "UETR"), texts(content, "EndToEndId")) == ([], ["PAYOUT771"])


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), date(2026, 11, 26)),
        # Midnight in Kampala is three hours before that of the clock.
        (datetime(2026, 11, 26, 21, tzinfo=UTC), date(2026, 11, 27)),
        (datetime(2026, 11, 27, 21, tzinfo=UTC), date(2026, 11, 30)),
        (datetime(2026, 11, 29, 12, tzinfo=UTC), date(2026, 11, 30)),
    ],
)
def test_banks_work_on_weekdays(now: datetime, day: date) -> None:
    assert working_day(now) == day


def test_nobody_s_account_shows() -> None:
    assert "Nakato" not in repr(file_of(PAYOUT))
    assert "3100" not in repr(file_of(PAYOUT))
