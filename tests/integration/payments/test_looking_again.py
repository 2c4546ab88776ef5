"""Captured payments are asked about again, after whoever waits, and keep what they have."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.payments.doubts import AMOUNT_DIFFERS
from sync_server.payments.flow import DUE_AT_ONCE, PaymentFlow
from sync_server.payments.repository import Due, take_due_payments
from sync_server.payments.rules import Finding, PaymentState, Provider, Reading
from sync_server.payments.views import PaymentFacts
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances, ugx
from tests.factories.payments import (
    Heard,
    an_intent,
    found,
    hear_of,
    readings_of,
    reference_of,
    settle_untold,
)
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant

S = PaymentState
_DAY_MS = 86_400_000


async def _next_read_days(services: Services, payment: PaymentFacts) -> float | None:
    """In how many days a payment is asked about again."""
    query = text("SELECT next_read_at FROM payments WHERE id = :id")
    async with services.database.reading(WORKER) as session:
        moment: datetime | None = await session.scalar(query, {"id": payment.id})
    now = instant(services.clock.now_ms())
    return None if moment is None else (moment - now) / timedelta(days=1)


@pytest.mark.parametrize("is_forgotten", [False, True], ids=["pending", "never seen"])
async def test_captured_money_stays_whatever_a_provider_has_forgotten(
    services: Services,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    intent: PaymentFacts,
    *,
    is_forgotten: bool,
) -> None:
    await flow.submit(intent.id)
    reference = await reference_of(services, intent)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    paid = await flow.refresh(intent.id)
    assert (paid.state, await _next_read_days(services, paid)) == (S.SUCCEEDED, 1)
    rail.engine.movements[reference].state = MovementState.PENDING
    kept = [reference][is_forgotten:]
    rail.engine.movements = {name: rail.engine.movements[name] for name in kept}
    clock.advance(_DAY_MS)
    while await flow.refresh_due() >= DUE_AT_ONCE:
        pass
    asked = await readings_of(services, intent)
    assert ("poll", ["pending", "not_found"][is_forgotten]) in asked
    assert await flow.refresh(intent.id) == paid
    assert list(rail.engine.movements) == kept
    assert await _next_read_days(services, paid) == 2


async def test_open_payments_are_asked_about_before_captured_ones(
    services: Services,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    tenant: Tenant,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    await flow.refresh(intent.id)
    clock.advance(2 * _DAY_MS)
    waiting = await an_intent(services, tenant, intent.event_id)
    clock.advance(_DAY_MS)
    due = Due(instant(clock.now_ms()), 10_000, timedelta())
    async with services.database.transaction(WORKER) as session:
        # A rail that is not offered any more has nobody to ask.
        assert intent.id not in await take_due_payments(session, due, {Provider.AIRTEL})
        ids = await take_due_payments(session, due, {Provider.MTN})
    assert ids.index(waiting.id) < ids.index(intent.id)


async def test_a_payment_that_was_given_up_is_looked_at_for_a_week(
    services: Services,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    intent: PaymentFacts,
) -> None:
    """Where there is no page to try again on, a refusal is the end at once; money may come late."""
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.FAILED)
    assert (await flow.refresh(intent.id)).state is S.FAILED
    hours = []
    while (days := await _next_read_days(services, intent)) is not None:
        hours.append(round(days * 24, 1))
        clock.advance(round(days * _DAY_MS))
        await _watch(flow)
    assert hours == [0.2, 0.8, 5, 18, 48, 96]
    asked = [finding for source, finding in await readings_of(services, intent) if source == "poll"]
    assert asked == ["failed"] * (1 + len(hours))


async def test_late_money_is_found_though_the_callback_was_lost(
    services: Services,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.FAILED)
    await flow.refresh(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    for _ in range(2):
        clock.advance(_DAY_MS)
        await _watch(flow)
    assert (await found(services, intent.id)).state == S.SUCCEEDED
    assert heard.words_of(intent) == ["gave_up", "captured"]


async def test_what_is_due_is_found_by_its_index(services: Services, clock: SettableClock) -> None:
    due = Due(instant(clock.now_ms()), 10_000, timedelta())
    scans = text("SELECT pg_stat_get_xact_numscans('ix_payments_next_read_at'::regclass)")
    async with services.database.transaction(WORKER) as session:
        # A table as small as this one would be read from end to end, and sorted.
        for way in ("seqscan", "bitmapscan", "sort"):
            await session.execute(text(f"SET LOCAL enable_{way} = off"))
        await take_due_payments(session, due, {Provider.MTN})
        assert await session.scalar(scans) == 2


async def _watch(flow: PaymentFlow) -> None:
    while await flow.refresh_due() >= DUE_AT_ONCE:
        pass


async def test_other_money_than_was_captured_is_told_and_changes_nothing(
    services: Services,
    tenant: Tenant,
    rail: RunningRail,
    flow: PaymentFlow,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    paid = await flow.refresh(intent.id)
    before = await balances(services, tenant)
    assert await open_alarms(services, AMOUNT_DIFFERS) == {}
    rail.engine.dial.turn(Operation.READ, Fault.AMOUNT_CHANGED)
    assert await flow.refresh(intent.id) == paid
    about = {
        "organizer_id": str(tenant.organizer_id),
        "order_id": str(intent.order_id),
        "provider": "mtn",
        "currency": "UGX",
        "amount": 100_000,
        "refunded_amount": 0,
        "told_currency": "UGX",
        "told_amount": 99_999,
    }
    assert await open_alarms(services, AMOUNT_DIFFERS) == {str(intent.id): about}
    assert await balances(services, tenant) == before
    await flow.refresh(intent.id)
    assert await open_alarms(services, AMOUNT_DIFFERS) == {}


async def test_what_was_taken_back_in_the_end_is_no_doubt_any_more(
    services: Services, flow: PaymentFlow, intent: PaymentFacts
) -> None:
    for amount in (100_000, 60_000):
        await hear_of(flow, intent.id, Reading(Finding.SUCCEEDED, amount=ugx(amount)))
    assert list(await open_alarms(services, AMOUNT_DIFFERS)) == [str(intent.id)]
    facts = await hear_of(flow, intent.id, Reading(Finding.REVERSED))
    assert (facts.state, await open_alarms(services, AMOUNT_DIFFERS)) == (S.REVERSED, {})
