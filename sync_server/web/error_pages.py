"""Refusals as pages where a person's browser went to a page; programs, and the pages' own scripts,
get the problem as it is.
"""

from collections.abc import Awaitable, Callable
from typing import Final, cast

from fastapi import FastAPI, Request, Response, WebSocketException
from fastapi.exceptions import WebSocketRequestValidationError

from sync_server.kit.services import get_services
from sync_server.web.rendering import render
from sync_server.web.viewers import hasty_visit

Handler = Callable[[Request, Exception], Awaitable[Response]]
_MACHINE_PATHS: Final = ("/v1/", "/web/", "/assets/", "/health", "/ready", "/openapi.json")
_TOLD_APART: Final = {403: "forbidden", 404: "not_found", 503: "unavailable"}
_GENERAL: Final = "internal"
_NO_REQUESTS: Final = (WebSocketException, WebSocketRequestValidationError)


def install_error_pages(app: FastAPI) -> None:
    """Put pages before the problem handlers that are installed by now."""
    for kind, handler in list(app.exception_handlers.items()):
        if kind not in _NO_REQUESTS:
            app.add_exception_handler(kind, _with_page(cast("Handler", handler)))


def _with_page(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        problem = await handler(request, error)
        if not _wants_page(request):
            return problem
        visit = hasty_visit(request, get_services(request))
        reason = _TOLD_APART.get(problem.status_code, _GENERAL)
        page = render(visit, "error", problem.status_code, reason=reason)
        for name in ("retry-after", "allow"):
            if name in problem.headers:
                page.headers[name] = problem.headers[name]
        return page

    return answer


def _wants_page(request: Request) -> bool:
    is_page = not request.url.path.startswith(_MACHINE_PATHS)
    return is_page and "text/html" in request.headers.get("accept", "")
