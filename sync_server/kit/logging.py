"""One JSON line an event, with the request's id; never a body, a header, a query or a concrete
path.
"""

import logging
import sys
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync_server.kit.metrics import count_answer
from sync_server.kit.services import Services

REQUEST_ID_HEADER: Final = b"x-request-id"
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_LOG: Final = structlog.get_logger(__name__)


def configure_logging() -> None:
    """Send structlog and the standard library to standard error; called once by a command."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class RequestLog:
    """Gives each request an id, answers with it, and logs and counts method, route, status and
    duration.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        request_id = services.new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = services.clock.monotonic_ns()
        status: list[int] = []

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                message["headers"] = [
                    *message.get("headers", []),
                    (REQUEST_ID_HEADER, request_id.encode()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                elapsed = services.clock.monotonic_ns() - started
                _log_answer(scope, status[0] if status else None, elapsed)


def _log_answer(scope: Scope, status: int | None, nanoseconds: int) -> None:
    # The template, not the path: a path may hold a token.
    route: str | None = getattr(scope.get("route"), "path", None)
    _LOG.info(
        "request.answered",
        method=scope["method"],
        route=route,
        status=status,
        duration_ms=nanoseconds // _NANOSECONDS_PER_MILLISECOND,
    )
    count_answer(scope["method"], route, status, nanoseconds / _NANOSECONDS_PER_SECOND)
