"""OpenTelemetry spans of requests, statements and jobs, sent where the operator says; nothing is
recorded where no collector is configured.

A span names routes, statements with placeholders, and the request's id: no value, no person.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer
from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync_server.kit.database import Database

_SPAN: Final = "span"
_SERVER_ERROR: Final = 500
_SENDING_SECONDS_MAX: Final = 5


@asynccontextmanager
async def traced(database: Database, url: str | None) -> AsyncIterator[Tracer]:
    """Give the tracer of a server that sends its spans to a collector's OTLP/HTTP address, or one
    that records nothing. What is left is sent at the end.
    """
    if url is None:
        yield NoOpTracer()
        return
    provider = _provider(url)
    tracer = provider.get_tracer("zeraket")
    _follow_statements(database, tracer)
    try:
        yield tracer
    finally:
        await asyncio.to_thread(provider.shutdown)


def _provider(url: str) -> TracerProvider:
    """In batches and from a thread of its own: a collector that is away costs spans and no
    request.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": "zeraket-server"}))
    exporter = OTLPSpanExporter(endpoint=url, timeout=_SENDING_SECONDS_MAX)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class RequestTraces:
    """A span a request, under the caller's own where a `traceparent` came along."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tracer: Tracer = scope["app"].state.services.tracer
        context = propagate.extract(Headers(scope=scope))
        with tracer.start_as_current_span(
            scope["method"], context, SpanKind.SERVER, record_exception=False
        ) as span:

            async def send_noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_noting)
            finally:
                _name(span, scope)


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


def _name(span: Span, scope: Scope) -> None:
    """Once routed: the template, since a path may hold a token."""
    route = getattr(scope.get("route"), "path", None)
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("zeraket.request_id", scope.get("state", {}).get("request_id", ""))
    if route is not None:
        span.update_name(f"{scope['method']} {route}")
        span.set_attribute("http.route", route)


def _follow_statements(database: Database, tracer: Tracer) -> None:
    """Make a span of every statement of both pools."""

    def begin(connection: Connection, _: Any, statement: str, *__: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        operation = statement.split(None, 1)[0].upper()
        connection.info[_SPAN] = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.query.text": statement},
        )

    def end(connection: Connection, *_: Any) -> None:  # noqa: ANN401
        span: Span | None = connection.info.pop(_SPAN, None)
        if span is not None:
            span.end()

    def fail(context: ExceptionContext) -> None:
        if context.connection is None:
            return
        span: Span | None = context.connection.info.pop(_SPAN, None)
        if span is not None:
            span.set_status(Status(StatusCode.ERROR, type(context.original_exception).__name__))
            span.end()

    for engine in (database.engine, database.worker_engine):
        event.listen(engine.sync_engine, "before_cursor_execute", begin)
        event.listen(engine.sync_engine, "after_cursor_execute", end)
        event.listen(engine.sync_engine, "handle_error", fail)
