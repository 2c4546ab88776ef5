"""The HTTP server as the command line runs it. Imported by those commands alone that need it: its
routes take longer to make than most commands to run.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import uvicorn
from fastapi import FastAPI

from sync_server.app import Job, create_app
from sync_server.composition import open_services
from sync_server.realtime.callers import stop_listening
from sync_server.settings import Settings
from sync_server.snapshots.wakeups import stop_waking

STOPPING_SECONDS_MAX: Final = 3


def serve(settings: Settings, host: str, port: int, beside: Sequence[Job]) -> bool:
    """Answer requests until stopped; False where it could not begin."""
    configuration = uvicorn.Config(
        create_app(partial(open_services, settings), *beside),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        # Kiosks keep an event stream open: stopping does not wait for them to leave.
        timeout_graceful_shutdown=STOPPING_SECONDS_MAX,
    )
    server = _Server(configuration)
    with suppress(KeyboardInterrupt):
        server.run()
    return server.started


class _Server(uvicorn.Server):
    """Lets listeners go before it waits for answers to end: a stream has no end of its own."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = cast("FastAPI", self.config.app)
        stop_listening(app)
        stop_waking(app)
        await super().shutdown(sockets)


def description(settings: Settings) -> dict[str, Any]:
    """Give the API's description, as OpenAPI has it."""
    return create_app(partial(open_services, settings)).openapi()
