"""What goes over the wire: each event of a stream as the bytes of server-sent events. Pure."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from fastapi.sse import format_sse_event

from shared.journal.entry import Cursor
from sync_server.kit.outbox import Published
from sync_server.realtime.rules import write_place

LISTENING_EVENT: Final = "listening"
RESYNC_EVENT: Final = "resync"
CLOSED_EVENT: Final = "closed"
RETRY_MILLISECONDS: Final = 2_000


class ResyncReason(StrEnum):
    """Why a listener must fetch everything anew; after the last two the stream is over as well."""

    PLACE_UNKNOWN = "place_unknown"
    TOO_FAR_BACK = "too_far_back"
    TOO_SLOW = "too_slow"
    INTERRUPTED = "interrupted"


class ClosedReason(StrEnum):
    """Why a stream is over: whoever listened need not try again as they are."""

    TOKEN_ENDED = "token_ended"  # noqa: S105 - a reason, not a token
    RIGHT_ENDED = "right_ended"


def listening(channels: Sequence[str], place: Cursor | None) -> bytes:
    """Say what is heard from now on; without a place the listener keeps the one it came with."""
    return format_sse_event(
        event=LISTENING_EVENT,
        data_str=_json({"channels": channels}),
        id=None if place is None else write_place(place),
        retry=RETRY_MILLISECONDS,
    )


def news(item: Published, channels: Sequence[str]) -> bytes:
    """Tell a message, with those of its channels that the listener asked for."""
    return format_sse_event(
        event=item.message.kind,
        data_str=_json({**item.message.payload, "channels": channels}),
        id=write_place(item.cursor),
    )


def sign_of_life(place: Cursor) -> bytes:
    """A comment, and a place to go on from: nothing is told by it, so no browser wakes a page."""
    return format_sse_event(comment="alive", id=write_place(place))


def resync(reason: ResyncReason, place: Cursor) -> bytes:
    return format_sse_event(
        event=RESYNC_EVENT, data_str=_json({"reason": reason}), id=write_place(place)
    )


def closed(reason: ClosedReason, lost: Sequence[str]) -> bytes:
    """Say why the stream is over, and which of its channels are lost."""
    return format_sse_event(
        event=CLOSED_EVENT, data_str=_json({"reason": reason, "channels": lost})
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
