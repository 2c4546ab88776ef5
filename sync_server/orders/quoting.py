"""What a basket costs now: offers, promo code and the rules in force, read in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from shared.money import Money
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import EventStatus
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger.postings import Shares
from sync_server.orders import offers_repository
from sync_server.orders.errors import (
    NotOnSaleError,
    OfferNotFoundError,
    PromoCodeInvalidError,
    QuoteRefusedError,
)
from sync_server.orders.fees import FeeRuleVersion, rules_in_force
from sync_server.orders.holding import Channel, Discount, discount_of
from sync_server.orders.models import PromoCode, StoredFeeRule, TicketOffer
from sync_server.orders.rules import (
    Bearer,
    FeeKind,
    FeeRule,
    PricedTicket,
    Quote,
    QuoteFault,
    TicketShares,
    quote,
)
from sync_server.orders.schemas import ChargeShown, QuoteShown, WantedTickets


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody wants of an event, and where."""

    organizer_id: OrganizerId
    event_id: EventId
    tickets: Sequence[WantedTickets]
    promo_code: str | None
    channel: Channel

    @property
    def event(self) -> tuple[OrganizerId, EventId]:
        return self.organizer_id, self.event_id

    @property
    def counts(self) -> dict[UUID, int]:
        return {wanted.ticket_type_id: wanted.count for wanted in self.tickets}


@dataclass(frozen=True, slots=True)
class Priced:
    """A basket with its price, and the offers and the code it was priced by."""

    basket: Basket
    offers: Mapping[UUID, TicketOffer]
    promo: PromoCode | None
    quote: Quote


async def price(session: AsyncSession, services: Services, basket: Basket) -> Priced:
    """Price a basket; needs the worker's transaction. Raises what keeps it from being sold."""
    found, status = await offers_repository.offers_and_status(session, basket.event)
    if status is None:
        status = (await catalog.find_event(session, *basket.event)).status
    if status is EventStatus.CANCELLED:
        raise NotOnSaleError
    offers = {offer.ticket_type_id: offer for offer in found}
    if not basket.counts.keys() <= offers.keys():
        raise OfferNotFoundError
    tickets = [
        PricedTicket(type_id, Money(offers[type_id].price, offers[type_id].currency))
        for type_id, count in basket.counts.items()
        for _ in range(count)
    ]
    promo = await _promo(session, services, basket)
    currency = tickets[0].price.currency
    rules = await _rules(session, services, basket, currency)
    quoted = quote(tickets, _discount(promo, tickets), rules)
    if isinstance(quoted, QuoteFault):
        raise QuoteRefusedError(extra={"fault": quoted.value})
    return Priced(basket, offers, promo, quoted)


async def _promo(session: AsyncSession, services: Services, basket: Basket) -> PromoCode | None:
    if basket.promo_code is None:
        return None
    promo = await offers_repository.find_promo_code(session, basket.event, basket.promo_code)
    now = instant(services.clock.now_ms())
    if promo is None or promo.withdrawn_at is not None or promo.uses >= promo.uses_max:
        raise PromoCodeInvalidError
    if promo.valid_until is not None and promo.valid_until <= now:
        raise PromoCodeInvalidError
    return promo


def _discount(promo: PromoCode | None, tickets: Sequence[PricedTicket]) -> Money:
    currency = tickets[0].price.currency
    if promo is None:
        return Money(0, currency)
    fixed = promo.fixed_minor_units
    amount = None if fixed is None else Money(fixed, promo.currency or currency)
    total = sum(ticket.price.minor_units for ticket in tickets)
    return discount_of(Discount(promo.basis_points, amount), Money(total, currency))


async def _rules(
    session: AsyncSession, services: Services, basket: Basket, currency: str
) -> tuple[FeeRule, ...]:
    rows = await offers_repository.fee_rules(session, *basket.event)
    now = instant(services.clock.now_ms())
    rules = rules_in_force(map(version_of, rows), currency, now)
    if basket.channel is Channel.ONLINE:
        return rules
    # No provider is asked where cash is paid.
    return tuple(rule for rule in rules if rule.kind is not FeeKind.PROVIDER_FEE)


def version_of(row: StoredFeeRule) -> FeeRuleVersion:
    rule = FeeRule(
        id=row.id,
        version=row.version,
        kind=FeeKind(row.kind),
        bearer=Bearer(row.bearer),
        basis_points=row.basis_points,
        fixed_minor_units=row.fixed_minor_units,
        cap_minor_units=row.cap_minor_units,
    )
    return FeeRuleVersion(
        rule=rule,
        name=row.name,
        organizer_id=row.for_organizer_id,
        event_id=row.for_event_id,
        currency=row.currency,
        valid_from=row.valid_from,
    )


def shares_of(tickets: Sequence[TicketShares], currency: str) -> Shares:
    """Add up who gets what of some tickets."""

    def total(part: str) -> Money:
        return sum((getattr(ticket, part) for ticket in tickets), Money(0, currency))

    return Shares(
        organizer=total("organizer"),
        platform_fee=total("platform_fee"),
        tax_on_fees=total("tax_on_fees"),
        tax_on_tickets=total("tax_on_tickets"),
        provider_fee=total("provider_fee"),
    )


def kept_charges(quoted: Quote) -> list[dict[str, Any]]:
    """The charges of an order as its row keeps them for good."""
    return [
        {
            "rule_id": str(charge.rule_id),
            "version": charge.version,
            "kind": charge.kind.value,
            "bearer": charge.bearer.value,
            "amount": charge.amount.minor_units,
        }
        for charge in quoted.charges
    ]


def quote_shown(quoted: Quote) -> QuoteShown:
    return QuoteShown(
        currency=quoted.price.currency,
        price=quoted.price.minor_units,
        discount=quoted.discount.minor_units,
        total=quoted.total.minor_units,
        charges=[ChargeShown.model_validate(charge) for charge in kept_charges(quoted)],
    )
