"""Refusals about dead jobs."""

from sync_server.kit.problems import NotFoundError, ProblemError


class DeadJobNotFoundError(NotFoundError):
    code = "dead_job_not_found"
    title = "There is no such dead job: it was tried again, or discarded"


class JobWaitsAlreadyError(ProblemError):
    status = 409
    code = "job_waits_already"
    title = "Another job does the same work already; this one can be discarded"
