"""The answer that does not end: a stream on its socket, and what happens where nobody reads it."""

import asyncio
from typing import Final

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from shared.wire.paths import EVENT_STREAM_MEDIA_TYPE
from sync_server.realtime.service import Realtime
from sync_server.realtime.streams import Stream

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_LOG: Final = structlog.get_logger(__name__)


class _StuckError(Exception):
    """The other side reads nothing any more, and says nothing either."""


class StreamResponse(StreamingResponse):
    """Leaves the stream whichever way the answer ends.

    FastAPI's own class encodes what a generator gives, in three tasks a stream; here a piece is
    encoded once for all who hear it.
    """

    media_type = EVENT_STREAM_MEDIA_TYPE

    def __init__(self, realtime: Realtime, stream: Stream) -> None:
        super().__init__(realtime.lines(stream), headers=_HEADERS)
        self._realtime = realtime
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._realtime.limits.stuck_seconds):
                    await send(message)
            except TimeoutError as error:
                raise _StuckError from error

        try:
            await super().__call__(scope, receive, send_in_time)
        except _StuckError:
            # Without an end the server closes the connection.
            _LOG.info("realtime.stuck")
        finally:
            self._realtime.leave(self._stream)
