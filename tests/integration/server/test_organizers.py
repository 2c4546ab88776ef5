import httpx
import pytest

from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.tenants import Tenant, make_member, make_person

NOBODY = "00000000-0000-7000-8000-000000000000"


async def test_a_founder_sees_the_new_organizer(
    app_client: httpx.AsyncClient, services: Services
) -> None:
    person = await make_person(services)
    made = await app_client.post(
        "/v1/organizers", json={"name": "Nile Nights"}, headers=person.headers
    )
    listed = await app_client.get("/v1/organizers", headers=person.headers)
    assert made.status_code == 201
    assert listed.json() == {"items": [made.json()], "next_cursor": None}


async def test_a_repeated_id_founds_no_second_organizer(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    body = {"id": str(tenant.organizer_id), "name": "Again"}
    answer = await app_client.post("/v1/organizers", json=body, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "organizer_exists")


async def test_a_taken_id_makes_nobody_a_member_of_what_others_founded(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    body = {"id": str(other_tenant.organizer_id), "name": "Mine now"}
    await app_client.post("/v1/organizers", json=body, headers=tenant.headers)
    answer = await app_client.get(other_tenant.path, headers=tenant.headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/members", None),
        ("POST", "/members", {"user_id": NOBODY, "capabilities": []}),
        ("PUT", f"/members/{NOBODY}", {"capabilities": []}),
        ("DELETE", f"/members/{NOBODY}", None),
        ("GET", "/events", None),
        (
            "POST",
            "/events",
            {
                "name": "Night",
                "base_time": "2026-12-01T00:00:00Z",
                "timezone": "Africa/Kampala",
                "venue": "Lugogo",
            },
        ),
        ("GET", "/events/{event}", None),
        ("GET", "/events/{event}/gates", None),
        ("POST", "/events/{event}/gates", {"name": "Side"}),
        ("GET", "/events/{event}/zones", None),
        ("POST", "/events/{event}/zones", {"name": "VIP"}),
        ("GET", "/events/{event}/ticket-types", None),
        ("POST", "/events/{event}/ticket-types", {"name": "VIP"}),
    ],
)
async def test_another_tenant_finds_nothing_under_an_organizer(
    app_client: httpx.AsyncClient,
    tenant: Tenant,
    other_tenant: Tenant,
    event_id: EventId,
    method: str,
    path: str,
    body: object,
) -> None:
    url = tenant.path + path.format(event=event_id)
    answer = await app_client.request(method, url, json=body, headers=other_tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "organizer_not_found")


@pytest.mark.parametrize("part", ["", "/gates", "/zones", "/ticket-types"])
async def test_an_event_is_not_found_under_another_organizer(
    app_client: httpx.AsyncClient, other_tenant: Tenant, event_id: EventId, part: str
) -> None:
    url = f"{other_tenant.path}/events/{event_id}{part}"
    answer = await app_client.get(url, headers=other_tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "event_not_found")


async def test_a_member_without_the_capability_is_told_which_one_is_missing(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, event_id: EventId
) -> None:
    member = await make_member(services, tenant, Capability.SCANS_VIEW)
    url = f"{tenant.path}/events/{event_id}/gates"
    answer = await app_client.post(url, json={"name": "Side"}, headers=member.headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "capability_missing"
    assert answer.json()["capability"] == "event.manage"


async def test_a_manager_grants_and_takes_capabilities(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    member = await make_member(services, tenant)
    url = f"{tenant.path}/members/{member.user_id}"
    granted = await app_client.put(
        url, json={"capabilities": ["event.manage"]}, headers=tenant.headers
    )
    listed = await app_client.get(f"{tenant.path}/members", headers=member.headers)
    removed = await app_client.delete(url, headers=tenant.headers)
    after = await app_client.get(tenant.path, headers=member.headers)
    assert granted.json()["capabilities"] == ["event.manage"]
    assert granted.json() in listed.json()["items"]
    assert (removed.status_code, after.status_code) == (204, 404)


async def test_a_person_becomes_a_member_once(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    person = await make_person(services)
    body = {"user_id": str(person.user_id), "capabilities": ["scans.view"]}
    url = f"{tenant.path}/members"
    first = await app_client.post(url, json=body, headers=tenant.headers)
    second = await app_client.post(url, json=body, headers=tenant.headers)
    assert (first.status_code, first.json()["capabilities"]) == (201, ["scans.view"])
    assert (second.status_code, second.json()["code"]) == (409, "member_exists")


@pytest.mark.parametrize(("method", "body"), [("DELETE", None), ("PUT", {"capabilities": []})])
async def test_the_last_manager_stays(
    app_client: httpx.AsyncClient, tenant: Tenant, method: str, body: object
) -> None:
    url = f"{tenant.path}/members/{tenant.founder.user_id}"
    answer = await app_client.request(method, url, json=body, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_manager")


async def test_a_stranger_cannot_be_removed(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    url = f"{tenant.path}/members/{NOBODY}"
    answer = await app_client.delete(url, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "member_not_found")
