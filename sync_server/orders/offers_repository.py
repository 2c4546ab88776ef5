"""SQL on offers, rules of fees and promo codes; what is taken of an offer changes by one
conditional statement, and offers are always taken and given back in one order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, Uuid, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import EventStatus
from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.kit.prepared import PreparedStatement, entity
from sync_server.orders.models import PromoCode, StoredFeeRule, TicketOffer

Event = tuple[OrganizerId, EventId]
_UNSYNCHRONIZED = {"synchronize_session": False}
_OF_EVENT = (bindparam("organizer_id", type_=Uuid()), bindparam("event_id", type_=Uuid()))
_EVENT_STATUS: Final = "event_status"
_OFFERS_AND_STATUS = PreparedStatement(
    select(TicketOffer, catalog.status_of_event(*_OF_EVENT).label(_EVENT_STATUS))
    .where(TicketOffer.organizer_id == _OF_EVENT[0], TicketOffer.event_id == _OF_EVENT[1])
    .order_by(TicketOffer.ticket_type_id)
)
_FEE_RULES = PreparedStatement(
    select(StoredFeeRule).where(
        or_(
            StoredFeeRule.for_organizer_id.is_(None),
            StoredFeeRule.for_organizer_id == bindparam("organizer_id"),
        ),
        or_(
            StoredFeeRule.for_event_id.is_(None),
            StoredFeeRule.for_event_id == bindparam("event_id"),
        ),
    )
)
_OFFER = cast("Table", TicketOffer.__table__)
_TAKING = (
    _OFFER.update()
    .where(
        _OFFER.c.organizer_id == bindparam("in_organizer_id"),
        _OFFER.c.event_id == bindparam("in_event_id"),
        _OFFER.c.ticket_type_id == bindparam("in_ticket_type_id"),
        _OFFER.c.taken + bindparam("wanted", type_=_OFFER.c.taken.type) <= _OFFER.c.quantity,
    )
    .values(taken=_OFFER.c.taken + bindparam("wanted", type_=_OFFER.c.taken.type))
    .returning(_OFFER.c.taken)
)
_TAKE = PreparedStatement(_TAKING)
_TAKE_AS_QUOTED = PreparedStatement(
    _TAKING.where(
        _OFFER.c.price == bindparam("quoted_price"),
        _OFFER.c.currency == bindparam("quoted_currency"),
        or_(_OFFER.c.sales_from.is_(None), _OFFER.c.sales_from <= bindparam("moment")),
        or_(_OFFER.c.sales_until.is_(None), _OFFER.c.sales_until > bindparam("moment")),
    )
)


class OfferKey(NamedTuple):
    """Sorts in the order in which offers are locked."""

    organizer_id: UUID
    event_id: UUID
    ticket_type_id: UUID


def key_of(offer: TicketOffer) -> OfferKey:
    return OfferKey(offer.organizer_id, offer.event_id, offer.ticket_type_id)


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def offers_of(session: AsyncSession, event: Event) -> Sequence[TicketOffer]:
    offers, _ = await offers_and_status(session, event)
    return offers


async def offers_and_status(
    session: AsyncSession, event: Event
) -> tuple[Sequence[TicketOffer], EventStatus | None]:
    """Give what is on sale and what became of the event; None where there are no offers."""
    values = {"organizer_id": event[0], "event_id": event[1]}
    rows = [dict(row) for row in await _OFFERS_AND_STATUS.rows(session, values)]
    statuses = [EventStatus(row.pop(_EVENT_STATUS)) for row in rows]
    return [entity(TicketOffer, row) for row in rows], next(iter(statuses), None)


async def put_offer(session: AsyncSession, values: Mapping[str, Any]) -> None:
    """Make an offer or change it; what is taken of it stays."""
    made = postgresql.insert(TicketOffer).values(**values)
    changed = {name: made.excluded[name] for name in values if name not in OfferKey._fields}
    statement = made.on_conflict_do_update(constraint="pk_ticket_offers", set_=changed)
    await session.execute(statement)


async def take(session: AsyncSession, offer: TicketOffer, count: int, moment: datetime) -> bool:
    """Take tickets if that many are left, at the price that was read, on sale at this moment; the
    offer stays locked until commit.
    """
    as_quoted = {
        "quoted_price": offer.price,
        "quoted_currency": offer.currency,
        "moment": moment,
    }
    values = {**_place(key_of(offer)), **as_quoted, "wanted": count}
    return await _TAKE_AS_QUOTED.row(session, values) is not None


async def take_again(session: AsyncSession, key: OfferKey, count: int) -> bool:
    """Take tickets that were quoted before, whatever they cost now."""
    return await _TAKE.row(session, {**_place(key), "wanted": count}) is not None


async def per_buyer_max(session: AsyncSession, key: OfferKey) -> int | None:
    return await session.scalar(select(TicketOffer.per_buyer_max).where(*_one(key)))


def _place(key: OfferKey) -> dict[str, UUID]:
    return {f"in_{name}": value for name, value in key._asdict().items()}


async def give_back(session: AsyncSession, counts: Mapping[OfferKey, int]) -> None:
    for key in sorted(counts):
        statement = update(TicketOffer).where(*_one(key))
        fewer = statement.values(taken=TicketOffer.taken - counts[key])
        await session.execute(fewer.execution_options(**_UNSYNCHRONIZED))


def _one(key: OfferKey) -> tuple[Any, ...]:
    return (
        TicketOffer.organizer_id == key.organizer_id,
        TicketOffer.event_id == key.event_id,
        TicketOffer.ticket_type_id == key.ticket_type_id,
    )


async def fee_rules(
    session: AsyncSession, organizer_id: UUID, event_id: UUID
) -> Sequence[StoredFeeRule]:
    """Give every version of the platform's rules, of an organizer's and of an event's."""
    values = {"organizer_id": organizer_id, "event_id": event_id}
    return [entity(StoredFeeRule, row) for row in await _FEE_RULES.rows(session, values)]


