"""HTTP: listen to channels, as server-sent events."""

from typing import Annotated

from fastapi import Header, Query, status

from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.realtime.callers import Listener, RealtimeDependency
from sync_server.realtime.errors import (
    ChannelNotFoundError,
    StreamsExhaustedError,
    TooManyStreamsError,
)
from sync_server.realtime.responses import StreamResponse
from sync_server.realtime.rules import CHANNELS_MAX
from sync_server.realtime.service import Joining
from sync_server.tickets.errors import ClaimTokenInvalidError

router = ProblemRouter(
    prefix="/v1/realtime",
    tags=["realtime"],
    responses=problem_responses(
        AuthenticationRequiredError,
        ClaimTokenInvalidError,
        ChannelNotFoundError,
        RequestInvalidError,
        TooManyStreamsError,
        StreamsExhaustedError,
    ),
)
Channels = Annotated[
    list[str],
    Query(
        alias="channel",
        min_length=1,
        max_length=CHANNELS_MAX,
        description="`event:{id}:sales`, `event:{id}:gates`, `event:{id}:gate:{id}`,"
        " `event:{id}:ticket:{16 digits}`, `organizer:{id}:alerts`, `me`, `admins:alarms`",
    ),
]


@router.get("", status_code=status.HTTP_200_OK, response_class=StreamResponse)
async def listen(
    channels: Channels,
    caller: Listener,
    realtime: RealtimeDependency,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamResponse:
    """Hear what happens on up to 20 channels, from now on or after `Last-Event-ID`.

    Events carry ids and counts; what happened is fetched where it can be read. The stream ends
    with an event `closed` when the right to any of its channels does.
    """
    stream = await realtime.join(Joining(caller, channels, last_event_id))
    return StreamResponse(realtime, stream)
