"""HTTP: payments that do not fit, for admins."""

from uuid import UUID

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
from sync_server.payments import mismatched
from sync_server.payments.errors import (
    PaymentNotFoundError,
    PaymentNotMismatchedError,
    ReceiptUnknownError,
)
from sync_server.payments.mismatched_schemas import (
    MismatchedPaymentShown,
    ReceiptReturn,
    ReturnedReceiptShown,
)

router = ProblemRouter(
    prefix="/v1/payments",
    tags=["payments"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        RequestInvalidError,
    ),
)


@router.get("/mismatched", responses=problem_responses(CursorInvalidError))
async def list_mismatched_payments(
    _caller: Admin, page: PageDependency, services: ServicesDependency
) -> Page[MismatchedPaymentShown]:
    """What came and was not what was asked for, of all organizers, as long as nobody gave it
    back.
    """
    return await mismatched.list_mismatched(services, page)


@router.post(
    "/{payment_id}/give-back",
    responses=problem_responses(
        PaymentNotFoundError,
        PaymentNotMismatchedError,
        ReceiptUnknownError,
        IdempotencyKeyReusedError,
        IdempotencyKeyRequiredError,
    ),
)
async def give_payment_back(
    payment_id: UUID, how: ReceiptReturn, caller: Admin, request: RequiredKey
) -> ReturnedReceiptShown:
    """Say that money which did not fit was given back, at its provider or from our own bank.
    Nobody is asked for money; the books follow, and the payment is over. A repeat under the same
    key answers the same.
    """
    return await mismatched.give_back(request, caller.user_id, payment_id, how)