async def all_fee_rules(session: AsyncSession) -> Sequence[StoredFeeRule]:
    query = select(StoredFeeRule).order_by(StoredFeeRule.id, StoredFeeRule.version)
    return (await session.scalars(query)).all()


async def find_fee_rule(session: AsyncSession, wanted: StoredFeeRule) -> StoredFeeRule | None:
    """Give the newest version of a rule of the same name and scope."""
    query = (
        select(StoredFeeRule)
        .where(
            StoredFeeRule.name == wanted.name,
            StoredFeeRule.for_organizer_id.is_not_distinct_from(wanted.for_organizer_id),
            StoredFeeRule.for_event_id.is_not_distinct_from(wanted.for_event_id),
            StoredFeeRule.currency.is_not_distinct_from(wanted.currency),
        )
        .order_by(StoredFeeRule.version.desc())
        .limit(1)
    )
    return await session.scalar(query)


async def find_promo_code(session: AsyncSession, event: Event, code: str) -> PromoCode | None:
    query = select(PromoCode).where(
        PromoCode.organizer_id == event[0], PromoCode.event_id == event[1], PromoCode.code == code
    )
    return await session.scalar(query)


async def list_promo_codes(
    session: AsyncSession, event: Event, page: PageRequest
) -> Sequence[PromoCode]:
    query = select(PromoCode).where(
        PromoCode.organizer_id == event[0], PromoCode.event_id == event[1]
    )
    if page.after is not None:
        query = query.where(PromoCode.id > page.after)
    return (await session.scalars(query.order_by(PromoCode.id).limit(page.limit + 1))).all()


async def withdraw_promo_code(
    session: AsyncSession, event: Event, promo_code_id: UUID, moment: datetime
) -> bool:
    statement = (
        update(PromoCode)
        .where(
            PromoCode.organizer_id == event[0],
            PromoCode.event_id == event[1],
            PromoCode.id == promo_code_id,
        )
        .values(withdrawn_at=func.coalesce(PromoCode.withdrawn_at, moment))
        .returning(PromoCode.id)
        .execution_options(**_UNSYNCHRONIZED)
    )
    return await session.scalar(statement) is not None


async def use_promo_code(session: AsyncSession, organizer_id: UUID, promo_code_id: UUID) -> bool:
    """Count a use, unless the code was used as often as it may be."""
    statement = (
        update(PromoCode)
        .where(
            PromoCode.organizer_id == organizer_id,
            PromoCode.id == promo_code_id,
            PromoCode.uses < PromoCode.uses_max,
        )
        .values(uses=PromoCode.uses + 1)
        .returning(PromoCode.uses)
        .execution_options(**_UNSYNCHRONIZED)
    )
    return await session.scalar(statement) is not None


async def unuse_promo_code(
    session: AsyncSession, organizer_id: UUID, promo_code_id: UUID, uses: int
) -> None:
    statement = update(PromoCode).where(
        PromoCode.organizer_id == organizer_id, PromoCode.id == promo_code_id
    )
    fewer = statement.values(uses=PromoCode.uses - uses)
    await session.execute(fewer.execution_options(**_UNSYNCHRONIZED))
