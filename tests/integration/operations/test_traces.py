"""Spans as a collector receives them: over a real socket, in OpenTelemetry's own format."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sync_server.kit.services import Services
from sync_server.kit.tracing import traced
from tests.factories.jobs import client_of
from tests.factories.serving import served
from tests.factories.tenants import Tenant

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Collector:
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        return Response()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Collector:
    return Collector()


@asynccontextmanager
async def watched_by(services: Services, url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        traced(services.database, url) as tracer,
        client_of(replace(services, tracer=tracer)) as client,
    ):
        yield client


async def test_a_request_and_its_statements_are_one_trace_without_values(
    services: Services, tenant: Tenant, collector: Collector
) -> None:
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    path = f"/v1/organizers/{tenant.organizer_id}/events"
    async with (
        served(app) as address,
        watched_by(services, f"{address}/v1/traces") as client,
    ):
        answer = await client.get(path, headers={**tenant.headers, "traceparent": PARENT})
    (request,) = [span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER]
    statements = [span for span in collector.spans if span.kind == Span.SPAN_KIND_CLIENT]
    said = {each.key: each.value for each in request.attributes}
    assert request.name == "GET /v1/organizers/{organizer_id}/events"
    assert said["http.response.status_code"].int_value == 200
    assert said["zeraket.request_id"].string_value == answer.headers["x-request-id"]
    assert request.trace_id.hex() == PARENT.split("-")[1]
    assert {span.trace_id for span in statements} == {request.trace_id}
    assert any("FROM events" in str(span.attributes) for span in statements)
    sent = b"".join(collector.bodies)
    token = tenant.headers["Authorization"].removeprefix("Bearer ")
    assert token.encode() not in sent
    assert str(tenant.organizer_id).encode() not in sent


async def test_a_collector_that_is_away_costs_no_answer(services: Services, tenant: Tenant) -> None:
    nobody = "http://127.0.0.1:9/v1/traces"
    async with watched_by(services, nobody) as client:
        answer = await client.get("/v1/organizers", headers=tenant.headers)
    assert answer.status_code == 200
