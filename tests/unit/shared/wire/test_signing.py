"""Golden bytes: a changed message would silently void every signature already made."""

import json
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from shared.wire.signing import (
    batch_message,
    confirmation_digits,
    file_key_info,
    manifest_message,
    revocation_message,
    time_message,
)

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "signing.json").read_text("utf-8"))
DEVICE = UUID("018f0000-0000-7000-8000-0000000000da")
DEPLOYMENT = UUID("018f0000-0000-7000-8000-0000000000de")
NONCE = bytes(range(16))
HASHES = (sha256(b"one").digest(), sha256(b"two").digest())
SERVER_KEY = bytes(range(32))
DEVICE_KEYS = (b"\x02" + bytes(range(32)), b"\x03" + bytes(range(32)))
CODE = bytes(range(16, 32))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("manifest", manifest_message(b'{"format":1}')),
        ("revocation", revocation_message(b'{"reason":"stale"}')),
        ("time", time_message(DEVICE, NONCE, 1_770_000_005_000, 7, 1_770_000_900_000)),
        ("time_without_lease", time_message(DEVICE, NONCE, 1_770_000_005_000, 7, None)),
        ("batch", batch_message(DEVICE, 3, HASHES)),
        ("file_key_info", file_key_info(DEPLOYMENT, DEVICE, sha256(b"file").hexdigest())),
    ],
)
def test_signed_messages_never_change(name: str, message: bytes) -> None:
    assert message.hex() == VECTORS["messages"][name]


def test_every_message_but_those_of_time_has_a_label_of_its_own() -> None:
    labels = [bytes.fromhex(text).split(b"\0")[0].decode() for text in VECTORS["messages"].values()]
    assert sorted(labels) == [
        "tkt1/batch",
        "tkt1/filekey",
        "tkt1/revoke",
        "tkt1/snap",
        "tkt1/time",
        "tkt1/time",
    ]


def test_the_six_digits_never_change() -> None:
    assert confirmation_digits(SERVER_KEY, DEVICE_KEYS, CODE) == VECTORS["confirmation_digits"]


@pytest.mark.parametrize(
    ("server_key", "device_keys", "code"),
    [
        (bytes(32), DEVICE_KEYS, CODE),
        (SERVER_KEY, DEVICE_KEYS[::-1], CODE),
        (SERVER_KEY, DEVICE_KEYS, bytes(16)),
    ],
)
def test_the_digits_depend_on_both_keys_and_the_code(
    server_key: bytes, device_keys: tuple[bytes, ...], code: bytes
) -> None:
    digits = confirmation_digits(server_key, device_keys, code)
    assert digits != VECTORS["confirmation_digits"]
    assert len(digits) == 6
    assert digits.isdigit()
