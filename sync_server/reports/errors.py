"""Refusals of reports."""

from sync_server.kit.problems import ProblemError


class PeriodInvalidError(ProblemError):
    status = 422
    code = "report_period_invalid"
    title = "A report's period ends after it begins, and is a year long at most"


class ReportTooLongError(ProblemError):
    status = 422
    code = "report_too_long"
    title = "This would be a book: take a shorter period, or CSV"
