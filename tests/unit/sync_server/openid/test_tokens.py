"""Keys and headers as they come from outside; whole tokens are tried against the sandbox."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sync_server.openid.errors import OpenidAddressUnverifiedError, OpenidTokenRefusedError
from sync_server.openid.tokens import (
    LEEWAY_SECONDS,
    Expected,
    Header,
    read_header,
    read_id_token,
    read_key_set,
)

NOW = 1_795_600_000
BEGAN = NOW - 30
EXPECTED = Expected("https://issuer.example", "client", "nonce", "access", BEGAN)
HONEST: dict[str, Any] = {
    "iss": "https://issuer.example",
    "aud": "client",
    "sub": "1",
    "nonce": "nonce",
    "iat": NOW,
    "exp": NOW + 60,
    "email": "Grace@Gmail.com",
    "email_verified": True,
}


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(parameters={"kid": "one", "use": "sig", "alg": "RS256"})


@pytest.fixture(scope="module")
def elliptic() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "two"})


def published(key: RSAKey | ECKey | OKPKey, **changed: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), **changed}


def signed(key: ECKey, **changed: object) -> str:
    told = {name: value for name, value in {**HONEST, **changed}.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "two"}, told, key, ["ES256"])


def header_of(values: object) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=") + ".e30.AA"


def test_a_key_is_found_by_algorithm_and_id(rsa: RSAKey, elliptic: ECKey) -> None:
    keys = read_key_set({"keys": [published(rsa), published(elliptic)]})
    found = [
        keys.find(Header(algorithm, key_id))
        for algorithm, key_id in [
            ("RS256", "one"),
            ("ES256", "two"),
            ("RS256", "two"),
            ("ES256", "one"),
            ("RS256", "three"),
            ("HS256", "one"),
        ]
    ]
    assert [key and key.kid for key in found] == ["one", "two", None, None, None, None]


def test_without_an_id_there_must_be_no_choice(rsa: RSAKey) -> None:
    second = RSAKey.generate_key(parameters={"kid": "other"})
    one, two = ([published(rsa)], [published(rsa), published(second)])
    found = [read_key_set({"keys": keys}).find(Header("RS256", None)) for keys in (one, two)]
    assert [key and key.kid for key in found] == ["one", None]


@pytest.mark.parametrize(
    "changed",
    [{"use": "enc"}, {"alg": "RS512"}, {"alg": "RSA-OAEP"}, {"kty": "oct"}, {"kty": "unheard"}],
)
def test_a_key_for_something_else_is_left_out(rsa: RSAKey, changed: dict[str, str]) -> None:
    keys = read_key_set({"keys": [published(rsa, **changed)]})
    assert keys.find(Header("RS256", "one")) is None


def test_short_keys_and_other_curves_are_left_out(rsa: RSAKey) -> None:
    short = {**published(rsa), "n": urlsafe_b64encode(b"\xff" * 128).decode().rstrip("=")}
    curve = published(ECKey.generate_key("P-384", {"kid": "one"}))
    edwards = published(OKPKey.generate_key("Ed25519", {"kid": "one"}))
    keys = read_key_set({"keys": [short, curve, edwards]})
    assert [keys.find(Header(name, "one")) for name in ("RS256", "ES256")] == [None, None]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": None},
        {"keys": [1]},
        {"keys": [{}]},
        {"keys": [{"kty": "RSA"}]},
        {"keys": [{"kty": "RSA", "n": 1, "e": "AQAB"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
    ],
)
def test_what_is_no_key_set_is_a_value_error(document: object) -> None:
    with pytest.raises(ValueError, match="key set"):
        read_key_set(document)


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("", "id_token"),
        ("a.b", "id_token"),
        ("a.b.c", "id_token"),
        ("é.é.é", "id_token"),
        (header_of([]), "id_token"),
        (header_of(["alg"]), "id_token"),
        (header_of({}), "id_token"),
        (header_of({"alg": "none"}), "alg"),
        (header_of({"alg": "HS256"}), "alg"),
        (header_of({"alg": "PS256"}), "alg"),
        (header_of({"alg": ["RS256"]}), "alg"),
        (header_of({"alg": "RS256", "kid": 1}), "kid"),
        (header_of({"alg": "RS256", "x5c": "x" * 1_000}), "id_token"),
    ],
)
def test_a_header_that_chooses_no_key_is_refused(text: str, at_fault: str) -> None:
    with pytest.raises(OpenidTokenRefusedError) as refused:
        read_header(text)
    assert refused.value.at_fault == at_fault


def test_an_honest_token_says_who_somebody_is(elliptic: ECKey) -> None:
    text = signed(elliptic, name="Grace", hd="nile.example")
    person = read_id_token(text, elliptic, EXPECTED, NOW)
    assert (person.subject, person.address) == ("1", "grace@gmail.com")
    assert (person.name, person.hosted_domain) == ("Grace", "nile.example")


@pytest.mark.parametrize(
    ("changed", "at_fault"),
    [
        ({"iss": "https://issuer.example/"}, "iss"),
        ({"iss": ["https://issuer.example"]}, "iss"),
        ({"aud": []}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": ["client", "client"]}, "aud"),
        ({"azp": "other"}, "azp"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "1" * 256}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": str(NOW + 60)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": NOW - LEEWAY_SECONDS}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": NOW + LEEWAY_SECONDS + 1}, "iat"),
        ({"iat": BEGAN - LEEWAY_SECONDS - 1}, "iat"),
        ({"nbf": NOW + LEEWAY_SECONDS + 1}, "nbf"),
        ({"nonce": "Nonce"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"at_hash": "AA"}, "at_hash"),
        ({"at_hash": {"a": 1}}, "at_hash"),
        ({"email": "not an address"}, "email"),
        ({"email": 1}, "email"),
    ],
)
def test_a_claim_that_is_wrong_is_named(
    elliptic: ECKey, changed: dict[str, Any], at_fault: str
) -> None:
    with pytest.raises(OpenidTokenRefusedError) as refused:
        read_id_token(signed(elliptic, **changed), elliptic, EXPECTED, NOW)
    assert refused.value.at_fault == at_fault


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": NOW - LEEWAY_SECONDS + 1},
        {"iat": NOW + LEEWAY_SECONDS},
        {"iat": BEGAN - LEEWAY_SECONDS},
        {"aud": ["client"]},
        {"azp": "client"},
        {"name": 7, "hd": 7},
    ],
)
def test_what_is_within_bounds_is_taken(elliptic: ECKey, changed: dict[str, Any]) -> None:
    person = read_id_token(signed(elliptic, **changed), elliptic, EXPECTED, NOW)
    assert (person.subject, person.name, person.hosted_domain) == ("1", "", None)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_counts_when_it_is_verified(elliptic: ECKey, verified: object) -> None:
    with pytest.raises(OpenidAddressUnverifiedError):
        read_id_token(signed(elliptic, email_verified=verified), elliptic, EXPECTED, NOW)


def test_a_signature_of_another_key_is_none(elliptic: ECKey) -> None:
    other = ECKey.generate_key("P-256", {"kid": "two"})
    with pytest.raises(OpenidTokenRefusedError) as refused:
        read_id_token(signed(other), elliptic, EXPECTED, NOW)
    assert refused.value.at_fault == "signature"


def test_a_key_of_another_kind_checks_nothing(rsa: RSAKey, elliptic: ECKey) -> None:
    with pytest.raises(OpenidTokenRefusedError):
        read_id_token(signed(elliptic), rsa, EXPECTED, NOW)


def test_a_header_that_must_be_understood_is(elliptic: ECKey) -> None:
    text = signed(elliptic)
    critical = {"alg": "ES256", "kid": "two", "crit": ["future"], "future": 1}
    forged = header_of(critical).split(".")[0] + "." + text.partition(".")[2]
    with pytest.raises(OpenidTokenRefusedError):
        read_id_token(forged, elliptic, EXPECTED, NOW)
