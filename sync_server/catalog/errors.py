"""Refusals of the catalog domain."""

from sync_server.kit.problems import NotFoundError, ProblemError


class EventNotFoundError(NotFoundError):
    code = "event_not_found"
    title = "This organizer has no such event"


class TicketTypeNotFoundError(NotFoundError):
    code = "ticket_type_not_found"
    title = "This event has no such ticket type"


class AlreadyExistsError(ProblemError):
    status = 409
    code = "already_exists"
    title = "This id or number is taken already"


class NumbersExhaustedError(ProblemError):
    status = 409
    code = "numbers_exhausted"
    title = "An event cannot have more of these"


class ZoneUnknownError(ProblemError):
    status = 422
    code = "zone_unknown"
    title = "A zone named here does not exist at this event"
