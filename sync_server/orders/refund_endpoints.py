"""HTTP: money back to buyers, as organizers ask for it and admins see to it."""

from uuid import UUID

from fastapi import status

from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.idempotency import IdempotencyKeyReusedError, RequiredKey
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.orders import refund_service as service
from sync_server.orders.errors import LinesNotRefundableError, OrderNotFoundError
from sync_server.orders.schemas import NewRefundWanted, RefundDecision, RefundShown
from sync_server.organizers.callers import RefundRequester
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.payments.errors import (
    NotRefundableError,
    ProviderNotOfferedError,
    RefundNotFoundError,
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
_KEYED = problem_responses(IdempotencyKeyReusedError, IdempotencyKeyRequiredError)


@router.post(
    "/orders/{order_id}/refunds",
    status_code=status.HTTP_201_CREATED,
    responses={
        **_KEYED,
        **problem_responses(
            OrderNotFoundError,
            LinesNotRefundableError,
            NotRefundableError,
            RefundTooLargeError,
            ProviderNotOfferedError,
            IdempotencyKeyReusedError,
        ),
    },
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
