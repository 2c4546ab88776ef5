"""The cookie in which a browser keeps its session, and which requests that carry it come from our
own pages. It sets no session's length and knows nobody's.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response

from sync_server.kit.services import Services

COOKIE_NAME: Final = "__Host-zeraket"
"""A browser takes this name over https only, for this host only, and from no subdomain."""
DEVELOPMENT_COOKIE_NAME: Final = "zeraket"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_served_securely(services: Services) -> bool:
    return urlsplit(services.public_url).scheme == "https"


def cookie_token(connection: HTTPConnection, services: Services) -> str | None:
    """Quoting can hide any character in a cookie; a token has none that the database refuses."""
    token = connection.cookies.get(_cookie_name(services), "")
    return token if token and token.isascii() and token.isprintable() else None


def keep_in_cookie(response: Response, services: Services, token: str, seconds: int) -> None:
    response.set_cookie(
        _cookie_name(services),
        token,
        max_age=seconds,
        secure=is_served_securely(services),
        httponly=True,
        samesite="lax",
    )


def forget_cookie(response: Response, services: Services) -> None:
    keep_in_cookie(response, services, "", 0)


def is_from_our_pages(headers: Headers, services: Services) -> bool:
    """Say what the browser says, which no page of another site can change: Fetch Metadata, or the
    Origin header where an older browser, or one without TLS, sends none.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    public = urlsplit(services.public_url)
    return headers.get("origin") == f"{public.scheme}://{public.netloc.lower()}"


def _cookie_name(services: Services) -> str:
    return COOKIE_NAME if is_served_securely(services) else DEVELOPMENT_COOKIE_NAME
