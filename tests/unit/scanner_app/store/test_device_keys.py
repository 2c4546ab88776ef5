from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from scanner_app.gate.enrolment import UnsealError
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.credentials.keys import HolderKey
from shared.credentials.layout import HolderAlgorithm
from tests.factories.kiosk_store import STORE_KEY

INFO = b"tkt1/filekey"


def seal(secret: bytes, point: bytes) -> bytes:
    public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return suite.encrypt(secret, public_key, info=INFO)


def test_signatures_verify_under_the_public_key(side: SyncSide) -> None:
    key = HolderKey(HolderAlgorithm.P256, side.keys.signing_public)
    assert key.verifies(side.keys.sign(b"a batch"), b"a batch")
    assert not key.verifies(side.keys.sign(b"a batch"), b"another")


def test_what_is_sealed_to_the_device_opens_for_its_purpose_only(side: SyncSide) -> None:
    sealed = seal(b"file key", side.keys.sealing_public)
    assert side.keys.unseal(sealed, INFO) == b"file key"
    with pytest.raises(UnsealError):
        side.keys.unseal(sealed, b"another purpose")


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(200)])
def test_what_is_no_sealed_secret_is_refused(side: SyncSide, sealed: bytes) -> None:
    with pytest.raises(UnsealError):
        side.keys.unseal(sealed, INFO)


def test_a_secret_for_another_device_is_refused(side: SyncSide) -> None:
    with pytest.raises(UnsealError):
        side.keys.unseal(seal(b"file key", side.keys.signing_public), INFO)


def test_keys_survive_restart_and_the_end_of_an_enrolment(tmp_path: Path) -> None:
    store = KioskStore.open(tmp_path, STORE_KEY)
    first = store.sync_side()
    keys = (first.keys.signing_public, first.keys.sealing_public)
    first.enrolment.forget_enrolment()
    first.close()
    second = store.sync_side()
    assert (second.keys.signing_public, second.keys.sealing_public) == keys
    assert keys[0] != keys[1]
    second.close()
    store.close()
