"""The installation's own signing key: made once, sealed in a file beside the data, opened once a
process.

Kiosks pin its fingerprint at enrolment, so losing the file means enrolling every kiosk again.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Depends, Request

from sync_server.kit.services import Services, ServicesDependency

KEY_FILE_NAME: Final = "server-signing.key"
_PURPOSE: Final = "server signing key"
_ROW_ID: Final = UUID(int=0)
_SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """The signing key and what is derived from its seed for other purposes."""

    signing_key: Ed25519PrivateKey = field(repr=False)
    token_key: Ed25519PrivateKey = field(repr=False)
    audit_key: Ed25519PrivateKey = field(repr=False)
    nonce_secret: bytes = field(repr=False)
    session_secret: bytes = field(repr=False)
    file_secret: bytes = field(repr=False)
    public_key: bytes

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.public_key).digest()

    def sign(self, message: bytes) -> bytes:
        return self.signing_key.sign(message)


def server_keys_from_seed(seed: bytes) -> ServerKeys:
    signing_key = Ed25519PrivateKey.from_private_bytes(seed)
    return ServerKeys(
        signing_key=signing_key,
        token_key=Ed25519PrivateKey.from_private_bytes(_derive(seed, b"access token")),
        audit_key=Ed25519PrivateKey.from_private_bytes(_derive(seed, b"audit block")),
        nonce_secret=_derive(seed, b"proof nonce"),
        session_secret=_derive(seed, b"scanner session"),
        file_secret=_derive(seed, b"file address"),
        public_key=signing_key.public_key().public_bytes_raw(),
    )


def open_server_keys(services: Services) -> ServerKeys:
    """Open the key file, or make it; of processes that start together the first writes it."""
    path = services.data_directory / KEY_FILE_NAME
    if not path.exists():
        seed = services.randomness(_SEED_BYTES)
        _write_once(path, services.key_sealer.seal(seed, _PURPOSE, _ROW_ID), services)
    return server_keys_from_seed(services.key_sealer.open(path.read_bytes(), _PURPOSE, _ROW_ID))


def get_server_keys(request: Request, services: ServicesDependency) -> ServerKeys:
    keys = getattr(request.app.state, "server_keys", None)
    if not isinstance(keys, ServerKeys):
        keys = open_server_keys(services)
        request.app.state.server_keys = keys
    return keys


ServerKeysDependency = Annotated[ServerKeys, Depends(get_server_keys)]


def _write_once(path: Path, content: bytes, services: Services) -> None:
    """Write beside the place and link: whoever links first wins, and nobody reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{services.new_id()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _derive(seed: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _SEED_BYTES, salt=None, info=b"zeraket/" + purpose).derive(seed)
