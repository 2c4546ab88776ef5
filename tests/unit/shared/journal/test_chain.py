from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.journal.chain import ChainBreak, ChainedEntry, ChainFault, Head, verify_chain
from shared.journal.entry import GENESIS_HASH
from tests.factories.admission import OTHER_DEVICE
from tests.factories.journal import a_chain, chained

FIVE = a_chain(5)


def altered(link: ChainedEntry, **changes: object) -> ChainedEntry:
    """Change the content and leave the stored hash."""
    return replace(link, entry=replace(link.entry, **changes))  # type: ignore[arg-type]


def rewritten(link: ChainedEntry, **changes: object) -> ChainedEntry:
    """Change the content and store its new hash."""
    return chained(replace(link.entry, **changes))  # type: ignore[arg-type]


def test_an_undisturbed_chain_ends_at_its_last_entry() -> None:
    assert verify_chain(FIVE) == Head(5, FIVE[-1].entry_hash)


def test_an_empty_chain_ends_where_it_began() -> None:
    assert verify_chain([]) == Head(0, GENESIS_HASH)
    assert verify_chain([], Head(5, FIVE[-1].entry_hash)) == Head(5, FIVE[-1].entry_hash)


@given(st.integers(0, 5))
def test_a_chain_is_verified_in_pieces_as_in_one(cut: int) -> None:
    head = verify_chain(FIVE[:cut])
    assert isinstance(head, Head)
    assert verify_chain(FIVE[cut:], head) == verify_chain(FIVE)


@pytest.mark.parametrize(
    ("entries", "seq", "fault"),
    [
        pytest.param(
            [*FIVE[:2], altered(FIVE[2], verdict="REVOKED"), *FIVE[3:]],
            3,
            ChainFault.ALTERED,
            id="altered",
        ),
        pytest.param(
            [*FIVE[:2], rewritten(FIVE[2], verdict="REVOKED"), *FIVE[3:]],
            4,
            ChainFault.BROKEN_LINK,
            id="altered with its hash",
        ),
        pytest.param([*FIVE[:2], *FIVE[3:]], 4, ChainFault.GAP, id="dropped"),
        pytest.param(FIVE[1:], 2, ChainFault.GAP, id="the first dropped"),
        pytest.param([FIVE[0], FIVE[2], FIVE[1], *FIVE[3:]], 3, ChainFault.GAP, id="two swapped"),
        pytest.param([*FIVE[:3], FIVE[2], *FIVE[3:]], 3, ChainFault.GAP, id="one twice"),
        pytest.param(
            [*FIVE[:2], rewritten(FIVE[2], device_id=OTHER_DEVICE), *FIVE[3:]],
            3,
            ChainFault.OTHER_DEVICE,
            id="one of another device",
        ),
        pytest.param(
            [rewritten(FIVE[0], prev_hash=bytes([1] * 32)), *FIVE[1:]],
            1,
            ChainFault.BROKEN_LINK,
            id="not from the beginning",
        ),
        pytest.param(
            [*FIVE[:2], *a_chain(3, Head(2, FIVE[0].entry_hash))],
            3,
            ChainFault.BROKEN_LINK,
            id="grown from another root",
        ),
    ],
)
def test_the_first_broken_entry_is_named(
    entries: list[ChainedEntry], seq: int, fault: ChainFault
) -> None:
    assert verify_chain(entries) == ChainBreak(seq, fault)


def test_a_truncated_chain_holds_and_ends_too_early() -> None:
    assert verify_chain(FIVE[:3]) == Head(3, FIVE[2].entry_hash)
    assert verify_chain(FIVE[:3]) != verify_chain(FIVE)


@given(st.integers(0, 4), st.binary(min_size=32, max_size=32))
def test_a_wrong_stored_hash_is_found_at_its_entry(index: int, stored: bytes) -> None:
    entries = [*FIVE[:index], replace(FIVE[index], entry_hash=stored), *FIVE[index + 1 :]]
    assert verify_chain(entries) == ChainBreak(index + 1, ChainFault.ALTERED)
