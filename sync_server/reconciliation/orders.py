"""Paid orders held against captures, and their lines against tickets; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from shared.admission.facts import TicketStatus
from shared.money import Money
from sync_server.orders.books import REASONS_OF_ORDERS, LineState, PaidOrderFacts, SoldTicket
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding
from sync_server.tickets.books import IssuedTicket
from sync_server.tickets.rules import may_follow


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


_FITTING: Final = {
    LineState.SOLD: {TicketStatus.VALID},
    LineState.REFUND_UNDER_WAY: {TicketStatus.BLOCKED},
    LineState.RETURNED: {TicketStatus.REFUNDED},
    # What was given back before stays given back.
    LineState.REVERSED: {TicketStatus.PAYMENT_REVERSED, TicketStatus.REFUNDED},
    LineState.NOT_SOLD: set[TicketStatus](),
}
"""The states that orders give their tickets."""


def tickets_have_orders(
    organizer_id: UUID,
    lines: Iterable[SoldTicket],
    issued: Mapping[tuple[UUID, int], IssuedTicket],
) -> list[Item]:
    """Each line that was paid has a ticket of its own in a state that fits it, and none that was
    not paid has any.
    """
    rows = list(lines)
    times = Counter((row.event_id, row.ticket_id) for row in rows)
    items = []
    for row in rows:
        ticket = None if row.ticket_id is None else issued.get((row.event_id, row.ticket_id))
        finding = _ticket_finding(row, ticket, times[row.event_id, row.ticket_id])
        if finding is not None:
            subject = f"order {row.order_id} line {row.line_no}"
            items.append(Item(CheckName.TICKETS, finding, subject, organizer_id))
    return items


def _ticket_finding(row: SoldTicket, ticket: IssuedTicket | None, times: int) -> ItemFinding | None:
    if ticket is None:
        return ItemFinding.MISSING_IN_BOOKS
    if times > 1:
        return ItemFinding.DIFFERS
    if row.state is LineState.NOT_SOLD:
        return ItemFinding.ONLY_IN_BOOKS
    return None if _fits(row.state, ticket) else ItemFinding.STATE_DIFFERS


def _fits(state: LineState, ticket: IssuedTicket) -> bool:
    """What an organizer did by hand stands, until its money was given back."""
    if ticket.status in _FITTING[state]:
        return True
    is_by_hand = ticket.reason is not None and ticket.reason not in REASONS_OF_ORDERS
    if state is LineState.RETURNED:
        return is_by_hand and not may_follow(ticket.status, TicketStatus.REFUNDED)
    return is_by_hand
