import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credentials import base45
from shared.credentials.keys import EventKeySet
from shared.credentials.layout import (
    PREFIX,
    Core,
    Form,
    Header,
    HolderAlgorithm,
    Payload,
    SyncAge,
    parse,
)
from shared.credentials.opening import EventKeyring, OpenedCode, OpeningFailure
from tests.factories.credentials import (
    COUNTER,
    EVENT_ID,
    KEY_SET_ID,
    Ed25519Holder,
    EventKeys,
    P256Holder,
    a_core,
)

EVENT = EventKeys()
HOLDER = P256Holder()


def opened(text: str, keyring: EventKeyring = EVENT.keyring) -> OpenedCode:
    code = keyring.open(text)
    assert isinstance(code, OpenedCode)
    return code


def self_signed_static_code() -> str:
    """Seal a core that the thief of a scanner signed with a key of his own."""
    return EventKeys(issuer_word="a thief").static_code(a_core())


def rewrapped_as_static() -> str:
    """Take the core and issuer signature out of an E code and seal them as an S code."""
    payload = parse(EVENT.self_contained_code(a_core(), HOLDER))
    plain = EVENT.key_set.open_credential(payload.header, payload.body)
    assert plain is not None
    header = Header(Form.STATIC, KEY_SET_ID)
    return Payload(
        header, EVENT.key_set.seal_credential(header, plain[:18] + plain[-64:])
    ).to_text()


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        pytest.param("WIFI:S:free;;", OpeningFailure.FOREIGN, id="a foreign code"),
        pytest.param(
            EventKeys(key_set_id=8).reference_code(a_core(), HOLDER),
            OpeningFailure.OTHER_EVENT,
            id="a key set this event does not have",
        ),
        pytest.param(
            EventKeys(event_key=bytes(32)).reference_code(a_core(), HOLDER),
            OpeningFailure.FORGED,
            id="R under another key",
        ),
        pytest.param(
            EventKeys(event_key=bytes(32)).static_code(a_core()),
            OpeningFailure.FORGED,
            id="S under another key",
        ),
        pytest.param(
            EVENT.static_code(a_core(issuer_key_id=9)),
            OpeningFailure.FORGED,
            id="an issuer key that is not active",
        ),
        pytest.param(self_signed_static_code(), OpeningFailure.FORGED, id="minted with our keys"),
        pytest.param(rewrapped_as_static(), OpeningFailure.FORGED, id="E wrapped again as S"),
    ],
)
def test_what_cannot_be_opened_says_why(text: str, failure: OpeningFailure) -> None:
    assert EVENT.keyring.open(text) is failure


def test_key_sets_that_share_an_id_are_each_tried() -> None:
    newer = EventKeys(event_key=bytes(32))
    issuer_keys = {EVENT.issuer_key_id: EVENT.issuer_public_key}
    keyring = EventKeyring([newer.key_set, EVENT.key_set], issuer_keys)
    older_code = opened(EVENT.reference_code(a_core(), HOLDER), keyring)
    newer_code = opened(newer.reference_code(a_core(), HOLDER), keyring)
    assert (older_code.key_set, newer_code.key_set) == (EVENT.key_set, newer.key_set)


def test_an_ed25519_holder_shows_both_rotating_forms() -> None:
    holder = Ed25519Holder()
    by_reference = opened(EVENT.reference_code(a_core(), holder))
    self_contained = opened(EVENT.self_contained_code(a_core(), holder))
    assert by_reference.shown_by(holder.key, COUNTER)
    assert self_contained.shown_by(holder.key, COUNTER)
    assert self_contained.holder == holder.key


def test_the_header_must_name_the_curve_of_the_holders_key() -> None:
    code = opened(EVENT.reference_code(a_core(), Ed25519Holder()))
    assert not code.shown_by(HOLDER.key, COUNTER)


def test_the_phones_sync_age_is_signed_by_the_holder() -> None:
    honest = parse(EVENT.reference_code(a_core(), HOLDER, sync_age=SyncAge.OLDER))
    header = Header(Form.ROTATING_REFERENCE, KEY_SET_ID, HolderAlgorithm.P256, SyncAge.UNKNOWN)
    altered = Payload(header, honest.body, honest.window, honest.holder_signature)
    assert not opened(altered.to_text()).shown_by(HOLDER.key, COUNTER)


@pytest.mark.parametrize(
    ("counter", "gate_counter"),
    [
        (COUNTER, COUNTER),
        (COUNTER, COUNTER + 1),
        (0x1_0000, 0xFFFF),
        (0xFFFF, 0x1_0000),
        (0x2_0003, 0x1_FFF0),
        (COUNTER - 32_767, COUNTER),
        (COUNTER + 32_767, COUNTER),
        (0, 5),
    ],
)
def test_the_counter_nearest_the_gates_own_is_taken(counter: int, gate_counter: int) -> None:
    code = opened(EVENT.reference_code(a_core(), HOLDER, counter))
    assert code.counter_near(gate_counter) == counter


@given(gate_counter=st.integers(0, 2**40), offset=st.integers(-32_768, 32_767))
def test_the_nearest_counter_carries_the_bits_that_travelled(
    gate_counter: int, offset: int
) -> None:
    counter = max(0, gate_counter + offset)
    payload = Payload(Header(Form.ROTATING_REFERENCE, 7), bytes(16), counter & 0xFFFF, bytes(64))
    code = OpenedCode(payload, EVENT.key_set, a_core().ticket_id, 1)
    assert code.counter_near(gate_counter) == counter


def test_a_static_code_has_no_counter() -> None:
    assert opened(EVENT.static_code(a_core())).counter_near(COUNTER) is None


@given(
    core_bytes=st.binary(min_size=18, max_size=18), signature=st.binary(min_size=64, max_size=64)
)
def test_what_anybody_seals_without_the_issuers_key_is_forged(
    core_bytes: bytes, signature: bytes
) -> None:
    header = Header(Form.STATIC, KEY_SET_ID)
    core = Core.from_bytes(core_bytes)
    body = EVENT.key_set.seal_credential(header, core.to_bytes() + signature)
    assert EVENT.keyring.open(Payload(header, body).to_text()) is OpeningFailure.FORGED


@given(
    st.text(max_size=80)
    | st.text(base45.ALPHABET, max_size=320).map(PREFIX.__add__)
    | st.binary(max_size=220).map(lambda data: PREFIX + base45.encode(data))
    | st.binary(min_size=82, max_size=82).map(
        lambda data: PREFIX + base45.encode(bytes((0x24, KEY_SET_ID)) + data)
    )
    | st.binary(min_size=98, max_size=98).map(
        lambda data: PREFIX + base45.encode(bytes((0x30, KEY_SET_ID)) + data)
    )
)
def test_no_text_makes_opening_raise_or_succeed(text: str) -> None:
    assert isinstance(EVENT.keyring.open(text), OpeningFailure)


@given(st.binary(min_size=64, max_size=64), st.integers(0, 2**63))
def test_no_signature_bytes_make_checking_raise_or_succeed(signature: bytes, counter: int) -> None:
    for algorithm, holder in (
        (HolderAlgorithm.P256, HOLDER.key),
        (HolderAlgorithm.ED25519, Ed25519Holder().key),
    ):
        header = Header(Form.ROTATING_REFERENCE, KEY_SET_ID, algorithm)
        code = OpenedCode(
            Payload(header, bytes(16), counter & 0xFFFF, signature),
            EventKeySet(EVENT_ID, KEY_SET_ID, bytes(32)),
            a_core().ticket_id,
            1,
        )
        assert not code.shown_by(holder, counter)
