import os
import stat
from pathlib import Path

import pytest
from keyring.errors import KeyringError

from scanner_app.gate.kiosk import Fault
from scanner_app.store.errors import KeyFileExposedError, KeyFileUnusableError, fault_of
from scanner_app.store.keyring import KEY_FILE, load_store_key, trusted_system_keyring


class MemoryKeyring:
    """A system's keyring that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


class LockedKeyring(MemoryKeyring):
    """A system's keyring that nobody has unlocked."""

    def get_password(self, service: str, username: str) -> str | None:
        message = f"{service} of {username} is locked"
        raise KeyringError(message)


def test_the_first_start_makes_a_key_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    key = load_store_key(tmp_path / "store", os.urandom)
    status = (tmp_path / "store" / KEY_FILE).stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert len(key) == 32
    assert [path.name for path in (tmp_path / "store").iterdir()] == [KEY_FILE]


def test_later_starts_find_the_same_key(tmp_path: Path) -> None:
    first = load_store_key(tmp_path, os.urandom)
    assert load_store_key(tmp_path, os.urandom) == first


def test_a_start_cut_off_while_making_the_key_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "store.new").write_bytes(b"half")
    assert len(load_store_key(tmp_path, os.urandom)) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o602])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    load_store_key(tmp_path, os.urandom)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(KeyFileExposedError, match="chmod 600") as caught:
        load_store_key(tmp_path, os.urandom)
    assert fault_of(caught.value) is Fault.KEY_FILE_EXPOSED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    load_store_key(tmp_path, os.urandom)
    os.chown(tmp_path / KEY_FILE, 12_345, -1)
    with pytest.raises(KeyFileExposedError, match="chown"):
        load_store_key(tmp_path, os.urandom)


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_key_file_without_a_key_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileUnusableError, match="restore it"):
        load_store_key(tmp_path, os.urandom)
    assert path.read_bytes() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(bytes(32))
    target.chmod(0o600)
    (tmp_path / KEY_FILE).symlink_to(target)
    with pytest.raises(KeyFileUnusableError):
        load_store_key(tmp_path, os.urandom)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyFileUnusableError):
        load_store_key(tmp_path / "file", os.urandom)


def test_a_real_system_keyring_keeps_the_key_and_no_file_is_made(tmp_path: Path) -> None:
    system = MemoryKeyring()
    key = load_store_key(tmp_path, os.urandom, system)
    assert load_store_key(tmp_path, os.urandom, system) == key
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_is_there_has_precedence_over_the_system(tmp_path: Path) -> None:
    key = load_store_key(tmp_path, os.urandom)
    system = MemoryKeyring()
    assert load_store_key(tmp_path, os.urandom, system) == key
    assert system.kept == {}


def test_a_locked_system_keyring_leads_to_a_key_file(tmp_path: Path) -> None:
    load_store_key(tmp_path, os.urandom, LockedKeyring())
    assert (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("kept", ["not Base64!", "c2hvcnQ="])
def test_a_system_keyring_with_something_else_is_refused(tmp_path: Path, kept: str) -> None:
    system = MemoryKeyring()
    system.set_password("zeraket-gate", str(tmp_path), kept)
    with pytest.raises(KeyFileUnusableError):
        load_store_key(tmp_path, os.urandom, system)


def test_a_machine_without_a_desktop_has_no_system_keyring() -> None:
    assert trusted_system_keyring() is None
