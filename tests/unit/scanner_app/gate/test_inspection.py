import json
from pathlib import Path
from typing import Any

import pytest

from scanner_app.gate.event_document import parse_time_ms
from scanner_app.gate.inspection import Inspection, inspect_code
from shared.credentials import base45
from shared.credentials.layout import SyncAge, TicketFlag
from tests.factories.credentials import (
    COUNTER,
    TICKET_ID,
    Ed25519Holder,
    EventKeys,
    P256Holder,
    a_core,
)
from tests.factories.event_documents import a_ticket_item, an_event

VECTORS = json.loads(Path("tests/vectors/tk1.json").read_text())
AT = "2026-02-02T02:40:05Z"
EVENT = EventKeys()
HOLDER = P256Holder()
STATIC_CORE = a_core(flags=TicketFlag.STATIC_ALLOWED)
R_CODE = EVENT.reference_code(a_core(), HOLDER)


def code_of(payload: bytes) -> str:
    return "TK1:" + base45.encode(payload)


def inspect(text: str, at: str = AT, **changes: object) -> Inspection:
    return inspect_code(text, an_event(**changes), parse_time_ms(at))


def rotating(sync_age: SyncAge, windows_ahead: int) -> str:
    return EVENT.reference_code(a_core(), HOLDER, COUNTER + windows_ahead, sync_age)


def flipped(text_bytes: bytes, position: int) -> str:
    damaged = bytearray(text_bytes)
    damaged[position] ^= 1
    return code_of(bytes(damaged))


def test_the_published_code_by_reference_is_admitted() -> None:
    assert inspect(VECTORS["r_text"]) == Inspection(
        form="R",
        ticket_id="0123456789abcdef",
        gen=1,
        counter=118_000_000,
        verdict="ADMIT",
        reasons=(),
    )


@pytest.mark.parametrize(("form", "tickets"), [("e", []), ("e", [a_ticket_item()])])
def test_the_published_self_contained_code_is_admitted_with_or_without_a_row(
    form: str, tickets: list[Any]
) -> None:
    inspection = inspect(code_of(bytes.fromhex(VECTORS[form])), tickets=tickets)
    assert (inspection.form, inspection.verdict) == ("E", "ADMIT")
    assert inspection.counter == 118_000_000


def test_the_published_static_code_is_not_allowed() -> None:
    inspection = inspect(code_of(bytes.fromhex(VECTORS["s"])))
    assert inspection == Inspection(
        "S", f"{TICKET_ID:016x}", 1, None, "STATIC_NOT_ALLOWED", ("STATIC_NOT_ALLOWED",)
    )


def test_a_static_code_whose_ticket_allows_it_is_admitted() -> None:
    assert inspect(EVENT.static_code(STATIC_CORE), tickets=[]).verdict == "ADMIT"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (rotating(SyncAge.UNDER_ONE_HOUR, 0), "ADMIT"),
        (rotating(SyncAge.UNDER_ONE_HOUR, -3), "STALE_CODE"),
        (rotating(SyncAge.UNDER_ONE_DAY, -3), "STALE_CODE"),
        (rotating(SyncAge.OLDER, -3), "PHONE_CLOCK"),
        (rotating(SyncAge.UNKNOWN, -6), "STALE_CODE"),
        (rotating(SyncAge.UNDER_ONE_HOUR, 3), "PHONE_CLOCK"),
        (rotating(SyncAge.OLDER, 3), "PHONE_CLOCK"),
    ],
)
def test_a_window_that_is_not_now_tells_an_old_picture_from_a_wrong_clock(
    text: str, verdict: str
) -> None:
    assert inspect(text).verdict == verdict


@pytest.mark.parametrize(
    ("base_time", "verdict"),
    [("2026-02-02T03:00:00Z", "TOO_EARLY"), ("2026-01-31T00:00:00Z", "TOO_LATE"), (0, "TOO_LATE")],
)
def test_validity_counts_from_the_base_time(base_time: object, verdict: str) -> None:
    assert inspect(R_CODE, base_time=base_time).verdict == verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("cancelled", "CANCELLED"),
        ("revoked", "REVOKED"),
        ("refunded", "REFUNDED"),
        ("payment_reversed", "PAYMENT_REVERSED"),
        ("unpaid", "UNPAID"),
        ("blocked", "BLOCKED"),
        ("transferred", "TRANSFERRED"),
    ],
)
def test_the_tickets_state_is_told(status: str, verdict: str) -> None:
    assert inspect(R_CODE, tickets=[a_ticket_item(status=status)]).verdict == verdict


def test_who_passed_the_ticket_on_is_told_so() -> None:
    assert inspect(R_CODE, tickets=[a_ticket_item(gen=2)]).verdict == "TRANSFERRED"


def test_a_ticket_nobody_knows_keeps_its_number() -> None:
    inspection = inspect(R_CODE, tickets=[])
    assert (inspection.verdict, inspection.ticket_id) == ("UNKNOWN_TICKET", f"{TICKET_ID:016x}")


def test_a_code_of_another_key_set_is_of_another_event_and_keeps_its_form() -> None:
    other = EventKeys(key_set_id=9)
    inspection = inspect(other.reference_code(a_core(), HOLDER))
    assert inspection == Inspection("R", None, None, None, "WRONG_EVENT", ("WRONG_EVENT",))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (flipped(bytes.fromhex(VECTORS["r"]), -1), "R"),
        (EVENT.reference_code(a_core(), P256Holder("thief")), "R"),
        (EVENT.reference_code(a_core(), Ed25519Holder()), "R"),
        (flipped(bytes.fromhex(VECTORS["e"]), -1), "E"),
        (EVENT.self_contained_code(a_core(), P256Holder("thief")), "E"),
        (EVENT.self_contained_code(a_core(issuer_key_id=2), HOLDER), "E"),
        (EventKeys(issuer_word="forger").self_contained_code(a_core(), HOLDER), "E"),
        (flipped(bytes.fromhex(VECTORS["e"]), 30), "E"),
        (flipped(bytes.fromhex(VECTORS["s"]), 30), "S"),
        (flipped(bytes.fromhex(VECTORS["r"]), 5), "R"),
        (EventKeys(event_key=bytes(32)).static_code(a_core()), "S"),
    ],
    ids=[
        "R flipped signature",
        "R another holder",
        "R another algorithm",
        "E flipped signature",
        "E another holder than the row's",
        "E issuer key not active",
        "E forged issuer",
        "E damaged ciphertext",
        "S damaged ciphertext",
        "R damaged reference",
        "S of another event key",
    ],
)
def test_what_is_forged_or_damaged_has_a_bad_signature_and_keeps_its_form(
    text: str, form: str
) -> None:
    inspection = inspect(text)
    assert (inspection.verdict, inspection.form) == ("BAD_SIGNATURE", form)


@pytest.mark.parametrize(
    "text",
    ["", "https://evil.example/", "TK1:", "TK1:base45?", R_CODE + " ", R_CODE.lower(), "\udcff"],
)
def test_a_foreign_text_is_no_ticket(text: str) -> None:
    assert inspect(text) == Inspection(None, None, None, None, "NOT_A_TICKET", ("NOT_A_TICKET",))


def test_all_reasons_are_listed_in_order_of_precedence() -> None:
    inspection = inspect(
        rotating(SyncAge.UNDER_ONE_HOUR, -9),
        tickets=[a_ticket_item(status="cancelled")],
        base_time=0,
    )
    assert inspection.reasons == ("CANCELLED", "STALE_CODE", "TOO_LATE")
