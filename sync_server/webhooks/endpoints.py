"""HTTP for other people's servers: a webhook is taken in and answered; a job handles it."""

from fastapi import APIRouter, status

from sync_server.kit.bodies import ContentTooLargeError, SignatureInvalidError
from sync_server.kit.problems import problem_responses
from sync_server.kit.services import ServicesDependency
from sync_server.webhooks import service
from sync_server.webhooks.callers import FromSource
from sync_server.webhooks.errors import (
    MediaTypeUnsupportedError,
    WebhookConflictingError,
    WebhookSourceNotFoundError,
)

router = APIRouter(prefix="/api/public/webhooks", tags=["webhooks"])


@router.post(
    "/{source}",
    status_code=status.HTTP_202_ACCEPTED,
    responses=problem_responses(
        SignatureInvalidError,
        WebhookSourceNotFoundError,
        WebhookConflictingError,
        ContentTooLargeError,
        MediaTypeUnsupportedError,
    ),
)
async def receive_webhook(delivery: FromSource, services: ServicesDependency) -> None:
    """Keep a delivery. A repeat is answered the same; the same id with another content is 409."""
    await service.receive(
        services, delivery.source, delivery.scheme, delivery.event_id, delivery.body
    )
