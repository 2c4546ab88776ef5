"""An authenticator in software: makes passkeys and signs with them as a phone would, or as a cheat.

It gives what `PublicKeyCredential.toJSON()` gives. Layouts: WebAuthn level 3, §6.1 and §6.5.4.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from secrets import token_bytes
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

AAGUID: Final = bytes(16)
Json = dict[str, Any]


class Flags(IntFlag):
    """The byte in which an authenticator says what it did (§6.1)."""

    USER_PRESENT = 1
    USER_VERIFIED = 4
    MAY_BE_SYNCED = 8
    IS_SYNCED = 16
    ATTESTED = 64


class Algorithm(IntEnum):
    """COSE's names of what a key signs with; the last is one that nobody asks for."""

    ES256 = -7
    EDDSA = -8
    RS256 = -257
    ES512 = -36


@dataclass(frozen=True, slots=True)
class Manner:
    """How a ceremony is gone through; what is None is as it was asked."""

    origin: str | None = None
    party: str | None = None
    challenge: bytes | None = None
    ceremony: str | None = None
    flags: Flags = Flags.USER_PRESENT | Flags.USER_VERIFIED
    sign_count: int = 0
    framed: Mapping[str, object] = field(default_factory=lambda: {"crossOrigin": False})
    attestation: str = "none"


HONEST: Final = Manner()
SYNCED: Final = HONEST.flags | Flags.MAY_BE_SYNCED | Flags.IS_SYNCED
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Passkey:
    """One key pair and whose it is."""

    credential_id: bytes
    algorithm: Algorithm
    key: PrivateKey = field(repr=False)
    user_handle: bytes
    said_of_key: Mapping[int, bytes] = field(default_factory=dict)
    """What its COSE key says beside, or instead of, the truth."""

    def sign(self, message: bytes) -> bytes:
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(message, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(message)
            case rsa.RSAPrivateKey():
                return self.key.sign(message, padding.PKCS1v15(), SHA256())

    @property
    def public_key(self) -> bytes:
        """The COSE key (RFC 9053 §7, RFC 8230 §4)."""
        numbers = {**_public_numbers(self.key), 3: int(self.algorithm)}
        return encode_cbor({**numbers, **self.said_of_key})


@dataclass(slots=True)
class Authenticator:
    """A device that shows the pages of one origin, and the passkeys on it."""

    origin: str
    algorithm: Algorithm = Algorithm.ES256
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: Json, manner: Manner = HONEST) -> Json:
        """Make a passkey, as navigator.credentials.create() does."""
        handle = decode(options["user"]["id"])
        passkey = new_passkey(handle, self.algorithm)
        self.passkeys.append(passkey)
        return self.attest(passkey, options, manner)

    def attest(self, passkey: Passkey, options: Json, manner: Manner = HONEST) -> Json:
        """Say of a passkey that it was made now."""
        client_data = self._client_data("webauthn.create", options, manner)
        data = _authenticator_data(options["rp"]["id"], manner, passkey)
        signature = passkey.sign(data + hashlib.sha256(client_data).digest())
        statements: dict[str, Json] = {
            "none": {},
            "packed": {"alg": int(passkey.algorithm), "sig": signature},
            "packed by a maker": {"alg": -7, "sig": signature, "x5c": [b"certificate"]},
        }
        attestation = {
            "fmt": manner.attestation.partition(" ")[0],
            "attStmt": statements.get(manner.attestation, {}),
            "authData": data,
        }
        response = {
            "clientDataJSON": encode(client_data),
            "attestationObject": encode(encode_cbor(attestation)),
            "transports": ["internal", "hybrid", "telepathy"],
        }
        return _credential(passkey, response)

    def get(self, options: Json, manner: Manner = HONEST) -> Json:
        """Sign with the newest passkey, as navigator.credentials.get() does."""
        return self.assert_with(self.passkeys[-1], options, manner)

    def assert_with(self, passkey: Passkey, options: Json, manner: Manner = HONEST) -> Json:
        client_data = self._client_data("webauthn.get", options, manner)
        data = _authenticator_data(options["rpId"], manner)
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(passkey.sign(data + hashlib.sha256(client_data).digest())),
            "userHandle": encode(passkey.user_handle),
        }
        return _credential(passkey, response)

    def _client_data(self, ceremony: str, options: Json, manner: Manner) -> bytes:
        challenge = options["challenge"] if manner.challenge is None else encode(manner.challenge)
        said = {
            "type": manner.ceremony or ceremony,
            "challenge": challenge,
            "origin": manner.origin or self.origin,
            **manner.framed,
        }
        return json.dumps(said, separators=(",", ":")).encode()


def new_passkey(user_handle: bytes, algorithm: Algorithm = Algorithm.ES256) -> Passkey:
    return Passkey(token_bytes(32), algorithm, _new_key(algorithm), user_handle)


def _new_key(algorithm: Algorithm) -> PrivateKey:
    match algorithm:
        case Algorithm.EDDSA:
            return ed25519.Ed25519PrivateKey.generate()
        case Algorithm.RS256:
            return rsa.generate_private_key(65537, 2048)
        case Algorithm.ES256 | Algorithm.ES512:
            return ec.generate_private_key(ec.SECP256R1())


def encode(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def flipped(text: str) -> str:
    """Base64url of the same bytes but for the lowest bit of the last."""
    value = decode(text)
    return encode(value[:-1] + bytes([value[-1] ^ 1]))


def _authenticator_data(party: str, manner: Manner, made: Passkey | None = None) -> bytes:
    flags = manner.flags if made is None else manner.flags | Flags.ATTESTED
    head = hashlib.sha256((manner.party or party).encode()).digest() + bytes([flags])
    data = head + manner.sign_count.to_bytes(4, "big")
    if made is None:
        return data
    length = len(made.credential_id).to_bytes(2, "big")
    return data + AAGUID + length + made.credential_id + made.public_key


def _credential(passkey: Passkey, response: Json) -> Json:
    written = encode(passkey.credential_id)
    return {
        "id": written,
        "rawId": written,
        "type": "public-key",
        "response": response,
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
    }


def _public_numbers(key: PrivateKey) -> dict[int, int | bytes]:
    match key:
        case ec.EllipticCurvePrivateKey():
            point = key.public_key().public_numbers()
            size = (key.curve.key_size + 7) // 8
            curve = {"secp256r1": 1, "secp384r1": 2}[key.curve.name]
            x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
            return {1: 2, -1: curve, -2: x, -3: y}
        case ed25519.Ed25519PrivateKey():
            return {1: 1, -1: 6, -2: key.public_key().public_bytes_raw()}
        case rsa.RSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return {1: 3, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
