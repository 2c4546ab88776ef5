"""Refusals of webhooks; none says what was wrong with a signature."""

from sync_server.kit.problems import NotFoundError, ProblemError


class WebhookSourceNotFoundError(NotFoundError):
    code = "webhook_source_not_found"
    title = "No webhooks are taken from this source"


class MediaTypeUnsupportedError(ProblemError):
    status = 415
    code = "unsupported_media_type"
    title = "This source sends another media type"


class WebhookConflictingError(ProblemError):
    status = 409
    code = "webhook_conflicting"
    title = "Another content came under this id before; both are kept"
