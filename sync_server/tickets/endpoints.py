"""HTTP: an organizer's tickets, and the wallet's view of one."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, status

from shared.ids import EventId, TicketId, ticket_id_from_hex
from sync_server.catalog.errors import EventNotFoundError, TicketTypeNotFoundError
from sync_server.kit.idempotency import (
    IdempotencyKeyReusedError,
    OptionalKey,
    RequiredKey,
)
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import (
    IdempotencyKeyRequiredError,
    RequestInvalidError,
    problem_responses,
)
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import TicketIssuer
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError
from sync_server.tickets import service, wallet
from sync_server.tickets.callers import TicketHolder
from sync_server.tickets.errors import (
    BindingsExhaustedError,
    ClaimTokenInvalidError,
    GenerationsExhaustedError,
    HolderKeyInvalidError,
    StatusChangeRefusedError,
    TicketNotFoundError,
    ValidityInvalidError,
)
from sync_server.tickets.schemas import (
    Binding,
    ClaimedTicket,
    IssuedTickets,
    NewTickets,
    StatusChange,
    TicketDetails,
    TicketShown,
    Transfer,
    WalletTicket,
)

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events/{event_id}/tickets",
    tags=["tickets"],
    responses=problem_responses(
        AuthenticationRequiredError,
        CapabilityMissingError,
        OrganizerNotFoundError,
        EventNotFoundError,
        RequestInvalidError,
    ),
)
wallet_router = ProblemRouter(
    prefix="/v1/wallet",
    tags=["wallet"],
    responses=problem_responses(ClaimTokenInvalidError, RequestInvalidError),
)
TicketIdHex = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
_ONE = problem_responses(TicketNotFoundError)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        TicketTypeNotFoundError,
        ValidityInvalidError,
        IdempotencyKeyReusedError,
        IdempotencyKeyRequiredError,
    ),
)
async def issue_tickets(
    event_id: UUID,
    wanted: NewTickets,
    caller: TicketIssuer,
    services: ServicesDependency,
    request: RequiredKey,
) -> IssuedTickets:
    """Issue up to 500 tickets; a repeat under the same key gives the first answer again."""
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        IssuedTickets,
        lambda: service.issue_tickets(caller, services, EventId(event_id), wanted),
    )


@router.get("", responses=problem_responses(CursorInvalidError))
async def list_tickets(
    event_id: UUID, caller: TicketIssuer, page: PageDependency
) -> Page[TicketShown]:
    return await service.list_tickets(caller, EventId(event_id), page)


@router.get("/{ticket_id}", responses=_ONE)
async def read_ticket(
    event_id: UUID, ticket_id: TicketIdHex, caller: TicketIssuer
) -> TicketDetails:
    return await service.read_ticket(caller, EventId(event_id), _ticket_id(ticket_id))


@router.post(
    "/{ticket_id}/status",
    responses={**_ONE, **problem_responses(StatusChangeRefusedError)},
)
async def change_status(
    event_id: UUID,
    ticket_id: TicketIdHex,
    wanted: StatusChange,
    caller: TicketIssuer,
    services: ServicesDependency,
) -> TicketShown:
    """Cancel, block, revoke or mark a ticket; gates hear of it within a second."""
    number = _ticket_id(ticket_id)
    return await service.change_status(caller, services, EventId(event_id), number, wanted)


@router.post(
    "/{ticket_id}/transfers",
    status_code=status.HTTP_201_CREATED,
    responses={
        **_ONE,
        **problem_responses(
            GenerationsExhaustedError, IdempotencyKeyReusedError, IdempotencyKeyRequiredError
        ),
    },
)
async def transfer_ticket(
    event_id: UUID,
    ticket_id: TicketIdHex,
    wanted: Transfer,
    caller: TicketIssuer,
    request: RequiredKey,
) -> ClaimedTicket:
    """Pass a ticket on; the old link and the old phone's codes end at once."""
    event, number, services = EventId(event_id), _ticket_id(ticket_id), request.services
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        ClaimedTicket,
        lambda: service.transfer_ticket(caller, services, event, number, wanted),
    )


@wallet_router.post(
    "/tickets/bind",
    responses=problem_responses(
        HolderKeyInvalidError,
        BindingsExhaustedError,
        GenerationsExhaustedError,
        IdempotencyKeyReusedError,
    ),
)
async def bind_key(wanted: Binding, caller: TicketHolder, request: OptionalKey) -> WalletTicket:
    """Bind this phone's key to the ticket of the claim token; a repeat under the same key binds
    nothing anew, and is shown the ticket as it stands.
    """
    return await wallet.bind_key(caller, request, wanted)


@wallet_router.get("/ticket")
async def read_wallet_ticket(caller: TicketHolder) -> WalletTicket:
    return await wallet.show_ticket(caller)


def _ticket_id(text: str) -> TicketId:
    return ticket_id_from_hex(text)
