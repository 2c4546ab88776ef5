"""SQL on orders and their lines; what is on sale is in `offers_repository`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Table,
    Uuid,
    any_,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.kit.pagination import PageRequest
from sync_server.kit.prepared import PreparedStatement, change_of, entity, keep
from sync_server.orders.holding import COUNTED
from sync_server.orders.models import Order, OrderLine
from sync_server.orders.offers_repository import OfferKey

Event = tuple[OrganizerId, EventId]
_UNSYNCHRONIZED = {"synchronize_session": False}


_ONE_ORDER = select(Order).where(
    Order.organizer_id == bindparam("organizer_id"), Order.id == bindparam("id")
)
_ORDER = PreparedStatement(_ONE_ORDER)
_ORDER_LOCKED = PreparedStatement(_ONE_ORDER.with_for_update())
_AS_ORDERED: Final = ("ordered_line_no", "ordered_ticket_type_id")
_ORDER_LOCKED_WITH_LINES = PreparedStatement(
    select(
        Order,
        *(OrderLine.__table__.c[name.removeprefix("ordered_")].label(name) for name in _AS_ORDERED),
    )
    .join(
        OrderLine, (OrderLine.organizer_id == Order.organizer_id) & (OrderLine.order_id == Order.id)
    )
    .where(Order.organizer_id == bindparam("organizer_id"), Order.id == bindparam("id"))
    .order_by(OrderLine.line_no)
    .with_for_update(of=Order)
)
_REPEATED = PreparedStatement(
    select(Order).where(
        Order.organizer_id == bindparam("organizer_id"),
        Order.repeat_hash == bindparam("repeat_hash"),
    )
)
_ORDER_TABLE = cast("Table", Order.__table__)
_LINE = cast("Table", OrderLine.__table__)
_NEW_LINES: Final = (
    "line_no",
    "ticket_type_id",
    "price",
    "amount",
    "organizer_share",
    "platform_fee",
    "tax_on_fees",
    "tax_on_tickets",
    "provider_fee",
)
"""What a new line says of itself; whose it is, its order says."""
_LINES = PreparedStatement(
    select(OrderLine)
    .where(
        OrderLine.organizer_id == any_(bindparam("organizer_ids", type_=ARRAY(Uuid))),
        OrderLine.order_id == any_(bindparam("order_ids", type_=ARRAY(Uuid))),
    )
    .order_by(OrderLine.order_id, OrderLine.line_no)
)


def _adding() -> PreparedStatement:
    """An order and its lines, or nothing where one stands under the same key."""
    made = (
        postgresql.insert(_ORDER_TABLE)
        .on_conflict_do_nothing(constraint="uq_orders_organizer_id_repeat_hash")
        .returning(_ORDER_TABLE.c.organizer_id, _ORDER_TABLE.c.id)
        .cte("made")
    )
    columns = [column(name, _LINE.c[name].type) for name in _NEW_LINES]
    told = func.jsonb_to_recordset(bindparam("lines", type_=postgresql.JSONB))
    line = told.table_valued(*columns).render_derived(name="line", with_types=True)
    rows = select(made.c.organizer_id, made.c.id, *line.c).select_from(made).join(line, true())
    lines = insert(_LINE).from_select(["organizer_id", "order_id", *_NEW_LINES], rows)
    return PreparedStatement(lines.returning(_LINE.c.line_no))


def _issuing() -> PreparedStatement:
    """Each line's ticket and what opens it, and the order's new state."""
    told = func.unnest(
        bindparam("lines", type_=ARRAY(_LINE.c.line_no.type)),
        bindparam("tickets", type_=ARRAY(_LINE.c.ticket_id.type)),
        bindparam("claims", type_=ARRAY(_LINE.c.sealed_claim.type)),
    )
    ticket = told.table_valued("line_no", "ticket_id", "claim").render_derived(name="ticket")
    ticketed = (
        _LINE.update()
        .where(
            _LINE.c.organizer_id == bindparam("in_organizer_id"),
            _LINE.c.order_id == bindparam("in_order_id"),
            _LINE.c.line_no == ticket.c.line_no,
        )
        .values(ticket_id=ticket.c.ticket_id, sealed_claim=ticket.c.claim)
        .cte("ticketed")
    )
    order = _ORDER_TABLE.update().where(
        _ORDER_TABLE.c.organizer_id == bindparam("in_organizer_id"),
        _ORDER_TABLE.c.id == bindparam("in_order_id"),
    )
    names = ("state", "state_changed_at", "payment_id")
    return PreparedStatement(
        order.values({name: bindparam(name) for name in names}).add_cte(ticketed)
    )


_ADD = _adding()
_ISSUE = _issuing()


async def count_of_buyer(session: AsyncSession, key: OfferKey, buyer_hash: bytes) -> int:
    """Count the tickets of a type that a buyer holds or has."""
    query = (
        select(func.count())
        .select_from(Order)
        .join(
            OrderLine,
            (OrderLine.organizer_id == Order.organizer_id) & (OrderLine.order_id == Order.id),
        )
        .where(
            Order.organizer_id == key.organizer_id,
            Order.event_id == key.event_id,
            Order.buyer_hash == buyer_hash,
            Order.state.in_(COUNTED),
            OrderLine.ticket_type_id == key.ticket_type_id,
            OrderLine.returned_at.is_(None),
        )
    )
    return await session.scalar(query) or 0


async def add_order(
    session: AsyncSession, values: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> bool:
    """Add an order with its lines; False, and nothing added, where one stands under the same key,
    after waiting for its commit.
    """
    told = [
        {name: line[name] for name in _NEW_LINES} | {"ticket_type_id": str(line["ticket_type_id"])}
        for line in lines
    ]
    return await _ADD.row(session, {**values, "lines": told}) is not None


async def find_order(
    session: AsyncSession, organizer_id: UUID, order_id: UUID, *, for_change: bool = False
) -> Order | None:
    query = _ORDER_LOCKED if for_change else _ORDER
    row = await query.row(session, {"organizer_id": organizer_id, "id": order_id})
    return None if row is None else entity(Order, row)


class OrderedTicket(NamedTuple):
    """What never changes of a line."""

    line_no: int
    ticket_type_id: UUID


async def lock_with_tickets(
    session: AsyncSession, organizer_id: UUID, order_id: UUID
) -> tuple[Order, Sequence[OrderedTicket]] | None:
    """Lock an order, and say what was ordered. Of its lines nothing is said that may change: they
    are read as they were before the lock was had.
    """
    values = {"organizer_id": organizer_id, "id": order_id}
    rows = [dict(row) for row in await _ORDER_LOCKED_WITH_LINES.rows(session, values)]
    ordered = [OrderedTicket(*(row.pop(name) for name in _AS_ORDERED)) for row in rows]
    return (entity(Order, rows[0]), ordered) if rows else None


async def find_repeated(
    session: AsyncSession, organizer_id: UUID, repeat_hash: bytes
) -> Order | None:
    values = {"organizer_id": organizer_id, "repeat_hash": repeat_hash}
    row = await _REPEATED.row(session, values)
    return None if row is None else entity(Order, row)


async def find_by_token(session: AsyncSession, token_hash: bytes) -> Order | None:
    return await session.scalar(select(Order).where(Order.token_hash == token_hash))


async def sealed_of(session: AsyncSession, order: Order) -> Any:  # noqa: ANN401 - a row
    """Give an order's sealed and hashed columns; needs the worker's transaction."""
    query = select(Order.request_hash, Order.sealed_token, Order.sealed_buyer, Order.buyer_hash)
    found = await session.execute(
        query.where(Order.organizer_id == order.organizer_id, Order.id == order.id)
    )
    return found.one()


async def list_orders(session: AsyncSession, event: Event, page: PageRequest) -> Sequence[Order]:
    query = select(Order).where(Order.organizer_id == event[0], Order.event_id == event[1])
    if page.after is not None:
        query = query.where(Order.id > page.after)
    return (await session.scalars(query.order_by(Order.id).limit(page.limit + 1))).all()


async def change_order(session: AsyncSession, order: Order, **values: Any) -> None:  # noqa: ANN401 - columns
    """Write columns of an order that is locked, and keep the object as it then stands."""
    place = {"row_organizer_id": order.organizer_id, "row_id": order.id}
    await change_of(Order, tuple(values)).rows(session, {**values, **place})
    keep(session, order, values)


async def due_holds(session: AsyncSession, moment: datetime, limit: int) -> Sequence[Order]:
    """Lock orders whose time is over; those that somebody else has locked are left to them."""
    query = (
        select(Order)
        # Written out, so that the index over held orders alone can serve.
        .where(Order.state == literal_column("'held'"), Order.hold_expires_at <= moment)
        .order_by(Order.hold_expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(query)).all()


async def lines_of(session: AsyncSession, orders: Sequence[Order]) -> Sequence[OrderLine]:
    values = {
        "organizer_ids": sorted({order.organizer_id for order in orders}),
        "order_ids": [order.id for order in orders],
    }
    return [entity(OrderLine, row) for row in await _LINES.rows(session, values)]


async def sealed_claims(session: AsyncSession, order: Order) -> dict[int, bytes]:
    """Give what opens an order's tickets, by line; needs the worker's transaction."""
    query = select(OrderLine.line_no, OrderLine.sealed_claim).where(
        OrderLine.organizer_id == order.organizer_id,
        OrderLine.order_id == order.id,
        OrderLine.sealed_claim.is_not(None),
    )
    found = (await session.execute(query)).all()
    return {row.line_no: row.sealed_claim for row in found}


@dataclass(frozen=True, slots=True)
class LineTicket:
    """A line's ticket, and what opens it."""

    line_no: int
    ticket_id: int
    sealed_claim: bytes


