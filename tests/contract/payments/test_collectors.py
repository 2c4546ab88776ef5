"""What every rail that takes money from buyers keeps to, against its own sandbox."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from sync_server.payments.ports import Accepted, CollectionRequest, Notice, Unknown
from sync_server.payments.rules import (
    Expected,
    Finding,
    PaymentState,
    Reading,
    next_state,
)
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.rails import CALLED_RAILS, PHONE, RAILS, Rail, RunningRail, running

_LOSING = [
    Fault.SLOW_ANSWER,
    Fault.LOST_ANSWER,
    Fault.SERVER_ERROR,
    Fault.HTML_ERROR,
    Fault.LATE_UNAVAILABLE,
]
_DAY_MS = 86_400_000
# A bank answers nothing and calls nobody: a transfer that does not come is not said to be refused.
called = pytest.mark.parametrize("rail", CALLED_RAILS, indirect=True, ids=lambda rail: rail.name)


@pytest.fixture(params=RAILS, ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


async def _read(
    rail: RunningRail, request: CollectionRequest, provider_reference: str | None = None
) -> Reading:
    return await rail.collector.read_collection(rail.asked(request, provider_reference))


async def test_accepted_is_not_paid(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    assert (await _read(rail, request, theirs)).finding is rail.rail.unpaid


async def test_paid_is_what_was_asked_for(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    reading = await _read(rail, request, theirs)
    expected = Expected(request.reference, request.amount)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, request.amount)
    assert next_state(PaymentState.PENDING, reading, expected) is PaymentState.SUCCEEDED
    assert reading.provider_reference


@called
@pytest.mark.parametrize("state", [MovementState.FAILED, MovementState.EXPIRED])
async def test_what_was_refused_or_forgotten_is_not_paid(
    rail: RunningRail, state: MovementState
) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    await rail.engine.settle(request.reference, state, "EXPIRED" * (state == "expired"))
    reading = await _read(rail, request, theirs)
    told = rail.rail.tells_expiry and state is MovementState.EXPIRED
    assert reading.finding is (Finding.EXPIRED if told else Finding.FAILED)


@called
async def test_what_was_never_sent_is_not_found(rail: RunningRail) -> None:
    finding = (await _read(rail, rail.request())).finding
    assert finding is (Finding.NOT_FOUND if rail.rail.tells_not_found else Finding.UNKNOWN)


async def test_one_reference_is_one_payment(rail: RunningRail) -> None:
    request = rail.request()
    for _ in range(2):
        assert not isinstance(await rail.collector.collect(request), Unknown)
    assert list(rail.engine.movements) == [request.reference]


@called
@pytest.mark.parametrize("fault", _LOSING)
async def test_an_answer_that_is_lost_is_unknown_and_what_was_done_is_found(
    rail: RunningRail, fault: Fault
) -> None:
    request = rail.request()
    rail.engine.dial.turn(Operation.COLLECT, fault)
    assert isinstance(await rail.collector.collect(request), Unknown)
    assert list(rail.engine.movements) == [request.reference]
    again = await rail.collector.collect(request)
    theirs = again.provider_reference if isinstance(again, Accepted) else None
    assert (await _read(rail, request, theirs)).finding is rail.rail.unpaid
    assert len(rail.engine.movements) == 1


@called
@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.TOO_MANY])
async def test_what_never_arrived_may_be_sent_again(rail: RunningRail, fault: Fault) -> None:
    request = rail.request()
    rail.engine.dial.turn(Operation.COLLECT, fault)
    assert isinstance(await rail.collector.collect(request), Unknown)
    assert rail.engine.movements == {}
    await rail.begun(request)
    assert list(rail.engine.movements) == [request.reference]


@called
@pytest.mark.parametrize("fault", [*_LOSING, Fault.UNAVAILABLE, Fault.TOO_MANY])
async def test_a_status_read_that_fails_says_nothing(rail: RunningRail, fault: Fault) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    rail.engine.dial.turn(Operation.READ, fault)
    assert (await _read(rail, request, theirs)).finding is Finding.UNKNOWN
    assert (await _read(rail, request, theirs)).finding is Finding.SUCCEEDED


@pytest.mark.parametrize("fault", [Fault.AMOUNT_CHANGED, Fault.CURRENCY_CHANGED])
async def test_other_money_than_was_asked_for_is_a_mismatch(
    rail: RunningRail, fault: Fault
) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    rail.engine.dial.turn(Operation.READ, fault)
    reading = await _read(rail, request, theirs)
    expected = Expected(request.reference, request.amount)
    assert next_state(PaymentState.PENDING, reading, expected) is PaymentState.MISMATCHED


@called
@pytest.mark.parametrize(
    ("fault", "count"), [(None, 1), (Fault.CALLBACK_TWICE, 2), (Fault.CALLBACK_MISSING, 0)]
)
async def test_a_callback_names_the_payment_and_no_more(
    rail: RunningRail, fault: Fault | None, count: int
) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    rail.engine.dial.turn(Operation.CALLBACK, fault or Fault.CALLBACK_EARLY)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    hints = [rail.collector.read_notice(notice) for notice in rail.merchant.notices]
    assert len(hints) == count
    named = {
        request.reference if hint.reference == request.reference else hint.provider_reference
        for hint in hints
        if hint is not None
    }
    assert named <= {request.reference, theirs}
    assert None not in hints


@called
async def test_a_forged_callback_pays_nothing(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_FORGED)
    await rail.engine.settle(request.reference, MovementState.FAILED)
    for notice in rail.merchant.notices:
        hint = rail.collector.read_notice(notice)
        assert hint is None or hint.is_authentic is not True
    assert (await _read(rail, request, theirs)).finding is Finding.FAILED


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": 1}', b"\xff\xfe", b'"text"'])
async def test_a_callback_that_is_none_says_nothing(rail: RunningRail, body: bytes) -> None:
    notices = [Notice(method, {}, {}, body) for method in ("GET", "POST", "PUT")]
    assert [rail.collector.read_notice(notice) for notice in notices] == [None] * 3


async def test_a_success_after_a_failure_counts(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    expected = Expected(request.reference, request.amount)
    state = PaymentState.PENDING
    for settled in (MovementState.FAILED, MovementState.SUCCEEDED):
        await rail.engine.settle(request.reference, settled)
        state = next_state(state, await _read(rail, request, theirs), expected)
    assert state is PaymentState.SUCCEEDED


@called
async def test_a_token_that_ended_is_renewed(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    rail.engine.offset_ms += _DAY_MS
    assert (await _read(rail, request, theirs)).finding is rail.rail.unpaid


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.HTML_ERROR])
async def test_without_a_token_nothing_is_sent(rail: RunningRail, fault: Fault) -> None:
    rail.engine.dial.turn(Operation.TOKEN, fault)
    answer = await rail.collector.collect(rail.request())
    asks_for_tokens = not isinstance(answer, Accepted)
    assert len(rail.engine.movements) == (0 if asks_for_tokens else 1)


@called
async def test_wrong_credentials_move_nothing(rail: RunningRail) -> None:
    make = rail.rail.wrong_credentials
    assert make is not None
    client = make(rail.line, rail.clock)
    request = rail.request()
    assert not isinstance(await client.collect(request), Accepted)
    reading = await client.read_collection(rail.asked(request))
    assert reading.finding in {Finding.UNKNOWN, Finding.NOT_FOUND}
    assert rail.engine.movements == {}


@called
async def test_nothing_secret_or_personal_is_logged(rail: RunningRail) -> None:
    request = rail.request()
    with capture_logs() as logs:
        for operation in (Operation.TOKEN, Operation.COLLECT):
            rail.engine.dial.turn(operation, Fault.HTML_ERROR)
            await rail.collector.collect(rail.request())
        theirs = await rail.begun(request)
        for fault in (Fault.HTML_ERROR, Fault.LOST_ANSWER):
            rail.engine.dial.turn(Operation.READ, fault)
            await _read(rail, request, theirs)
        rail.engine.dial.turn(Operation.REFUND, Fault.SERVER_ERROR)
        await rail.collector.refund(rail.refund(request, theirs))
    written = str(logs)
    assert logs != []
    personal = (PHONE, PHONE[4:], "grace", "Grace", request.reference, "Bearer")
    for secret in (*personal, *rail.rail.secrets):
        assert secret not in written


@called
async def test_no_configuration_shows_its_secrets(rail: RunningRail) -> None:
    shown = repr(vars(rail.collector))
    assert "onfiguration" in shown
    assert not [secret for secret in rail.rail.secrets if secret in shown]
