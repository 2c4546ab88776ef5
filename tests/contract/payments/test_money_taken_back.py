"""What a rail tells of money that was taken back after it came, against its own sandbox."""

from collections.abc import AsyncIterator

import pytest

from sync_server.payments.rules import Expected, Finding, PaymentState, next_state
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.rails import RAILS, Rail, RunningRail, running

_DAY_MS = 86_400_000
_DISPUTING = [rail for rail in RAILS if rail.tells_dispute]
_REVERSING = [rail for rail in RAILS if rail.tells_reversal]


@pytest.fixture
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


@pytest.mark.parametrize("rail", _REVERSING, ids=lambda rail: rail.name, indirect=True)
async def test_a_reversal_a_day_later_is_told(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    rail.engine.offset_ms += _DAY_MS
    await rail.engine.settle(request.reference, MovementState.REVERSED)
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    expected = Expected(request.reference, request.amount)
    assert reading.finding is Finding.REVERSED
    assert next_state(PaymentState.SUCCEEDED, reading, expected) is PaymentState.REVERSED


@pytest.mark.parametrize("rail", _DISPUTING, ids=lambda rail: rail.name, indirect=True)
@pytest.mark.parametrize(
    ("end", "state"),
    [
        (MovementState.SUCCEEDED, PaymentState.SUCCEEDED),
        (MovementState.REVERSED, PaymentState.REVERSED),
    ],
)
async def test_a_dispute_is_told_and_how_it_ends(
    rail: RunningRail, end: MovementState, state: PaymentState
) -> None:
    request, theirs = await rail.paid()
    expected = Expected(request.reference, request.amount)
    states = [PaymentState.SUCCEEDED]
    for settled in (MovementState.DISPUTED, end):
        await rail.engine.settle(request.reference, settled)
        reading = await rail.collector.read_collection(rail.asked(request, theirs))
        states.append(next_state(states[-1], reading, expected))
    assert states == [PaymentState.SUCCEEDED, PaymentState.DISPUTED, state]


@pytest.mark.parametrize("rail", _DISPUTING, ids=lambda rail: rail.name, indirect=True)
async def test_a_dispute_is_not_won_by_silence(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    await rail.engine.settle(request.reference, MovementState.DISPUTED)
    rail.engine.dial.turn(Operation.DISPUTES, Fault.HTML_ERROR)
    reading = await rail.collector.read_collection(rail.asked(request, theirs))
    assert reading.finding is Finding.UNKNOWN
