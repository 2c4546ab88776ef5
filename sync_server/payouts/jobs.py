"""The jobs of payouts: what was approved is sent, what is open is asked about, holds end."""

from typing import Final
from uuid import UUID

from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.payments.rails import rails_of
from sync_server.payouts import releases
from sync_server.payouts.destinations import ADDED, check_destination
from sync_server.payouts.flow import PayoutFlow
from sync_server.payouts.service import APPROVED, REFUSED

SENDING: Final = "payouts.send"
LETTING_GO: Final = "payouts.let-go"
WATCHING: Final = "payouts.watch"
RELEASING: Final = "payouts.release"
NAMING: Final = "payouts.check-name"
_WATCHED_EVERY_SECONDS: Final = 15
_RELEASED_EVERY_SECONDS: Final = 3_600


def payout_flow(services: Services) -> PayoutFlow:
    """Without a rail payouts wait, and an alarm says so."""
    return PayoutFlow(services, rails_of(services).disbursers, services.public_url)


async def send(services: Services, job: Job) -> None:
    await payout_flow(services).send(UUID(job.payload["payload"]["payout_id"]))


async def let_go(services: Services, job: Job) -> None:
    await payout_flow(services).let_go(UUID(job.payload["payload"]["payout_id"]))


async def watch(services: Services, _: Job) -> None:
    await payout_flow(services).work_due()


async def release(services: Services, _: Job) -> None:
    await releases.release_due(services)


async def check_name(services: Services, job: Job) -> None:
    destination_id = UUID(job.payload["payload"]["destination_id"])
    organizer_id = UUID(job.payload["organizer_id"])
    disbursers = rails_of(services).disbursers
    await check_destination(services, disbursers, organizer_id, destination_id)


def register(jobs: Jobs) -> None:
    jobs.handler(JobHandler(SENDING, send, hears=frozenset({APPROVED})))
    jobs.handler(JobHandler(LETTING_GO, let_go, hears=frozenset({REFUSED})))
    jobs.handler(JobHandler(NAMING, check_name, hears=frozenset({ADDED})))
    jobs.handler(JobHandler(WATCHING, watch))
    jobs.handler(JobHandler(RELEASING, release))
    jobs.schedule(Schedule(WATCHING, _WATCHED_EVERY_SECONDS))
    jobs.schedule(Schedule(RELEASING, _RELEASED_EVERY_SECONDS))
