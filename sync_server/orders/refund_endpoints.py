"""HTTP: money back to buyers, as organizers ask for it and admins see to it."""

from uuid import UUID

from fastapi import status

from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.idempotency import IdempotencyKeyReusedError, RequiredKey
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.orders import refund_service as service
from sync_server.orders.callers import OrderOwner
from sync_server.orders.errors import (
    LinesNotRefundableError,
    OrderNotFoundError,
    OrderTokenInvalidError,
    RefundAccountNeededError,
    RefundAccountNotNeededError,
    RefundAccountUnusableError,
)
from sync_server.orders.refund_schemas import (
    NewRefundAccount,
    OutsideSettlement,
    RefundAccountShown,
    RefundRetry,
    RefusedRefundShown,
)
from sync_server.orders.schemas import NewRefundWanted, RefundDecision, RefundShown
from sync_server.organizers.callers import RefundRequester
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.payments.errors import (
    NotRefundableError,
    ProviderNotOfferedError,
    RefundAccountsExhaustedError,
    RefundNotFailedError,
    RefundNotFoundError,
    RefundRetriedError,
    RefundTooLargeError,
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
account_router = ProblemRouter(
    prefix="/v1/order",
    tags=["shop"],
    responses=problem_responses(OrderTokenInvalidError, RequestInvalidError),
)
refunds_router = ProblemRouter(
    prefix="/v1/refunds",
    tags=["orders"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        RequestInvalidError,
    ),
)
_KEYED = (IdempotencyKeyReusedError, IdempotencyKeyRequiredError)
_FOLLOWING = (
    RefundNotFoundError,
    RefundNotFailedError,
    RefundRetriedError,
    LinesNotRefundableError,
    NotRefundableError,
    RefundTooLargeError,
)
"""Why no refund may follow another."""


@router.post(
    "/orders/{order_id}/refunds",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        OrderNotFoundError,
        LinesNotRefundableError,
        NotRefundableError,
        RefundTooLargeError,
        ProviderNotOfferedError,
        *_KEYED,
    ),
)
async def refund_order(
    order_id: UUID, wanted: NewRefundWanted, caller: RefundRequester, request: RequiredKey
) -> RefundShown:
    """Give money back for tickets; they let nobody in from now on. A repeat under the same key
    gives the same refund as it stands.
    """
    return await service.refund_order(caller, request, order_id, wanted)


@refunds_router.post("/{refund_id}/decision", responses=problem_responses(RefundNotFoundError))
async def decide_refund(
    refund_id: UUID, wanted: RefundDecision, caller: Admin, services: ServicesDependency
) -> RefundShown:
    """Say from a statement how a refund ended whose provider does not tell; one that is over stays
    as it is.
    """
    return await service.decide_refund(services, caller.user_id, refund_id, wanted)


@refunds_router.get("/refused", responses=problem_responses(CursorInvalidError))
async def list_refused_refunds(
    _caller: Admin, page: PageDependency, services: ServicesDependency
) -> Page[RefusedRefundShown]:
    """What providers refused for good and nobody has asked for again, of all organizers."""
    return await service.list_refused(services, page)


@refunds_router.post(
    "/{refund_id}/retry",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        *_FOLLOWING,
        RefundAccountNeededError,
        RefundAccountNotNeededError,
        RefundAccountUnusableError,
        RefundAccountsExhaustedError,
        ProviderNotOfferedError,
        *_KEYED,
    ),
)
async def retry_refund(
    refund_id: UUID, wanted: RefundRetry, caller: Admin, request: RequiredKey
) -> RefundShown:
    """Ask once more for a refund that was refused, by a new one of the same money and tickets; a
    repeat under the same key gives that one as it stands.
    """
    return await service.retry_refund(request, caller.user_id, refund_id, wanted)


@refunds_router.post(
    "/{refund_id}/settle-outside",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_FOLLOWING, *_KEYED),
)
async def settle_refund_outside(
    refund_id: UUID, wanted: OutsideSettlement, caller: Admin, request: RequiredKey
) -> RefundShown:
    """Say that the buyer of a refused refund has their money by another way: cash, or a transfer
    from our own bank. Nobody is asked for money; the books and the tickets follow.
    """
    return await service.settle_outside(request, caller.user_id, refund_id, wanted)


@account_router.post(
    "/refund-account",
    responses=problem_responses(
        RefundAccountNotNeededError, RefundAccountUnusableError, RefundAccountsExhaustedError
    ),
)
async def name_refund_account(wanted: NewRefundAccount, caller: OrderOwner) -> RefundAccountShown:
    """Say where money goes back to that came by transfer; what had waited for it is sent now."""
    return await service.name_refund_account(caller, wanted)
