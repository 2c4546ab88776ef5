import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credentials.keys import (
    EventKeySet,
    HolderKey,
    UnusableKeyError,
    check_holder_key,
    p256_signature_to_der,
    verifies_ed25519,
)
from shared.credentials.layout import HolderAlgorithm
from shared.ids import TicketId
from tests.factories.credentials import EVENT_ID, Ed25519Holder, EventKeys, P256Holder

P256, ED25519 = HolderAlgorithm.P256, HolderAlgorithm.ED25519
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("length", [0, 31, 33])
def test_an_event_key_of_another_length_derives_nothing(length: int) -> None:
    with pytest.raises(UnusableKeyError):
        EventKeySet(EVENT_ID, 7, bytes(length))


def test_an_event_key_is_not_shown_when_printed() -> None:
    assert EventKeys().event_key.hex() not in repr(EventKeys().key_set)
    assert repr(EventKeys().event_key) not in repr(EventKeys().key_set)


@given(st.integers(0, 2**64 - 1).map(TicketId), st.integers(0, 255))
def test_a_reference_opens_to_the_ticket_it_was_sealed_for(
    ticket_id: TicketId, generation: int
) -> None:
    key_set = EventKeys().key_set
    reference = key_set.seal_reference(ticket_id, generation)
    assert key_set.open_reference(reference) == (ticket_id, generation)


@given(st.binary(min_size=16, max_size=16))
def test_a_made_up_reference_does_not_open(reference: bytes) -> None:
    assert EventKeys().key_set.open_reference(reference) is None


@pytest.mark.parametrize("holder", [P256Holder(), Ed25519Holder()], ids=["P-256", "Ed25519"])
def test_a_holder_is_known_by_signature(holder: P256Holder | Ed25519Holder) -> None:
    signature = holder.sign(b"message")
    assert holder.key.verifies(signature, b"message")
    assert not holder.key.verifies(signature, b"another message")
    assert not holder.key.verifies(signature[:-1], b"message")


def test_the_mirrored_signature_of_p256_names_the_same_holder() -> None:
    signature = P256Holder().sign(b"message")
    s = int.from_bytes(signature[32:], "big")
    mirrored = signature[:32] + (P256_ORDER - s).to_bytes(32, "big")
    assert P256Holder().key.verifies(mirrored, b"message")


@given(st.sampled_from([P256, ED25519]), st.binary(max_size=70), st.binary(max_size=70))
def test_no_bytes_as_a_key_or_signature_raise(
    algorithm: HolderAlgorithm, encoded: bytes, signature: bytes
) -> None:
    assert not HolderKey(algorithm, encoded).verifies(signature, b"message")


def test_an_issuers_signature_is_checked() -> None:
    event = EventKeys()
    signature = event.issuer.sign(b"message")
    assert verifies_ed25519(event.issuer_public_key, signature, b"message")
    assert not verifies_ed25519(event.issuer_public_key, signature, b"another message")


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_raw_signature_is_64_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        p256_signature_to_der(bytes(length))


@pytest.mark.parametrize("holder", [P256Holder(), Ed25519Holder()], ids=["P-256", "Ed25519"])
def test_a_true_holder_key_is_accepted(holder: P256Holder | Ed25519Holder) -> None:
    check_holder_key(holder.key)
    assert holder.key.verifies(holder.sign(b"message"), b"message")


@pytest.mark.parametrize(
    ("algorithm", "encoded"),
    [
        pytest.param(P256, b"", id="empty"),
        pytest.param(P256, Ed25519Holder().key.encoded, id="a key of the other curve"),
        pytest.param(P256, b"\x02" + b"\xff" * 32, id="x beyond the field"),
        pytest.param(P256, b"\x05" + bytes(32), id="no such encoding"),
        pytest.param(P256, bytes(65), id="uncompressed"),
        pytest.param(ED25519, b"", id="empty Ed25519"),
        pytest.param(ED25519, bytes(33), id="Ed25519, one byte long"),
    ],
)
def test_bytes_that_are_no_key_are_refused(algorithm: HolderAlgorithm, encoded: bytes) -> None:
    with pytest.raises(UnusableKeyError):
        check_holder_key(HolderKey(algorithm, encoded))
