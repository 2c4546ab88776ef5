"""Private keys at rest: AES-SIV under the master key, bound to the row they belong to."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MASTER_KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_FORMAT: Final = b"\x01"
_LABEL: Final = b"zeraket/seal"
DEVELOPMENT_MARK: Final = "# made for development; production refuses it"


class MasterKeyError(Exception):
    """The master key is missing, misshapen or readable by others; the message says what to do."""


class SealBrokenError(Exception):
    """A sealed value was changed, belongs to another row, or was sealed under a key we no longer
    have.
    """


@dataclass(frozen=True, slots=True)
class MasterKey:
    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(b"zeraket/master-key-id\0" + self.secret).digest()[:_KEY_ID_BYTES]

    def cipher(self) -> AESSIV:
        return AESSIV(HKDF(SHA256(), 64, salt=None, info=_LABEL).derive(self.secret))


class KeySealer:
    """Seals with the first master key and opens with any of them, so that keys can be replaced in
    turn.
    """

    def __init__(self, master_keys: Sequence[MasterKey]) -> None:
        if not master_keys:
            message = "a sealer needs a master key"
            raise ValueError(message)
        self._current = master_keys[0]
        self._ciphers = {key.key_id: key.cipher() for key in master_keys}

    def seal(self, secret: bytes, purpose: str, row_id: UUID) -> bytes:
        """Layout: format 1 ‖ key id 4 ‖ AES-SIV(secret), associated with format, key id, purpose
        and row.
        """
        key_id = self._current.key_id
        sealed = self._ciphers[key_id].encrypt(secret, _associated(key_id, purpose, row_id))
        return _FORMAT + key_id + sealed

    def open(self, sealed: bytes, purpose: str, row_id: UUID) -> bytes:
        """Undo `seal`, else raise SealBrokenError."""
        key_id, body = sealed[1 : 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        cipher = self._ciphers.get(key_id)
        if sealed[:1] != _FORMAT or cipher is None:
            message = "sealed in an unknown format or under an unknown master key"
            raise SealBrokenError(message)
        try:
            return cipher.decrypt(body, _associated(key_id, purpose, row_id))
        except (InvalidTag, ValueError) as error:
            message = f"the sealed {purpose} does not open"
            raise SealBrokenError(message) from error


def _associated(key_id: bytes, purpose: str, row_id: UUID) -> list[bytes]:
    return [_FORMAT + key_id, purpose.encode(), row_id.bytes]


def parse_master_key(text: str) -> MasterKey:
    """Read 64 hexadecimal digits, else raise MasterKeyError without repeating them."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError as error:
        message = (
            "a master key is written in hexadecimal digits; make one with `openssl rand -hex 32`"
        )
        raise MasterKeyError(message) from error
    if len(secret) != MASTER_KEY_BYTES or len(set(secret)) < MASTER_KEY_BYTES // 4:
        message = (
            "a master key is 64 random hexadecimal digits; make one with `openssl rand -hex 32`"
        )
        raise MasterKeyError(message)
    return MasterKey(secret)


def read_key_file(path: Path, *, production: bool) -> tuple[MasterKey, ...]:
    """Read one key a line, the sealing one first; raise MasterKeyError where the file cannot be
    trusted.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read as a key file"
        raise MasterKeyError(message) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"{path} can be read by others; run `chmod 600 {path}`"
        raise MasterKeyError(message)
    if production and DEVELOPMENT_MARK in lines:
        message = (
            f"{path} was generated for development; make a new one with `openssl rand -hex 32`"
        )
        raise MasterKeyError(message)
    keys = [line for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        message = f"{path} holds no key"
        raise MasterKeyError(message)
    return tuple(parse_master_key(line) for line in keys)


def write_development_key(path: Path, randomness: bytes) -> None:
    """Make a key file for the owner alone, unless one is already there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{DEVELOPMENT_MARK}\n{randomness.hex()}\n")
