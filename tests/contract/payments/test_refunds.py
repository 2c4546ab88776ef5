"""What every rail keeps to when it gives money back, against its own sandbox."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sync_server.payments.ports import Accepted, RefundsToAccounts, Refused, Unknown
from sync_server.payments.rules import Finding
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.rails import BANK, CALLED_RAILS, RAILS, Rail, RunningRail, running

_LOSING = [Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.HTML_ERROR, Fault.LATE_UNAVAILABLE]


@pytest.fixture(params=CALLED_RAILS, ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


@pytest.fixture(
    params=[rail for rail in CALLED_RAILS if rail.tells_refunds], ids=lambda rail: rail.name
)
async def telling(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    """A rail of which it can be read how a refund ended."""
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


def _if_told(rail: RunningRail, finding: Finding) -> Finding:
    """What is read of a refund that is not done, where the rail tells it at all."""
    is_told = rail.rail.tells_refunds and rail.rail.tells_waiting_refunds
    return finding if is_told else Finding.UNKNOWN


async def test_a_whole_payment_is_given_back(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    refund = rail.refund(request, theirs)
    assert isinstance(await rail.collector.refund(refund), Accepted)
    told = _if_told(rail, Finding.PENDING)
    assert (await rail.collector.read_refund(refund)).finding is told


async def test_a_refund_that_was_done_is_seen(telling: RunningRail) -> None:
    request, theirs = await telling.paid()
    refund = telling.refund(request, theirs)
    await telling.collector.refund(refund)
    await telling.finish_refund()
    reading = await telling.collector.read_refund(refund)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, request.amount)


async def test_a_part_is_given_back_or_refused(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    answer = await rail.collector.refund(rail.refund(request, theirs, 2_000))
    assert isinstance(answer, Accepted if rail.rail.partial_refunds else Refused)


async def test_what_was_not_paid_is_not_given_back(rail: RunningRail) -> None:
    request = rail.request()
    theirs = await rail.begun(request)
    answer = await rail.collector.refund(rail.refund(request, theirs))
    assert not isinstance(answer, Accepted)
    assert list(rail.engine.movements) == [request.reference]


@pytest.mark.parametrize("fault", _LOSING)
async def test_a_refund_whose_answer_is_lost_is_unknown_and_found(
    telling: RunningRail, fault: Fault
) -> None:
    request, theirs = await telling.paid()
    refund = telling.refund(request, theirs)
    telling.engine.dial.turn(Operation.REFUND, fault)
    assert isinstance(await telling.collector.refund(refund), Unknown)
    told = _if_told(telling, Finding.PENDING)
    assert (await telling.collector.read_refund(refund)).finding is told
    await telling.finish_refund()
    assert (await telling.collector.read_refund(refund)).finding is Finding.SUCCEEDED


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.TOO_MANY])
async def test_a_refund_that_never_arrived_may_be_asked_for_again(
    rail: RunningRail, fault: Fault
) -> None:
    request, theirs = await rail.paid()
    refund = rail.refund(request, theirs)
    rail.engine.dial.turn(Operation.REFUND, fault)
    assert isinstance(await rail.collector.refund(refund), Unknown)
    told = _if_told(rail, Finding.NOT_FOUND)
    assert (await rail.collector.read_refund(refund)).finding is told
    assert isinstance(await rail.collector.refund(refund), Accepted)


async def test_no_more_than_was_paid_is_given_back(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    times = 2 if rail.rail.guards_refunds else 1
    answers = [await rail.collector.refund(rail.refund(request, theirs)) for _ in range(times)]
    assert [type(answer) for answer in answers] == [Accepted, Refused][:times]


async def test_a_refund_that_failed_is_seen(telling: RunningRail) -> None:
    request, theirs = await telling.paid()
    refund = telling.refund(request, theirs)
    await telling.collector.refund(refund)
    await telling.finish_refund(MovementState.FAILED)
    told = _if_told(telling, Finding.FAILED)
    assert (await telling.collector.read_refund(refund)).finding is told


async def test_money_goes_back_as_it_came_whatever_account_is_named(rail: RunningRail) -> None:
    request, theirs = await rail.paid()
    refund = replace(rail.refund(request, theirs), destination=BANK.destination)
    assert isinstance(await rail.collector.refund(refund), Accepted)
    done = {movement.operation for movement in rail.engine.movements.values()}
    assert Operation.DISBURSE not in done


@pytest.mark.parametrize("known", RAILS, ids=lambda rail: rail.name)
async def test_a_rail_that_pays_to_accounts_says_so(known: Rail) -> None:
    async with running(known) as rail:
        assert isinstance(rail.collector, RefundsToAccounts) is not known.is_called
