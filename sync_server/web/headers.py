"""Header fields that keep browsers careful: with every answer, with answers to a cookie, and with
pages. Which page it is does not matter here.
"""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync_server.kit.services import Services
from sync_server.kit.session_cookies import cookie_token, is_served_securely

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
_ALLOWED: Final = ("publickey-credentials-create", "publickey-credentials-get")
_FORBIDDEN: Final = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
PAGE_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        [f"{name}=(self)" for name in _ALLOWED] + [f"{name}=()" for name in _FORBIDDEN]
    ),
    # Links carry tokens behind `#`: where a person came from is nobody's business.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HTTPS_ONLY: Final = "max-age=31536000"


class BrowserHeaders:
    """Middleware: no answer is guessed at, none to a cookie is kept by a cache, and production is
    called over https alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_carefully(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_carefully)


def _add(scope: Scope, headers: MutableHeaders) -> None:
    services: Services = scope["app"].state.services
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if is_served_securely(services):
        headers.setdefault("Strict-Transport-Security", _HTTPS_ONLY)
    # What is asked with an Authorization header no shared cache keeps; a cookie says nothing to it.
    if cookie_token(HTTPConnection(scope), services) is not None:
        headers.setdefault("Cache-Control", "private, no-store")
