import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.kit.delivery import RangeNotSatisfiableError, is_known, selected_part
from sync_server.kit.storage import ByteRange

ETAG = '"0123"'


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=2-5", ByteRange(2, 6)),
        ("Bytes= 2-5 ", ByteRange(2, 6)),
        ("bytes=2-", ByteRange(2, 10)),
        ("bytes=2-99", ByteRange(2, 10)),
        ("bytes=-3", ByteRange(7, 10)),
        ("bytes=-99", ByteRange(0, 10)),
    ],
)
def test_a_range_selects_a_part_of_ten_bytes(header: str, part: ByteRange) -> None:
    assert selected_part(header, 10) == part


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "lines=1-2",
        "bytes=0-1,4-5",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=٣-٤",
        "bytes=1-2-3",
    ],
)
def test_what_is_no_single_range_asks_for_the_whole(header: str | None) -> None:
    assert selected_part(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=99-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError) as refused:
        selected_part(header, 10)
    assert refused.value.headers == {"Content-Range": "bytes */10"}


@given(
    header=st.from_regex(r"bytes=\d{0,12}-\d{0,12}", fullmatch=True), size=st.integers(0, 1 << 40)
)
def test_a_part_is_never_empty_and_never_outside(header: str, size: int) -> None:
    try:
        part = selected_part(header, size)
    except RangeNotSatisfiableError:
        part = None
    assert part is None or 0 <= part.start < part.end <= size


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (ETAG, True),
        (f"W/{ETAG}", True),
        (f'"other", {ETAG}', True),
        ('"other"', False),
        ("0123", False),
        ('"01234"', False),
    ],
)
def test_a_caller_says_what_it_has(header: str | None, known: bool) -> None:
    assert is_known(header, ETAG) is known
