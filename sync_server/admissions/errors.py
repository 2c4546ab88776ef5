"""Refusals of the admissions domain; a scan itself is never refused."""

from sync_server.kit.problems import NotFoundError, ProblemError


class BatchUnsignedError(ProblemError):
    status = 422
    code = "batch_signature_invalid"
    title = "This batch is not signed by the device it names"


class ConflictNotFoundError(NotFoundError):
    code = "conflict_not_found"
    title = "This event has no such conflict"
