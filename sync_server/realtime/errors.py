"""Refusals of the realtime domain."""

from sync_server.kit.problems import BusyError, NotFoundError, ProblemError


class ChannelNotFoundError(NotFoundError):
    code = "channel_not_found"
    title = "One of these channels does not exist, or is not yours to listen to"


class TooManyStreamsError(ProblemError):
    status = 429
    code = "too_many_streams"
    title = "You listen in too many places at once; close some, or ask for more channels in one"


class StreamsExhaustedError(BusyError):
    code = "streams_exhausted"
    title = "This server has as many listeners as it can serve; try again"
