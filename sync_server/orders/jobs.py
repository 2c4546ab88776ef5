"""The orders' own jobs: providers are asked what became of open payments and refunds, what was
held too long is let go, and buyers are sent their tickets, or asked for an account.
"""

from typing import Final
from uuid import UUID

from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.letters import account_letter, tickets_letter
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.payments import flow
from sync_server.payments.refund_flow import DUE_AT_ONCE

PAYMENTS: Final = "payments.refresh"
REFUNDS: Final = "refunds.refresh"
EXPIRY: Final = "orders.expire"
LETTER: Final = "orders.letter"
ACCOUNT_LETTER: Final = "orders.account_letter"
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
    while await asking.refresh_due() >= DUE_AT_ONCE:
        pass


async def expire(services: Services, _: Job) -> None:
    while await service.expire_holds(services, HOLDS_AT_ONCE) >= HOLDS_AT_ONCE:
        pass


async def send_tickets(services: Services, job: Job) -> None:
    """Send a buyer what opens their tickets; a mail server that is away is tried again."""
    letter = await tickets_letter(services, *_order_of(job))
    if letter is not None:
        await services.mail.send(letter)


async def ask_for_account(services: Services, job: Job) -> None:
    """Write to a buyer whose money waits for an account."""
    letter = await account_letter(services, *_order_of(job))
    if letter is not None:
        await services.mail.send(letter)


def _order_of(job: Job) -> tuple[UUID, UUID]:
    return UUID(job.payload["organizer_id"]), UUID(job.payload["payload"]["order_id"])


def register(jobs: Jobs) -> None:
    jobs.handler(JobHandler(PAYMENTS, refresh_payments))
    jobs.schedule(Schedule(PAYMENTS, _PAYMENTS_EVERY_SECONDS))
    jobs.handler(JobHandler(REFUNDS, refresh_refunds))
    jobs.schedule(Schedule(REFUNDS, _REFUNDS_EVERY_SECONDS))
    jobs.handler(JobHandler(LETTER, send_tickets, frozenset(("order.paid",))))
    jobs.handler(JobHandler(ACCOUNT_LETTER, ask_for_account, frozenset(("refund.failed",))))
    jobs.handler(JobHandler(EXPIRY, expire))
    jobs.schedule(Schedule(EXPIRY, _EXPIRY_EVERY_SECONDS))
