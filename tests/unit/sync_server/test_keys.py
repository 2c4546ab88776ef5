import stat
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.kit.keys import (
    DEVELOPMENT_MARK,
    KeySealer,
    MasterKey,
    MasterKeyError,
    SealBrokenError,
    parse_master_key,
    read_key_file,
    write_development_key,
)

OLD, NEW = MasterKey(bytes(range(32))), MasterKey(bytes(range(32, 64)))
ROW, OTHER_ROW = UUID(int=1), UUID(int=2)
SECRET = b"a private key of thirty-two byte"
SEALED = KeySealer([NEW]).seal(SECRET, "issuer key", ROW)


@given(secret=st.binary(max_size=100), purpose=st.text(max_size=20), row_id=st.uuids())
def test_what_was_sealed_opens(secret: bytes, purpose: str, row_id: UUID) -> None:
    sealer = KeySealer([NEW])
    assert sealer.open(sealer.seal(secret, purpose, row_id), purpose, row_id) == secret


@given(position=st.integers(0, len(SEALED) * 8 - 1))
def test_no_bit_can_be_changed(position: int) -> None:
    changed = bytearray(SEALED)
    changed[position // 8] ^= 1 << position % 8
    with pytest.raises(SealBrokenError):
        KeySealer([NEW]).open(bytes(changed), "issuer key", ROW)


@pytest.mark.parametrize(
    ("sealer", "sealed", "purpose", "row_id"),
    [
        (KeySealer([NEW]), SEALED, "issuer key", OTHER_ROW),
        (KeySealer([NEW]), SEALED, "event key", ROW),
        (KeySealer([OLD]), SEALED, "issuer key", ROW),
        (KeySealer([NEW]), SEALED[:10], "issuer key", ROW),
        (KeySealer([NEW]), b"", "issuer key", ROW),
    ],
    ids=["another row", "another purpose", "another master key", "cut short", "empty"],
)
def test_a_seal_opens_only_where_it_belongs(
    sealer: KeySealer, sealed: bytes, purpose: str, row_id: UUID
) -> None:
    with pytest.raises(SealBrokenError):
        sealer.open(sealed, purpose, row_id)


def test_an_older_master_key_still_opens_what_it_sealed() -> None:
    sealed = KeySealer([OLD]).seal(SECRET, "issuer key", ROW)
    assert KeySealer([NEW, OLD]).open(sealed, "issuer key", ROW) == SECRET


def test_a_sealer_needs_a_key() -> None:
    with pytest.raises(ValueError, match="master key"):
        KeySealer([])


def test_a_master_key_does_not_show() -> None:
    assert repr(OLD) == "MasterKey()"


@pytest.mark.parametrize("text", ["", "xyz", "ab" * 31, "00" * 32, "ab" * 32])
def test_a_weak_or_misshapen_master_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(MasterKeyError) as refused:
        parse_master_key(text)
    assert "openssl rand -hex 32" in str(refused.value)


def test_a_development_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    write_development_key(path, OLD.secret)
    write_development_key(path, NEW.secret)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key_file(path, production=False) == (OLD,)


def test_production_refuses_a_development_key(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    write_development_key(path, OLD.secret)
    with pytest.raises(MasterKeyError, match="development"):
        read_key_file(path, production=True)


def test_the_first_key_of_a_file_seals_and_the_others_open(tmp_path: Path) -> None:
    path = _key_file(tmp_path, f"# since May\n{NEW.secret.hex()}\n\n{OLD.secret.hex()}\n")
    assert read_key_file(path, production=True) == (NEW, OLD)


@pytest.mark.parametrize(
    "content", ["", "# nothing\n", f"{DEVELOPMENT_MARK}\n", "not a key\n", "é\n"]
)
def test_a_file_without_a_usable_key_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(MasterKeyError):
        read_key_file(_key_file(tmp_path, content), production=False)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match="cannot be read"):
        read_key_file(tmp_path / "none", production=False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = _key_file(tmp_path, OLD.secret.hex())
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        read_key_file(path, production=False)


def _key_file(folder: Path, content: str) -> Path:
    path = folder / "master.key"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    return path
