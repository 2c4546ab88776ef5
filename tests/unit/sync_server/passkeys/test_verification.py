"""What a stranger sends is refused in one way, whatever it is made of."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor

from sync_server.passkeys.errors import PasskeyRefusedError
from sync_server.passkeys.rules import RelyingParty
from sync_server.passkeys.schemas import AssertionCredentialJson, RegistrationCredentialJson
from sync_server.passkeys.verification import (
    Asked,
    Asserted,
    KnownKey,
    verify_assertion,
    verify_registration,
)
from tests.factories.authenticators import (
    Authenticator,
    Json,
    Manner,
    decode,
    encode,
    new_passkey,
)

ORIGIN = "https://gate.example.org"
CHALLENGE = bytes(range(32))
ASKED = Asked(RelyingParty("gate.example.org", ORIGIN), hashlib.sha256(CHALLENGE).digest())
OPTIONS: Json = {
    "challenge": encode(CHALLENGE),
    "rp": {"id": "gate.example.org"},
    "rpId": "gate.example.org",
    "user": {"id": encode(bytes(16))},
}


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey, and both things it can show."""

    known: KnownKey
    registration: Json
    assertion: Json


@cache
def made() -> Made:
    authenticator = Authenticator(ORIGIN)
    registration = authenticator.create(OPTIONS, Manner(attestation="packed"))
    known = KnownKey(authenticator.passkeys[0].public_key, may_be_synced=False)
    return Made(known, registration, authenticator.get(OPTIONS))


def _assert(credential: Json) -> Asserted:
    return verify_assertion(ASKED, made().known, AssertionCredentialJson.model_validate(credential))


def _register(credential: Json) -> object:
    return verify_registration(ASKED, RegistrationCredentialJson.model_validate(credential))


def _with(credential: Json, **members: str) -> Json:
    return {**credential, "response": {**credential["response"], **members}}


def test_what_was_not_touched_is_accepted() -> None:
    assert _assert(made().assertion) == Asserted(sign_count=0, is_synced=False)
    assert _register(made().registration)


@pytest.mark.parametrize("member", ["authenticatorData", "clientDataJSON", "signature"])
@given(data=st.data())
def test_no_bit_of_an_assertion_can_be_changed(member: str, data: st.DataObject) -> None:
    spoilt = _spoilt(data, made().assertion["response"][member])
    with pytest.raises(PasskeyRefusedError):
        _assert(_with(made().assertion, **{member: spoilt}))


@pytest.mark.parametrize("member", ["attestationObject", "clientDataJSON"])
@given(data=st.data())
def test_no_bit_of_a_signed_registration_can_be_changed(member: str, data: st.DataObject) -> None:
    spoilt = _spoilt(data, made().registration["response"][member])
    with pytest.raises(PasskeyRefusedError):
        _register(_with(made().registration, **{member: spoilt}))


def _spoilt(data: st.DataObject, text: str) -> str:
    value = bytearray(decode(text))
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    value[bit // 8] ^= 1 << bit % 8
    return encode(bytes(value))


@given(data=st.data(), member=st.sampled_from(["authenticatorData", "clientDataJSON", "signature"]))
def test_an_assertion_of_anything_is_refused(data: st.DataObject, member: str) -> None:
    anything = encode(data.draw(st.binary(min_size=1, max_size=300)))
    with pytest.raises(PasskeyRefusedError):
        _assert(_with(made().assertion, **{member: anything}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("webauthn.get") | JSON,
            "challenge": st.just(encode(CHALLENGE)) | JSON,
            "origin": st.just(ORIGIN) | JSON,
            "crossOrigin": JSON,
            "tokenBinding": JSON,
        },
    )
)
def test_client_data_of_any_shape_is_refused(said: dict[str, Any]) -> None:
    raw = encode(json.dumps(said).encode())
    with pytest.raises(PasskeyRefusedError):
        _assert(_with(made().assertion, clientDataJSON=raw))


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(-5, 5) | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(CBOR)
def test_an_attestation_of_any_shape_is_refused(value: object) -> None:
    shapes = [value, {"fmt": "none", "attStmt": value, "authData": value}, {"fmt": value}]
    for shape in shapes:
        raw = encode(encode_cbor(shape))
        with pytest.raises(PasskeyRefusedError):
            _register(_with(made().registration, attestationObject=raw))


@given(st.dictionaries(st.sampled_from([1, 3, -1, -2, -3, -70]), CBOR, min_size=1))
def test_a_key_of_any_shape_is_refused_or_verifies(said: dict[int, Any]) -> None:
    passkey = replace(new_passkey(bytes(16)), said_of_key=said)
    manner = Manner(attestation="packed")
    credential = Authenticator(ORIGIN).attest(passkey, OPTIONS, manner)
    assert _judged(_register, credential) in {"accepted", "PasskeyRefusedError"}


def _judged(verify: Callable[[Json], object], credential: Json) -> str:
    try:
        verify(credential)
    except PasskeyRefusedError as refused:
        return type(refused).__name__
    return "accepted"
