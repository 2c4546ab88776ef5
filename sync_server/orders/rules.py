"""What an order costs and who gets what of it; pure.

A quote fixes every fee and tax with the version of the rule that made it, and shares each part out
over the tickets, so that one ticket can be given back exactly. Whole minor units only: rates are
rounded half up once an order, and shared out by largest remainder, so the parts sum to the whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.money import Money, allocate

BASIS_POINTS: Final = 10_000
TICKETS_MAX: Final = 100


class FeeKind(StrEnum):
    """`tax_on_fees` is asked of the platform's fee; `tax_on_tickets` of the tickets, where the
    platform collects it.
    """

    PLATFORM_FEE = "platform_fee"
    PROVIDER_FEE = "provider_fee"
    TAX_ON_FEES = "tax_on_fees"
    TAX_ON_TICKETS = "tax_on_tickets"


class Bearer(StrEnum):
    """Who pays it: the buyer on top of the price, or the organizer out of it."""

    BUYER = "buyer"
    ORGANIZER = "organizer"


@dataclass(frozen=True, slots=True)
class FeeRule:
    """A rate in basis points and an amount for each paid ticket, together capped for an order."""

    id: UUID
    version: int
    kind: FeeKind
    bearer: Bearer
    basis_points: int = 0
    fixed_minor_units: int = 0
    cap_minor_units: int | None = None


@dataclass(frozen=True, slots=True)
class PricedTicket:
    """One ticket at its price, before a discount."""

    ticket_type_id: UUID
    price: Money


@dataclass(frozen=True, slots=True)
class Charge:
    """What one version of a rule made of an order."""

    rule_id: UUID
    version: int
    kind: FeeKind
    bearer: Bearer
    amount: Money


@dataclass(frozen=True, slots=True)
class TicketShares:
    """Who gets what of one ticket; the parts sum to what the buyer pays for it."""

    ticket_type_id: UUID
    price: Money
    organizer: Money
    platform_fee: Money
    provider_fee: Money
    tax_on_fees: Money
    tax_on_tickets: Money

    @property
    def total(self) -> Money:
        parts = (self.platform_fee, self.provider_fee, self.tax_on_fees, self.tax_on_tickets)
        return sum(parts, self.organizer)


@dataclass(frozen=True, slots=True)
class Quote:
    """`price` is what the tickets cost after the discount, `total` what the buyer pays."""

    price: Money
    discount: Money
    charges: tuple[Charge, ...]
    tickets: tuple[TicketShares, ...]

    @property
    def total(self) -> Money:
        return sum((ticket.total for ticket in self.tickets), Money(0, self.price.currency))

    @property
    def organizer(self) -> Money:
        nothing = Money(0, self.price.currency)
        return sum((ticket.organizer for ticket in self.tickets), nothing)

    def sum_of(self, kind: FeeKind) -> Money:
        nothing = Money(0, self.price.currency)
        return sum((charge.amount for charge in self.charges if charge.kind is kind), nothing)


class QuoteFault(StrEnum):
    """Why there is no quote."""

    EMPTY = "empty"
    TOO_MANY_TICKETS = "too_many_tickets"
    CURRENCIES_MIXED = "currencies_mixed"
    DISCOUNT_TOO_LARGE = "discount_too_large"
    FEES_EXCEED_PRICE = "fees_exceed_price"


def quote(
    tickets: Sequence[PricedTicket], discount: Money, rules: Sequence[FeeRule]
) -> Quote | QuoteFault:
    """Price an order of tickets in one currency, less a discount on the whole."""
    fault = _fault(tickets, discount)
    if fault is not None:
        return fault
    prices = _discounted([ticket.price for ticket in tickets], discount)
    charges = _charges(prices, rules)
    borne = _borne_by(charges, Bearer.ORGANIZER, discount.currency)
    price = sum(prices, Money(0, discount.currency))
    if borne.minor_units > price.minor_units:
        return QuoteFault.FEES_EXCEED_PRICE
    shares = _share_out(tickets, prices, charges)
    return Quote(price, discount, charges, shares)


def _fault(tickets: Sequence[PricedTicket], discount: Money) -> QuoteFault | None:
    if not tickets:
        return QuoteFault.EMPTY
    if len(tickets) > TICKETS_MAX:
        return QuoteFault.TOO_MANY_TICKETS
    if {ticket.price.currency for ticket in tickets} != {discount.currency}:
        return QuoteFault.CURRENCIES_MIXED
    full = sum(ticket.price.minor_units for ticket in tickets)
    return None if 0 <= discount.minor_units <= full else QuoteFault.DISCOUNT_TOO_LARGE


def _discounted(prices: Sequence[Money], discount: Money) -> list[Money]:
    return [price - part for price, part in zip(prices, _by_price(discount, prices), strict=True)]


def _charges(prices: Sequence[Money], rules: Sequence[FeeRule]) -> tuple[Charge, ...]:
    """Tax on fees comes last: it is asked of the fees."""
    ordered = sorted(rules, key=lambda rule: rule.kind is FeeKind.TAX_ON_FEES)
    currency = prices[0].currency
    price = sum(amount.minor_units for amount in prices)
    paid_tickets = sum(amount.minor_units > 0 for amount in prices)
    fees = 0
    charges: list[Charge] = []
    for rule in ordered:
        base = fees if rule.kind is FeeKind.TAX_ON_FEES else price
        amount = _amount(rule, base, paid_tickets)
        fees += amount if rule.kind is FeeKind.PLATFORM_FEE else 0
        money = Money(amount, currency)
        charges.append(Charge(rule.id, rule.version, rule.kind, rule.bearer, money))
    return tuple(charges)


def _amount(rule: FeeRule, base: int, paid_tickets: int) -> int:
    """A tax on tickets that the organizer bears stands inside the price (18 % of 118), every other
    rate is asked on top of its base.
    """
    inside = rule.kind is FeeKind.TAX_ON_TICKETS and rule.bearer is Bearer.ORGANIZER
    whole = BASIS_POINTS + rule.basis_points if inside else BASIS_POINTS
    rated = (2 * base * rule.basis_points + whole) // (2 * whole)
    amount = rated + rule.fixed_minor_units * paid_tickets
    return amount if rule.cap_minor_units is None else min(amount, rule.cap_minor_units)


def _borne_by(charges: Sequence[Charge], bearer: Bearer, currency: str) -> Money:
    amounts = (charge.amount for charge in charges if charge.bearer is bearer)
    return sum(amounts, Money(0, currency))


def _share_out(
    tickets: Sequence[PricedTicket], prices: Sequence[Money], charges: Sequence[Charge]
) -> tuple[TicketShares, ...]:
    nothing = Money(0, prices[0].currency)
    parts_of = _parts(charges, prices)

    def shared(wanted: Callable[[Charge], bool]) -> list[Money]:
        parts = [part for charge, part in zip(charges, parts_of, strict=True) if wanted(charge)]
        return [sum(column, nothing) for column in zip(*parts, strict=True)] or [nothing] * len(
            prices
        )

    def of_kind(kind: FeeKind) -> list[Money]:
        return shared(lambda charge: charge.kind is kind)

    columns = zip(
        tickets,
        prices,
        shared(lambda charge: charge.bearer is Bearer.ORGANIZER),
        *(of_kind(kind) for kind in FeeKind),
        strict=True,
    )
    return tuple(
        TicketShares(
            ticket_type_id=ticket.ticket_type_id,
            price=price,
            organizer=price - borne,
            platform_fee=platform,
            provider_fee=provider,
            tax_on_fees=on_fees,
            tax_on_tickets=on_tickets,
        )
        for ticket, price, borne, platform, provider, on_fees, on_tickets in columns
    )


def _parts(charges: Sequence[Charge], prices: Sequence[Money]) -> list[tuple[Money, ...]]:
    """Share every charge out. Those that the organizer bears go by what the ones before them left
    of each price: two that round to the same ticket would take more than it cost.
    """
    left = list(prices)
    parts: list[tuple[Money, ...]] = []
    for charge in charges:
        is_borne = charge.bearer is Bearer.ORGANIZER
        part = _by_price(charge.amount, left if is_borne else prices)
        left = [each - taken for each, taken in zip(left, part, strict=True)] if is_borne else left
        parts.append(part)
    return parts


def _by_price(amount: Money, prices: Sequence[Money]) -> tuple[Money, ...]:
    """Share an amount out by price; evenly where all is free."""
    weights = [price.minor_units for price in prices]
    return allocate(amount, weights if any(weights) else [1] * len(weights))
