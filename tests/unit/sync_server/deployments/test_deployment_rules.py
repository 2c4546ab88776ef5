from uuid import UUID

import pytest

from shared.ids import DeploymentId, ScannerSessionId
from sync_server.deployments.rules import (
    DeviceState,
    device_may_become,
    is_p256_point,
    scope_of,
    session_token,
)
from tests.factories.credentials import P256Holder

_ONE = ScannerSessionId(UUID(int=1))
_TWO = ScannerSessionId(UUID(int=2))


@pytest.mark.parametrize(
    ("current", "wanted", "allowed"),
    [
        (DeviceState.AWAITING_CONFIRMATION, DeviceState.ENROLLED, True),
        (DeviceState.AWAITING_CONFIRMATION, DeviceState.REFUSED, True),
        (DeviceState.ENROLLED, DeviceState.REVOKED, True),
        (DeviceState.QUARANTINED, DeviceState.ENROLLED, True),
        (DeviceState.ENROLLED, DeviceState.REFUSED, False),
        (DeviceState.REVOKED, DeviceState.ENROLLED, False),
        (DeviceState.REFUSED, DeviceState.ENROLLED, False),
    ],
)
def test_a_device_that_is_out_stays_out(
    current: DeviceState, wanted: DeviceState, allowed: bool
) -> None:
    assert device_may_become(current, wanted) is allowed


def test_sessions_have_tokens_of_their_own_and_servers_make_the_same() -> None:
    assert session_token(b"secret", _ONE) == session_token(b"secret", _ONE)
    assert session_token(b"secret", _ONE) != session_token(b"secret", _TWO)
    assert session_token(b"secret", _ONE) != session_token(b"other", _ONE)


def test_a_scope_names_one_deployment() -> None:
    scope = scope_of(DeploymentId(UUID(int=7)))
    assert scope.split()[0] == f"deployment:{UUID(int=7)}"


@pytest.mark.parametrize(
    ("key", "valid"),
    [(P256Holder().key.encoded, True), (bytes(33), False), (b"\x02" + b"\xff" * 32, False)],
)
def test_a_point_must_lie_on_the_curve(key: bytes, valid: bool) -> None:
    assert is_p256_point(key) is valid
