import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credentials import base45
from shared.credentials.layout import (
    CORE_BYTES,
    PREFIX,
    TEXT_LENGTH_MAX,
    Core,
    MalformedCodeError,
    SyncAge,
    TicketFlag,
    counter_at,
    parse,
)
from shared.errors import CredentialError
from shared.ids import TicketId
from tests.factories.credentials import (
    COUNTER,
    WINDOW_START_MS,
    Ed25519Holder,
    EventKeys,
    P256Holder,
    a_core,
)

EVENT = EventKeys()
R = base45.decode(EVENT.reference_code(a_core(), P256Holder()).removeprefix(PREFIX))
E = base45.decode(EVENT.self_contained_code(a_core(), P256Holder()).removeprefix(PREFIX))
S = base45.decode(EVENT.static_code(a_core()).removeprefix(PREFIX))

CORES = st.builds(
    Core,
    ticket_id=st.integers(0, 2**64 - 1).map(TicketId),
    generation=st.integers(0, 255),
    tier=st.integers(0, 255),
    zones=st.integers(0, 0xFFFF),
    flags=st.integers(0, 255).map(TicketFlag),
    not_before_units=st.integers(0, 0xFFFF),
    expires_units=st.integers(0, 0xFFFF),
    issuer_key_id=st.integers(0, 255),
)


def as_text(payload: bytes) -> str:
    return PREFIX + base45.encode(payload)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("https://example.com/ticket", id="a foreign code"),
        pytest.param("tk1:" + base45.encode(R), id="prefix in lower case"),
        pytest.param(" " + as_text(R), id="a space in front"),
        pytest.param(as_text(R) + " ", id="a space behind"),
        pytest.param(as_text(R) + "\n", id="a line end behind"),
        pytest.param(PREFIX, id="no payload"),
        pytest.param(as_text(b"\x25"), id="half a header"),
        pytest.param(as_text(R[:-1]), id="R, one byte short"),
        pytest.param(as_text(R + b"\0"), id="R, one byte long"),
        pytest.param(as_text(E[:-1]), id="E, one byte short"),
        pytest.param(as_text(S + b"\0"), id="S, one byte long"),
        pytest.param(as_text(b"\x45" + R[1:]), id="version 2"),
        pytest.param(as_text(b"\x05" + R[1:]), id="version 0"),
        pytest.param(as_text(b"\x38" + R[1:]), id="the reserved form"),
        pytest.param(as_text(b"\x34" + S[1:]), id="S with a holder algorithm"),
        pytest.param(as_text(b"\x31" + S[1:]), id="S with a sync age"),
        pytest.param(PREFIX + "0" * TEXT_LENGTH_MAX, id="longer than any code"),
    ],
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(CredentialError):
        parse(text)


@given(st.text(max_size=60) | st.text(base45.ALPHABET, max_size=300).map(PREFIX.__add__))
def test_no_text_raises_anything_but_a_credential_error(text: str) -> None:
    try:
        payload = parse(text)
    except CredentialError:
        return
    assert payload.to_text() == text


@given(CORES)
def test_every_core_is_18_bytes_that_read_back_as_itself(core: Core) -> None:
    assert len(core.to_bytes()) == CORE_BYTES
    assert Core.from_bytes(core.to_bytes()) == core


@given(st.binary(min_size=CORE_BYTES, max_size=CORE_BYTES))
def test_every_18_bytes_are_a_core_that_writes_them_again(data: bytes) -> None:
    assert Core.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("length", [0, 17, 19])
def test_a_core_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedCodeError):
        Core.from_bytes(bytes(length))


def test_a_field_wider_than_its_place_is_not_written() -> None:
    with pytest.raises(OverflowError):
        a_core(generation=256).to_bytes()


def test_validity_counts_quarters_of_an_hour_from_the_base_time() -> None:
    core = a_core(not_before_units=1, expires_units=4)
    assert core.validity_ms(1_000) == (1_000 + 900_000, 1_000 + 3_600_000)


@pytest.mark.parametrize(
    ("now_ms", "counter"),
    [
        (WINDOW_START_MS, COUNTER),
        (WINDOW_START_MS - 1, COUNTER - 1),
        (WINDOW_START_MS + 14_999, COUNTER),
        (WINDOW_START_MS + 15_000, COUNTER + 1),
    ],
)
def test_a_window_is_fifteen_seconds(now_ms: int, counter: int) -> None:
    assert counter_at(now_ms) == counter


@pytest.mark.parametrize(
    ("holder", "length"), [(P256Holder(), 199), (Ed25519Holder(), 198)], ids=["P-256", "Ed25519"]
)
def test_a_self_contained_code_has_the_length_of_its_curve(
    holder: P256Holder | Ed25519Holder, length: int
) -> None:
    text = EVENT.self_contained_code(a_core(), holder)
    assert len(base45.decode(text.removeprefix(PREFIX))) == length


@pytest.mark.parametrize(
    ("sync_age", "within"),
    [
        (SyncAge.UNKNOWN, False),
        (SyncAge.UNDER_ONE_HOUR, True),
        (SyncAge.UNDER_ONE_DAY, True),
        (SyncAge.OLDER, False),
    ],
)
def test_a_wallet_that_synced_within_a_day_corrects_its_clock(
    sync_age: SyncAge, within: bool
) -> None:
    assert sync_age.within_a_day is within
