import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Sale
from sync_server.payouts import service
from sync_server.payouts.releases import release_due
from sync_server.payouts.rules import HOLD_DAYS_DEFAULT
from sync_server.payouts.schemas import NewHoldRule
from tests.factories.ledger import a_sale, balances, post
from tests.factories.tenants import BASE_TIME, Tenant


@pytest.fixture
async def sold(services: Services, tenant: Tenant, event_id: EventId) -> EventId:
    await _sell(services, tenant, event_id, "first")
    return event_id


async def _sell(services: Services, tenant: Tenant, event_id: EventId, reference: str) -> None:
    sale = Sale("mtn", reference, event_id, a_sale(reference).shares)
    await post(services, tenant, postings.capture(sale))


def _after_event(clock: SettableClock, days: int) -> None:
    wanted = BASE_TIME + timedelta(days=days)
    clock.advance(unix_ms(wanted) - clock.now_ms())


async def _held(services: Services, tenant: Tenant, event_id: EventId) -> tuple[int, int]:
    found = await balances(services, tenant)
    pending = found.get(f"organizer_pending:{event_id}", 0)
    return -pending, -found.get("organizer_available", 0)


async def test_money_is_held_until_some_days_after_the_event(
    services: Services, clock: SettableClock, tenant: Tenant, sold: EventId
) -> None:
    seen = []
    for days in (HOLD_DAYS_DEFAULT, HOLD_DAYS_DEFAULT + 1):
        _after_event(clock, days)
        await release_due(services)
        seen.append(await _held(services, tenant, sold))
    assert seen == [(94_100, 0), (0, 94_100)]


async def test_many_who_release_at_once_release_once_and_late_sales_follow(
    services: Services, clock: SettableClock, tenant: Tenant, sold: EventId
) -> None:
    _after_event(clock, 10)
    await asyncio.gather(*(release_due(services) for _ in range(5)))
    assert await _held(services, tenant, sold) == (0, 94_100)
    await ledger.make_checkpoints(services)
    await _sell(services, tenant, sold, "late")
    await asyncio.gather(*(release_due(services) for _ in range(5)))
    assert await _held(services, tenant, sold) == (0, 188_200)


async def test_a_rule_of_the_organizers_own_counts(
    services: Services, clock: SettableClock, tenant: Tenant, sold: EventId
) -> None:
    rule = NewHoldRule(hold_days=20, reason="first event")
    person = tenant.founder.user_id
    await service.set_hold_rule(services, person, tenant.organizer_id, rule)
    _after_event(clock, 20)
    await release_due(services)
    held = await _held(services, tenant, sold)
    _after_event(clock, 21)
    await release_due(services)
    assert (held, await _held(services, tenant, sold)) == ((94_100, 0), (0, 94_100))


async def test_a_cancelled_events_money_waits_for_its_refunds(
    services: Services,
    administrator: AsyncConnection,
    clock: SettableClock,
    tenant: Tenant,
    sold: EventId,
) -> None:
    cancel = text("UPDATE events SET status = 'cancelled' WHERE id = :id")
    await administrator.execute(cancel, {"id": sold})
    _after_event(clock, 30)
    await release_due(services)
    assert await _held(services, tenant, sold) == (94_100, 0)


async def test_a_sale_of_no_event_that_is_known_stays_where_it_is(
    services: Services, clock: SettableClock, tenant: Tenant
) -> None:
    stray = EventId(services.new_id())
    await _sell(services, tenant, stray, "stray")
    _after_event(clock, 30)
    await release_due(services)
    assert await _held(services, tenant, stray) == (94_100, 0)
