"""What every rail that sends money to organizers keeps to, against its own sandbox."""

from collections.abc import AsyncIterator

import pytest

from sync_server.payments.ports import Accepted, Destination, HolderName, Unknown
from sync_server.payments.rules import Finding
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.rails import DISBURSING_RAILS, Rail, RunningRail, running

_LOSING = [Fault.SLOW_ANSWER, Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.HTML_ERROR]
called = pytest.mark.parametrize(
    "rail",
    [rail for rail in DISBURSING_RAILS if rail.is_called],
    indirect=True,
    ids=lambda rail: rail.name,
)


@pytest.fixture(params=DISBURSING_RAILS, ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield rail


async def test_money_that_arrived_is_what_was_sent(rail: RunningRail) -> None:
    request = rail.disbursement()
    assert isinstance(await rail.disburser.disburse(request), Accepted)
    await rail.engine.settle(request.reference, MovementState.SUCCEEDED)
    reading = await rail.disburser.read_disbursement(request)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, request.amount)


async def test_money_that_did_not_arrive(rail: RunningRail) -> None:
    request = rail.disbursement()
    await rail.disburser.disburse(request)
    await rail.engine.settle(request.reference, MovementState.FAILED, "PAYEE_NOT_FOUND")
    reading = await rail.disburser.read_disbursement(request)
    assert reading.finding is Finding.FAILED


async def test_what_was_never_sent_is_not_found(rail: RunningRail) -> None:
    reading = await rail.disburser.read_disbursement(rail.disbursement())
    assert reading.finding is Finding.NOT_FOUND


async def test_a_double_click_pays_once(rail: RunningRail) -> None:
    request = rail.disbursement()
    answers = [await rail.disburser.disburse(request) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Accepted, Accepted]
    assert list(rail.engine.movements) == [request.reference]


@called
@pytest.mark.parametrize("fault", _LOSING)
async def test_an_answer_that_is_lost_is_unknown_and_pays_once(
    rail: RunningRail, fault: Fault
) -> None:
    request = rail.disbursement()
    rail.engine.dial.turn(Operation.DISBURSE, fault)
    assert isinstance(await rail.disburser.disburse(request), Unknown)
    found = await rail.disburser.read_disbursement(request)
    assert found.finding in {Finding.PENDING, Finding.SUCCEEDED}
    assert isinstance(await rail.disburser.disburse(request), Accepted)
    assert list(rail.engine.movements) == [request.reference]


@called
async def test_what_never_arrived_may_be_sent_again(rail: RunningRail) -> None:
    request = rail.disbursement()
    rail.engine.dial.turn(Operation.DISBURSE, Fault.UNAVAILABLE)
    assert not isinstance(await rail.disburser.disburse(request), Accepted)
    assert (await rail.disburser.read_disbursement(request)).finding is Finding.NOT_FOUND
    assert isinstance(await rail.disburser.disburse(request), Accepted)


async def test_the_holder_of_an_account_is_named(rail: RunningRail) -> None:
    request = rail.disbursement()
    holder = await rail.disburser.check_holder(request.destination, rail.rail.currency)
    named = HolderName("Sand Box", is_active=True)
    assert holder == (named if rail.rail.names_holders else None)


async def test_the_float_is_told(rail: RunningRail) -> None:
    balance = await rail.disburser.read_balance(rail.rail.currency)
    assert balance == rail.money(10_000_000)


@pytest.mark.parametrize(
    ("state", "left"), [(MovementState.SUCCEEDED, 9_995_000), (MovementState.FAILED, 10_000_000)]
)
async def test_the_float_falls_with_what_arrived(
    rail: RunningRail, state: MovementState, left: int
) -> None:
    request = rail.disbursement()
    await rail.disburser.disburse(request)
    await rail.engine.settle(request.reference, state)
    assert await rail.disburser.read_balance(rail.rail.currency) == rail.money(left)


@called
async def test_a_holder_is_not_told_where_the_rail_is_away(rail: RunningRail) -> None:
    rail.engine.dial.turn(Operation.READ, Fault.UNAVAILABLE)
    destination = Destination("Grace", rail.disbursement().destination.account)
    assert await rail.disburser.check_holder(destination, rail.rail.currency) is None
