import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credentials import base45
from shared.errors import CredentialError

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "tk1.json").read_text("utf-8"))


@pytest.mark.parametrize(("plain", "encoded"), list(VECTORS["base45"].items()))
def test_the_vectors_of_rfc_9285_hold_both_ways(plain: str, encoded: str) -> None:
    assert base45.encode(plain.encode()) == encoded
    assert base45.decode(encoded) == plain.encode()


@given(st.binary(max_size=300))
def test_what_was_encoded_decodes_to_the_same_bytes(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A", id="one character"),
        pytest.param("BB8A", id="four characters"),
        pytest.param(":::", id="three characters above 65535"),
        pytest.param("GGW", id="the first triple above 65535"),
        pytest.param("::", id="two characters above 255"),
        pytest.param("V5", id="the first pair above 255"),
        pytest.param("bb8", id="lower case"),
        pytest.param("BB_", id="outside the alphabet"),
        pytest.param("BB\n", id="a line end"),
        pytest.param("ÄB8", id="outside ASCII"),
    ],
)
def test_text_that_no_bytes_encode_to_is_refused(text: str) -> None:
    with pytest.raises(base45.InvalidBase45Error):
        base45.decode(text)


@pytest.mark.parametrize(("text", "data"), [("FGW", b"\xff\xff"), ("U5", b"\xff"), ("", b"")])
def test_the_largest_groups_are_read(text: str, data: bytes) -> None:
    assert base45.decode(text) == data


@given(st.text(alphabet=base45.ALPHABET, max_size=120) | st.text(max_size=40))
def test_a_text_is_either_the_one_text_of_its_bytes_or_refused(text: str) -> None:
    try:
        data = base45.decode(text)
    except CredentialError:
        return
    assert base45.encode(data) == text
