"""A release beside what takes from the same money, really at once, in both orders."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.database import sqlstate
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.payments.views import PaymentFacts
from sync_server.payouts.releases import release_due
from tests.factories.house import change
from tests.factories.ledger import balances, post_raw
from tests.factories.payments import SHARES, an_intent
from tests.factories.tenants import BASE_TIME, Tenant

_WAITING = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
""")
TakeBack = Callable[[AsyncSession, Services, PaymentFacts], Awaitable[object]]


async def _refund(session: AsyncSession, services: Services, paid: PaymentFacts) -> None:
    wanted = NewRefund(paid.organizer_id, paid.id, SHARES, "It rains")
    await request_refund(session, services, wanted)


async def _charge_back(session: AsyncSession, _: Services, paid: PaymentFacts) -> None:
    query = text("UPDATE payments SET state = 'reversed' WHERE id = :id")
    await session.execute(query, {"id": paid.id})


@pytest.fixture
async def paid(
    services: Services, tenant: Tenant, event_id: EventId, clock: SettableClock
) -> PaymentFacts:
    """A payment for an event that was over long ago: its money is due to be released."""
    payment = await an_intent(services, tenant, event_id)
    await change(services, "payments", "state = 'succeeded', provider_reference = 'T1'")
    clock.advance(unix_ms(BASE_TIME + timedelta(days=30)) - clock.now_ms())
    return payment


async def _until_waiting(administrator: AsyncConnection, count: int) -> None:
    async with asyncio.timeout(20):
        while await administrator.scalar(_WAITING) != count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def _organizers(services: Services, tenant: Tenant) -> dict[str, int]:
    """What the organizer has or owes."""
    found = await balances(services, tenant)
    return {name: held for name, held in found.items() if name.startswith("organizer_") and held}


@pytest.mark.parametrize("take_back", [_refund, _charge_back])
async def test_what_was_given_back_before_is_not_released(
    services: Services,
    tenant: Tenant,
    administrator: AsyncConnection,
    paid: PaymentFacts,
    take_back: TakeBack,
) -> None:
    async with services.database.transaction(WORKER) as session:
        await take_back(session, services, paid)
        release = asyncio.create_task(release_due(services))
        await _until_waiting(administrator, 1)
    assert await release == 0
    assert await _organizers(services, tenant) == {}


@pytest.mark.parametrize("take_back", [_refund, _charge_back])
async def test_what_is_being_released_is_given_back_from_where_it_is_then(
    services: Services,
    tenant: Tenant,
    administrator: AsyncConnection,
    paid: PaymentFacts,
    take_back: TakeBack,
) -> None:
    """The release has read what is pending, and waits for somebody who uses its key."""

    async def give_back() -> None:
        async with services.database.transaction(WORKER) as session:
            await take_back(session, services, paid)

    async with services.database.transaction(WORKER) as session:
        await post_raw(session, tenant, key=f"release:{paid.event_id}:1")
        release = asyncio.create_task(release_due(services))
        await _until_waiting(administrator, 1)
        giving = asyncio.create_task(give_back())
        await _until_waiting(administrator, 2)
        await session.rollback()
    assert await release == 1
    await giving
    assert await _organizers(services, tenant) == {}


async def test_a_refund_that_fails_is_released_once(
    services: Services, tenant: Tenant, administrator: AsyncConnection, paid: PaymentFacts
) -> None:
    """Of two who release, beside a refund whose money comes back."""
    async with services.database.transaction(WORKER) as session:
        await _refund(session, services, paid)
    async with services.database.transaction(WORKER) as session:
        await ledger.lock_available(session, tenant.organizer_id, "UGX")
        await change(services, "refunds", "state = 'failed'")
        releases = [asyncio.create_task(release_due(services)) for _ in range(2)]
        await _until_waiting(administrator, 2)
    assert sorted(await asyncio.gather(*releases)) == [0, 1]
    assert await _organizers(services, tenant) == {"organizer_available": -94_100}


async def test_only_the_worker_takes_the_lock(services: Services, tenant: Tenant) -> None:
    query = text("SELECT private.lock_available(:organizer_id, 'UGX')")
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(tenant.claims) as session:
            await session.execute(query, {"organizer_id": tenant.organizer_id})
    assert sqlstate(refused.value.orig) == "42501"
