"""Refusals of the operations domain."""

from sync_server.kit.problems import NotFoundError


class AlarmNotFoundError(NotFoundError):
    code = "alarm_not_found"
    title = "There is no such alarm"
