"""Paying an order: an intent in the order's own transaction, then the provider, outside it."""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from shared.money import Money
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger.shares import shares_of_row
from sync_server.orders import repository
from sync_server.orders.buyers import Buyer, OrderToken, open_buyer, open_token, order_link
from sync_server.orders.errors import (
    CurrencyNotTakenError,
    OrderNotFoundError,
    OrderNotPayableError,
    PaymentsExhaustedError,
    PaymentTooLargeError,
    PhoneRequiredError,
)
from sync_server.orders.fulfilment import Fulfilment
from sync_server.orders.holding import (
    PAYMENTS_MAX,
    OrderState,
    held_while_paying,
    paid_until,
)
from sync_server.orders.models import Order
from sync_server.payments import service as payments
from sync_server.payments.flow import Begun, PaymentFlow
from sync_server.payments.ports import ByTransfer, Payer, TransferInstructions
from sync_server.payments.rails import rails_of
from sync_server.payments.refund_flow import RefundFlow
from sync_server.payments.requests import PayerRequest
from sync_server.payments.rules import (
    ASKS_A_TELEPHONE,
    OPEN,
    Provider,
    amount_max,
    carries,
    knows_currency,
)
from sync_server.payments.service import NewPayment
from sync_server.payments.views import PaymentFacts


@dataclass(frozen=True, slots=True)
class WayToPay:
    """A rail, the telephone it asks (the buyer's, where none is named), and the request that chose
    it: its key makes no second payment of an order.
    """

    provider: Provider
    phone: str = field(repr=False)
    request: RepeatableRequest = field(repr=False)


def require_payable(services: Services, way: WayToPay, buyer: Buyer, total: Money) -> None:
    """Raise ProviderNotOfferedError, what keeps the rail from carrying the total, or
    PhoneRequiredError where it would ask nobody, before anything is held.
    """
    payment_flow(services).collector(way.provider)
    if not knows_currency(way.provider, total.currency):
        raise CurrencyNotTakenError(extra={"currency": total.currency})
    if not carries(way.provider, total):
        limit = amount_max(way.provider, total.currency)
        raise PaymentTooLargeError(extra={"amount_max": limit})
    if way.provider in ASKS_A_TELEPHONE and not (way.phone or buyer.phone):
        raise PhoneRequiredError


def payment_flow(services: Services) -> PaymentFlow:
    collectors = rails_of(services).collectors
    return PaymentFlow(
        services, collectors, Fulfilment(services), refund_flow(services), services.public_url
    )


def how_to_pay(services: Services, payment: PaymentFacts) -> TransferInstructions | None:
    """Say where a buyer transfers money to, while nobody has seen any, and where the rail wants it
    so.
    """
    named = payment.provider_reference
    rail = rails_of(services).collectors.get(payment.provider)
    if rail is None or named is None or payment.state not in OPEN:
        return None
    if not isinstance(rail, ByTransfer):
        return None
    return rail.how_to_pay(named, payment.amount.currency)


def refund_flow(services: Services) -> RefundFlow:
    return RefundFlow(services, rails_of(services), Fulfilment(services), services.public_url)


async def begin_payment(
    session: AsyncSession, services: Services, order: Order, way: WayToPay
) -> Begun | PaymentFacts:
    """Write a payment down and hold the tickets until its rail must have answered; a repeat gives
    the payment of before. Needs the worker's transaction.
    """
    flow = payment_flow(services)
    flow.collector(way.provider)
    organizer_id = OrganizerId(order.organizer_id)
    locked = await repository.find_order(session, organizer_id, order.id, for_change=True)
    if locked is None:
        raise OrderNotFoundError
    known = await payments.find_repeated(session, organizer_id, way.request.repeat_of(order.id))
    if known is not None:
        return known
    now = instant(services.clock.now_ms())
    if OrderState(locked.state) is not OrderState.HELD or locked.hold_expires_at <= now:
        raise OrderNotPayableError
    tries = await payments.payments_of_order(session, organizer_id, order.id)
    if len(tries) >= PAYMENTS_MAX:
        raise PaymentsExhaustedError
    sealed = await repository.sealed_of(session, locked)
    buyer = open_buyer(services, order.id, sealed.sealed_buyer)
    require_payable(services, way, buyer, Money(locked.amount, locked.currency))
    token = open_token(services, order.id, sealed.sealed_token)
    begun = await flow.begin(session, new_payment(services, locked, token, buyer, way))
    held_until = held_while_paying(locked.hold_expires_at, now, way.provider)
    await repository.change_order(session, locked, hold_expires_at=held_until)
    return begun


def new_payment(
    services: Services, order: Order, token: OrderToken, buyer: Buyer, way: WayToPay
) -> NewPayment:
    """What an order asks of a rail: its total, in the parts that were quoted. From the rail's own
    page the payer comes back with the order's token, whichever browser that is.
    """
    return NewPayment(
        organizer_id=OrganizerId(order.organizer_id),
        event_id=EventId(order.event_id),
        order_id=order.id,
        provider=way.provider,
        shares=shares_of_row(order, order.currency),
        request=PayerRequest(
            payer=Payer(buyer.name, buyer.address, way.phone or buyer.phone),
            order_number=order.number,
            description=f"Tickets, order {order.number}",
            return_url=order_link(services.public_url, token),
        ),
        expires_at=paid_until(instant(services.clock.now_ms()), way.provider),
        repeat=way.request.repeat_of(order.id),
    )
