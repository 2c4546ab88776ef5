"""What organizers put on sale, their promo codes, and the rules of fees that admins set."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.kit.claims import WORKER
from sync_server.kit.database import violated_constraint
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.orders import offers_repository
from sync_server.orders.errors import (
    FeeRuleChangedError,
    OfferConflictError,
    PromoCodeExistsError,
    PromoCodeNotFoundError,
)
from sync_server.orders.models import PromoCode, StoredFeeRule
from sync_server.orders.quoting import version_of
from sync_server.orders.rules import Bearer, FeeKind
from sync_server.orders.schemas import (
    FeeRuleShown,
    FeeRulesShown,
    NewFeeRule,
    NewPromoCode,
    OfferShown,
    OffersShown,
    OfferWanted,
    PromoCodeShown,
)
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.errors import OrganizerNotFoundError


async def put_offer(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    ticket_type_id: UUID,
    wanted: OfferWanted,
) -> OfferShown:
    """Put a ticket type on sale or change how it is sold; orders keep what they were quoted."""
    event = (caller.organizer_id, event_id)
    await catalog.find_ticket_type(caller.session, *event, ticket_type_id)
    values = {
        "organizer_id": caller.organizer_id,
        "event_id": event_id,
        "ticket_type_id": ticket_type_id,
        **wanted.model_dump(),
        "changed_at": instant(services.clock.now_ms()),
    }
    try:
        await offers_repository.put_offer(caller.session, values)
    except IntegrityError as error:
        if violated_constraint(error) != "ck_ticket_offers_taken":
            raise
        raise OfferConflictError from error
    subject = Subject("ticket_type", str(ticket_type_id), caller.organizer_id)
    planned = Action("ticket_offer.change", subject, after=wanted.model_dump(mode="json"))
    await audit.record_action(caller.session, services, planned)
    shown = await list_offers(caller.session, caller.organizer_id, event_id)
    return next(offer for offer in shown.items if offer.ticket_type_id == ticket_type_id)


async def list_offers(
    session: AsyncSession, organizer_id: OrganizerId, event_id: EventId
) -> OffersShown:
    """Give what an event sells, in the order of its ticket types; EventNotFoundError where there
    is no such event.
    """
    await catalog.find_event(session, organizer_id, event_id)
    floor = await catalog.load_event_floor(session, organizer_id, event_id)
    offers = {
        offer.ticket_type_id: offer
        for offer in await offers_repository.offers_of(session, (organizer_id, event_id))
    }
    shown = [
        OfferShown(
            ticket_type_id=kind.id,
            name=kind.name,
            currency=offers[kind.id].currency,
            price=offers[kind.id].price,
            left=offers[kind.id].quantity - offers[kind.id].taken,
            sales_from=offers[kind.id].sales_from,
            sales_until=offers[kind.id].sales_until,
            per_buyer_max=offers[kind.id].per_buyer_max,
        )
        for kind in floor.ticket_types
        if kind.id in offers
    ]
    return OffersShown(items=shown)


async def list_offers_to_all(
    services: Services, organizer_id: OrganizerId, event_id: EventId
) -> OffersShown:
    async with services.database.reading(WORKER) as session:
        return await list_offers(session, organizer_id, event_id)


async def create_promo_code(
    caller: OrganizerCaller, services: Services, event_id: EventId, wanted: NewPromoCode
) -> PromoCodeShown:
    await catalog.find_event(caller.session, caller.organizer_id, event_id)
    promo = PromoCode(
        organizer_id=caller.organizer_id,
        id=services.new_id(),
        event_id=event_id,
        **wanted.model_dump(),
        uses=0,
        created_at=instant(services.clock.now_ms()),
        withdrawn_at=None,
    )
    try:
        await offers_repository.add(caller.session, promo)
    except IntegrityError as error:
        if violated_constraint(error) != "uq_promo_codes_organizer_id_event_id_code":
            raise
        raise PromoCodeExistsError from error
    subject = Subject("promo_code", str(promo.id), caller.organizer_id)
    terms = wanted.model_dump(mode="json", exclude={"code"})
    made = Action("promo_code.create", subject, after={"event_id": str(event_id), **terms})
    await audit.record_action(caller.session, services, made)
    return PromoCodeShown.model_validate(promo)


async def list_promo_codes(
    caller: OrganizerCaller, event_id: EventId, page: PageRequest
) -> Page[PromoCodeShown]:
    event = (caller.organizer_id, event_id)
    await catalog.find_event(caller.session, *event)
    rows = await offers_repository.list_promo_codes(caller.session, event, page)
    return page_of(rows, page, PromoCodeShown.model_validate, lambda row: row.id)


async def withdraw_promo_code(
    caller: OrganizerCaller, services: Services, event_id: EventId, promo_code_id: UUID
) -> None:
    """End a code; orders that used it keep their discount."""
    event, now = (caller.organizer_id, event_id), instant(services.clock.now_ms())
    if not await offers_repository.withdraw_promo_code(caller.session, event, promo_code_id, now):
        raise PromoCodeNotFoundError
    subject = Subject("promo_code", str(promo_code_id), caller.organizer_id)
    await audit.record_action(caller.session, services, Action("promo_code.withdraw", subject))


async def add_fee_rule(services: Services, admin_id: UUID, wanted: NewFeeRule) -> FeeRuleShown:
    """Add the next version of a rule; quotes that were made keep theirs."""
    now = instant(services.clock.now_ms())
    row = StoredFeeRule(
        name=wanted.name,
        for_organizer_id=wanted.organizer_id,
        for_event_id=wanted.event_id,
        kind=wanted.kind.value,
        bearer=wanted.bearer.value,
        basis_points=wanted.basis_points,
        currency=wanted.currency,
        fixed_minor_units=wanted.fixed_minor_units,
        cap_minor_units=wanted.cap_minor_units,
        valid_from=wanted.valid_from or now,
        created_by=admin_id,
        created_at=now,
    )
    async with services.database.transaction(WORKER) as session:
        if wanted.organizer_id is not None and wanted.event_id is not None:
            organizer_id = OrganizerId(wanted.organizer_id)
            await catalog.find_event(session, organizer_id, EventId(wanted.event_id))
        earlier = await offers_repository.find_fee_rule(session, row)
        row.id = services.new_id() if earlier is None else earlier.id
        row.version = 1 if earlier is None else earlier.version + 1
        try:
            await offers_repository.add(session, row)
        except IntegrityError as error:
            if violated_constraint(error) == "fk_fee_rules_for_organizer_id":
                raise OrganizerNotFoundError from error
            raise FeeRuleChangedError from error
        subject = Subject("fee_rule", str(row.id), wanted.organizer_id)
        after = {"version": row.version, **wanted.model_dump(mode="json")}
        added = Action("fee_rule.add", subject, after=after, actor_id=admin_id)
        await audit.record_action(session, services, added)
        return _rule_shown(row)


async def list_fee_rules(services: Services) -> FeeRulesShown:
    async with services.database.reading(WORKER) as session:
        rows = await offers_repository.all_fee_rules(session)
    return FeeRulesShown(items=[_rule_shown(row) for row in rows])


async def list_rules_of_event(
    caller: OrganizerCaller, services: Services, event_id: EventId
) -> FeeRulesShown:
    """Give an organizer every version that counts, or counted, for an event of theirs."""
    await catalog.find_event(caller.session, caller.organizer_id, event_id)
    async with services.database.reading(WORKER) as session:
        rows = await offers_repository.fee_rules(session, caller.organizer_id, event_id)
    ordered = sorted(rows, key=lambda row: (row.name, version_of(row).rank))
    return FeeRulesShown(items=[_rule_shown(row) for row in ordered])


def _rule_shown(row: StoredFeeRule) -> FeeRuleShown:
    return FeeRuleShown(
        id=row.id,
        version=row.version,
        name=row.name,
        organizer_id=row.for_organizer_id,
        event_id=row.for_event_id,
        kind=FeeKind(row.kind),
        bearer=Bearer(row.bearer),
        basis_points=row.basis_points,
        currency=row.currency,
        fixed_minor_units=row.fixed_minor_units,
        cap_minor_units=row.cap_minor_units,
        valid_from=row.valid_from,
    )
