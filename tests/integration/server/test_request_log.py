import httpx
from structlog.testing import capture_logs

from tests.factories.tenants import Tenant


async def test_a_request_is_logged_by_its_route_without_path_query_or_token(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    with capture_logs() as logs:
        answer = await app_client.get(tenant.path, params={"q": "private"}, headers=tenant.headers)
    (line,) = [line for line in logs if line["event"] == "request.answered"]
    assert (line["method"], line["route"], line["status"]) == (
        "GET",
        "/v1/organizers/{organizer_id}",
        200,
    )
    assert len(answer.headers["x-request-id"]) == 32
    assert not any(secret in repr(logs) for secret in (tenant.founder.token, "private"))


async def test_each_request_has_an_id_of_its_own(app_client: httpx.AsyncClient) -> None:
    first, second = [await app_client.get("/health") for _ in range(2)]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
