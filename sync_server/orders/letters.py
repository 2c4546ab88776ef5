"""The letter that takes a buyer's tickets to them, wherever their browser went."""

from uuid import UUID

from shared.ids import EventId, OrganizerId
from sync_server.catalog import service as catalog
from sync_server.identity.rules import Language
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.claims import WORKER
from sync_server.kit.mail import Letter
from sync_server.kit.services import Services
from sync_server.orders import repository
from sync_server.orders.buyers import open_buyer, open_claim
from sync_server.orders.holding import OrderState
from sync_server.tickets.rules import ClaimToken, wallet_link


async def tickets_letter(services: Services, organizer_id: UUID, order_id: UUID) -> Letter | None:
    """Write it; None where nobody gave an address, or the order is paid no more."""
    async with services.database.reading(WORKER) as session:
        order = await repository.find_order(session, organizer_id, order_id)
        if order is None or OrderState(order.state) is not OrderState.PAID:
            return None
        sealed = await repository.sealed_of(session, order)
        buyer = open_buyer(services, order.id, sealed.sealed_buyer)
        if not buyer.address:
            return None
        claims = await repository.sealed_claims(session, order)
        event = await catalog.find_event(
            session, OrganizerId(organizer_id), EventId(order.event_id)
        )
    links = [
        wallet_link(services.public_url, ClaimToken(open_claim(services, order.id, claims[line])))
        for line in sorted(claims)
    ]
    return write_letter(
        buyer.address,
        Language(buyer.language),
        Occasion.TICKETS,
        # A letter's subject is one line, whatever an event is called.
        event=" ".join(event.name.split()),
        number=order.number,
        link="\n".join(links),
    )
