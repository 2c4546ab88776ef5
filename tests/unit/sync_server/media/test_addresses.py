from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sync_server.media.addresses import EXPIRES_MAX, SignedAddress, public_path
from sync_server.media.rules import Kind

SECRET = bytes(range(32))
ADDRESSES = st.builds(SignedAddress, st.uuids(), st.uuids(), st.integers(0, EXPIRES_MAX))
ADDRESS = SignedAddress(UUID(int=1), UUID(int=2), 1_800_000_000)


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_never_share_one_form(one: SignedAddress, other: SignedAddress) -> None:
    assert (one.canonical == other.canonical) == (one == other)
    assert len(one.canonical) == len(other.canonical)


@given(st.binary(min_size=40, max_size=40))
def test_parts_cannot_be_moved_into_one_another(body: bytes) -> None:
    """Whatever 40 bytes are cut to an address, they are read back as the same three parts."""
    expires = int.from_bytes(body[32:], "big")
    address = SignedAddress(UUID(bytes=body[:16]), UUID(bytes=body[16:32]), expires)
    assert address.canonical.endswith(body)


@given(ADDRESSES)
def test_an_address_opens_with_its_own_signature(address: SignedAddress) -> None:
    parts = urlsplit(address.path(SECRET))
    query = parse_qs(parts.query, strict_parsing=True)
    assert parts.path == f"/files/{address.organizer_id}/{address.object_id}"
    assert query["expires"] == [str(address.expires)]
    assert address.is_signed_by(SECRET, query["signature"][0])


@given(ADDRESSES, ADDRESSES)
def test_no_other_address_opens_with_it(one: SignedAddress, other: SignedAddress) -> None:
    assert other.is_signed_by(SECRET, one.signature(SECRET)) == (one == other)


@given(ADDRESSES, st.binary(min_size=32, max_size=32))
def test_no_other_secret_makes_it(address: SignedAddress, secret: bytes) -> None:
    assert address.is_signed_by(SECRET, address.signature(secret)) == (secret == SECRET)


@given(st.text(max_size=60))
def test_any_text_is_compared(signature: str) -> None:
    assert not ADDRESS.is_signed_by(SECRET, signature)


def test_a_signature_is_the_same_for_ever() -> None:
    """The value is that of another program (openssl dgst -sha256 -mac HMAC)."""
    assert ADDRESS.canonical == (
        b"zeraket/file-address/1\0" + bytes(15) + b"\x01" + bytes(15) + b"\x02"
        b"\x00\x00\x00\x00\x6b\x49\xd2\x00"
    )
    assert ADDRESS.signature(SECRET) == "jTaRJykTUpVSKNFRvLPxujX4XTsZPlzuK1dNrl22CXk"


def test_longer_is_another_address() -> None:
    later = replace(ADDRESS, expires=ADDRESS.expires + 1)
    assert not later.is_signed_by(SECRET, ADDRESS.signature(SECRET))


def test_a_public_address_holds_hash_and_kind() -> None:
    assert public_path("a" * 64, Kind.JPEG) == f"/media/{'a' * 64}.jpg"
