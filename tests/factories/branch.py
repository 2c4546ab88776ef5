"""A bank's sandbox, its counter, and a folder between it and the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from shared.clock import Clock, SettableClock
from shared.ids import EventId
from sync_server.kit.jobs import Job
from sync_server.kit.services import Services
from sync_server.orders.paying import refund_flow
from sync_server.orders.schemas import PaymentWanted, PlacedOrder
from sync_server.payments.bank_jobs import TAKING_IN
from sync_server.payments.bank_statements import StatementTables
from sync_server.payments.configured import Means, make_folders, open_rails
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.sandboxes import bank as bank_sandbox
from sync_server.sandboxes.bank import BankSandbox
from sync_server.sandboxes.engine import Engine
from sync_server.settings import Settings
from tests.factories.alarms import open_alarms
from tests.factories.orders import PRICE, an_order, expire, place, put_on_sale
from tests.factories.tenants import Tenant

JOB = Job(1, TAKING_IN, {}, 1)
BY_TRANSFER = PaymentWanted(provider=Provider.BANK)
_DAYS_MS = 7 * 86_400_000


@dataclass(slots=True)
class Branch:
    """The bank's counter, and what of our side is told by hand."""

    services: Services
    folder: Path
    engine: Engine
    sandbox: BankSandbox
    counter: httpx.AsyncClient

    async def transfer(self, amount: int, note: str) -> None:
        """A buyer transfers money, with what they wrote on it; the bank's notice lies there."""
        for path, body in (("transfers", {"amount": amount, "note": note}), ("round", {})):
            answer = await self.counter.post(f"/__sandbox/{path}", json=body)
            assert answer.status_code == 200

    async def take_in(self) -> None:
        """Do the job as the worker does."""
        await self.services.jobs.handlers[TAKING_IN].handle(self.services, JOB)

    def names_in(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).iterdir())

    async def alarms(self, kind: str) -> list[str]:
        """What is wrong now, by its name."""
        return list(await open_alarms(self.services, kind))


@asynccontextmanager
async def a_branch(services: Services, clock: Clock, folder: Path) -> AsyncIterator[Branch]:
    """A branch whose `services` offer transfers to it, and nothing else."""
    settings = Settings(
        bank_folder=folder,
        bank_account=bank_sandbox.ACCOUNT,
        bank_bic=bank_sandbox.BIC,
        bank_currency=bank_sandbox.CURRENCY,
        bank_holder=bank_sandbox.HOLDER,
    )
    make_folders(settings)
    engine = Engine()
    sandbox = BankSandbox(engine, clock, folder)
    transport = httpx.ASGITransport(sandbox.app())
    async with (
        httpx.AsyncClient() as unused,
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as counter,
    ):
        means = Means(settings, unused, clock, StatementTables(services.database))
        offering = replace(services, parts={PaymentRails: open_rails(means)})
        yield Branch(offering, folder, engine, sandbox, counter)


async def late_money(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    """An order whose money came when its ticket was somebody else's: a refund waits to be sent."""
    type_id = await put_on_sale(branch.services, tenant, event_id, quantity=1)
    wanted = an_order(type_id, payment=BY_TRANSFER)
    placed = await place(branch.services, tenant, event_id, wanted)
    clock.advance(_DAYS_MS)
    await expire(branch.services)
    await place(branch.services, tenant, event_id, an_order(type_id))
    await pay_by_transfer(branch, placed)
    return placed


async def pay_by_transfer(branch: Branch, placed: PlacedOrder) -> None:
    (payment,) = placed.payments
    assert payment.transfer is not None
    await branch.transfer(PRICE, payment.transfer.reference)
    await branch.take_in()


async def refuse_refund(branch: Branch, clock: SettableClock) -> None:
    """Ask the bank to give back what waits; it knows no account to send it to."""
    clock.advance(60_000)
    await refund_flow(branch.services).refresh_due()
