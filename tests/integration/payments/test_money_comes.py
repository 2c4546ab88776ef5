"""The dial of faults turned to every position on every rail for money that comes: it comes once,
and the books close.
"""

from typing import cast

from sync_server.payments.ports import Accepted, CredentialCheck
from sync_server.payments.rules import PaymentState
from sync_server.sandboxes.engine import OF_THE_DOOR, Operation
from tests.factories.ledger import balances
from tests.factories.payments import reference_of
from tests.factories.positions import BESIDE, Kind, Way, beside, turned
from tests.factories.rails import RAILS
from tests.factories.till import WHOLE, Till, on_rails, turning

S = PaymentState


@on_rails(RAILS)
async def test_money_comes_once_whatever_is_lost_on_the_way(till: Till) -> None:
    rail, states = till.rail.rail, []
    kinds = (Kind.ANSWERS, Kind.CALLBACKS)
    for position in [each for kind in kinds for each in turned(rail, Way.COMING, kind)]:
        till.turn(position)
        states.append((await till.pay()).state)
        till.note(position)
    till.require_all_turned(Way.COMING, *kinds)
    assert set(states) == {S.SUCCEEDED}
    assert await till.let_time_go_by() <= {S.SUCCEEDED, S.EXPIRED, S.FAILED}
    assert await till.balance("provider_clearing") == till.holds()
    assert till.heard.words.count("captured") * WHOLE == till.holds()
    await till.require_closed_books()


@turning(Way.COMING, Kind.READINGS)
async def test_other_money_than_was_asked_for_is_set_aside(till: Till) -> None:
    for position in turned(till.rail.rail, Way.COMING, Kind.READINGS):
        payment = await till.intent()
        await till.flow.submit(payment.id)
        reference = await reference_of(till.services, payment)
        await till.settle_untold(till.rail.engine.movements[reference])
        till.turn(position)
        assert (await till.flow.refresh(payment.id)).state is S.MISMATCHED
        till.note(position)
    till.require_all_turned(Way.COMING, Kind.READINGS)
    left = await balances(till.services, till.tenant)
    assert (sum(left.values()), till.heard.words, "unapplied_receipts" in left) == (0, [], True)
    await till.require_closed_books()


@on_rails([BESIDE[Operation.WITHDRAW]])
async def test_what_nobody_paid_takes_no_money_whatever_is_lost_on_the_way(till: Till) -> None:
    """An order is withdrawn once: after a lost answer nothing tells it from one that is open, and
    it is asked about further.
    """
    states = {}
    for position in beside(Operation.WITHDRAW):
        payment = await till.intent()
        await till.flow.submit(payment.id)
        till.turn(position)
        await till.let_time_go_by()
        till.note(position)
        for _ in range(2):
            states[position[1]] = (await till.flow.refresh(payment.id)).state
    assert {states[fault] for fault in OF_THE_DOOR} == {S.EXPIRED}
    assert set(states.values()) == {S.EXPIRED, S.PENDING}
    assert (await balances(till.services, till.tenant), till.holds()) == ({}, 0)
    await till.require_closed_books()


@on_rails([BESIDE[Operation.DISPUTES]])
async def test_what_is_not_said_of_disputes_changes_nothing(till: Till) -> None:
    payment = await till.pay()
    for position in beside(Operation.DISPUTES):
        till.turn(position)
        assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
        till.note(position)
    await till.require_closed_books()


@on_rails([BESIDE[Operation.BALANCE]])
async def test_credentials_of_which_nothing_is_said_are_not_called_good(till: Till) -> None:
    checked = cast("CredentialCheck", till.rail.collector)
    for position in beside(Operation.BALANCE):
        till.turn(position)
        assert not isinstance(await checked.check_credentials(), Accepted)
        till.note(position)
    assert isinstance(await checked.check_credentials(), Accepted)
