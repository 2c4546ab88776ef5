"""Event key sets and public keys: deriving, encrypting and checking signatures. Holds no clock."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.credentials.layout import Header, HolderAlgorithm
from shared.errors import CredentialError
from shared.ids import TicketId

EVENT_KEY_BYTES: Final = 32
_REFERENCE_PADDING: Final = bytes(7)
_P256_SIGNATURE: Final = ec.ECDSA(hashes.SHA256())
_P256_SCALAR_BYTES: Final = 32


class UnusableKeyError(CredentialError):
    """Bytes that are no key of the kind they stand for."""

    code = "unusable_key"


@dataclass(frozen=True)
class EventKeySet:
    """One generation of an event's secret key: it hides tickets, it cannot mint them."""

    event_id: UUID
    key_set_id: int
    event_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key of the wrong length before it derives anything."""
        if len(self.event_key) != EVENT_KEY_BYTES:
            message = f"an event key is {EVENT_KEY_BYTES} bytes"
            raise UnusableKeyError(message)

    @cached_property
    def reference_key(self) -> bytes:
        """K_ref: AES-256 key of references."""
        return self._derive(b"tkt1/ref", 32)

    @cached_property
    def payload_key(self) -> bytes:
        """K_pay: AES-SIV-256 key pair of credentials."""
        return self._derive(b"tkt1/pay", 64)

    def seal_reference(self, ticket_id: TicketId, generation: int) -> bytes:
        """Encrypt a ticket's id and generation into the 16 bytes that R codes carry."""
        block = ticket_id.to_bytes(8, "big") + bytes((generation,)) + _REFERENCE_PADDING
        return self._reference_cipher.encryptor().update(block)

    def open_reference(self, reference: bytes) -> tuple[TicketId, int] | None:
        """Decrypt a reference, or say None when its seven zero bytes show that it is not ours."""
        block = self._reference_cipher.decryptor().update(reference)
        if block[9:] != _REFERENCE_PADDING:
            return None
        return TicketId(int.from_bytes(block[:8], "big")), block[8]

    def seal_credential(self, header: Header, plaintext: bytes) -> bytes:
        """Encrypt a credential (AES-SIV, RFC 5297) bound to this event and the header."""
        return self._payload_cipher.encrypt(plaintext, self._associated_data(header))

    def open_credential(self, header: Header, ciphertext: bytes) -> bytes | None:
        """Decrypt a credential; None when it was not sealed under this key for this header."""
        try:
            return self._payload_cipher.decrypt(ciphertext, self._associated_data(header))
        except InvalidTag:
            return None

    @cached_property
    def _reference_cipher(self) -> Cipher[modes.ECB]:
        # One block, no chaining: the reference is a pseudonym made by a keyed permutation.
        return Cipher(algorithms.AES256(self.reference_key), modes.ECB())  # noqa: S305

    @cached_property
    def _payload_cipher(self) -> AESSIV:
        return AESSIV(self.payload_key)

    def _associated_data(self, header: Header) -> list[bytes]:
        return [b"tkt1/enc", self.event_id.bytes, header.issuer_bytes()]

    def _derive(self, purpose: bytes, length: int) -> bytes:
        derivation = HKDF(
            algorithm=hashes.SHA256(), length=length, salt=self.event_id.bytes, info=purpose
        )
        return derivation.derive(self.event_key)


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A holder's public key as codes carry it: raw Ed25519 or a compressed P-256 point."""

    algorithm: HolderAlgorithm
    encoded: bytes

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Say whether this holder signed the message; a key that is no point signed nothing."""
        try:
            self._verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _verify(self, signature: bytes, message: bytes) -> None:
        if self.algorithm is HolderAlgorithm.ED25519:
            ed25519.Ed25519PublicKey.from_public_bytes(self.encoded).verify(signature, message)
            return
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.encoded)
        point.verify(p256_signature_to_der(signature), message, _P256_SIGNATURE)


def verifies_ed25519(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether the owner of a raw Ed25519 public key signed the message."""
    return HolderKey(HolderAlgorithm.ED25519, public_key).verifies(signature, message)


def p256_signature_to_der(signature: bytes) -> bytes:
    """Turn raw r‖s (WebCrypto's form, IEEE P1363) into the DER that `cryptography` wants."""
    if len(signature) != 2 * _P256_SCALAR_BYTES:
        message = "a raw P-256 signature is 64 bytes"
        raise ValueError(message)
    r = int.from_bytes(signature[:_P256_SCALAR_BYTES], "big")
    s = int.from_bytes(signature[_P256_SCALAR_BYTES:], "big")
    return encode_dss_signature(r, s)


def check_holder_key(key: HolderKey) -> None:
    """Raise UnusableKeyError unless the bytes are a public key of their algorithm."""
    try:
        if key.algorithm is HolderAlgorithm.ED25519:
            ed25519.Ed25519PublicKey.from_public_bytes(key.encoded)
        elif len(key.encoded) != HolderAlgorithm.P256.public_key_bytes:
            message = "a P-256 holder key is a compressed point of 33 bytes"
            raise UnusableKeyError(message)
        else:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.encoded)
    except ValueError as error:
        message = "these bytes are not a public key of the stated algorithm"
        raise UnusableKeyError(message) from error
