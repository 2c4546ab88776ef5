"""Letters to buyers, wherever their browser went: one takes their tickets to them, one asks for the
account that their money goes back to.
"""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.catalog import service as catalog
from sync_server.identity.rules import Language
from sync_server.identity.writing import Occasion, write_letter
from sync_server.kit.claims import WORKER
from sync_server.kit.mail import Letter
from sync_server.kit.services import Services
from sync_server.orders import repository
from sync_server.orders.buyers import (
    Buyer,
    OrderToken,
    open_buyer,
    open_claim,
    open_token,
    order_link,
)
from sync_server.orders.holding import OrderState
from sync_server.orders.models import Order
from sync_server.orders.service import OrderCall, read_own_order
from sync_server.tickets.rules import ClaimToken, wallet_link


async def tickets_letter(services: Services, organizer_id: UUID, order_id: UUID) -> Letter | None:
    """Write it; None where nobody gave an address, or the order is paid no more."""
    async with services.database.reading(WORKER) as session:
        order = await repository.find_order(session, organizer_id, order_id)
        if order is None or OrderState(order.state) is not OrderState.PAID:
            return None
        reader = await _reader_of(session, services, order)
        claims = await repository.sealed_claims(session, order)
    links = [
        wallet_link(services.public_url, ClaimToken(open_claim(services, order.id, claims[line])))
        for line in sorted(claims)
    ]
    return _letter(reader, order, Occasion.TICKETS, "\n".join(links))


async def account_letter(services: Services, organizer_id: UUID, order_id: UUID) -> Letter | None:
    """Write it; None where nobody gave an address, or no refund waits for an account."""
    async with services.database.reading(WORKER) as session:
        order = await repository.find_order(session, organizer_id, order_id)
        if order is None:
            return None
        reader = await _reader_of(session, services, order)
    own = await read_own_order(OrderCall(services, reader.token))
    if not any(refund.wants_account for refund in own.refunds):
        return None
    link = order_link(services.public_url, reader.token)
    return _letter(reader, order, Occasion.REFUND_ACCOUNT, link)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who bought, what opens their order, and what for."""

    buyer: Buyer
    token: OrderToken = field(repr=False)
    event_name: str


async def _reader_of(session: AsyncSession, services: Services, order: Order) -> _Reader:
    sealed = await repository.sealed_of(session, order)
    event = await catalog.find_event(
        session, OrganizerId(order.organizer_id), EventId(order.event_id)
    )
    return _Reader(
        open_buyer(services, order.id, sealed.sealed_buyer),
        open_token(services, order.id, sealed.sealed_token),
        event.name,
    )


def _letter(reader: _Reader, order: Order, occasion: Occasion, link: str) -> Letter | None:
    buyer = reader.buyer
    if not buyer.address:
        return None
    # A letter's subject is one line, whatever an event is called.
    event = " ".join(reader.event_name.split())
    language = Language(buyer.language)
    return write_letter(
        buyer.address, language, occasion, event=event, number=order.number, link=link
    )
