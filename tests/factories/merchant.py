"""Our side of a provider's callbacks, and a server for it and the provider that is started in no
time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sync_server.payments.ports import Notice

OUR_SIDE = "/our-side"


@dataclass(slots=True)
class Merchant:
    """What our side of a callback hears."""

    url: str = ""
    notices: list[Notice] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    act: Callable[[Notice], Awaitable[None]] | None = None
    """What is done about a callback before it is answered."""

    async def hear(self, request: Request) -> Response:
        body = await request.body()
        query = dict(request.query_params)
        notice = Notice(request.method, dict(request.headers), query, body)
        self.notices.append(notice)
        self.heard.set()
        if self.act is not None:
            await self.act(notice)
        return JSONResponse({})

    async def welcome(self, request: Request) -> Response:
        """Where a payer comes back to from a provider's page."""
        return JSONResponse(dict(request.query_params))

    def app(self) -> ASGIApp:
        methods = ["GET", "POST", "PUT"]
        routes = [
            Route(f"{OUR_SIDE}/callback", self.hear, methods=methods),
            Route(f"{OUR_SIDE}/api/public/payments/{{provider}}", self.hear, methods=methods),
            Route(f"{OUR_SIDE}/back", self.welcome),
        ]
        return Starlette(routes=routes)


@asynccontextmanager
async def served_shortly(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on loopback, and give its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, access_log=False, log_level="critical", lifespan="off"
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without the server's own loop, which looks ten times a second whether to stop.
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await _stop(server)


async def _stop(server: uvicorn.Server) -> None:
    """Stop at once: nobody is served any more, and what is served still is given up."""
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    tasks = list(server.server_state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for listening in server.servers:
        await listening.wait_closed()


def beside(merchant: ASGIApp, provider: ASGIApp) -> ASGIApp:
    """One server for both is started and stopped in half the time."""

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = merchant if scope["path"].startswith(OUR_SIDE) else provider
        await chosen(scope, receive, send)

    return both
