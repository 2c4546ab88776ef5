import asyncio
from copy import copy
from typing import NoReturn

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Dispute, Sale
from sync_server.ledger.rules import Transaction
from sync_server.payments.errors import PaymentNotFoundError, ProviderNotOfferedError
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.ports import Notice
from sync_server.payments.readings import Told
from sync_server.payments.rules import Finding, PaymentState, Provider, Reading
from sync_server.payments.views import PaymentFacts
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances, ugx
from tests.factories.payments import (
    SHARES,
    Heard,
    an_intent,
    flow_on,
    found,
    readings_of,
    reference_of,
    settle_untold,
)
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant

S = PaymentState
_DAY_MS = 86_400_000


async def test_money_that_came_is_in_the_books_and_told_once(
    services: Services,
    tenant: Tenant,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    assert (await flow.submit(intent.id)).state is S.PENDING
    assert (await flow.refresh(intent.id)).state is S.PENDING
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    states = [(await flow.refresh(intent.id)).state for _ in range(3)]
    assert states == [S.SUCCEEDED] * 3
    assert heard.words == ["captured"]
    assert await balances(services, tenant) == {
        f"organizer_pending:{intent.event_id}": -94_100,
        "platform_fee": -5_000,
        "provider_clearing:mtn": 100_000,
        "tax_on_fees": -900,
    }


async def test_a_storm_of_callbacks_and_polls_captures_once(
    services: Services,
    tenant: Tenant,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    notice = Notice("PUT", {}, {"reference": await reference_of(services, intent)}, _BODY)
    await asyncio.gather(
        *(flow.hear(Provider.MTN, notice) for _ in range(10)),
        *(flow.refresh(intent.id) for _ in range(10)),
    )
    assert heard.words == ["captured"]
    assert (await balances(services, tenant))["provider_clearing:mtn"] == 100_000


async def test_what_changed_since_it_was_seen_is_looked_at_again(
    services: Services,
    tenant: Tenant,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    """Whoever was slow to ask writes nothing over what others found meanwhile."""
    await flow.submit(intent.id)
    seen = await found(services, intent.id)
    reference = await reference_of(services, intent)
    paid = Reading(Finding.SUCCEEDED, reference, SHARES.total, "1")
    slow = [Reading(Finding.PENDING), Reading(Finding.FAILED, reason="too slow"), paid]
    states = [
        (await flow._record(copy(seen), Told(reading, "poll", 1))).state
        for reading in (paid, *slow)
    ]
    assert states == [S.SUCCEEDED] * 4
    assert heard.words == ["captured"]
    told = sorted(finding for _, finding in await readings_of(services, intent))
    assert told == ["failed", "pending", "pending", "succeeded", "succeeded"]
    assert (await balances(services, tenant))["provider_clearing:mtn"] == 100_000


_BODY = b'{"status": "SUCCESSFUL", "financialTransactionId": "1", "amount": "1"}'


@pytest.mark.parametrize(
    "fault", [Fault.SLOW_ANSWER, Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.HTML_ERROR]
)
async def test_a_lost_answer_is_unknown_and_then_found(
    services: Services,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
    fault: Fault,
) -> None:
    rail.engine.dial.turn(Operation.COLLECT, fault)
    assert (await flow.submit(intent.id)).state is S.UNKNOWN
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    assert (await flow.refresh(intent.id)).state is S.SUCCEEDED
    assert (len(rail.engine.movements), heard.words) == (1, ["captured"])


async def test_what_never_arrived_is_sent_again_under_the_same_reference(
    services: Services, rail: RunningRail, flow: PaymentFlow, intent: PaymentFacts
) -> None:
    rail.engine.dial.turn(Operation.COLLECT, Fault.UNAVAILABLE)
    assert (await flow.submit(intent.id)).state is S.UNKNOWN
    assert (await flow.refresh(intent.id)).state is S.PENDING
    assert list(rail.engine.movements) == [await reference_of(services, intent)]


async def test_what_never_arrived_in_time_has_expired(
    clock: SettableClock, rail: RunningRail, flow: PaymentFlow, heard: Heard, intent: PaymentFacts
) -> None:
    rail.engine.dial.turn(Operation.COLLECT, Fault.UNAVAILABLE)
    await flow.submit(intent.id)
    clock.advance(3_600_000)
    assert (await flow.refresh(intent.id)).state is S.EXPIRED
    assert (heard.words, rail.engine.movements) == (["gave_up"], {})


async def test_an_intent_that_nobody_sent_is_sent_by_the_watch(
    services: Services,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    intent: PaymentFacts,
) -> None:
    reference = await reference_of(services, intent)
    await flow.refresh_due()
    assert reference not in rail.engine.movements
    clock.advance(31_000)
    await flow.refresh_due()
    assert reference in rail.engine.movements
    assert (await flow.refresh(intent.id)).state is S.PENDING


async def test_a_payment_is_asked_about_less_and_less_often(
    services: Services, clock: SettableClock, flow: PaymentFlow, intent: PaymentFacts
) -> None:
    await flow.submit(intent.id)
    counts = []
    for milliseconds in (0, 5_000, 0):
        clock.advance(milliseconds)
        await flow.refresh_due()
        counts.append(len(await readings_of(services, intent)))
    assert counts == [1, 2, 2]


async def test_other_money_than_was_asked_for_is_set_aside(
    services: Services,
    tenant: Tenant,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    rail.engine.dial.turn(Operation.READ, Fault.AMOUNT_CHANGED)
    assert (await flow.refresh(intent.id)).state is S.MISMATCHED
    assert heard.words == []
    assert await balances(services, tenant) == {
        "provider_clearing:mtn": 99_999,
        "unapplied_receipts": -99_999,
    }
    about = {
        "organizer_id": str(tenant.organizer_id),
        "order_id": str(intent.order_id),
        "provider": "mtn",
        "currency": "UGX",
        "amount": 100_000,
        "received_currency": "UGX",
        "received_amount": 99_999,
    }
    assert await open_alarms(services, "payment.mismatched") == {str(intent.id): about}


async def test_a_refusal_gives_up_and_a_late_success_counts(
    services: Services,
    rail: RunningRail,
    flow: PaymentFlow,
    heard: Heard,
    intent: PaymentFacts,
) -> None:
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.FAILED)
    assert (await flow.refresh(intent.id)).state is S.FAILED
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    assert (await flow.refresh(intent.id)).state is S.SUCCEEDED
    assert heard.words == ["gave_up", "captured"]


@pytest.mark.parametrize(
    "notice",
    [
        Notice("PUT", {}, {"reference": "01a206c5-5235-7e5e-9234-8ac622ca9a74"}, _BODY),
        Notice("PUT", {}, {"reference": "nonsense"}, _BODY),
        Notice("PUT", {}, {}, _BODY),
        Notice("PUT", {}, {"reference": "nonsense"}, b"{"),
    ],
)
async def test_a_callback_of_nobody_changes_nothing(
    services: Services, tenant: Tenant, flow: PaymentFlow, heard: Heard, notice: Notice
) -> None:
    await flow.hear(Provider.MTN, notice)
    assert (heard.words, await balances(services, tenant)) == ([], {})


async def test_a_forged_callback_pays_nothing(
    services: Services, flow: PaymentFlow, heard: Heard, intent: PaymentFacts
) -> None:
    await flow.submit(intent.id)
    notice = Notice("PUT", {}, {"reference": await reference_of(services, intent)}, _BODY)
    await flow.hear(Provider.MTN, notice)
    assert ((await flow.refresh(intent.id)).state, heard.words) == (S.PENDING, [])


async def test_a_rail_that_is_not_offered(
    services: Services, tenant: Tenant, event_id: EventId, flow: PaymentFlow
) -> None:
    intent = await an_intent(services, tenant, event_id, Provider.AIRTEL)
    with pytest.raises(ProviderNotOfferedError):
        await flow.submit(intent.id)


async def test_a_payment_that_is_none(services: Services, flow: PaymentFlow) -> None:
    for step in (flow.submit, flow.refresh):
        with pytest.raises(PaymentNotFoundError):
            await step(services.new_id())


class _FailingListener(Heard):
    """Tickets cannot be issued."""

    async def captured(self, _session: object, _payment: PaymentFacts) -> NoReturn:
        message = "no ticket"
        raise RuntimeError(message)


async def test_without_a_ticket_there_is_no_capture(
    services: Services, tenant: Tenant, rail: RunningRail, intent: PaymentFacts
) -> None:
    flow = flow_on(services, rail, _FailingListener())
    await flow.submit(intent.id)
    await settle_untold(services, rail, intent, MovementState.SUCCEEDED)
    with pytest.raises(RuntimeError, match="no ticket"):
        await flow.refresh(intent.id)
    assert await balances(services, tenant) == {}
    whole = flow_on(services, rail, Heard())
    assert (await whole.refresh(intent.id)).state is S.SUCCEEDED


async def _move(services: Services, payment: PaymentFacts, *states: PaymentState) -> None:
    for state in states:
        async with services.database.transaction(WORKER) as session:
            await session.execute(
                text("UPDATE payments SET state = :state WHERE id = :id"),
                {"state": state, "id": payment.id},
            )


async def _posted(services: Services, tenant: Tenant, key: str) -> list[tuple[str, int]]:
    async with services.database.reading(WORKER) as session:
        lines = await ledger.find_posted(session, tenant.organizer_id, key)
    assert lines is not None, key
    return sorted((line.account.name, line.amount.minor_units) for line in lines)


def _lines(transaction: Transaction) -> list[tuple[str, int]]:
    return sorted((line.account.name, line.amount.minor_units) for line in transaction.lines)


async def test_the_tables_trigger_posts_what_the_page_on_the_ledger_says(
    services: Services, tenant: Tenant, intent: PaymentFacts
) -> None:
    """A sale that is disputed and won, each as sync_server.ledger has it."""
    await _move(services, intent, S.SUCCEEDED, S.DISPUTED, S.SUCCEEDED)
    reference = await reference_of(services, intent)
    sale = postings.capture(Sale("mtn", reference, intent.event_id, SHARES))
    dispute = Dispute(intent.id, "mtn", SHARES)
    opened = postings.chargeback_opened(dispute, ugx(0))
    won = postings.chargeback_won(dispute)
    for transaction in (sale, opened, won):
        assert await _posted(services, tenant, transaction.key) == _lines(transaction)


async def test_what_was_won_may_be_disputed_again(
    services: Services, tenant: Tenant, intent: PaymentFacts
) -> None:
    won = (S.DISPUTED, S.SUCCEEDED)
    await _move(services, intent, S.SUCCEEDED, *won, *won, S.DISPUTED)
    held = await balances(services, tenant)
    assert (held["dispute_suspense:mtn"], held["provider_clearing:mtn"]) == (100_000, 0)
    await _move(services, intent, S.REVERSED)
    assert set((await balances(services, tenant)).values()) == {0}


async def test_a_dispute_that_is_lost_comes_out_of_what_is_pending(
    services: Services, tenant: Tenant, intent: PaymentFacts
) -> None:
    await _move(services, intent, S.SUCCEEDED, S.REVERSED)
    assert set((await balances(services, tenant)).values()) == {0}


async def test_what_was_paid_out_already_is_owed(
    services: Services, tenant: Tenant, intent: PaymentFacts
) -> None:
    await _move(services, intent, S.SUCCEEDED)
    async with services.database.transaction(WORKER) as session:
        released = postings.release(intent.event_id, 1, ugx(94_100))
        await ledger.post(session, services, tenant.organizer_id, released)
        payout = postings.Payout(services.new_id(), "mtn", ugx(90_000))
        requested = postings.payout_requested(payout)
        await ledger.post(session, services, tenant.organizer_id, requested)
    await _move(services, intent, S.REVERSED)
    left = await balances(services, tenant)
    assert left["organizer_available"] == 0
    assert left["organizer_receivable"] == 90_000
    assert sum(left.values()) == 0


async def test_who_pays_is_nowhere_in_the_clear(services: Services, intent: PaymentFacts) -> None:
    async with services.database.reading(WORKER) as session:
        query = text("SELECT row_to_json(p)::text FROM payments p WHERE id = :id")
        written = await session.scalar(query, {"id": intent.id})
    assert written is not None
    assert not {"256772123456", "grace", "Grace"} & set(written.split('"'))
    assert "772123456" not in repr(intent)


async def test_every_reading_is_kept(
    services: Services, rail: RunningRail, flow: PaymentFlow, intent: PaymentFacts
) -> None:
    await flow.submit(intent.id)
    rail.engine.dial.turn(Operation.READ, Fault.UNAVAILABLE)
    await flow.refresh(intent.id)
    await flow.refresh(intent.id, "operator")
    assert await readings_of(services, intent) == [
        ("operator", "pending"),
        ("poll", "unknown"),
        ("submission", "pending"),
    ]


async def test_a_payment_that_cannot_be_opened_stops_no_other(
    services: Services,
    administrator: AsyncConnection,
    clock: SettableClock,
    rail: RunningRail,
    flow: PaymentFlow,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    broken, whole = [await an_intent(services, tenant, event_id) for _ in range(2)]
    await _reseal(services, administrator, broken, whole)
    clock.advance(31_000)
    await flow.refresh_due()
    assert await reference_of(services, whole) in rail.engine.movements
    assert await reference_of(services, broken) not in rail.engine.movements


async def _reseal(
    services: Services, administrator: AsyncConnection, broken: PaymentFacts, other: PaymentFacts
) -> None:
    """Put another payment's sealed request into a row, as somebody with the database might."""
    async with services.database.reading(WORKER) as session:
        query = text("SELECT sealed_request FROM payments WHERE id = :id")
        sealed = await session.scalar(query, {"id": other.id})
    assert sealed is not None
    query = text("UPDATE payments SET sealed_request = :sealed WHERE id = :id")
    await administrator.execute(query, {"sealed": sealed, "id": broken.id})
