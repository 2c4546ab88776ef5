"""A platform alone in a database: one sale, released, and one payout that arrived; and its
rail's statements.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM
from sync_server.payments.ports import Accepted
from sync_server.payments.rules import Finding, Provider, Reading
from sync_server.payments.views import PaymentFacts
from sync_server.payouts.flow import PayoutFlow
from sync_server.reconciliation import commands, service
from sync_server.reconciliation.rules import Item, drifts
from sync_server.reconciliation.service import RunSource
from tests.factories.ledger import post as post_transaction
from tests.factories.ledger import ugx
from tests.factories.payments import an_intent
from tests.factories.payouts import ScriptedRail, Treasury, a_destination
from tests.factories.tenants import Tenant, make_event, make_member, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on

HEADER = "Id,External id,Date,Status,Type,Amount,Currency,Fee\n"


def a_statement(clock_ms: int, *rows: str) -> bytes:
    """Rows of today, between two that make the statement reach a week to both sides."""
    now = instant(clock_ms)
    dated = [(now - timedelta(days=7), "E1,,{},Successful,Adjustment,0,UGX,0")]
    dated += [(now, row) for row in rows]
    dated += [(now + timedelta(days=7), "E2,,{},Successful,Adjustment,0,UGX,0")]
    lines = (row.format(moment.strftime("%Y-%m-%dT%H:%M:%SZ")) for moment, row in dated)
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return parser.parse_args(words)


@dataclass(frozen=True, slots=True)
class House:
    """A platform alone in a database: one sale, released, and one payout that arrived."""

    services: Services
    superuser: AsyncConnection
    tenant: Tenant
    payment: PaymentFacts
    payout_reference: str
    treasury: Treasury

    async def run(self) -> list[Item]:
        report = await service.run(self.services, RunSource.OPERATOR)
        return list(report.items)

    async def drifted(self) -> list[Item]:
        return drifts(await self.run())

    async def say(self, *words: str) -> commands.CommandReport:
        """Run `zeraket-server reconcile` with these words."""
        return await commands.run(self.services, arguments_of(*words))

    async def of_platform(self) -> dict[str, int]:
        """What each account of the platform's own books holds."""
        async with self.services.database.reading(WORKER) as session:
            found = await ledger.list_balances(session, PLATFORM)
        return {item.account: item.balance for item in found}

    async def take_in(self, clock: SettableClock, *rows: str) -> None:
        """Keep a statement of MTN's with these rows of today."""
        content = a_statement(clock.now_ms(), *rows)
        await service.import_statement(self.services, Provider.MTN, "main", "a file", content)

    async def alarms(self) -> list[str]:
        query = text("SELECT subject FROM alarms WHERE cleared_at IS NULL ORDER BY subject")
        async with self.services.database.reading(WORKER) as session:
            return list(await session.scalars(query))


@asynccontextmanager
async def open_house(
    place: ClonedDatabase, clock: SettableClock, folder: Path
) -> AsyncIterator[House]:
    database = Database(place.login_url)
    services = services_on(database, clock, folder)
    tenant = await make_tenant(services)
    payment = await an_intent(services, tenant, await make_event(services, tenant))
    await change(services, "payments", "state = 'succeeded', provider_reference = 'T1'")
    await post_transaction(services, tenant, postings.release(payment.event_id, 1, ugx(94_100)))
    checker = await make_member(services, tenant, "payouts.approve")  # type: ignore[arg-type]
    destination = await a_destination(services, tenant, checker)
    treasury = Treasury(services, tenant, checker, destination)
    payout_id = await treasury.approved()
    paid = Reading(Finding.SUCCEEDED, fee=ugx(390))
    flow = PayoutFlow(services, {Provider.MTN: ScriptedRail([Accepted("T2")], [paid])})
    await flow.submit(payout_id)
    await flow.refresh(payout_id)
    reference = await treasury.reference(payout_id)
    async with connected(place.administrator_url) as superuser:
        yield House(services, superuser, tenant, payment, reference, treasury)
    await database.close()


async def change(services: Services, table: str, values: str) -> None:
    async with services.database.transaction(WORKER) as session:
        await session.execute(text(f"UPDATE {table} SET {values}"))
