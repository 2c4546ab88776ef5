"""The key of the kiosk's store: in the system's keyring where it can be, else in a key file.

Reads and makes the key; never logs it and never weakens a file's permissions.
"""

import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import keyring
from keyring.errors import KeyringError

from scanner_app.store.database import KEY_BYTES
from scanner_app.store.errors import KeyFileExposedError, KeyFileUnusableError

KEY_FILE: Final = "store.key"
SERVICE: Final = "zeraket-gate"
_OWNER_ONLY: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TRUSTED_BACKENDS: Final = ("keyring.backends.Windows", "keyring.backends.macOS")
"""Those that answer without asking a person.

A desktop's secret service may wait for a password that nobody types at a gate.
"""


class SystemKeyring(Protocol):
    """What is used of a backend of the `keyring` library."""

    def get_password(self, service: str, username: str) -> str | None:
        """Give what is kept under these names; raise KeyringError."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret under these names; raise KeyringError."""
        ...


def trusted_system_keyring() -> SystemKeyring | None:
    """Give the system's keyring where it keeps secrets without asking anybody, else None."""
    backend = keyring.get_keyring()
    trusted = type(backend).__module__.startswith(_TRUSTED_BACKENDS)
    return backend if trusted else None


def load_store_key(
    directory: Path, randomness: Callable[[int], bytes], system: SystemKeyring | None = None
) -> bytes:
    """Give the store's key, made on first start; a key file that is there has precedence."""
    path = directory / KEY_FILE
    if system is None or path.exists():
        return _from_file(path, randomness)
    try:
        return _from_keyring(system, str(directory.absolute()), randomness)
    except KeyringError:
        return _from_file(path, randomness)


def _from_keyring(system: SystemKeyring, name: str, randomness: Callable[[int], bytes]) -> bytes:
    kept = system.get_password(SERVICE, name)
    if kept is None:
        key = randomness(KEY_BYTES)
        system.set_password(SERVICE, name, b64encode(key).decode("ascii"))
        return key
    try:
        return _checked(b64decode(kept, validate=True), "the system's keyring")
    except Base64Error as error:
        message = "the system's keyring holds something else under this kiosk's name"
        raise KeyFileUnusableError(message) from error


def _from_file(path: Path, randomness: Callable[[int], bytes]) -> bytes:
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        message = f"the key file {path.name} cannot be read ({error.strerror})"
        raise KeyFileUnusableError(message) from error
    try:
        return _make(path, randomness(KEY_BYTES))
    except OSError as error:
        message = f"the key file {path.name} cannot be made ({error.strerror})"
        raise KeyFileUnusableError(message) from error


def _read(path: Path) -> bytes:
    # Not following a link, and checking the open file: nothing can be exchanged in between.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _check_owner_only(os.fstat(descriptor), path)
        return _checked(file.read(KEY_BYTES + 1), f"the key file {path.name}")


def _check_owner_only(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid():
        message = (
            f"the key file {path.name} belongs to another user: "
            f"run `chown {os.geteuid()} {path.name}` in the kiosk's folder"
        )
        raise KeyFileExposedError(message)
    if status.st_mode & _OTHERS:
        message = (
            f"the key file {path.name} can be read by others: "
            f"run `chmod 600 {path.name}` in the kiosk's folder"
        )
        raise KeyFileExposedError(message)


def _checked(key: bytes, source: str) -> bytes:
    if len(key) != KEY_BYTES:
        message = f"{source} does not hold a key of {KEY_BYTES} bytes: restore it from a copy"
        raise KeyFileUnusableError(message)
    return key


def _make(path: Path, key: bytes) -> bytes:
    """Put a key on disk, whole and durable, before anything is encrypted with it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A link refuses to replace a key that another start has made meanwhile.
    unfinished = _write_beside(path, key)
    os.link(unfinished, path)
    unfinished.unlink()
    sync_folder(path.parent)
    return key


def write_durably(path: Path, data: bytes) -> None:
    """Put a small file of the owner's on disk, whole or not at all."""
    _write_beside(path, data).replace(path)
    sync_folder(path.parent)


def _write_beside(path: Path, data: bytes) -> Path:
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(unfinished, flags, _OWNER_ONLY), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return unfinished


def sync_folder(folder: Path) -> None:
    """Put a folder's list of names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