async def change_issued(
    session: AsyncSession,
    order: Order,
    tickets: Sequence[LineTicket],
    **values: Any,  # noqa: ANN401 - columns
) -> None:
    """Write each line's ticket, and what became of the order that has them: its state, since when,
    and by which payment.
    """
    told = {
        "lines": [ticket.line_no for ticket in tickets],
        "tickets": [ticket.ticket_id for ticket in tickets],
        "claims": [ticket.sealed_claim for ticket in tickets],
    }
    place = {"in_organizer_id": order.organizer_id, "in_order_id": order.id}
    await _ISSUE.rows(session, {**values, **told, **place})
    keep(session, order, values)


async def mark_refunding(
    session: AsyncSession,
    order: Order,
    line_numbers: Sequence[int],
    refund_id: UUID,
    *,
    request_hash: bytes | None = None,
) -> None:
    """With `request_hash` the lines are all that is kept of their refund."""
    await session.execute(
        update(OrderLine)
        .where(
            OrderLine.organizer_id == order.organizer_id,
            OrderLine.order_id == order.id,
            OrderLine.line_no.in_(line_numbers),
        )
        .values(refund_id=refund_id, refund_request_hash=request_hash)
        .execution_options(**_UNSYNCHRONIZED),
    )


async def lines_of_refund(
    session: AsyncSession, order: Order, refund_id: UUID
) -> tuple[Sequence[OrderLine], bytes | None]:
    """Give what a refund took back, and the hash of what was asked where it is kept there."""
    query = select(OrderLine, OrderLine.refund_request_hash).where(
        OrderLine.organizer_id == order.organizer_id,
        OrderLine.order_id == order.id,
        OrderLine.refund_id == refund_id,
    )
    found = (await session.execute(query)).all()
    return [row[0] for row in found], found[0][1] if found else None


