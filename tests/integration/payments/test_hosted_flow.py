"""Payments on a provider's own page, from intent to money, whatever the dial is turned to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.payments.flow import DUE_AT_ONCE, PaymentFlow
from sync_server.payments.ports import Notice
from sync_server.payments.rules import OPEN, PaymentState, Provider
from sync_server.payments.views import PaymentFacts
from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    Fault,
    MovementState,
    Operation,
)
from sync_server.sandboxes.pages import Choice
from tests.factories.ledger import balances
from tests.factories.payments import Heard, an_intent, flow_on, reference_of
from tests.factories.rails import FLUTTERWAVE, PESAPAL, RAILS, Rail, RunningRail, running
from tests.factories.tenants import Tenant

S = PaymentState
_HOUR_MS = 3_600_000
_PAGED = [rail for rail in RAILS if rail.has_page]
_TEN_MINUTES_MS = 600_000


@dataclass(slots=True)
class Shop:
    """A buyer, and what stands between them and the money."""

    services: Services
    tenant: Tenant
    event_id: EventId
    clock: SettableClock
    rail: RunningRail
    heard: Heard = field(default_factory=Heard)
    begun: list[UUID] = field(default_factory=list)

    @property
    def flow(self) -> PaymentFlow:
        return flow_on(self.services, self.rail, self.heard)

    async def intent(self) -> PaymentFacts:
        provider = self.rail.collector.provider
        intent = await an_intent(self.services, self.tenant, self.event_id, provider)
        self.begun.append(intent.id)
        return intent

    async def at_the_page(self) -> PaymentFacts:
        return await self.flow.submit((await self.intent()).id)

    async def press(self, payment: PaymentFacts, choice: Choice) -> None:
        """Choose on the page, and let the callbacks that came be heard."""
        page = payment.redirect_url
        assert page is not None
        await self.rail.press(page, choice)
        await self.rail.engine.courier.release()
        for notice in self.rail.merchant.notices:
            await self.flow.hear(self.rail.collector.provider, notice)
        self.rail.merchant.notices.clear()

    async def buy(self) -> PaymentFacts:
        """Pay as somebody does who does not give up: on the page, or with a new payment where the
        first never had one.
        """
        payment = await self._try()
        for _ in range(2):
            if payment.state is not S.SUCCEEDED:
                payment = await self._try()
        return payment

    async def _try(self) -> PaymentFacts:
        payment = await self.at_the_page()
        if payment.redirect_url is None:
            payment = await self.flow.refresh(payment.id)
        if payment.redirect_url is not None:
            await self.press(payment, Choice.PAY_BY_CARD)
        await self.flow.refresh(payment.id)
        return await self.flow.refresh(payment.id)

    def let_time_go_by(self) -> None:
        """Everything that is open is over, here and at the provider."""
        self.clock.advance(_HOUR_MS)
        self.rail.engine.offset_ms += _HOUR_MS

    async def ended(self) -> set[PaymentState]:
        """What became of every payment, also of those that the buyer gave up."""
        return {(await self.flow.refresh(payment_id)).state for payment_id in self.begun}

    async def watch(self) -> None:
        """Ask about whatever is due, of other tests as well."""
        while await self.flow.refresh_due() >= DUE_AT_ONCE:
            pass

    async def settle_late(self, payment: PaymentFacts, state: MovementState) -> None:
        """Have the provider change its mind, and say nothing of it."""
        self.rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
        reference = await reference_of(self.services, payment)
        await self.rail.engine.settle(reference, state)


@pytest.fixture(params=_PAGED, ids=lambda rail: rail.name)
async def shop(
    request: pytest.FixtureRequest,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    clock: SettableClock,
) -> AsyncIterator[Shop]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield Shop(services, tenant, event_id, clock, rail)


def _sold(provider: Provider, event_id: EventId, times: int) -> dict[str, int]:
    return {
        f"organizer_pending:{event_id}": -94_100 * times,
        "platform_fee": -5_000 * times,
        f"provider_clearing:{provider}": 100_000 * times,
        "tax_on_fees": -900 * times,
    }


async def test_a_buyer_who_never_came_back_has_not_paid(shop: Shop) -> None:
    payment = await shop.at_the_page()
    await shop.press(payment, Choice.LEAVE)
    assert (await shop.flow.refresh(payment.id)).state is S.PENDING
    shop.let_time_go_by()
    assert (await shop.flow.refresh(payment.id)).state is S.EXPIRED
    gone = await shop.rail.see(payment.redirect_url or "")
    assert (gone.status_code, shop.heard.words) == (404, ["gave_up"])
    assert await balances(shop.services, shop.tenant) == {}


async def test_a_buyer_who_was_quicker_than_the_end_has_paid(shop: Shop) -> None:
    payment = await shop.at_the_page()
    await shop.settle_late(payment, MovementState.SUCCEEDED)
    shop.clock.advance(_HOUR_MS)
    assert (await shop.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert shop.heard.words == ["captured"]


async def test_a_success_after_the_end_counts(shop: Shop) -> None:
    payment = await shop.at_the_page()
    shop.let_time_go_by()
    assert await shop.ended() == {S.EXPIRED}
    await shop.settle_late(payment, MovementState.SUCCEEDED)
    assert (await shop.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert shop.heard.words == ["gave_up", "captured"]


async def test_a_reversal_a_day_later_takes_everything_back(shop: Shop) -> None:
    payment = await shop.buy()
    shop.rail.engine.offset_ms += 24 * _HOUR_MS
    await shop.settle_late(payment, MovementState.REVERSED)
    assert (await shop.flow.refresh(payment.id)).state is S.REVERSED
    assert shop.heard.words == ["captured", "taken_back"]
    left = await balances(shop.services, shop.tenant)
    assert set(left.values()) == {0}


async def test_a_reversal_that_nobody_told_of_is_found(shop: Shop) -> None:
    payment = await shop.buy()
    await shop.settle_late(payment, MovementState.REVERSED)
    shop.clock.advance(23 * _HOUR_MS)
    await shop.watch()
    assert shop.heard.words_of(payment) == ["captured"]
    shop.clock.advance(_HOUR_MS)
    await shop.watch()
    assert shop.heard.words_of(payment) == ["captured", "taken_back"]
    assert set((await balances(shop.services, shop.tenant)).values()) == {0}


@pytest.fixture
async def pesapal_shop(
    services: Services, tenant: Tenant, event_id: EventId, clock: SettableClock
) -> AsyncIterator[Shop]:
    async with running(PESAPAL) as rail:
        yield Shop(services, tenant, event_id, clock, rail)


@pytest.fixture
async def card_shop(
    services: Services, tenant: Tenant, event_id: EventId, clock: SettableClock
) -> AsyncIterator[Shop]:
    async with running(FLUTTERWAVE) as rail:
        yield Shop(services, tenant, event_id, clock, rail)


@pytest.mark.parametrize(
    ("end", "state", "clearing"),
    [(MovementState.SUCCEEDED, S.SUCCEEDED, 100_000), (MovementState.REVERSED, S.REVERSED, 0)],
)
async def test_a_dispute_holds_the_money_until_it_ends(
    card_shop: Shop, end: MovementState, state: PaymentState, clearing: int
) -> None:
    shop = card_shop
    payment = await shop.buy()
    await shop.settle_late(payment, MovementState.DISPUTED)
    assert (await shop.flow.refresh(payment.id)).state is S.DISPUTED
    held = await balances(shop.services, shop.tenant)
    assert (held["dispute_suspense:flutterwave"], held["provider_clearing:flutterwave"]) == (
        100_000,
        0,
    )
    await shop.settle_late(payment, end)
    assert (await shop.flow.refresh(payment.id)).state is state
    left = await balances(shop.services, shop.tenant)
    assert (left["provider_clearing:flutterwave"], sum(left.values())) == (clearing, 0)


async def test_a_refund_of_ours_is_no_reversal(pesapal_shop: Shop) -> None:
    shop = pesapal_shop
    payment = await shop.buy()
    async with shop.services.database.transaction(WORKER) as session:
        query = text("UPDATE payments SET refunded_amount = amount WHERE id = :id")
        await session.execute(query, {"id": payment.id})
    await shop.settle_late(payment, MovementState.REVERSED)
    assert (await shop.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert shop.heard.words == ["captured"]
    sold = _sold(Provider.PESAPAL, shop.event_id, 1)
    assert await balances(shop.services, shop.tenant) == sold


async def test_whatever_becomes_of_tokens_each_buyer_pays_once(pesapal_shop: Shop) -> None:
    shop = pesapal_shop
    for fault in sorted(OF_ANSWERS):
        # The last token is over.
        shop.rail.clock.advance(_TEN_MINUTES_MS)
        shop.rail.engine.dial.turn(Operation.TOKEN, fault)
        assert (await shop.buy()).state is S.SUCCEEDED
    assert shop.rail.engine.dial.is_clear
    sold = _sold(Provider.PESAPAL, shop.event_id, len(OF_ANSWERS))
    assert await balances(shop.services, shop.tenant) == sold


@pytest.mark.parametrize("theirs", ["", "\x00", "\ud800", "x" * 10_000, "nobody's"])
async def test_a_callback_of_nobody_is_left_alone(pesapal_shop: Shop, theirs: str) -> None:
    told = {"OrderTrackingId": theirs, "OrderMerchantReference": "\x00"}
    await pesapal_shop.flow.hear(Provider.PESAPAL, Notice("GET", {}, told, b""))
    assert pesapal_shop.heard.words == []


async def test_an_order_whose_page_was_never_seen_is_over_in_time(pesapal_shop: Shop) -> None:
    shop = pesapal_shop
    shop.rail.engine.dial.turn(Operation.COLLECT, Fault.LOST_ANSWER)
    payment = await shop.at_the_page()
    assert (await shop.flow.refresh(payment.id)).state is S.UNKNOWN
    assert len(shop.rail.engine.movements) == 1
    shop.let_time_go_by()
    assert (await shop.flow.refresh(payment.id)).state is S.EXPIRED


async def test_what_cannot_be_withdrawn_stays_open(pesapal_shop: Shop) -> None:
    shop = pesapal_shop
    payment = await shop.at_the_page()
    shop.clock.advance(_HOUR_MS)
    shop.rail.engine.dial.turn(Operation.WITHDRAW, Fault.HTML_ERROR)
    assert (await shop.flow.refresh(payment.id)).state in OPEN
    # It was cancelled, and is not cancelled twice: a person looks at it, or it is paid after all.
    assert (await shop.flow.refresh(payment.id)).state in OPEN
    await shop.settle_late(payment, MovementState.SUCCEEDED)
    assert (await shop.flow.refresh(payment.id)).state is S.SUCCEEDED
