"""Runs and their items as admins read them."""

from uuid import UUID

from sync_server.kit.claims import WORKER
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.reconciliation import repository
from sync_server.reconciliation.schemas import ItemShown, RunShown


async def list_runs(services: Services, page: PageRequest) -> Page[RunShown]:
    async with services.database.reading(WORKER) as session:
        rows = await repository.list_runs(session, page)
    return page_of(rows, page, RunShown.model_validate, lambda row: row.id)


async def list_items(services: Services, run_id: UUID, page: PageRequest) -> Page[ItemShown]:
    """The page's cursor carries an item's number in a UUID's clothes."""
    async with services.database.reading(WORKER) as session:
        rows = await repository.list_items(session, run_id, page)
    return page_of(rows, page, ItemShown.model_validate, lambda row: UUID(int=row.item_no))
