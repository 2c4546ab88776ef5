"""Transactions to post, and what a book says of them."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Payout, Sale, Shares
from sync_server.ledger.repository import Posted
from sync_server.ledger.rules import Transaction
from tests.factories.tenants import Tenant

EVENT_ID = UUID("01a206c5-5235-7e5e-9234-8ac622ca9a74")


def ugx(amount: int) -> Money:
    return Money(amount, "UGX")


def a_sale(reference: str, organizer: int = 94_100, fee: int = 5_000, tax: int = 900) -> Sale:
    shares = Shares(ugx(organizer), ugx(fee), ugx(tax), ugx(0), ugx(0))
    return Sale("pesapal", reference, EVENT_ID, shares)


def a_payout(number: int, amount: int) -> Payout:
    return Payout(UUID(int=number), "mtn", ugx(amount))


async def post(services: Services, tenant: Tenant, transaction: Transaction) -> Posted:
    async with services.database.transaction(WORKER) as session:
        return await ledger.post(session, services, tenant.organizer_id, transaction)


async def balances(services: Services, tenant: Tenant) -> dict[str, int]:
    async with services.database.reading(WORKER) as session:
        found = await ledger.list_balances(session, tenant.organizer_id)
    return {item.account: item.balance for item in found}


async def post_raw(session: AsyncSession, tenant: Tenant, **changes: Any) -> Any:  # noqa: ANN401 - JSON
    """Call the database's own function with a document that Python would never make."""
    document = {
        "organizer_id": str(tenant.organizer_id),
        "id": str(UUID(int=1)),
        "kind": "suspense",
        "key": "raw",
        "occurred_at": "2026-12-01T00:00:00Z",
        "lines": [
            {"account": "bank:stanbic", "currency": "UGX", "amount": 5},
            {"account": "unreconciled:test", "currency": "UGX", "amount": -5},
        ],
        **changes,
    }
    query = text("SELECT private.post_txn(CAST(:txn AS jsonb))")
    return await session.scalar(query, {"txn": json.dumps(document)})
