from uuid import UUID

import pytest

from shared.admission.policy import Rule, RuleBook
from shared.ids import DeploymentId, GateId, ScannerSessionId
from sync_server.deployments.rules import (
    DeviceState,
    FoldRules,
    device_may_become,
    fold_rules,
    is_p256_point,
    scope_of,
    session_token,
    state_after_enrolment,
)
from tests.factories.admission import GATE
from tests.factories.credentials import P256Holder

_ONE = ScannerSessionId(UUID(int=1))
_TWO = ScannerSessionId(UUID(int=2))
_GATES = frozenset({GATE})
_TIERS = frozenset({1})


def _rule(
    gates: frozenset[GateId] | None = None, tiers: frozenset[int] | None = None, **changes: object
) -> Rule:
    return Rule(tuple(changes.items()), gates, tiers)


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
        (DeviceState.ENROLLED, DeviceState.STOPPED, True),
        (DeviceState.STOPPED, DeviceState.ENROLLED, True),
        (DeviceState.STOPPED, DeviceState.REVOKED, True),
        (DeviceState.QUARANTINED, DeviceState.STOPPED, False),
    ],
)
def test_a_device_that_is_out_stays_out(
    current: DeviceState, wanted: DeviceState, allowed: bool
) -> None:
    assert device_may_become(current, wanted) is allowed


@pytest.mark.parametrize(
    ("current", "confirms", "after"),
    [
        (None, False, DeviceState.ENROLLED),
        (None, True, DeviceState.AWAITING_CONFIRMATION),
        (DeviceState.REVOKED, False, DeviceState.ENROLLED),
        (DeviceState.REFUSED, True, DeviceState.AWAITING_CONFIRMATION),
        (DeviceState.STOPPED, False, DeviceState.ENROLLED),
        (DeviceState.QUARANTINED, False, DeviceState.QUARANTINED),
        (DeviceState.QUARANTINED, True, DeviceState.QUARANTINED),
    ],
)
def test_a_new_code_brings_every_device_back_but_one_in_quarantine(
    current: DeviceState | None, confirms: bool, after: DeviceState
) -> None:
    assert state_after_enrolment(current, confirms=confirms) is after


@pytest.mark.parametrize(
    ("rules", "capacity", "exits_scanned"),
    [
        pytest.param((), None, True, id="none"),
        pytest.param((_rule(capacity=5),), 5, True, id="a capacity"),
        pytest.param((_rule(capacity=5), _rule(capacity=None)), None, True, id="lifted again"),
        pytest.param((_rule(capacity=5), _rule(capacity=0)), 0, True, id="the last counts"),
        pytest.param((_rule(inside_until_exit=False),), None, False, id="no exits"),
        pytest.param(
            (_rule(gates=_GATES, capacity=5), _rule(tiers=_TIERS, inside_until_exit=False)),
            None,
            True,
            id="of one gate or tier only",
        ),
    ],
)
def test_the_fold_asks_for_general_rules_only(
    rules: tuple[Rule, ...], capacity: int | None, exits_scanned: bool
) -> None:
    assert fold_rules(RuleBook(rules), 7) == FoldRules(capacity, exits_scanned, 7)


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
