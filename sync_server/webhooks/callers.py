"""Who calls: a source that is configured here and proves that the delivery is its own."""

from dataclasses import dataclass
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from sync_server.kit.bodies import SignatureInvalidError, read_body
from sync_server.kit.services import ServicesDependency
from sync_server.webhooks.errors import MediaTypeUnsupportedError, WebhookSourceNotFoundError
from sync_server.webhooks.rules import Delivery, is_event_id
from sync_server.webhooks.sources import WebhookSource, WebhookSources, plain_secrets

BODY_BYTES_MAX: Final = 262_144


@dataclass(frozen=True, slots=True)
class VerifiedDelivery:
    """A delivery of this source, under the id that the source gave it."""

    source: str
    scheme: str
    event_id: str
    body: bytes


async def verified_delivery(
    source: str, request: Request, services: ServicesDependency
) -> VerifiedDelivery:
    """Let a delivery in, or refuse it without saying what its signature lacks."""
    known = cast("WebhookSources", request.app.state.webhook_sources).get(source)
    secrets = services.webhook_secrets.get(source)
    if known is None or secrets is None:
        raise WebhookSourceNotFoundError
    _require_media_type(request, known)
    headers = {name.lower(): value for name, value in request.headers.items()}
    delivery = Delivery(headers, await read_body(request, BODY_BYTES_MAX))
    now_ms = services.clock.now_ms()
    event_id = known.verifier.verify(delivery, plain_secrets(secrets), now_ms)
    if event_id is None or not is_event_id(event_id):
        raise SignatureInvalidError
    return VerifiedDelivery(source, known.verifier.scheme, event_id, delivery.body)


def _require_media_type(request: Request, source: WebhookSource) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in source.media_types:
        raise MediaTypeUnsupportedError


FromSource = Annotated[VerifiedDelivery, Depends(verified_delivery)]
