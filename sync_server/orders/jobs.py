"""The orders' own jobs: providers are asked what became of open payments and refunds, what was
held too long is let go, and buyers are sent their tickets.
"""

from typing import Final
from uuid import UUID

from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.letters import tickets_letter
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.payments import flow, refunds

PAYMENTS: Final = "payments.refresh"
REFUNDS: Final = "refunds.refresh"
EXPIRY: Final = "orders.expire"
LETTER: Final = "orders.letter"
HOLDS_AT_ONCE: Final = 200
_PAYMENTS_EVERY_SECONDS: Final = 5
_REFUNDS_EVERY_SECONDS: Final = 15
_EXPIRY_EVERY_SECONDS: Final = 15


async def refresh_payments(services: Services, _: Job) -> None:
    asking = payment_flow(services)
    while await asking.refresh_due() >= flow.DUE_AT_ONCE:
        pass


async def refresh_refunds(services: Services, _: Job) -> None:
    asking = refund_flow(services)
    while await asking.refresh_due() >= refunds.DUE_AT_ONCE:
        pass


async def expire(services: Services, _: Job) -> None:
    while await service.expire_holds(services, HOLDS_AT_ONCE) >= HOLDS_AT_ONCE:
        pass


async def write_to_buyer(services: Services, job: Job) -> None:
    """Send a buyer what opens their tickets; a mail server that is away is tried again."""
    organizer_id, order_id = job.payload["organizer_id"], job.payload["payload"]["order_id"]
    letter = await tickets_letter(services, UUID(organizer_id), UUID(order_id))
    if letter is not None:
        await services.mail.send(letter)


def register(jobs: Jobs) -> None:
    jobs.handler(JobHandler(PAYMENTS, refresh_payments))
    jobs.schedule(Schedule(PAYMENTS, _PAYMENTS_EVERY_SECONDS))
    jobs.handler(JobHandler(REFUNDS, refresh_refunds))
    jobs.schedule(Schedule(REFUNDS, _REFUNDS_EVERY_SECONDS))
    jobs.handler(JobHandler(LETTER, write_to_buyer, frozenset(("order.paid",))))
    jobs.handler(JobHandler(EXPIRY, expire))
    jobs.schedule(Schedule(EXPIRY, _EXPIRY_EVERY_SECONDS))
