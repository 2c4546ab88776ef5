"""The dial of faults turned to every position on every rail for money that goes back: it goes once,
or is not taken from anybody, and the books close.
"""

from functools import partial
from typing import Any

from sync_server.payments.refund_flow import AMOUNT_DIFFERS, PAID_AFTER_FAILURE
from sync_server.payments.rules import REFUND_OPEN, PaymentState, RefundState
from sync_server.payments.views import RefundFacts
from sync_server.sandboxes.engine import MovementState
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.positions import Kind, Way, turned
from tests.factories.rails import MTN
from tests.factories.till import WHOLE, Till, on_rails, turning

S = PaymentState
R = RefundState


@turning(Way.GOING_BACK, Kind.ANSWERS)
async def test_money_goes_back_once_whatever_is_lost_on_the_way(till: Till) -> None:
    states = []
    for position in turned(till.rail.rail, Way.GOING_BACK, Kind.ANSWERS):
        payment = await till.pay()
        till.turn(position)
        states.append((await till.give_back(payment)).state)
        # Some providers call our own refund a reversal.
        assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
        till.note(position)
    till.require_all_turned(Way.GOING_BACK, Kind.ANSWERS)
    assert set(states) <= {R.SUCCEEDED, R.FAILED}
    await _require_gone(till)


@turning(Way.GOING_BACK, Kind.CALLBACKS)
async def test_money_goes_back_once_however_it_is_called_back(till: Till) -> None:
    """Nobody asks by themselves but where no callback comes at all."""
    for position in turned(till.rail.rail, Way.GOING_BACK, Kind.CALLBACKS):
        payment = await till.pay()
        till.turn(position)
        refund_id, asked = await till.ask_back(payment)
        await till.finish(asked, position[1], partial(till.refunds.refresh, refund_id))
        assert await till.refund_state(refund_id) is R.SUCCEEDED, position
        assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
        till.note(position)
    till.require_all_turned(Way.GOING_BACK, Kind.CALLBACKS)
    await _require_gone(till)


@turning(Way.GOING_BACK, Kind.CALLBACKS)
async def test_a_stranger_says_in_vain_that_money_went_back(till: Till) -> None:
    refund_id, asked = await till.ask_back(await till.pay())
    await till.say_falsely(asked)
    assert await till.refund_state(refund_id) in REFUND_OPEN
    assert await till.balance("refund_in_transit") == -WHOLE


@turning(Way.GOING_BACK, Kind.READINGS)
async def test_other_money_than_was_asked_back_is_believed_by_nobody(till: Till) -> None:
    """What a bank has booked it says for ever; whoever is asked again may say the right thing. A
    person is told of it as long.
    """
    rail, states = till.rail.rail, []
    for position in turned(rail, Way.GOING_BACK, Kind.READINGS):
        refund_id, asked = await till.ask_back(await till.pay())
        await till.settle_untold(asked)
        till.turn(position, rail.reads_of_a_refund)
        refund = await till.refunds.refresh(refund_id)
        assert refund.state is R.PENDING, position
        till.note(position)
        _require_said(refund, await open_alarms(till.services, AMOUNT_DIFFERS))
        states.append((await till.refunds.refresh(refund_id)).state)
        still = await open_alarms(till.services, AMOUNT_DIFFERS)
        assert (str(refund_id) in still) is (states[-1] is R.PENDING)
    till.require_all_turned(Way.GOING_BACK, Kind.READINGS)
    assert set(states) == {R.SUCCEEDED if rail.is_called else R.PENDING}
    await _require_gone(till, states.count(R.PENDING))


@on_rails([MTN])
async def test_what_goes_back_after_it_was_refused_is_said_aloud_and_booked_by_nobody(
    till: Till,
) -> None:
    refund_id, asked = await till.ask_back(await till.pay())
    await till.settle(asked, MovementState.FAILED)
    assert await till.refund_state(refund_id) is R.FAILED
    assert await open_alarms(till.services, PAID_AFTER_FAILURE) == {}
    before = await balances(till.services, till.tenant)
    await till.settle(asked)
    refund = await till.refunds.refresh(refund_id)
    assert refund.state is R.FAILED
    about = (await open_alarms(till.services, PAID_AFTER_FAILURE))[str(refund_id)]
    assert about == {
        "order_id": str(refund.order_id),
        "provider": "mtn",
        "amount": WHOLE,
        "currency": "UGX",
        "told_amount": WHOLE,
        "told_currency": "UGX",
        "followed_by": None,
    }
    assert await balances(till.services, till.tenant) == before


def _require_said(refund: RefundFacts, alarms: dict[str, dict[str, Any]]) -> None:
    """An alarm names what was asked for, and something else that the provider says."""
    about = alarms[str(refund.id)]
    told = (about.pop("told_amount"), about.pop("told_currency"))
    assert about == {
        "order_id": str(refund.order_id),
        "provider": refund.provider.value,
        "amount": refund.amount.minor_units,
        "currency": refund.amount.currency,
    }
    assert told != (about["amount"], about["currency"])
    assert None not in told


async def _require_gone(till: Till, untold: int = 0) -> None:
    """What the provider gave back has left the books; `untold` refunds are still on their way."""
    assert await till.balance("provider_clearing") == till.holds() + untold * WHOLE
    assert await till.balance("refund_in_transit") == -untold * WHOLE
    await till.require_closed_books()
