"""Refusals of the audit domain."""

from sync_server.kit.problems import NotFoundError, ProblemError


class LoggedRowNotFoundError(NotFoundError):
    code = "logged_row_not_found"
    title = "There is no such row in this log"


class NotSealedYetError(ProblemError):
    status = 409
    code = "not_sealed_yet"
    title = "This row is sealed within seconds; ask again"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


class SealBrokenRowError(ProblemError):
    status = 409
    code = "seal_broken"
    title = "This row does not fit its seal: it was changed after it was written"
