"""What a monitoring system scrapes: numbers by route, for whoever knows the token."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from sync_server.kit.alarms import Alarm, raise_alarm
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from tests.factories.jobs import client_of
from tests.factories.tenants import Tenant

TOKEN = "a token of more than thirty-two characters"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def watched(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(replace(services, metrics_token=SecretStr(TOKEN))) as client:
        yield client


async def _samples(client: httpx.AsyncClient) -> dict[tuple[str, frozenset[str]], float]:
    answer = await client.get("/metrics", headers=KNOWN)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_answers_are_counted_by_route_and_never_by_path(
    watched: httpx.AsyncClient, tenant: Tenant
) -> None:
    path = f"/v1/organizers/{tenant.organizer_id}/events"
    counted = (
        "zeraket_http_answers_total",
        frozenset(("GET", "/v1/organizers/{organizer_id}/events", "200")),
    )
    before = (await _samples(watched)).get(counted, 0)
    for _ in range(3):
        await watched.get(path, headers=tenant.headers)
    await watched.request("BREW", "/nowhere")
    samples = await _samples(watched)
    assert samples[counted] - before == 3
    assert not any(str(tenant.organizer_id) in label for _, labels in samples for label in labels)
    assert any({"other", "none", "404"} <= labels for _, labels in samples)


async def test_what_needs_somebody_is_shown(watched: httpx.AsyncClient, services: Services) -> None:
    async with services.database.transaction(WORKER) as session:
        await raise_alarm(session, services, Alarm("tests.stuck", "a test"))
    samples = await _samples(watched)
    assert samples["zeraket_alarms_open", frozenset(("tests.stuck",))] == 1
    assert samples["zeraket_database_connections_in_use", frozenset(("requests",))] == 0


@pytest.mark.parametrize("shown", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
async def test_nobody_else_reads_them(watched: httpx.AsyncClient, shown: dict[str, str]) -> None:
    answer = await watched.get("/metrics", headers=shown)
    assert (answer.status_code, answer.json()["code"]) == (401, "metrics_token_invalid")


async def test_without_a_token_there_are_none(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.get("/metrics", headers=KNOWN)
    assert (answer.status_code, answer.json()["code"]) == (404, "metrics_off")
