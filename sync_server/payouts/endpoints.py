"""HTTP: what an organizer has, where it may go, and paying it out by two people."""

from uuid import UUID

from fastapi import status

from shared.ids import OrganizerId
from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.idempotency import IdempotencyKeyReusedError, OptionalKey, RequiredKey
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.ledger.errors import OverdraftError
from sync_server.organizers.callers import FinanceViewer
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.payouts import destinations, service
from sync_server.payouts.callers import PayoutApprover, PayoutRequester, PayoutsViewer
from sync_server.payouts.errors import (
    DestinationDecidedError,
    DestinationNotFoundError,
    DestinationUnusableError,
    HoldRuleChangedError,
    OtherNameError,
    OwedError,
    PayoutDecidedError,
    PayoutNotFoundError,
    PayoutTooLargeError,
    RailNotOfferedError,
    TwoPeopleNeededError,
)
from sync_server.payouts.schemas import (
    Approval,
    DestinationNames,
    DestinationShown,
    HoldRuleShown,
    NewDestination,
    NewHoldRule,
    NewPayout,
    PayoutBalancesShown,
    PayoutDetails,
    PayoutShown,
    Refusal,
)

_PREFIX = "/v1/organizers/{organizer_id}"
_DESTINATION = "/payout-destinations/{destination_id}"
router = ProblemRouter(
    prefix=_PREFIX,
    tags=["payouts"],
    responses=problem_responses(
        AuthenticationRequiredError,
        OrganizerNotFoundError,
        CapabilityMissingError,
        RequestInvalidError,
    ),
)
admin_router = ProblemRouter(
    prefix=_PREFIX,
    tags=["payouts"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        OrganizerNotFoundError,
        RequestInvalidError,
    ),
)


@router.get("/payout-balances")
async def read_balances(caller: FinanceViewer) -> PayoutBalancesShown:
    """What is pending, available and in transit, in each currency."""
    amounts = await service.read_balances(caller.session, caller.organizer_id)
    return PayoutBalancesShown(items=amounts)


@router.get("/payout-hold-rule")
async def read_hold_rule(caller: PayoutsViewer) -> HoldRuleShown:
    """How long money is held after an event."""
    return await service.read_hold_rule(caller.session, caller.organizer_id)


@admin_router.put("/payout-hold-rule", responses=problem_responses(HoldRuleChangedError))
async def set_hold_rule(
    organizer_id: UUID, wanted: NewHoldRule, admin: Admin, services: ServicesDependency
) -> HoldRuleShown:
    """Hold an organizer's money for longer or shorter; each rule is a version that stays."""
    tenant = OrganizerId(organizer_id)
    return await service.set_hold_rule(services, admin.user_id, tenant, wanted)


@router.post(
    "/payout-destinations",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(IdempotencyKeyReusedError, RailNotOfferedError),
)
async def add_destination(
    wanted: NewDestination,
    caller: PayoutRequester,
    services: ServicesDependency,
    request: OptionalKey,
) -> DestinationShown:
    """Write down where money may go; nothing is paid there before somebody else confirms it."""
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        DestinationShown,
        lambda: destinations.add_destination(caller, services, wanted),
    )


@router.get("/payout-destinations", responses=problem_responses(CursorInvalidError))
async def list_destinations(caller: PayoutsViewer, page: PageDependency) -> Page[DestinationShown]:
    return await destinations.list_destinations(caller, page)


@router.get(_DESTINATION, responses=problem_responses(DestinationNotFoundError))
async def read_destination(
    destination_id: UUID, caller: PayoutsViewer, services: ServicesDependency
) -> DestinationNames:
    """Show whose account it is, as written down and as the rail says."""
    return await destinations.read_destination(caller, services, destination_id)


@router.post(
    f"{_DESTINATION}/confirm",
    responses=problem_responses(
        DestinationNotFoundError, DestinationDecidedError, TwoPeopleNeededError
    ),
)
async def confirm_destination(
    destination_id: UUID, caller: PayoutApprover, services: ServicesDependency
) -> DestinationShown:
    return await destinations.confirm_destination(caller, services, destination_id)


@router.post(
    f"{_DESTINATION}/withdraw",
    responses=problem_responses(DestinationNotFoundError, DestinationDecidedError),
)
async def withdraw_destination(
    destination_id: UUID, caller: PayoutApprover, services: ServicesDependency
) -> DestinationShown:
    return await destinations.withdraw_destination(caller, services, destination_id)


@router.post(
    "/payouts",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        IdempotencyKeyRequiredError,
        IdempotencyKeyReusedError,
        DestinationNotFoundError,
        DestinationUnusableError,
        OverdraftError,
        OwedError,
        PayoutTooLargeError,
        RailNotOfferedError,
    ),
)
async def request_payout(
    wanted: NewPayout,
    caller: PayoutRequester,
    services: ServicesDependency,
    request: RequiredKey,
) -> PayoutShown:
    """Ask for money that is available; it is set aside until somebody else decides."""
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        PayoutShown,
        lambda: service.request_payout(caller, services, wanted),
    )


@router.get("/payouts", responses=problem_responses(CursorInvalidError))
async def list_payouts(caller: PayoutsViewer, page: PageDependency) -> Page[PayoutShown]:
    return await service.list_payouts(caller, page)


@router.get("/payouts/{payout_id}", responses=problem_responses(PayoutNotFoundError))
async def read_payout(payout_id: UUID, caller: PayoutsViewer) -> PayoutDetails:
    """Show a payout with what its rail said and, to who sees the books, its postings."""
    return await service.read_payout(caller, payout_id)


@router.post(
    "/payouts/{payout_id}/approve",
    responses=problem_responses(
        PayoutNotFoundError,
        PayoutDecidedError,
        TwoPeopleNeededError,
        OtherNameError,
        DestinationUnusableError,
        RailNotOfferedError,
    ),
)
async def approve_payout(
    payout_id: UUID, approval: Approval, caller: PayoutApprover, services: ServicesDependency
) -> PayoutShown:
    """Let the money go; whoever asked for it cannot."""
    return await service.approve_payout(caller, services, payout_id, approval)


@router.post(
    "/payouts/{payout_id}/refuse",
    responses=problem_responses(PayoutNotFoundError, PayoutDecidedError, TwoPeopleNeededError),
)
async def refuse_payout(
    payout_id: UUID, refusal: Refusal, caller: PayoutApprover, services: ServicesDependency
) -> PayoutShown:
    """Give the money back to what is available; what was sent already goes on."""
    return await service.refuse_payout(caller, services, payout_id, refusal)
