"""Fees that providers kept, booked from their statements: of payments only, each once."""

from shared.ids import OrganizerId
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind
from sync_server.reconciliation.checks import gather_statement, list_providers
from sync_server.reconciliation.matching import movement_of, named


async def book_fees(services: Services) -> int:
    """Post the fee of every line whose payment is known, in the books of that payment, and say how
    many are new. The platform bears them; a statement's line is the key.
    """
    async with services.database.reading(WORKER) as session:
        providers = await list_providers(session)
    return sum([await _book(services, provider) for provider in providers])


async def _book(services: Services, provider: Provider) -> int:
    now = instant(services.clock.now_ms())
    new = 0
    async with services.database.transaction(WORKER) as session:
        lines, movements = await gather_statement(session, provider, now)
        by_name = named(movements)
        for line in lines:
            movement = movement_of(line, by_name)
            if line.kind is not LineKind.COLLECTION or movement is None or not movement.is_done:
                continue
            if line.fee.minor_units > 0:
                fee = postings.provider_fee(provider, line.key, line.fee)
                tenant = OrganizerId(movement.organizer_id)
                posted = await ledger.post(session, services, tenant, fee, line.booked_at)
                new += posted.is_new
    return new
