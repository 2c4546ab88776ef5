import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credentials import base45
from shared.wire.enrolment_code import (
    ADDRESS_BYTES_MAX,
    PREFIX,
    EnrolmentCode,
    InvalidEnrolmentCodeError,
)

ADDRESS = "https://gates.example.org"
SECRET = bytes(range(16))
FINGERPRINT = bytes(range(32, 64))
CODE = EnrolmentCode(ADDRESS, SECRET, FINGERPRINT)
LETTERS = "AAAQ-EAYE-AUDA-OCAJ-BIFQ-YDIO-B4"
DATA = b"\x01" + SECRET + FINGERPRINT + ADDRESS.encode()


def as_text(data: bytes) -> str:
    return PREFIX + base45.encode(data)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
)
def test_a_scanned_code_reads_back_as_itself(secret: bytes, fingerprint: bytes, host: str) -> None:
    code = EnrolmentCode("https://" + host, secret, fingerprint)
    assert EnrolmentCode.from_text(code.to_text()) == code


def test_the_layout_is_version_secret_fingerprint_address() -> None:
    assert CODE.to_text() == as_text(DATA)


@given(st.binary(min_size=16, max_size=16))
def test_typed_letters_read_back_as_the_secret(secret: bytes) -> None:
    code = EnrolmentCode(ADDRESS, secret, FINGERPRINT)
    assert EnrolmentCode.from_typed(ADDRESS, code.letters) == EnrolmentCode(ADDRESS, secret, None)


def test_letters_stand_in_groups_of_four() -> None:
    assert CODE.letters == LETTERS


@pytest.mark.parametrize(
    "letters",
    [
        LETTERS,
        LETTERS.lower(),
        LETTERS.replace("-", ""),
        LETTERS.replace("-", " "),
        f"  {LETTERS}\n",
        LETTERS.replace("O", "0").replace("I", "1").replace("B", "8"),
    ],
)
def test_case_grouping_and_lookalikes_do_not_matter(letters: str) -> None:
    assert EnrolmentCode.from_typed(f" {ADDRESS}/ ", letters) == EnrolmentCode(
        ADDRESS, SECRET, None
    )


@pytest.mark.parametrize(
    ("address", "letters"),
    [
        pytest.param(ADDRESS, "", id="no letters"),
        pytest.param(ADDRESS, LETTERS[:-1], id="one letter short"),
        pytest.param(ADDRESS, LETTERS + "A", id="one letter long"),
        pytest.param(ADDRESS, LETTERS[:-1] + "9", id="a digit that is not used"),
        pytest.param(ADDRESS, LETTERS[:-1] + "É", id="outside ASCII"),
        pytest.param("gates.example.org", LETTERS, id="no scheme"),
        pytest.param("ftp://gates.example.org", LETTERS, id="another scheme"),
        pytest.param("https://gates example.org", LETTERS, id="a space"),
        pytest.param("https://gätes.example.org", LETTERS, id="outside ASCII"),
        pytest.param("https://" + "a" * ADDRESS_BYTES_MAX, LETTERS, id="too long"),
    ],
)
def test_what_was_mistyped_is_refused(address: str, letters: str) -> None:
    with pytest.raises(InvalidEnrolmentCodeError):
        EnrolmentCode.from_typed(address, letters)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("TK1:ABC", id="a ticket"),
        pytest.param(PREFIX, id="no payload"),
        pytest.param(PREFIX + "A", id="not Base45"),
        pytest.param(as_text(DATA[:17]), id="cut off in the fingerprint"),
        pytest.param(as_text(DATA[:49]), id="no address"),
        pytest.param(as_text(b"\x02" + DATA[1:]), id="version 2"),
        pytest.param(as_text(DATA[:49] + b"ftp://a"), id="no web address"),
        pytest.param(as_text(DATA[:49] + b"https://a\nb"), id="a line end in the address"),
        pytest.param(as_text(DATA[:49] + b"https://\xff"), id="an address outside UTF-8"),
    ],
)
def test_a_damaged_code_is_refused(text: str) -> None:
    with pytest.raises(InvalidEnrolmentCodeError):
        EnrolmentCode.from_text(text)


@given(st.text(max_size=80) | st.binary(max_size=120).map(as_text))
def test_no_scanned_text_raises_anything_else(text: str) -> None:
    try:
        code = EnrolmentCode.from_text(text)
    except InvalidEnrolmentCodeError:
        return
    assert code.to_text() == text


@given(st.text(max_size=60), st.text(max_size=40))
def test_no_typed_text_raises_anything_else(address: str, letters: str) -> None:
    try:
        code = EnrolmentCode.from_typed(address, letters)
    except InvalidEnrolmentCodeError:
        return
    assert len(code.secret) == 16


def test_the_secret_is_not_shown_when_printed() -> None:
    assert repr(SECRET) not in repr(CODE)
