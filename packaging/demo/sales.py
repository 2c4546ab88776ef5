"""The steps in which tickets are sold: over every rail, as a gift, and for cash."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from organizer import IssuedTicket, Json, Organizer
from rails import RAILS, RailDesk
from report import Report, Step, Table
from shop import Order, Shop, tickets_of

PRICE: Final = 50_000
TICKETS_EACH: Final = 2
_PROMO_CODE: Final = "FRIENDS"
_PAID: Final = "paid"
_NAMES: Final = ("Amina", "Brian", "Chipo", "Dembe", "Eshe")
_HEADINGS: Final = ("paid by", "orders", "tickets", "UGX", "fees and tax", "given back")


class Way(StrEnum):
    """How an order was paid: over a rail, by its provider's name, or over none."""

    MTN = "mtn"
    AIRTEL = "airtel"
    PESAPAL = "pesapal"
    CARD = "flutterwave"
    BANK = "bank"
    FREE = "free"
    CASH = "cash"


TITLES: Final = {Way(rail.provider): rail.title for rail in RAILS} | {
    Way.FREE: "nothing, by a promo code",
    Way.CASH: "cash at the box office",
}


@dataclass(frozen=True)
class Sold:
    """An order that was paid, and its tickets."""

    order_id: str
    tickets: tuple[IssuedTicket, ...]


@dataclass(frozen=True)
class BoxOffice:
    """Where tickets of one type are sold; at the desks people pay."""

    organizer: Organizer
    shop: Shop
    desks: Sequence[RailDesk]
    ticket_type_id: str
    report: Report

    def basket(self, **more: str) -> Json:
        wanted = {"ticket_type_id": self.ticket_type_id, "count": TICKETS_EACH}
        return {"tickets": [wanted], **more}


@dataclass(frozen=True)
class Sales:
    """What was sold, by the way it was paid; a bank takes its time."""

    sold: dict[Way, Sold]
    waiting: dict[Way, Order]

    @property
    def tickets(self) -> int:
        """How many are sold, or held for money that is on its way."""
        return TICKETS_EACH * (len(self.sold) + len(self.waiting))


def sell(place: BoxOffice, quantity: int) -> Sales:
    """Sell one order each way. All are asked before any is waited for, as buyers do not wait for
    one another.
    """
    place.organizer.put_on_sale(place.ticket_type_id, PRICE, quantity)
    place.organizer.give_away(_PROMO_CODE, uses=1)
    asked: dict[Way, Order] = {}
    for name, desk in zip(_NAMES, place.desks, strict=True):
        way = Way(desk.rail.provider)
        asked[way], placed = place.shop.buy(name, place.basket(), desk.rail)
        desk.rail.pay(placed, desk.control)
    gift = place.basket(promo_code=_PROMO_CODE)
    asked[Way.FREE], _ = place.shop.buy("Farida", gift)
    slow = [Way(rail.provider) for rail in RAILS if rail.takes_its_time]
    waiting = {way: asked.pop(way) for way in slow}
    paid = {way: place.shop.wait_until_paid(order) for way, order in asked.items()}
    paid[Way.CASH] = place.organizer.sell_for_cash(place.basket())
    return Sales({way: _sold(place, way, order) for way, order in paid.items()}, waiting)


def sell_late(place: BoxOffice, sales: Sales) -> dict[Way, Sold]:
    """Wait for those whose money comes while the gates are open, and give what they bought."""
    return {
        way: _sold(place, way, place.shop.wait_until_paid(order))
        for way, order in sales.waiting.items()
    }


def _sold(place: BoxOffice, way: Way, order: Json) -> Sold:
    step = Step(f"{TICKETS_EACH} tickets paid by {TITLES[way]}", _PAID, str(order["state"]))
    place.report.add(step, sys.stdout)
    return Sold(order["id"], tuple(tickets_of(order)))


def sold_by_rail(orders: Sequence[Json]) -> Table:
    """Sum up what was sold, by the way it was paid."""
    by_way = defaultdict(list)
    for order in orders:
        if order["state"] == _PAID:
            by_way[_way_of(order)].append(order)
    rows = [_row(title, by_way[way]) for way, title in TITLES.items()]
    everything = _row("all", [order for way in by_way.values() for order in way])
    return Table("Sold", _HEADINGS, (*rows, everything))


def _way_of(order: Json) -> Way:
    if order["channel"] == "box_office":
        return Way.CASH
    paid = [each["provider"] for each in order["payments"] if each["state"] == "succeeded"]
    return Way(paid[0]) if paid else Way.FREE


def _row(title: str, orders: Sequence[Json]) -> tuple[str, ...]:
    charges = [charge["amount"] for order in orders for charge in order["charges"]]
    refunds = [refund for order in orders for refund in order["refunds"]]
    given_back = [refund["amount"] for refund in refunds if refund["state"] == "succeeded"]
    numbers = (
        len(orders),
        sum(len(order["tickets"]) for order in orders),
        sum(order["total"] for order in orders),
        sum(charges),
        sum(given_back),
    )
    return (title, *(f"{number:,}" for number in numbers))
