"""Refusals of the ledger."""

from sync_server.kit.problems import NotFoundError, ProblemError


class OverdraftError(ProblemError):
    status = 409
    code = "overdraft"
    title = "The account does not hold this much"


class ReplayDiffersError(ProblemError):
    status = 409
    code = "replay_differs"
    title = "This was posted before with other amounts; nothing was posted now"


class AlreadyReversedError(ProblemError):
    status = 409
    code = "already_reversed"
    title = "This transaction was reversed before"


class TransactionNotFoundError(NotFoundError):
    code = "transaction_not_found"
    title = "There is no such transaction in this organizer's books"
