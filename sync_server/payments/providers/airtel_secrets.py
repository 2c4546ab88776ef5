"""What Airtel wants proved or hidden: the PIN of disbursements, encrypted for its public key; the
signature of a body, where an account signs; and the keyed hash that a callback may carry.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

_PEM: Final = b"-----BEGIN"
_LAYERS_MAX: Final = 3
SIGNING_BYTES: Final = 48
"""A key of AES-256 and its initial vector."""
_KEY_BYTES: Final = 32
_TRANSACTION: Final = re.compile(r'"transaction"\s*:\s*(?=\{)')


def encrypted_pin(pin: str, key_text: str) -> str | None:
    """Encrypt the PIN for Airtel; None where the key is none of RSA's."""
    return _encrypted(pin.encode(), key_text)


def signing_headers(body: bytes, key_text: str, randomness: bytes) -> dict[str, str] | None:
    """Sign exactly these bytes: encrypted under a key of their own, which goes along encrypted for
    Airtel. None where its key is none of RSA's.
    """
    key, vector = randomness[:_KEY_BYTES], randomness[_KEY_BYTES:]
    pair = b":".join(map(base64.b64encode, (key, vector)))
    hidden = _encrypted(pair, key_text)
    if hidden is None:
        return None
    padder = PKCS7(AES.block_size).padder()
    padded = padder.update(body) + padder.finalize()
    encryptor = Cipher(AES(key), CBC(vector)).encryptor()
    signature = encryptor.update(padded) + encryptor.finalize()
    return {"x-signature": base64.b64encode(signature).decode(), "x-key": hidden}


def _encrypted(content: bytes, key_text: str) -> str | None:
    """By RSA with PKCS #1 v1.5, as Airtel has it."""
    key = _public_key(key_text)
    if key is None:
        return None
    return base64.b64encode(key.encrypt(content, padding.PKCS1v15())).decode()


def _public_key(text: str) -> rsa.RSAPublicKey | None:
    """Portals hand a key out as DER or PEM, in base64 once or twice."""
    content = text.strip().encode()
    for _ in range(_LAYERS_MAX):
        try:
            is_pem = content.startswith(_PEM)
            key = load_pem_public_key(content) if is_pem else load_der_public_key(content)
        except ValueError:
            content = _decoded(content)
        else:
            return key if isinstance(key, rsa.RSAPublicKey) else None
    return None


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return b""


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """A callback's transaction, the text it was sent as, and the hash that came with it."""

    transaction: dict[str, Any]
    as_sent: str = field(repr=False)
    given_hash: str = field(repr=False)


def read_callback(body: bytes) -> SignedCallback | None:
    """Take a callback apart; None where it is none."""
    try:
        text = body.decode()
        document = json.loads(text)
    except ValueError:
        return None
    transaction = document.get("transaction") if isinstance(document, dict) else None
    if not isinstance(transaction, dict):
        return None
    given = document.get("hash")
    return SignedCallback(
        transaction, _text_of(text, transaction), given if isinstance(given, str) else ""
    )


def is_proved(callback: SignedCallback, key: str) -> bool:
    """Compare in constant time. Nobody says which form of the transaction is hashed: the bytes as
    they came, or the same written without spaces.
    """
    compact = json.dumps(callback.transaction, separators=(",", ":"), ensure_ascii=False)
    given = callback.given_hash.encode()
    as_sent, rewritten = (
        hmac.compare_digest(callback_hash(text, key).encode(), given)
        for text in (callback.as_sent, compact)
    )
    return as_sent or rewritten


def callback_hash(text: str, key: str) -> str:
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _text_of(text: str, transaction: dict[str, Any]) -> str:
    """Cut the transaction out of the body, as it was sent."""
    decoder = json.JSONDecoder()
    for place in _TRANSACTION.finditer(text):
        found, end = decoder.raw_decode(text, place.end())
        if found == transaction:
            return text[place.end() : end]
    return ""
