"""Payments on a provider's own page, from intent to money, whatever the dial is turned to."""

from http import HTTPStatus

import pytest
from sqlalchemy import text

from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.payments.disputes import DISPUTED
from sync_server.payments.flow import DUE_AT_ONCE
from sync_server.payments.ports import Notice
from sync_server.payments.rules import OPEN, PaymentState, Provider
from sync_server.payments.views import facts_of
from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    Fault,
    MovementState,
    Operation,
)
from sync_server.sandboxes.pages import Choice
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.payments import found, settle_untold
from tests.factories.rails import FLUTTERWAVE, PESAPAL, RAILS
from tests.factories.till import HOUR_MS, Till, on_rails

S = PaymentState
MINUTE_MS = 60_000
_PAGED = [rail for rail in RAILS if rail.has_page]


async def _watch(till: Till) -> None:
    """Ask about whatever is due, of other tests as well."""
    while await till.flow.refresh_due() >= DUE_AT_ONCE:
        pass


def _sold(provider: Provider, event_id: EventId, times: int) -> dict[str, int]:
    return {
        f"organizer_pending:{event_id}": -94_100 * times,
        "platform_fee": -5_000 * times,
        f"provider_clearing:{provider}": 100_000 * times,
        "tax_on_fees": -900 * times,
    }


@on_rails(_PAGED)
async def test_a_buyer_who_never_came_back_has_not_paid(till: Till) -> None:
    payment = await till.at_the_page()
    await till.press(payment, Choice.LEAVE)
    assert (await till.flow.refresh(payment.id)).state is S.PENDING
    till.pass_time(HOUR_MS)
    assert (await till.flow.refresh(payment.id)).state is S.EXPIRED
    gone = await till.rail.see(payment.redirect_url or "")
    assert (gone.status_code, till.heard.words) == (404, ["gave_up"])
    assert await balances(till.services, till.tenant) == {}


@on_rails(_PAGED)
async def test_a_buyer_who_was_quicker_than_the_end_has_paid(till: Till) -> None:
    payment = await till.at_the_page()
    await settle_untold(till.services, till.rail, payment, MovementState.SUCCEEDED)
    till.clock.advance(HOUR_MS)
    assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert till.heard.words == ["captured"]


@on_rails(_PAGED)
async def test_a_success_after_the_end_counts(till: Till) -> None:
    payment = await till.at_the_page()
    assert await till.let_time_go_by() == {S.EXPIRED}
    await settle_untold(till.services, till.rail, payment, MovementState.SUCCEEDED)
    assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert till.heard.words == ["gave_up", "captured"]


@on_rails(_PAGED)
async def test_a_try_that_failed_ends_nothing_while_its_page_is_open(till: Till) -> None:
    """A callback may be lost: the second try on the same page is found by asking."""
    payment = await till.at_the_page()
    till.turn((Operation.CALLBACK, Fault.CALLBACK_MISSING), 2)
    await till.press(payment, Choice.FAIL)
    till.pass_time(5_000)
    await _watch(till)
    failed = facts_of(await found(till.services, payment.id))
    assert (failed.state, failed.reason is not None, till.heard.words_of(payment)) == (
        S.PENDING,
        True,
        [],
    )
    till.turn((Operation.READ, Fault.UNAVAILABLE))
    silent = await till.flow.refresh(payment.id)
    assert (silent.state, silent.reason) == (S.PENDING, failed.reason)
    await till.press(payment, Choice.PAY_BY_CARD)
    till.pass_time(MINUTE_MS)
    await _watch(till)
    assert till.heard.words_of(payment) == ["captured"]
    provider = till.rail.collector.provider
    assert await balances(till.services, till.tenant) == _sold(provider, till.event_id, 1)


@on_rails(_PAGED)
async def test_a_try_that_failed_is_the_end_when_the_time_of_its_page_is_over(till: Till) -> None:
    payment = await till.at_the_page()
    till.turn((Operation.CALLBACK, Fault.CALLBACK_MISSING))
    await till.press(payment, Choice.FAIL)
    till.pass_time(HOUR_MS)
    ended = await till.flow.refresh(payment.id)
    assert (ended.state, till.heard.words) == (S.FAILED, ["gave_up"])
    gone = await till.rail.see(payment.redirect_url or "")
    assert gone.status_code == HTTPStatus.NOT_FOUND


@on_rails(_PAGED)
async def test_money_that_came_after_the_end_is_found_though_nobody_tells(till: Till) -> None:
    payment = await till.at_the_page()
    assert await till.let_time_go_by() == {S.EXPIRED}
    await settle_untold(till.services, till.rail, payment, MovementState.SUCCEEDED)
    till.pass_time(7 * 24 * HOUR_MS)
    await _watch(till)
    assert till.heard.words_of(payment) == ["gave_up", "captured"]


