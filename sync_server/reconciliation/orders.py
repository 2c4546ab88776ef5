"""Paid orders held against captures, and their lines against tickets; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from shared.money import Money
from sync_server.orders.books import PaidOrderFacts, SoldTicket
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding


def paid_orders_have_money(
    organizer_id: UUID, orders: Iterable[PaidOrderFacts], captured: Mapping[UUID, Money]
) -> list[Item]:
    """Each paid order has one captured payment of its amount, and none has another's."""
    waiting = [order for order in orders if order.has_payment]
    times = Counter(order.payment_id for order in waiting)
    items = []
    for order in waiting:
        found = None if order.payment_id is None else captured.get(order.payment_id)
        if found == order.amount and times[order.payment_id] == 1:
            continue
        finding = ItemFinding.DIFFERS if found == order.amount else ItemFinding.AMOUNT_DIFFERS
        items.append(
            Item(
                CheckName.ORDERS,
                ItemFinding.MISSING_IN_BOOKS if found is None else finding,
                f"order {order.id}",
                organizer_id,
                order.amount.currency,
                order.amount.minor_units,
                None if found is None else found.minor_units,
            )
        )
    return items


def tickets_have_orders(
    organizer_id: UUID, lines: Iterable[SoldTicket], issued: Collection[tuple[UUID, int]]
) -> list[Item]:
    """Each line of a paid order has a ticket of its own."""
    rows = list(lines)
    times = Counter((row.event_id, row.ticket_id) for row in rows)
    items = []
    for row in rows:
        is_there = row.ticket_id is not None and (row.event_id, row.ticket_id) in issued
        if is_there and times[row.event_id, row.ticket_id] == 1:
            continue
        finding = ItemFinding.DIFFERS if is_there else ItemFinding.MISSING_IN_BOOKS
        subject = f"order {row.order_id} line {row.line_no}"
        items.append(Item(CheckName.TICKETS, finding, subject, organizer_id))
    return items
