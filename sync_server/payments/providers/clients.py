"""The HTTP client for all providers: httpx over aiohttp's connections, where a call takes less than
half of the processor time that it takes over httpx's own.
"""

import ssl
from functools import partial
from typing import Final
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

_CONNECTIONS_MAX: Final = 100
_KEPT_ALIVE_SECONDS: Final = 5
_WEB: Final = frozenset(("http", "https", "all"))


class _Transport(AiohttpTransport):
    """Failures in httpx's words, so that nobody has to know both: its library passes some on as
    they came, and takes every connection that is lost for one that was too slow to open.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from error
        except httpx.ConnectTimeout as error:
            cause = error.__cause__
            if isinstance(cause, aiohttp.ServerTimeoutError):
                raise
            name = type(cause).__name__
            if isinstance(cause, aiohttp.ClientConnectorError):
                raise httpx.ConnectError(name, request=request) from cause
            raise httpx.ReadError(name, request=request) from cause


def provider_client(timeout: httpx.Timeout) -> httpx.AsyncClient:
    """Open a client that follows no redirect and keeps no cookie; every failure is an
    `httpx.HTTPError`.

    Where the environment names a proxy, connections are httpx's own, which knows how to use one.
    """
    if _WEB & getproxies().keys():
        return httpx.AsyncClient(timeout=timeout)
    context = httpx.create_ssl_context()
    transport = _Transport(verify=context, client=partial(_session, context))
    return httpx.AsyncClient(timeout=timeout, transport=transport)


def _session(context: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_CONNECTIONS_MAX, keepalive_timeout=_KEPT_ALIVE_SECONDS, ssl=context
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Content-Type",),
    )
