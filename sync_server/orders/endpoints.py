"""HTTP: the shop that anybody may enter, an order for whoever has its token, and an organizer's
sales.
"""

from uuid import UUID

from fastapi import status

from shared.ids import EventId, OrganizerId
from sync_server.catalog.errors import EventNotFoundError, TicketTypeNotFoundError
from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.idempotency import IdempotencyKeyReusedError, RequiredKey
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError, CrossSiteRequestError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.orders import offers, service
from sync_server.orders.callers import BuyerId, BuyersRequest, OrderOwner
from sync_server.orders.errors import (
    BuyerLimitError,
    FeeRuleChangedError,
    IdempotencyKeyWeakError,
    NotOnSaleError,
    OfferConflictError,
    OfferNotFoundError,
    OrderNotFoundError,
    OrderNotPayableError,
    OrderTokenInvalidError,
    PaymentsExhaustedError,
    PaymentUnderWayError,
    PhoneRequiredError,
    PriceChangedError,
    PromoCodeExistsError,
    PromoCodeInvalidError,
    PromoCodeNotFoundError,
    QuoteRefusedError,
    SoldOutError,
)
from sync_server.orders.schemas import (
    FeeRuleShown,
    FeeRulesShown,
    NewCashOrder,
    NewFeeRule,
    NewOrder,
    NewPromoCode,
    NewQuote,
    OfferShown,
    OffersShown,
    OfferWanted,
    OrderDetails,
    OrderShown,
    OwnOrder,
    PaymentWanted,
    PlacedOrder,
    PromoCodeShown,
    QuoteShown,
)
from sync_server.organizers.callers import (
    AnyMember,
    BoxOfficeSeller,
    EventManager,
    FinanceViewer,
)
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.payments.errors import ProviderNotOfferedError

shop_router = ProblemRouter(
    prefix="/v1/shop/{organizer_id}/events/{event_id}",
    tags=["shop"],
    responses=problem_responses(EventNotFoundError, RequestInvalidError),
)
order_router = ProblemRouter(
    prefix="/v1/order",
    tags=["shop"],
    responses=problem_responses(OrderTokenInvalidError, RequestInvalidError),
)
router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}",
    tags=["orders"],
    responses=problem_responses(
        AuthenticationRequiredError,
        OrganizerNotFoundError,
        CapabilityMissingError,
        RequestInvalidError,
    ),
)
rules_router = ProblemRouter(
    prefix="/v1/fee-rules",
    tags=["orders"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        RequestInvalidError,
    ),
)
_PRICED = problem_responses(
    OfferNotFoundError, NotOnSaleError, PromoCodeInvalidError, QuoteRefusedError
)
_SOLD = problem_responses(
    OfferNotFoundError,
    NotOnSaleError,
    PromoCodeInvalidError,
    QuoteRefusedError,
    SoldOutError,
    PriceChangedError,
    IdempotencyKeyReusedError,
    IdempotencyKeyRequiredError,
)
_PLACED = problem_responses(
    OfferNotFoundError,
    NotOnSaleError,
    SoldOutError,
    PriceChangedError,
    BuyerLimitError,
    PromoCodeInvalidError,
    QuoteRefusedError,
    ProviderNotOfferedError,
    PhoneRequiredError,
    IdempotencyKeyReusedError,
    IdempotencyKeyRequiredError,
    IdempotencyKeyWeakError,
    AuthenticationRequiredError,
    CrossSiteRequestError,
)


@shop_router.get("/offers")
async def list_shop_offers(
    organizer_id: UUID, event_id: UUID, services: ServicesDependency
) -> OffersShown:
    """What an event sells, and how much of it is left; for everybody."""
    organizer = OrganizerId(organizer_id)
    return await offers.list_offers_to_all(services, organizer, EventId(event_id))


@shop_router.post("/quotes", responses=_PRICED)
async def quote_tickets(
    organizer_id: UUID, event_id: UUID, wanted: NewQuote, services: ServicesDependency
) -> QuoteShown:
    """What tickets cost now, with every fee and tax; nothing is held."""
    return await service.quote(services, (OrganizerId(organizer_id), EventId(event_id)), wanted)


@shop_router.post("/orders", status_code=status.HTTP_201_CREATED, responses=_PLACED)
async def place_order(
    organizer_id: UUID,
    event_id: UUID,
    wanted: NewOrder,
    user_id: BuyerId,
    request: BuyersRequest,
) -> PlacedOrder:
    """Hold tickets for a buyer; what costs nothing is theirs at once. A repeat under the same key
    gives the same order again.
    """
    event = (OrganizerId(organizer_id), EventId(event_id))
    return await service.place_order(request, event, wanted, user_id)


