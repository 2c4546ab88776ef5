import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import JournalError
from shared.ids import ScanId, StaffId
from shared.journal.entry import LABEL, Cursor, MalformedEntryError, ScanEntry
from tests.factories.journal import an_entry
from tests.factories.strategies import ENTRIES

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "journal.json").read_text("utf-8"))
FULL = an_entry(
    uncertainty_ms=None,
    ticket_id=None,
    foreign_hash=bytes(range(32)),
    form="-",
    generation=None,
    counter=None,
    verdict="NOT_A_TICKET",
    reasons=("NOT_A_TICKET", "CAPACITY_REACHED"),
    staff_id=StaffId(UUID(int=5)),
    override_reason="Mwenye tiketi yupo",
    cursor=Cursor(12, 34),
    lease_id="lease",
    online=False,
)
MANDATORY = [
    "scan_id",
    "device_id",
    "seq",
    "boot_id",
    "monotonic_ns",
    "gate_time_ms",
    "gate_id",
    "direction",
    "form",
    "medium",
    "verdict",
    "reasons",
    "snapshot_version",
    "cursor",
    "online",
    "prev_hash",
]


@pytest.mark.parametrize(
    ("name", "entry"), [("admitted", an_entry()), ("foreign_with_override", FULL)]
)
def test_canonical_bytes_and_hash_never_change(name: str, entry: ScanEntry) -> None:
    assert entry.canonical_bytes().hex() == VECTORS[name]["canonical"]
    assert entry.entry_hash().hex() == VECTORS[name]["hash"]
    assert ScanEntry.from_canonical_bytes(bytes.fromhex(VECTORS[name]["canonical"])) == entry


@given(ENTRIES)
def test_every_entry_reads_back_as_itself(entry: ScanEntry) -> None:
    assert ScanEntry.from_canonical_bytes(entry.canonical_bytes()) == entry


@given(ENTRIES, ENTRIES)
def test_different_entries_have_different_hashes(one: ScanEntry, other: ScanEntry) -> None:
    assert (one.entry_hash() == other.entry_hash()) is (one == other)


@given(st.binary(max_size=400) | st.binary(max_size=400).map(LABEL.__add__))
def test_no_bytes_raise_anything_but_a_journal_error(data: bytes) -> None:
    with pytest.raises(JournalError):
        ScanEntry.from_canonical_bytes(data)


def test_no_flipped_bit_reads_back_as_the_same_entry() -> None:
    canonical = FULL.canonical_bytes()
    for bit in range(8 * len(canonical)):
        flipped = (int.from_bytes(canonical, "big") ^ 1 << bit).to_bytes(len(canonical), "big")
        try:
            read = ScanEntry.from_canonical_bytes(flipped)
        except JournalError:
            continue
        assert read.canonical_bytes() == flipped
        assert read.entry_hash() != FULL.entry_hash()


@given(ENTRIES, st.data())
def test_a_cut_off_entry_is_refused(entry: ScanEntry, data: st.DataObject) -> None:
    canonical = entry.canonical_bytes()
    length = data.draw(st.integers(0, len(canonical) - 1))
    with pytest.raises(MalformedEntryError):
        ScanEntry.from_canonical_bytes(canonical[:length])


@pytest.mark.parametrize("name", MANDATORY)
def test_an_entry_that_lacks_a_mandatory_field_is_refused(name: str) -> None:
    changes: dict[str, Any] = {name: None}
    data = replace(an_entry(), **changes).canonical_bytes()
    with pytest.raises(MalformedEntryError):
        ScanEntry.from_canonical_bytes(data)


def flag_of(number: int) -> bytes:
    """Write an entry whose flag `online` is this byte."""
    canonical = an_entry().canonical_bytes()
    tail = b"\x00\x20" + an_entry().prev_hash
    return canonical.removesuffix(b"\x01" + tail) + bytes((number,)) + tail


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(an_entry().canonical_bytes() + b"\0", id="a byte behind"),
        pytest.param(b"tkt1/scan\0\x02" + an_entry().canonical_bytes()[11:], id="version 2"),
        pytest.param(flag_of(2), id="a flag that is neither yes nor no"),
        pytest.param(
            an_entry().canonical_bytes().replace(b"\x00\x05entry", b"\x00\x05\xff\xfe\xfd\xfc\xfb"),
            id="text that is not UTF-8",
        ),
        pytest.param(
            replace(an_entry(), prev_hash=bytes(31)).canonical_bytes(), id="a hash of 31 bytes"
        ),
        pytest.param(
            replace(an_entry(), foreign_hash=b"text of a foreign code").canonical_bytes(),
            id="the text of a foreign code",
        ),
        pytest.param(
            LABEL + b"\0\x01\x07" + an_entry().canonical_bytes()[len(LABEL) + 18 :],
            id="a scan id of one byte",
        ),
    ],
)
def test_what_no_device_writes_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEntryError):
        ScanEntry.from_canonical_bytes(data)


def test_the_flag_of_the_table_above_is_in_its_place() -> None:
    assert flag_of(1) == an_entry().canonical_bytes()


def test_an_absent_field_is_not_an_empty_one() -> None:
    absent, empty = an_entry(override_reason=None), an_entry(override_reason="")
    assert absent.entry_hash() != empty.entry_hash()


def test_a_field_too_long_to_be_written_is_refused() -> None:
    longest = an_entry(override_reason="x" * 0xFFFE)
    assert ScanEntry.from_canonical_bytes(longest.canonical_bytes()) == longest
    with pytest.raises(MalformedEntryError):
        an_entry(override_reason="x" * 0xFFFF).canonical_bytes()


def test_an_absent_length_in_front_of_a_mandatory_text_does_not_swallow_the_rest() -> None:
    head, tail = an_entry().canonical_bytes().split(b"\x00\x05entry")
    with pytest.raises(MalformedEntryError):
        ScanEntry.from_canonical_bytes(head + b"\xff\xff" + b"x" * 0x1_0000 + tail)


def test_the_hash_covers_every_field() -> None:
    changes: dict[str, Any] = {
        "scan_id": ScanId(UUID(int=1)),
        "device_id": UUID(int=1),
        "seq": 2,
        "boot_id": UUID(int=1),
        "monotonic_ns": 2,
        "gate_time_ms": 2,
        "uncertainty_ms": None,
        "gate_id": UUID(int=1),
        "direction": "exit",
        "ticket_id": None,
        "foreign_hash": bytes(32),
        "form": "E",
        "generation": 2,
        "counter": 2,
        "medium": "nfc",
        "verdict": "EXIT",
        "reasons": ("REVOKED",),
        "staff_id": UUID(int=1),
        "override_reason": "",
        "snapshot_version": 2,
        "cursor": Cursor(0, 1),
        "lease_id": "",
        "online": False,
        "prev_hash": bytes([1] * 32),
    }
    hashes = {replace(an_entry(), **{name: value}).entry_hash() for name, value in changes.items()}
    assert set(changes) == set(ScanEntry.__dataclass_fields__)
    assert len(hashes | {an_entry().entry_hash()}) == len(changes) + 1
