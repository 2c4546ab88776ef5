from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.composition import WEBHOOK_SOURCES, registered_jobs
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job
from sync_server.kit.outbox import BEGINNING, read_after
from sync_server.kit.services import Services
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.payouts.jobs import NAMING, RELEASING, SENDING, WATCHING
from sync_server.worker.relay import jobs_for
from tests.factories.horizon import settled
from tests.factories.payouts import ModelRail, Treasury, a_treasury
from tests.factories.tenants import Tenant


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    return await a_treasury(services, tenant)


async def test_what_is_approved_is_sent_by_the_job_that_hears_of_it(
    services: Services, treasury: Treasury, administrator: AsyncConnection
) -> None:
    rail = ModelRail()
    services = replace(
        services, parts={PaymentRails: PaymentRails(disbursers={Provider.MTN: rail})}
    )
    handlers = registered_jobs(WEBHOOK_SOURCES).handlers
    payout_id = await treasury.approved()
    await settled(administrator)
    async with services.database.reading(WORKER) as session:
        told = await read_after(session, BEGINNING, 10_000)
    mine = [each for each in told if each.message.organizer_id == treasury.tenant.organizer_id]
    jobs = jobs_for(mine, handlers)
    assert [job.name for job in jobs] == [NAMING, SENDING]
    for number, job in enumerate(jobs):
        # The queue may give it twice.
        for attempt in (1, 2):
            await handlers[job.name].handle(services, Job(number, job.name, job.payload, attempt))
    assert dict(rail.paid) == {await treasury.reference(payout_id): 1}
    assert treasury.destination.name_check == "unchecked"


async def test_without_a_rail_the_watch_goes_on(services: Services, treasury: Treasury) -> None:
    handlers = registered_jobs(WEBHOOK_SOURCES).handlers
    payout_id = await treasury.approved()
    for name in (WATCHING, RELEASING):
        await handlers[name].handle(services, Job(1, name, {}, 1))
    assert await treasury.attempts(payout_id) == []
