import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.proofs import (
    NONCE_LIFETIME_MS,
    NONCE_SKEW_MS,
    PROOF_CHARACTERS_MAX,
    ProofError,
    ProofFault,
    ProofNonceError,
    ProofStamp,
    ProvenCall,
    build_proof,
    check_proof_nonce,
    jwk_of,
    make_proof_nonce,
    thumbprint,
    verify_proof,
)
from tests.factories.admission import NOW_MS
from tests.factories.credentials import Ed25519Holder, P256Holder

DEVICE = P256Holder("device")
SECRET = bytes(range(32))
CALL = ProvenCall("POST", "https://gates.example.org/v1/scanner/scans", "token")
STAMP = ProofStamp(bytes(range(16)), NOW_MS, make_proof_nonce(SECRET, NOW_MS))


def a_proof(call: ProvenCall = CALL, stamp: ProofStamp = STAMP) -> str:
    return build_proof(call, stamp, DEVICE.key.encoded, DEVICE.sign)


def encoded(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def decoded(piece: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(urlsafe_b64decode(piece + "=="))
    return value


def signed_proof(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Sign a proof whose header or claims were changed, as a faulty kiosk would."""
    old_header, old_claims, _ = a_proof().split(".")
    signed = f"{encoded(decoded(old_header) | header)}.{encoded(decoded(old_claims) | claims)}"
    signature = urlsafe_b64encode(DEVICE.sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{signature}"


def fault_of(proof: str, call: ProvenCall = CALL) -> ProofFault:
    with pytest.raises(ProofError) as caught:
        verify_proof(proof, call, SECRET, NOW_MS)
    return caught.value.fault


@pytest.mark.parametrize("token", ["token", None])
def test_a_proof_names_the_key_that_made_the_call(token: str | None) -> None:
    call = replace(CALL, access_token=token)
    verified = verify_proof(a_proof(call), call, SECRET, NOW_MS)
    assert verified.signing_key == DEVICE.key.encoded
    assert verified.thumbprint == thumbprint(DEVICE.key.encoded)
    assert verified.jti == "AAECAwQFBgcICQoLDA0ODw"


def test_a_thumbprint_is_that_of_rfc_9449() -> None:
    # The key and thumbprint of RFC 9449 §4.1 and §6.1.
    x = urlsafe_b64decode("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs=")
    compressed = b"\x02" + x
    assert jwk_of(compressed)["y"] == "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
    assert thumbprint(compressed) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.parametrize(
    "address",
    [
        "https://gates.example.org/v1/scanner/scans?page=2",
        "https://gates.example.org/v1/scanner/scans#top",
        "https://gates.example.org:443/v1/scanner/scans",
        "HTTPS://GATES.example.org/v1/scanner/scans",
    ],
)
def test_spellings_of_one_address_are_the_same(address: str) -> None:
    proof = a_proof(replace(CALL, address=address))
    assert verify_proof(proof, CALL, SECRET, NOW_MS).signing_key == DEVICE.key.encoded


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (replace(CALL, method="GET"), ProofFault.METHOD),
        (replace(CALL, address="https://gates.example.org/v1/scanner"), ProofFault.ADDRESS),
        (replace(CALL, address="http://gates.example.org/v1/scanner/scans"), ProofFault.ADDRESS),
        (
            replace(CALL, address="https://gates.example.org:8443/v1/scanner/scans"),
            ProofFault.ADDRESS,
        ),
        (replace(CALL, access_token="another"), ProofFault.TOKEN),
        (replace(CALL, access_token=None), ProofFault.TOKEN),
    ],
)
def test_a_proof_for_another_call_is_refused(call: ProvenCall, fault: ProofFault) -> None:
    assert fault_of(a_proof(), call) is fault


def test_a_proof_without_a_token_hash_opens_nothing_that_takes_a_token() -> None:
    assert fault_of(a_proof(replace(CALL, access_token=None))) is ProofFault.TOKEN


JWK = jwk_of(DEVICE.key.encoded)


@pytest.mark.parametrize(
    ("header", "claims", "fault"),
    [
        pytest.param({"typ": "JWT"}, {}, ProofFault.ALGORITHM, id="another type"),
        pytest.param({"alg": "none"}, {}, ProofFault.ALGORITHM, id="no algorithm"),
        pytest.param({"crit": ["x"]}, {}, ProofFault.ALGORITHM, id="a critical extension"),
        pytest.param({"jwk": None}, {}, ProofFault.KEY, id="no key"),
        pytest.param({"jwk": JWK | {"d": "AA"}}, {}, ProofFault.KEY, id="a private key"),
        pytest.param({"jwk": JWK | {"crv": "P-384"}}, {}, ProofFault.KEY, id="another curve"),
        pytest.param({"jwk": JWK | {"x": "AA"}}, {}, ProofFault.KEY, id="a short coordinate"),
        pytest.param({"jwk": JWK | {"x": 7}}, {}, ProofFault.KEY, id="a number as coordinate"),
        pytest.param({"jwk": JWK | {"x": JWK["y"]}}, {}, ProofFault.KEY, id="off the curve"),
        pytest.param(
            {"jwk": jwk_of(P256Holder("thief").key.encoded)},
            {},
            ProofFault.SIGNATURE,
            id="another's key",
        ),
        pytest.param({}, {"htu": None}, ProofFault.ADDRESS, id="no address"),
        pytest.param({}, {"htu": "https://[x"}, ProofFault.ADDRESS, id="no URL"),
        pytest.param({}, {"htu": "https://a:x/"}, ProofFault.ADDRESS, id="no port"),
        pytest.param({}, {"iat": "now"}, ProofFault.MALFORMED, id="time as text"),
        pytest.param({}, {"iat": True}, ProofFault.MALFORMED, id="time as a flag"),
        pytest.param({}, {"ath": "é"}, ProofFault.TOKEN, id="a hash outside ASCII"),
        pytest.param({}, {"jti": ""}, ProofFault.MALFORMED, id="an empty id"),
        pytest.param({}, {"jti": "x" * 65}, ProofFault.MALFORMED, id="a long id"),
        pytest.param({}, {"jti": 7}, ProofFault.MALFORMED, id="a number as id"),
        pytest.param({}, {"nonce": ""}, ProofFault.NONCE, id="no nonce"),
        pytest.param({}, {"nonce": "%"}, ProofFault.NONCE, id="a nonce that is no Base64"),
    ],
)
def test_a_proof_that_proves_something_else_is_refused(
    header: dict[str, Any], claims: dict[str, Any], fault: ProofFault
) -> None:
    assert fault_of(signed_proof(header, claims)) is fault


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b", id="two pieces"),
        pytest.param("x" * PROOF_CHARACTERS_MAX + ".e30.e30", id="too long"),
        pytest.param("e30.W10.AA", id="claims that are a list"),
        pytest.param("e30.e3.AA", id="cut off"),
        pytest.param("e30.e30.AB", id="not the one spelling"),
        pytest.param("é.e30.AA", id="outside ASCII"),
        pytest.param("_w.e30.AA", id="not UTF-8"),
    ],
)
def test_what_is_no_proof_is_refused(proof: str) -> None:
    assert fault_of(proof) is ProofFault.MALFORMED


@pytest.mark.parametrize(
    ("age_ms", "fresh"),
    [
        (0, True),
        (NONCE_LIFETIME_MS, True),
        (NONCE_LIFETIME_MS + 1, False),
        (-NONCE_SKEW_MS, True),
        (-NONCE_SKEW_MS - 1, False),
    ],
)
def test_a_nonce_is_good_for_its_lifetime(age_ms: int, fresh: bool) -> None:
    try:
        check_proof_nonce(make_proof_nonce(SECRET, NOW_MS), SECRET, NOW_MS + age_ms)
    except ProofNonceError:
        assert not fresh
        return
    assert fresh


def test_a_nonce_of_another_server_is_refused() -> None:
    with pytest.raises(ProofNonceError) as caught:
        check_proof_nonce(make_proof_nonce(bytes(32), NOW_MS), SECRET, NOW_MS)
    assert caught.value.code == "use_dpop_nonce"


def test_a_first_proof_carries_no_nonce_and_is_asked_for_one() -> None:
    first = a_proof(stamp=replace(STAMP, nonce=None))
    assert fault_of(first) is ProofFault.NONCE


@given(st.text(max_size=80) | st.text("eyJ0.W1_-A", max_size=80))
def test_no_text_raises_anything_but_a_proof_error(proof: str) -> None:
    with pytest.raises(ProofError):
        verify_proof(proof, CALL, SECRET, NOW_MS)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5)))
def test_no_jwk_raises_anything_but_a_proof_error(jwk: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        verify_proof(signed_proof({"jwk": jwk}, {}), CALL, SECRET, NOW_MS)


def test_a_key_of_another_curve_is_no_device_key() -> None:
    with pytest.raises(ValueError, match=r".+"):
        jwk_of(Ed25519Holder().key.encoded)
