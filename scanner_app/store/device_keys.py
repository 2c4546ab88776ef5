"""The kiosk's two P-256 key pairs, kept in the encrypted replica; private keys never leave it."""

from typing import Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from scanner_app.gate.enrolment import UnsealError
from scanner_app.store.database import Database

_SIGNING: Final = "signing"
_SEALING: Final = "sealing"
_SCALAR_BYTES: Final = 32
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class StoredDeviceKeys:
    """Implements DeviceKeys; the keys are made on first use of the store and stay for ever."""

    def __init__(self, replica: Database) -> None:
        with replica.transaction():
            self._signing = _load_or_make(replica, _SIGNING)
            self._sealing = _load_or_make(replica, _SEALING)

    @property
    def signing_public(self) -> bytes:
        """Compressed point; identifies the device."""
        return _compressed(self._signing)

    @property
    def sealing_public(self) -> bytes:
        """Compressed point; the server wraps snapshot keys to it."""
        return _compressed(self._sealing)

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 SHA-256, raw r‖s."""
        r, s = decode_dss_signature(self._signing.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        """Open what was sealed to this device for this purpose; raise UnsealError."""
        try:
            return _SUITE.decrypt(sealed, self._sealing, info=info)
        except (InvalidTag, ValueError) as error:
            message = "this was not sealed for this kiosk: ask the server for it again"
            raise UnsealError(message) from error


def _load_or_make(replica: Database, purpose: str) -> ec.EllipticCurvePrivateKey:
    row = replica.one("SELECT private_key FROM device_keys WHERE purpose = ?", (purpose,))
    if row is not None:
        return cast("ec.EllipticCurvePrivateKey", load_der_private_key(row[0], None))
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    replica.run("INSERT INTO device_keys VALUES (?, ?)", (purpose, encoded))
    return key


def _compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