@on_rails(_PAGED)
async def test_a_reversal_a_day_later_takes_everything_back(till: Till) -> None:
    payment = await till.pay()
    till.rail.engine.offset_ms += 24 * HOUR_MS
    await settle_untold(till.services, till.rail, payment, MovementState.REVERSED)
    assert (await till.flow.refresh(payment.id)).state is S.REVERSED
    assert till.heard.words == ["captured", "taken_back"]
    left = await balances(till.services, till.tenant)
    assert set(left.values()) == {0}


@on_rails(_PAGED)
async def test_a_reversal_that_nobody_told_of_is_found(till: Till) -> None:
    payment = await till.pay()
    await settle_untold(till.services, till.rail, payment, MovementState.REVERSED)
    till.clock.advance(23 * HOUR_MS)
    await _watch(till)
    assert till.heard.words_of(payment) == ["captured"]
    till.clock.advance(HOUR_MS)
    await _watch(till)
    assert till.heard.words_of(payment) == ["captured", "taken_back"]
    assert set((await balances(till.services, till.tenant)).values()) == {0}


@pytest.mark.parametrize(
    ("end", "state", "clearing"),
    [(MovementState.SUCCEEDED, S.SUCCEEDED, 100_000), (MovementState.REVERSED, S.REVERSED, 0)],
)
@on_rails([FLUTTERWAVE])
async def test_a_dispute_holds_the_money_until_it_ends(
    till: Till, end: MovementState, state: PaymentState, clearing: int
) -> None:
    payment = await till.pay()
    await settle_untold(till.services, till.rail, payment, MovementState.DISPUTED)
    assert (await till.flow.refresh(payment.id)).state is S.DISPUTED
    held = await balances(till.services, till.tenant)
    assert (held["dispute_suspense:flutterwave"], held["provider_clearing:flutterwave"]) == (
        100_000,
        0,
    )
    assert await open_alarms(till.services, DISPUTED) == {
        str(payment.id): {
            "organizer_id": str(till.tenant.organizer_id),
            "order_id": str(payment.order_id),
            "provider": "flutterwave",
            "currency": "UGX",
            "amount": 100_000,
        }
    }
    await settle_untold(till.services, till.rail, payment, end)
    assert (await till.flow.refresh(payment.id)).state is state
    left = await balances(till.services, till.tenant)
    assert (left["provider_clearing:flutterwave"], sum(left.values())) == (clearing, 0)
    assert await open_alarms(till.services, DISPUTED) == {}


@on_rails([PESAPAL])
async def test_a_refund_of_ours_is_no_reversal(till: Till) -> None:
    payment = await till.pay()
    async with till.services.database.transaction(WORKER) as session:
        query = text("UPDATE payments SET refunded_amount = amount WHERE id = :id")
        await session.execute(query, {"id": payment.id})
    await settle_untold(till.services, till.rail, payment, MovementState.REVERSED)
    assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert till.heard.words == ["captured"]
    sold = _sold(Provider.PESAPAL, till.event_id, 1)
    assert await balances(till.services, till.tenant) == sold


@on_rails([PESAPAL])
async def test_whatever_becomes_of_tokens_each_buyer_pays_once(till: Till) -> None:
    for fault in sorted(OF_ANSWERS):
        till.turn((Operation.TOKEN, fault))
        assert (await till.pay()).state is S.SUCCEEDED
    assert till.rail.engine.dial.is_clear
    sold = _sold(Provider.PESAPAL, till.event_id, len(OF_ANSWERS))
    assert await balances(till.services, till.tenant) == sold


@pytest.mark.parametrize("theirs", ["", "\x00", "\ud800", "x" * 10_000, "nobody's"])
@on_rails([PESAPAL])
async def test_a_callback_of_nobody_is_left_alone(till: Till, theirs: str) -> None:
    told = {"OrderTrackingId": theirs, "OrderMerchantReference": "\x00"}
    await till.flow.hear(Provider.PESAPAL, Notice("GET", {}, told, b""))
    assert till.heard.words == []


@on_rails([PESAPAL])
async def test_an_order_whose_page_was_never_seen_is_over_in_time(till: Till) -> None:
    till.turn((Operation.COLLECT, Fault.LOST_ANSWER))
    payment = await till.at_the_page()
    assert (await till.flow.refresh(payment.id)).state is S.UNKNOWN
    assert len(till.rail.engine.movements) == 1
    till.pass_time(HOUR_MS)
    assert (await till.flow.refresh(payment.id)).state is S.EXPIRED


@on_rails([PESAPAL])
async def test_what_cannot_be_withdrawn_stays_open(till: Till) -> None:
    payment = await till.at_the_page()
    till.clock.advance(HOUR_MS)
    till.turn((Operation.WITHDRAW, Fault.HTML_ERROR))
    assert (await till.flow.refresh(payment.id)).state in OPEN
    # It was cancelled, and is not cancelled twice: a person looks at it, or it is paid after all.
    assert (await till.flow.refresh(payment.id)).state in OPEN
    await settle_untold(till.services, till.rail, payment, MovementState.SUCCEEDED)
    assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
