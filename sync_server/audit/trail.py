"""The middleware that knows where a request comes from and records who looked or was turned away.

It writes after the answer, in a transaction of its own: a refused request's transaction is undone.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync_server.audit import service
from sync_server.audit.origin import CURRENT_ORIGIN, Origin
from sync_server.audit.rules import Access, AccessKind, AccessOutcome, Subject
from sync_server.kit.claims import user_claims
from sync_server.kit.requests import presented_token
from sync_server.kit.services import Services

_DENIED: Final = frozenset((403, 404))
_GOOD_BELOW: Final = 400
_LOG: Final = structlog.get_logger(__name__)


class AuditTrail:
    """Wraps the application; it sees status and problem code, and never a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = _origin(scope)
        statuses: list[int] = []

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        token = CURRENT_ORIGIN.set(origin)
        try:
            await self._app(scope, receive, watch)
            await _record(scope, _accesses(scope, origin, statuses))
        finally:
            CURRENT_ORIGIN.reset(token)


def _origin(scope: Scope) -> Origin:
    client = scope.get("client")
    request_id = scope.get("state", {}).get("request_id")
    return Origin(request_id, client[0] if client else None)


def _accesses(scope: Scope, origin: Origin, statuses: Sequence[int]) -> Sequence[Access]:
    status = statuses[0] if statuses else 0
    code = scope.get("state", {}).get("problem_code")
    if status in _DENIED and code is not None:
        subject = _requested(scope)
        return [Access(AccessKind.REQUEST, subject, AccessOutcome.DENIED, code)]
    return origin.noted if status < _GOOD_BELOW else []


async def _record(scope: Scope, accesses: Sequence[Access]) -> None:
    """Record under the caller's own token: the database says whose it is."""
    services: Services = scope["app"].state.services
    presented = presented_token(HTTPConnection(scope), services) if accesses else None
    if presented is None:
        return
    try:
        await service.record_accesses_apart(services, user_claims(presented.text), accesses)
    except (DBAPIError, OSError) as error:
        _LOG.error("audit.access_unrecorded", reason=type(error).__name__, count=len(accesses))


def _requested(scope: Scope) -> Subject:
    """Name the endpoint with its ids; any other parameter may be a token and is left out."""
    parameters = scope.get("path_params", {})
    template = str(getattr(scope.get("route"), "path", ""))
    for name, value in parameters.items():
        shown = str(value) if _is_id(str(value)) else "…"
        template = template.replace(f"{{{name}}}", shown)
    organizer = str(parameters.get("organizer_id", ""))
    organizer_id = UUID(organizer) if _is_uuid(organizer) else None
    return Subject("endpoint", f"{scope['method']} {template}", organizer_id)


def _is_id(text: str) -> bool:
    return (text.isascii() and text.isdigit()) or _is_uuid(text)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
