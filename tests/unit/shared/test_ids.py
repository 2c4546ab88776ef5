import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import (
    InvalidIdentifierError,
    TicketId,
    from_signed_64,
    new_uuid7,
    ticket_id_from_bytes,
    ticket_id_from_hex,
    ticket_id_to_hex,
    to_signed_64,
)

TICKET_IDS = st.integers(0, 2**64 - 1).map(TicketId)
INSTANTS = st.integers(0, 2**48 - 1)
RANDOMNESS = st.binary(min_size=10, max_size=10)


def test_the_example_of_rfc_9562_holds() -> None:
    # Appendix A.6: rand_a CC3 and rand_b 18C4DC0C0C07398F at 2022-02-22T19:22:22Z.
    randomness = (0xCC3 << 62 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert str(new_uuid7(0x017F22E279B0, randomness)) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(INSTANTS, RANDOMNESS)
def test_a_uuid7_carries_version_variant_and_time(now_ms: int, randomness: bytes) -> None:
    made = new_uuid7(now_ms, randomness)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == now_ms


@given(INSTANTS, INSTANTS, RANDOMNESS, RANDOMNESS)
def test_uuid7s_sort_by_time(one_ms: int, other_ms: int, one: bytes, other: bytes) -> None:
    earlier, later = sorted((one_ms, other_ms))
    made = new_uuid7(earlier, one), new_uuid7(later, other)
    assert (made[0] < made[1]) or earlier == later


@pytest.mark.parametrize("length", [0, 9, 11])
def test_a_uuid7_takes_ten_random_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        new_uuid7(0, bytes(length))


@given(TICKET_IDS)
def test_a_ticket_id_survives_text_storage_and_bytes(ticket_id: TicketId) -> None:
    assert ticket_id_from_hex(ticket_id_to_hex(ticket_id)) == ticket_id
    assert from_signed_64(to_signed_64(ticket_id)) == ticket_id
    assert ticket_id_from_bytes(ticket_id.to_bytes(8, "big")) == ticket_id


@given(TICKET_IDS)
def test_a_stored_ticket_id_fits_signed_64_bits(ticket_id: TicketId) -> None:
    assert -(2**63) <= to_signed_64(ticket_id) < 2**63


@pytest.mark.parametrize(
    ("ticket_id", "stored"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (2**64 - 1, -1)],
)
def test_the_upper_half_of_the_ids_is_stored_as_negative(ticket_id: int, stored: int) -> None:
    assert to_signed_64(TicketId(ticket_id)) == stored


@pytest.mark.parametrize("length", [0, 7, 9])
def test_a_ticket_id_takes_eight_random_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="8 random bytes"):
        ticket_id_from_bytes(bytes(length))


@pytest.mark.parametrize(
    "text", ["", "0" * 15, "0" * 17, "g" * 16, " " + "0" * 15, "0x" + "0" * 14, "٣" * 16, "1_" * 8]
)
def test_text_that_is_no_ticket_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifierError):
        ticket_id_from_hex(text)


@given(st.text(max_size=20))
def test_no_text_raises_anything_but_an_invalid_identifier(text: str) -> None:
    try:
        ticket_id = ticket_id_from_hex(text)
    except InvalidIdentifierError:
        return
    assert ticket_id_to_hex(ticket_id) == text.lower()
