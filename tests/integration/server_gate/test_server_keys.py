import stat
from dataclasses import replace
from secrets import token_bytes

import pytest

from sync_server.kit.keys import MASTER_KEY_BYTES, KeySealer, MasterKey, SealBrokenError
from sync_server.kit.server_keys import KEY_FILE_NAME, open_server_keys
from sync_server.kit.services import Services


def test_an_installation_keeps_its_key(services: Services) -> None:
    first, second = open_server_keys(services), open_server_keys(services)
    assert first.public_key == second.public_key
    assert first.fingerprint == second.fingerprint


def test_the_key_lies_sealed_and_readable_by_its_owner_alone(services: Services) -> None:
    keys = open_server_keys(services)
    path = services.data_directory / KEY_FILE_NAME
    seed = keys.signing_key.private_bytes_raw()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seed not in path.read_bytes()
    assert [file.name for file in services.data_directory.iterdir()] == [KEY_FILE_NAME]


def test_another_master_key_does_not_open_it(services: Services) -> None:
    open_server_keys(services)
    other = KeySealer((MasterKey(token_bytes(MASTER_KEY_BYTES)),))
    with pytest.raises(SealBrokenError):
        open_server_keys(replace(services, key_sealer=other))


def test_each_purpose_has_a_key_of_its_own(services: Services) -> None:
    keys = open_server_keys(services)
    token_key = keys.token_key.private_bytes_raw()
    assert len({keys.signing_key.private_bytes_raw(), token_key, keys.nonce_secret}) == 3
    assert keys.session_secret != keys.nonce_secret
