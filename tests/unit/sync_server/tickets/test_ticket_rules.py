import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission.facts import TicketStatus
from sync_server.tickets.rules import (
    VALIDITY_UNITS_MAX,
    ValidityUnits,
    claim_token,
    may_follow,
    validity_units,
    wallet_link,
)

_UNIT_MS = 15 * 60_000
_BASE_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "expected"),
    [
        (None, None, ValidityUnits(0, VALIDITY_UNITS_MAX)),
        (0, _UNIT_MS, ValidityUnits(0, 1)),
        (1, _UNIT_MS + 1, ValidityUnits(0, 2)),
        (_UNIT_MS, _UNIT_MS, None),
        (-1, None, None),
        (0, (VALIDITY_UNITS_MAX + 1) * _UNIT_MS, None),
    ],
)
def test_a_validity_is_widened_to_whole_units(
    from_ms: int | None, until_ms: int | None, expected: ValidityUnits | None
) -> None:
    start, end = (None if ms is None else _BASE_MS + ms for ms in (from_ms, until_ms))
    assert validity_units(start, end, _BASE_MS) == expected


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=1, max_value=10**9))
def test_no_ticket_is_valid_for_less_than_was_asked(start_ms: int, length_ms: int) -> None:
    units = validity_units(_BASE_MS + start_ms, _BASE_MS + start_ms + length_ms, _BASE_MS)
    assert units is not None
    assert units.not_before * _UNIT_MS <= start_ms
    assert units.expires * _UNIT_MS >= start_ms + length_ms


@pytest.mark.parametrize("final", [TicketStatus.REFUNDED, TicketStatus.TRANSFERRED])
def test_from_a_final_state_no_way_leads_on(final: TicketStatus) -> None:
    assert [status for status in TicketStatus if may_follow(final, status)] == []


@given(st.sampled_from(TicketStatus), st.sampled_from(TicketStatus))
def test_what_was_taken_back_never_becomes_valid(first: TicketStatus, second: TicketStatus) -> None:
    withdrawn = {TicketStatus.REVOKED, TicketStatus.CANCELLED, TicketStatus.REFUNDED}
    assert not (first in withdrawn and second not in withdrawn and may_follow(first, second))


def test_a_claim_token_is_as_random_as_what_it_was_made_of() -> None:
    assert claim_token(bytes(32)) != claim_token(bytes(31) + b"\x01")
    with pytest.raises(ValueError, match="32 random bytes"):
        claim_token(bytes(31))


def test_a_link_hides_its_token_from_servers() -> None:
    address, _, fragment = wallet_link("https://z.example", claim_token(bytes(32))).partition("#")
    assert address == "https://z.example/wallet"
    assert fragment == claim_token(bytes(32))
