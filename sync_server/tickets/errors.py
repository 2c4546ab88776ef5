"""Refusals of the tickets domain."""

from sync_server.kit.problems import (
    NotFoundError,
    ProblemError,
    UnknownSecret,
    UnknownSecretError,
)


class TicketNotFoundError(NotFoundError):
    code = "ticket_not_found"
    title = "There is no such ticket here"


class ClaimTokenInvalidError(UnknownSecretError):
    secret = UnknownSecret.CLAIM
    status = 401
    code = "claim_token_invalid"
    title = "This wallet link does not open a ticket: it is mistyped, or the ticket was passed on"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class HolderKeyInvalidError(ProblemError):
    status = 422
    code = "holder_key_invalid"
    title = "This is no public key of the algorithm it names"


class BindingsExhaustedError(ProblemError):
    status = 429
    code = "bindings_exhausted"
    title = "This ticket was moved to other phones too often today; ask the organizer"


class GenerationsExhaustedError(ProblemError):
    status = 409
    code = "generations_exhausted"
    title = "This ticket was passed on as often as a ticket can be"


class StatusChangeRefusedError(ProblemError):
    status = 409
    code = "status_change_refused"
    title = "A ticket in this state cannot be given that one"


class ValidityInvalidError(ProblemError):
    status = 422
    code = "validity_invalid"
    title = "A ticket's validity ends after it begins, within 682 days of the event's base time"
