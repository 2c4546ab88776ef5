import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from sync_server.payments.ports import Notice
from sync_server.payments.providers.airtel_secrets import (
    SIGNING_BYTES,
    SignedCallback,
    callback_hash,
    encrypted_pin,
    is_proved,
    read_callback,
    signing_headers,
)

KEY = rsa.generate_private_key(65_537, 2_048)
CALLBACK_KEY = "test-private-key"
TRANSACTION = (
    '{"id":"BBZMiscxy","message":"Paid UGX 5,000 to TECHNOLOGIES LIMITED Charge UGX 140,'
    ' Trans ID MP210603.1234.L06941.","status_code":"TS","airtel_money_id":"MP210603.1234.L06941"}'
)
HASH = "07CeNEyk3sc3h9JtXb9zsl9515EhdLZ5aYuO98yAZSo="


def public_bytes(
    encoding: Encoding, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY
) -> bytes:
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "key",
    [
        base64_text(public_bytes(Encoding.DER)),
        base64_text(public_bytes(Encoding.PEM)),
        public_bytes(Encoding.PEM).decode(),
        base64_text(base64_text(public_bytes(Encoding.DER)).encode()),
    ],
)
def test_a_pin_is_for_airtel_alone(key: str) -> None:
    hidden = encrypted_pin("4321", key)
    assert hidden is not None
    assert "4321" not in hidden
    assert KEY.decrypt(base64.b64decode(hidden), padding.PKCS1v15()) == b"4321"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "no key",
        base64_text(b"no key"),
        base64_text(public_bytes(Encoding.DER, ec.generate_private_key(ec.SECP256R1()))),
    ],
)
def test_without_a_key_of_rsa_no_pin_is_sent(key: str) -> None:
    assert encrypted_pin("4321", key) is None


BODY = (
    b'{"reference":"EVT77","subscriber":{"country":"UG","currency":"UGX","msisdn":"752604392"},'
    b'"transaction":{"amount":5000,"country":"UG","currency":"UGX","id":"PAY000123"}}'
)
SIGNATURE = (
    "rNqnd2g4rCbAGR5x7P5DZ4TdsffM6ZfID2pACr88mYt0n9XkyHfIb1A/CJunHra11VZR2yv0Zdo4C2pkvWLKrXfxo1Ae"
    "L/CnTQEvMu85w/kQTV2nt5UxT5bof8ZbQs4lA1yFCebRXE/v/lo2LQ/NQsPUdVTq3PX6Fl/f52GlS98825OWcfs1s+A/"
    "UD0tV5UCeDKRMl13UMZMKua1M3FhjWjit2nlbMZxC+nIzahDYZY="
)


def test_a_signature_is_airtels() -> None:
    randomness = bytes(range(32)) + bytes(range(16))
    headers = signing_headers(BODY, base64_text(public_bytes(Encoding.DER)), randomness)
    assert headers is not None
    assert headers["x-signature"] == SIGNATURE
    pair = KEY.decrypt(base64.b64decode(headers["x-key"]), padding.PKCS1v15())
    assert pair == b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:AAECAwQFBgcICQoLDA0ODw=="


def test_without_a_key_of_rsa_nothing_is_signed() -> None:
    assert signing_headers(BODY, "no key", bytes(SIGNING_BYTES)) is None


def test_the_hash_is_airtels() -> None:
    assert callback_hash(TRANSACTION, CALLBACK_KEY) == HASH


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'{{"transaction":{TRANSACTION},"hash":"{HASH}"}}', True),
        (f'{{"hash":"{HASH}", "transaction" : {TRANSACTION}}}', True),
        # Hashed without spaces, sent with them.
        (json.dumps({"transaction": json.loads(TRANSACTION), "hash": HASH}, indent=1), True),
        (f'{{"transaction":{TRANSACTION.replace("5,000", "9,000")},"hash":"{HASH}"}}', False),
        (f'{{"transaction":{TRANSACTION},"hash":"{HASH.lower()}"}}', False),
        (f'{{"transaction":{TRANSACTION},"hash":""}}', False),
        (f'{{"transaction":{TRANSACTION},"hash":7}}', False),
        (f'{{"transaction":{TRANSACTION}}}', False),
        # One transaction is proved, another one counts: JSON takes the last.
        (f'{{"transaction":{TRANSACTION},"transaction":{{"id":"X"}},"hash":"{HASH}"}}', False),
    ],
)
def test_a_callback_is_proved_or_not(body: str, *, expected: bool) -> None:
    callback = read_callback(body.encode())
    assert callback is not None
    assert is_proved(callback, CALLBACK_KEY) is expected


def test_hashes_over_the_text_as_it_was_sent() -> None:
    spaced = json.dumps(json.loads(TRANSACTION), indent=2)
    body = f'{{"transaction": {spaced}, "hash": "{callback_hash(spaced, CALLBACK_KEY)}"}}'
    callback = read_callback(body.encode())
    assert callback is not None
    assert is_proved(callback, CALLBACK_KEY)


@given(st.binary(max_size=200))
def test_no_body_does_harm(body: bytes) -> None:
    assert read_callback(body) is None


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.text())
def test_what_was_sent_is_found_again(transaction: dict[str, Any], key: str) -> None:
    body = json.dumps({"note": '"transaction":{', "transaction": transaction}).encode()
    assert read_callback(body) == SignedCallback(transaction, json.dumps(transaction), "")
    assert callback_hash("", key)


def test_a_notice_shows_nothing_of_a_callback() -> None:
    assert "MP210603" not in repr(Notice("POST", {}, {}, TRANSACTION.encode()))