@order_router.get("")
async def read_own_order(caller: OrderOwner) -> OwnOrder:
    """How far an order is, and what opens its tickets once they are paid."""
    return await service.read_own_order(caller)


@order_router.post(
    "/payments",
    responses=problem_responses(
        OrderNotPayableError,
        PaymentsExhaustedError,
        ProviderNotOfferedError,
        PhoneRequiredError,
        IdempotencyKeyReusedError,
        IdempotencyKeyRequiredError,
    ),
)
async def pay_own_order(
    wanted: PaymentWanted, caller: OrderOwner, request: RequiredKey
) -> OwnOrder:
    """Ask a provider for the money; a repeat under the same key asks for nothing more."""
    return await service.pay_own_order(caller, request, wanted)


@order_router.post("/cancel", responses=problem_responses(PaymentUnderWayError))
async def cancel_own_order(caller: OrderOwner) -> OwnOrder:
    """Let the tickets go that are held; an order that is over stays as it is."""
    return await service.cancel_own_order(caller)


@router.get("/events/{event_id}/offers", responses=problem_responses(EventNotFoundError))
async def list_offers(event_id: UUID, caller: AnyMember) -> OffersShown:
    return await offers.list_offers(caller.session, caller.organizer_id, EventId(event_id))


@router.put(
    "/events/{event_id}/offers/{ticket_type_id}",
    responses=problem_responses(EventNotFoundError, TicketTypeNotFoundError, OfferConflictError),
)
async def put_offer(
    event_id: UUID,
    ticket_type_id: UUID,
    wanted: OfferWanted,
    caller: EventManager,
    services: ServicesDependency,
) -> OfferShown:
    """Put a ticket type on sale, or change how it is sold."""
    event = EventId(event_id)
    return await offers.put_offer(caller, services, event, ticket_type_id, wanted)


@router.post(
    "/events/{event_id}/promo-codes",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(EventNotFoundError, PromoCodeExistsError),
)
async def create_promo_code(
    event_id: UUID, wanted: NewPromoCode, caller: EventManager, services: ServicesDependency
) -> PromoCodeShown:
    return await offers.create_promo_code(caller, services, EventId(event_id), wanted)


@router.get(
    "/events/{event_id}/promo-codes",
    responses=problem_responses(EventNotFoundError, CursorInvalidError),
)
async def list_promo_codes(
    event_id: UUID, caller: EventManager, page: PageDependency
) -> Page[PromoCodeShown]:
    return await offers.list_promo_codes(caller, EventId(event_id), page)


@router.delete(
    "/events/{event_id}/promo-codes/{promo_code_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(PromoCodeNotFoundError),
)
async def withdraw_promo_code(
    event_id: UUID, promo_code_id: UUID, caller: EventManager, services: ServicesDependency
) -> None:
    await offers.withdraw_promo_code(caller, services, EventId(event_id), promo_code_id)


@router.get("/events/{event_id}/fee-rules", responses=problem_responses(EventNotFoundError))
async def list_rules_of_event(
    event_id: UUID, caller: FinanceViewer, services: ServicesDependency
) -> FeeRulesShown:
    """Every version of every rule of fees and taxes that counts, or counted, for an event."""
    return await offers.list_rules_of_event(caller, services, EventId(event_id))


@router.post(
    "/events/{event_id}/orders",
    status_code=status.HTTP_201_CREATED,
    responses={**_SOLD, **problem_responses(EventNotFoundError, OfferNotFoundError)},
)
async def place_cash_order(
    event_id: UUID, wanted: NewCashOrder, caller: BoxOfficeSeller, request: RequiredKey
) -> PlacedOrder:
    """Sell for cash at the box office; the tickets are in the answer."""
    return await service.place_cash_order(caller, request, EventId(event_id), wanted)


@router.get(
    "/events/{event_id}/orders",
    responses=problem_responses(EventNotFoundError, CursorInvalidError),
)
async def list_orders(
    event_id: UUID, caller: FinanceViewer, page: PageDependency
) -> Page[OrderShown]:
    return await service.list_orders(caller, EventId(event_id), page)


@router.get("/orders/{order_id}", responses=problem_responses(OrderNotFoundError))
async def read_order(
    order_id: UUID, caller: FinanceViewer, services: ServicesDependency
) -> OrderDetails:
    return await service.read_order(caller, services, order_id)


@rules_router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(FeeRuleChangedError, OrganizerNotFoundError, EventNotFoundError),
)
async def add_fee_rule(
    wanted: NewFeeRule, caller: Admin, services: ServicesDependency
) -> FeeRuleShown:
    """Add a rule of fees, or the next version of one."""
    return await offers.add_fee_rule(services, caller.user_id, wanted)


@rules_router.get("")
async def list_fee_rules(_caller: Admin, services: ServicesDependency) -> FeeRulesShown:
    return await offers.list_fee_rules(services)
