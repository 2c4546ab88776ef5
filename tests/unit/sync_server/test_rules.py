from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.catalog.rules import ZONE_BITS, lowest_free, zone_bits, zone_mask
from sync_server.identity.rules import session_token
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.pagination import CursorInvalidError, decode_cursor, encode_cursor
from sync_server.organizers.rules import Capability, known, leaves_nobody_in_charge, stored


@pytest.mark.parametrize(
    ("numbers", "taken", "expected"),
    [
        (range(3), [], 0),
        (range(3), [0, 2], 1),
        (range(1, 3), [0], 1),
        (range(3), [2, 1, 0], None),
        (range(1, 1 << 32), range(1, 500), 500),
    ],
)
def test_the_lowest_free_number(numbers: range, taken: list[int], expected: int | None) -> None:
    assert lowest_free(numbers, taken) == expected


@given(st.frozensets(st.sampled_from(ZONE_BITS), min_size=1, max_size=15))
def test_zones_survive_the_mask(bits: frozenset[int]) -> None:
    mask = zone_mask(bits)
    assert zone_bits(mask) == sorted(bits)
    assert 0 <= mask < 1 << 16


@pytest.mark.parametrize("bits", [None, (), ZONE_BITS])
def test_naming_no_zone_means_every_zone(bits: Collection[int] | None) -> None:
    mask = zone_mask(bits)
    assert mask == 0xFFFF
    assert zone_bits(mask) is None


@given(st.frozensets(st.sampled_from(Capability)))
def test_capabilities_survive_storage(capabilities: frozenset[Capability]) -> None:
    assert known(stored(capabilities)) == capabilities


def test_a_capability_of_a_newer_server_is_left_out() -> None:
    assert known(["event.manage", "moon.land"]) == {Capability.EVENT_MANAGE}


@pytest.mark.parametrize(
    ("others", "remaining", "expected"),
    [
        ([], set(), True),
        ([], {Capability.MEMBERS_MANAGE}, False),
        ([{Capability.MEMBERS_MANAGE}], set(), False),
        ([{Capability.EVENT_MANAGE}], {Capability.SCANS_VIEW}, True),
    ],
)
def test_who_is_left_in_charge(
    others: list[set[Capability]], remaining: set[Capability], expected: bool
) -> None:
    everyone = [frozenset(other) for other in others]
    assert leaves_nobody_in_charge(everyone, frozenset(remaining)) is expected


def test_a_token_holds_all_its_randomness() -> None:
    assert session_token(bytes(32)) == "zgu_" + "A" * 43
    assert len({session_token(bytes((i,)) * 32) for i in range(256)}) == 256


def test_a_token_of_too_little_randomness_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="32"):
        session_token(b"short")


def test_claims_do_not_show_their_token() -> None:
    assert "zgu_secret" not in repr(user_claims("zgu_secret"))
    assert WORKER.token == ""


@given(st.uuids())
def test_a_cursor_leads_back_to_its_row(row_id: UUID) -> None:
    assert decode_cursor(encode_cursor(row_id)) == row_id


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        row_id = decode_cursor(text)
    except CursorInvalidError:
        return
    assert isinstance(row_id, UUID)


@given(st.integers(0, 1 << 42))
def test_milliseconds_survive_the_database_type(milliseconds: int) -> None:
    assert unix_ms(instant(milliseconds)) == milliseconds


def test_an_instant_is_in_utc() -> None:
    assert instant(1_796_083_200_000) == datetime(2026, 12, 1, tzinfo=UTC)
