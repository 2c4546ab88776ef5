"""The API keeps to its description: whatever its schemas allow is sent, and no answer is a server
error, or of a status, a type or a shape that is not described.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.clock import SettableClock, system_clock
from sync_server.app import create_app
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from tests.factories.scanners import new_key
from tests.factories.serving import served
from tests.factories.tenants import Tenant, make_event, make_tenant
from tests.plugins.postgres import ClonedDatabase, services_on
from tests.plugins.postgres import given as given_services

_SHARES: Final = 4
_CASES_EACH: Final = 6
_SECONDS_MAX: Final = 20
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@dataclass(frozen=True, slots=True)
class Server:
    """The application behind a socket, in a thread and loop of its own: the cases are sent by code
    that waits.
    """

    url: str
    services: Services
    loop: asyncio.AbstractEventLoop

    def tenant(self) -> tuple[Tenant, dict[str, str]]:
        """An organizer with an event, whom a call may take everything from."""
        return asyncio.run_coroutine_threadsafe(self._make(), self.loop).result(_SECONDS_MAX)

    async def _make(self) -> tuple[Tenant, dict[str, str]]:
        tenant = await make_tenant(self.services)
        event_id = await make_event(self.services, tenant)
        return tenant, {"organizer_id": str(tenant.organizer_id), "event_id": str(event_id)}


@pytest.fixture(scope="module")
def server(
    cloned_database: ClonedDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    ready: Future[Server] = Future()
    ending = asyncio.Event()

    async def serve() -> None:
        database = Database(cloned_database.login_url)
        services = services_on(
            database, SettableClock(system_clock().now_ms()), tmp_path_factory.mktemp("described")
        )
        async with served(create_app(partial(given_services, services))) as url:
            ready.set_result(Server(url, services, asyncio.get_running_loop()))
            await ending.wait()
        await database.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    running = ready.result(_SECONDS_MAX)
    yield running
    running.loop.call_soon_threadsafe(ending.set)
    thread.join(_SECONDS_MAX)


@pytest.mark.parametrize("share", range(_SHARES))
def test_no_answer_is_undescribed(server: Server, share: int) -> None:
    mine = _operations(server.url)[share::_SHARES]
    assert [fault for operation in mine for fault in _faults(server, operation)] == []
    assert len(mine) > 20


def _operations(url: str) -> list[Any]:
    """All but streams of events, which end when their listener goes."""
    found: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [each.ok() for each in found.get_all_operations()]
    return [
        operation
        for operation in operations
        if "text/event-stream" not in str(operation.definition.raw["responses"].get("200"))
    ]


def _faults(server: Server, operation: Any) -> list[str]:  # noqa: ANN401
    tenant, places = server.tenant()
    faults: list[str] = []

    @settings(
        max_examples=_CASES_EACH,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:  # noqa: ANN401
        for name, value in places.items():
            if name in case.path_parameters:
                case.path_parameters[name] = value
        headers = {**tenant.headers, **new_key()}
        answer = case.call(base_url=server.url, headers=headers, timeout=_SECONDS_MAX)
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as group:
            faults.extend(f"{operation.label}: {fault}" for fault in group.exceptions)

    send()
    return faults
