"""Every way in which a provider may end what it began, for money that comes, goes back and leaves,
also a day after it was done: what is told is followed, what is not told changes nothing, and the
books close.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from sync_server.payments.flow import PaymentFlow
from sync_server.payments.ports import RefundRequest
from sync_server.payments.rules import Finding, PaymentState, Reading, RefundState
from sync_server.payments.views import PaymentFacts
from sync_server.payouts.rules import PayoutState
from sync_server.sandboxes.engine import Fault, Movement, MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.payments import flow_over, found, reference_of
from tests.factories.rails import (
    AIRTEL,
    BANK,
    DISBURSING_RAILS,
    FLUTTERWAVE,
    MTN,
    PESAPAL,
    RAILS,
)
from tests.factories.till import PAID_OUT, TWO_MINUTES_MS, WHOLE, Till, on_rails

M = MovementState
_DAY_MS = 86_400_000
_ENDS = tuple(state for state in M if state not in {M.PENDING, M.SUCCEEDED})
_AFTERWARDS = frozenset({M.DISPUTED, M.REVERSED})
"""What becomes of money that had arrived."""

C = PaymentState
_COMING = {
    # MTN and Airtel say of money that came no more than that it came.
    MTN.name: dict(zip(_ENDS, (C.FAILED, C.EXPIRED, C.SUCCEEDED, C.SUCCEEDED), strict=True)),
    AIRTEL.name: dict(zip(_ENDS, (C.FAILED, C.EXPIRED, C.SUCCEEDED, C.SUCCEEDED), strict=True)),
    # On their pages a payer may try again.
    PESAPAL.name: dict(zip(_ENDS, (C.PENDING, C.PENDING, C.SUCCEEDED, C.REVERSED), strict=True)),
    FLUTTERWAVE.name: dict(zip(_ENDS, (C.PENDING, C.PENDING, C.DISPUTED, C.REVERSED), strict=True)),
    # A transfer that does not come is not said to be refused.
    BANK.name: dict(zip(_ENDS, (C.PENDING, C.PENDING, C.SUCCEEDED, C.REVERSED), strict=True)),
}
R = RefundState
_GOING_BACK = {
    MTN.name: dict(zip(_ENDS, (R.FAILED, R.FAILED, R.SUCCEEDED, R.SUCCEEDED), strict=True)),
    # Nothing tells of these: a person decides.
    AIRTEL.name: dict(zip(_ENDS, (R.PENDING,) * 4, strict=True)),
    PESAPAL.name: dict(zip(_ENDS, (R.PENDING, R.PENDING, R.SUCCEEDED, R.SUCCEEDED), strict=True)),
    FLUTTERWAVE.name: dict(zip(_ENDS, (R.FAILED, R.FAILED, R.SUCCEEDED, R.SUCCEEDED), strict=True)),
    # What comes back of a refund raises an alarm: a person books it.
    BANK.name: dict(zip(_ENDS, (R.FAILED, R.PENDING, R.SUCCEEDED, R.SUCCEEDED), strict=True)),
}
P = PayoutState
_LEAVING = {
    MTN.name: dict(zip(_ENDS, (P.FAILED, P.FAILED, P.SUCCEEDED, P.RETURNED), strict=True)),
    AIRTEL.name: dict(zip(_ENDS, (P.FAILED, P.FAILED, P.SUCCEEDED, P.RETURNED), strict=True)),
    BANK.name: dict(zip(_ENDS, (P.FAILED, P.PENDING, P.SUCCEEDED, P.RETURNED), strict=True)),
}


@on_rails(RAILS)
async def test_money_that_comes_ends_as_it_is_told(till: Till) -> None:
    found = {}
    for end in _ENDS:
        payment, movement = await _asked(till)
        await _end(till, movement, end, partial(till.flow.refresh, payment.id))
        found[end] = (await till.flow.refresh(payment.id)).state
    assert found == _COMING[till.rail.rail.name]
    there = sum(state is C.SUCCEEDED for state in found.values())
    assert await till.balance("provider_clearing") == there * WHOLE
    await till.require_closed_books()


@on_rails(RAILS)
async def test_money_that_failed_to_come_may_come_late(till: Till) -> None:
    for end in (M.FAILED, M.EXPIRED):
        payment, movement = await _asked(till)
        await _end(till, movement, end, partial(till.flow.refresh, payment.id))
        assert (await till.flow.refresh(payment.id)).state is _COMING[till.rail.rail.name][end]
        await till.settle(movement)
        assert (await till.flow.refresh(payment.id)).state is C.SUCCEEDED
    assert await till.balance("provider_clearing") == 2 * WHOLE
    await till.require_closed_books()


@on_rails(RAILS)
async def test_money_that_goes_back_ends_as_it_is_told(till: Till) -> None:
    found = {}
    for end in _ENDS:
        payment = await till.pay()
        refund_id, asked = await till.ask_back(payment)
        await _end(till, asked, end, partial(till.refunds.refresh, refund_id))
        found[end] = (await till.refunds.refresh(refund_id)).state
    assert found == _GOING_BACK[till.rail.rail.name]
    waiting = sum(state is R.PENDING for state in found.values())
    assert await till.balance("refund_in_transit") == -waiting * WHOLE
    await till.require_closed_books()


@on_rails(DISBURSING_RAILS)
async def test_money_that_leaves_ends_as_it_is_told(till: Till) -> None:
    treasury, found = await till.treasury(), {}
    for end in _ENDS:
        payout_id = await treasury.approved(PAID_OUT)
        asked = await till.pay_out(treasury, payout_id)
        till.clock.advance(TWO_MINUTES_MS)
        await _end(till, asked, end, partial(till.payouts.refresh, payout_id))
        found[end] = (await till.payouts.refresh(payout_id)).state
    assert found == _LEAVING[till.rail.rail.name]
    gone = sum(state is P.SUCCEEDED for state in found.values())
    left = await balances(till.services, till.tenant)
    source = f"provider_float:{till.rail.rail.name}" if till.rail.rail.is_called else "bank:payouts"
    assert left[source] == -gone * PAID_OUT
    await till.require_closed_books()


async def _asked(till: Till) -> tuple[PaymentFacts, Movement]:
    """A payment whose buyer was asked, as its provider keeps it."""
    payment = await till.intent()
    payment = await till.flow.submit(payment.id)
    reference = await reference_of(till.services, payment)
    return payment, till.rail.engine.movements[reference]


async def _end(
    till: Till, movement: Movement, end: MovementState, ask: Callable[[], Awaitable[object]]
) -> None:
    """A day later, where it is the end of what was done, and known to be."""
    if end in _AFTERWARDS:
        await till.settle(movement)
        await ask()
        till.pass_time(_DAY_MS)
    reason = "EXPIRED" if end is M.EXPIRED else None
    await till.rail.engine.settle(movement.reference, end, reason)


@on_rails([FLUTTERWAVE])
@pytest.mark.parametrize("end", sorted(_AFTERWARDS))
async def test_what_is_taken_back_is_what_was_not_given_back_though_nobody_read_that(
    till: Till, end: MovementState
) -> None:
    """A refund that was done is not taken from the organizer a second time because the bank's word
    came first.
    """
    payment = await till.pay()
    refund_id, asked = await till.ask_back(payment)
    await till.settle_untold(asked)
    paid = till.rail.engine.movements[await reference_of(till.services, payment)]
    await till.settle(paid, end)
    assert (await till.flow.refresh(payment.id)).state is C(end)
    assert await till.refund_state(refund_id) is R.SUCCEEDED
    left = await balances(till.services, till.tenant)
    assert left["provider_clearing:flutterwave"] == 0
    assert left.get("dispute_suspense:flutterwave", 0) == 0
    await till.require_closed_books()


@dataclass(frozen=True, slots=True)
class _Mute:
    """A rail that says nothing of refunds."""

    rail: Any

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a rail has
        return getattr(self.rail, name)

    async def read_refund(self, _request: RefundRequest) -> Reading:
        return Reading(Finding.UNKNOWN, reason="ReadTimeout")


@on_rails([FLUTTERWAVE])
@pytest.mark.parametrize("end", sorted(_AFTERWARDS))
async def test_what_is_taken_back_waits_for_a_refund_that_nothing_is_said_of(
    till: Till, end: MovementState
) -> None:
    payment = await till.pay()
    refund_id, asked = await till.ask_back(payment)
    await till.settle_untold(asked)
    mute = _over(till, _Mute(till.rail.collector))
    await _take_back_untold(till, payment, end)
    assert (await mute.refresh(payment.id)).state is C.SUCCEEDED
    till.pass_time(TWO_MINUTES_MS)
    await till.flow.refresh_due()
    assert (await found(till.services, payment.id)).state == C(end)
    assert await till.refund_state(refund_id) is R.SUCCEEDED
    left = await balances(till.services, till.tenant)
    assert left["provider_clearing:flutterwave"] == 0
    assert left.get("dispute_suspense:flutterwave", 0) == 0
    await till.require_closed_books()


@on_rails([FLUTTERWAVE])
async def test_nobody_waits_longer_than_a_day_for_a_refund(till: Till) -> None:
    payment = await till.pay()
    await till.ask_back(payment)
    mute = _over(till, _Mute(till.rail.collector))
    await _take_back_untold(till, payment, M.REVERSED)
    assert (await mute.refresh(payment.id)).state is C.SUCCEEDED
    till.pass_time(_DAY_MS)
    await mute.refresh_due()
    assert (await found(till.services, payment.id)).state == C.REVERSED


@on_rails([FLUTTERWAVE])
@pytest.mark.parametrize("end", sorted({M.SUCCEEDED, M.REVERSED}))
async def test_a_dispute_of_what_was_given_back_ends_nothing_that_was_won_before(
    till: Till, end: MovementState
) -> None:
    payment = await till.pay()
    for state in (M.DISPUTED, M.SUCCEEDED):
        await _take_back_untold(till, payment, state)
        await till.flow.refresh(payment.id)
    refund_id, asked = await till.ask_back(payment)
    await till.settle_untold(asked)
    await till.refunds.refresh(refund_id)
    for state in (M.DISPUTED, end):
        await _take_back_untold(till, payment, state)
        await till.flow.refresh(payment.id)
    assert (await found(till.services, payment.id)).state == C(end)
    left = await balances(till.services, till.tenant)
    assert (left["dispute_suspense:flutterwave"], left["provider_clearing:flutterwave"]) == (0, 0)
    await till.require_closed_books()


def _over(till: Till, collector: Any) -> PaymentFlow:  # noqa: ANN401 - stands for a rail
    return flow_over(till.services, {collector.provider: collector}, till.heard)


async def _take_back_untold(till: Till, payment: PaymentFacts, end: MovementState) -> None:
    till.turn((Operation.CALLBACK, Fault.CALLBACK_MISSING))
    paid = till.rail.engine.movements[await reference_of(till.services, payment)]
    await till.settle(paid, end)