async def mark_refunded(
    session: AsyncSession, organizer_id: UUID, refund_id: UUID, moment: datetime
) -> Sequence[Any]:
    """Note that a refund's tickets are given back, and give those that were not so before."""
    return await _returned(
        session,
        update(OrderLine)
        .where(OrderLine.organizer_id == organizer_id, OrderLine.refund_id == refund_id)
        .where(OrderLine.returned_at.is_(None))
        .values(returned_at=moment),
    )


async def mark_all_returned(session: AsyncSession, order: Order, moment: datetime) -> Sequence[Any]:
    """The same for all that is left of an order."""
    return await _returned(
        session,
        update(OrderLine)
        .where(OrderLine.organizer_id == order.organizer_id, OrderLine.order_id == order.id)
        .where(OrderLine.returned_at.is_(None))
        .values(returned_at=moment),
    )


async def unmark_refunding(
    session: AsyncSession, organizer_id: UUID, refund_id: UUID
) -> Sequence[Any]:
    return await _returned(
        session,
        update(OrderLine)
        .where(OrderLine.organizer_id == organizer_id, OrderLine.refund_id == refund_id)
        .where(OrderLine.returned_at.is_(None))
        .values(refund_id=None),
    )


async def _returned(session: AsyncSession, statement: Any) -> Sequence[Any]:  # noqa: ANN401 - a statement
    columns = statement.returning(OrderLine.ticket_type_id, OrderLine.ticket_id)
    return (await session.execute(columns.execution_options(**_UNSYNCHRONIZED))).all()
