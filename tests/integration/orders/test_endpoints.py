"""Who may call what, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.jobs import client_of, make_admin
from tests.factories.orders import PRICE, put_on_sale, taken
from tests.factories.tenants import Tenant, make_member, make_person
from tests.plugins.postgres import ClonedDatabase

KEY = {"Idempotency-Key": "0a1b2c3d4e5f60718293"}
BUYER = {"name": "Grace", "address": "grace@example.org"}


@pytest.fixture
async def client(shop: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(shop) as client:
        yield client


@pytest.fixture
async def basket(services: Services, tenant: Tenant, event_id: EventId) -> dict[str, Any]:
    type_id = await put_on_sale(services, tenant, event_id)
    return {"tickets": [{"ticket_type_id": str(type_id), "count": 1}]}


def _shop(tenant: Tenant, event_id: EventId) -> str:
    return f"/v1/shop/{tenant.organizer_id}/events/{event_id}"


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_strangers_and_other_tenants_find_nothing(
    client: httpx.AsyncClient,
    shop: Services,
    tenant: Tenant,
    other_tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    order = {**basket, "buyer": BUYER}
    placed = await client.post(f"{_shop(tenant, event_id)}/orders", json=order, headers=KEY)
    order_id = placed.json()["id"]
    event, mine = f"{tenant.path}/events/{event_id}", f"{other_tenant.path}/events/{event_id}"
    type_id = basket["tickets"][0]["ticket_type_id"]
    offer = {"currency": "UGX", "price": 1, "quantity": 1}
    refund = {"reason": "mine now"}
    calls = [
        ("PUT", f"{event}/offers/{type_id}", offer),
        ("POST", f"{event}/orders", basket),
        ("POST", f"{event}/promo-codes", {"code": "ALL", "basis_points": 10_000, "uses_max": 9}),
        ("POST", f"{tenant.path}/orders/{order_id}/refunds", refund),
        ("GET", f"{event}/offers", None),
        ("GET", f"{event}/orders", None),
        ("GET", f"{event}/promo-codes", None),
        ("GET", f"{event}/fee-rules", None),
        ("GET", f"{tenant.path}/orders/{order_id}", None),
        ("PUT", f"{mine}/offers/{type_id}", offer),
        ("POST", f"{mine}/orders", basket),
        ("POST", f"{other_tenant.path}/orders/{order_id}/refunds", refund),
        ("GET", f"{mine}/orders", None),
        ("GET", f"{other_tenant.path}/orders/{order_id}", None),
    ]
    for method, path, body in calls:
        headers = {**other_tenant.headers, **KEY}
        answer = await client.request(method, path, json=body, headers=headers)
        assert (method, path, answer.status_code) == (method, path, 404)
        nobody = await client.request(method, path, json=body, headers=KEY)
        assert (method, path, nobody.status_code) == (method, path, 401)
    assert await taken(shop, event_id) == 1


async def test_each_call_needs_one_capability(
    client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    event = f"{tenant.path}/events/{event_id}"
    type_id = basket["tickets"][0]["ticket_type_id"]
    offer = {"currency": "UGX", "price": 1, "quantity": 1}
    for needed, method, path, body in (
        (Capability.EVENT_MANAGE, "PUT", f"{event}/offers/{type_id}", offer),
        (Capability.EVENT_MANAGE, "GET", f"{event}/promo-codes", None),
        (Capability.BOX_OFFICE_SELL, "POST", f"{event}/orders", basket),
        (Capability.FINANCE_VIEW, "GET", f"{event}/orders", None),
        (Capability.FINANCE_VIEW, "GET", f"{event}/fee-rules", None),
        (Capability.REFUNDS_REQUEST, "POST", f"{tenant.path}/orders/{type_id}/refunds", _REASON),
    ):
        able = await make_member(services, tenant, needed)
        unable = await make_member(services, tenant, *(set(Capability) - {needed}))
        refused, let_in = [
            await client.request(method, path, json=body, headers={**who.headers, **KEY})
            for who in (unable, able)
        ]
        assert _code(refused) == (403, "capability_missing")
        assert let_in.status_code in {200, 201, 404}


_REASON = {"reason": "It rains"}


async def test_rules_of_fees_are_the_admins(
    client: httpx.AsyncClient,
    services: Services,
    cloned_database: ClonedDatabase,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    rule = {
        "name": "levy",
        "organizer_id": str(tenant.organizer_id),
        "event_id": str(event_id),
        "kind": "tax_on_tickets",
        "bearer": "buyer",
        "basis_points": 100,
    }
    assert _code(await client.post("/v1/fee-rules", json=rule, headers=tenant.headers)) == (
        403,
        "admin_required",
    )
    admin = await make_admin(services, cloned_database.administrator_url)
    versions = [
        (await client.post("/v1/fee-rules", json=rule, headers=admin.headers)).json()["version"]
        for _ in range(2)
    ]
    listed = await client.get(f"{tenant.path}/events/{event_id}/fee-rules", headers=tenant.headers)
    assert versions == [1, 2]
    assert [item["version"] for item in listed.json()["items"] if item["name"] == "levy"] == [1, 2]
    decision = {"given_back": True, "reason": "It stands in the statement"}
    path = f"/v1/refunds/{services.new_id()}/decision"
    refused, unknown = [
        await client.post(path, json=decision, headers=who.headers) for who in (tenant, admin)
    ]
    assert _code(refused) == (403, "admin_required")
    assert _code(unknown) == (404, "refund_not_found")
    nowhere = {**rule, "organizer_id": str(services.new_id()), "event_id": None}
    assert _code(await client.post("/v1/fee-rules", json=nowhere, headers=admin.headers)) == (
        404,
        "organizer_not_found",
    )


async def test_rules_that_are_none(
    client: httpx.AsyncClient, services: Services, cloned_database: ClonedDatabase
) -> None:
    admin = await make_admin(services, cloned_database.administrator_url)
    for changes in (
        {"kind": "gift"},
        {"basis_points": 10_001},
        {"fixed_minor_units": 5},
        {"cap_minor_units": 5},
        {"currency": "XAU"},
        {"event_id": "01a206c5-5235-7e5e-9234-8ac622ca9a74"},
    ):
        rule = {"name": "levy", "kind": "platform_fee", "bearer": "buyer", **changes}
        answer = await client.post("/v1/fee-rules", json=rule, headers=admin.headers)
        assert (changes, _code(answer)) == (changes, (422, "request_invalid"))


_REFUSED: tuple[tuple[dict[str, Any], dict[str, str], tuple[int, str]], ...] = (
    ({}, {"Idempotency-Key": "1"}, (422, "idempotency_key_weak")),
    ({}, {}, (400, "idempotency_key_required")),
    ({"buyer": {"name": "Nobody"}}, KEY, (422, "request_invalid")),
    ({"buyer": {"phone": "0772123456"}}, KEY, (422, "request_invalid")),
    ({"tickets": []}, KEY, (422, "request_invalid")),
    ({"total": PRICE + 1}, KEY, (409, "price_changed")),
    ({"payment": {"provider": "airtel"}}, KEY, (422, "provider_not_offered")),
    ({"payment": {"provider": "mtn"}}, KEY, (422, "phone_required")),
    ({"promo_code": "NOPE"}, KEY, (422, "promo_code_invalid")),
    ({}, {**KEY, "Authorization": "Bearer zgu_over"}, (401, "authentication_required")),
)


async def test_an_order_that_is_refused_holds_nothing(
    client: httpx.AsyncClient,
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    path = f"{_shop(tenant, event_id)}/orders"
    for changes, headers, refusal in _REFUSED:
        order = {**basket, "buyer": BUYER, **changes}
        answer = await client.post(path, json=order, headers=headers)
        assert (changes, _code(answer)) == (changes, refusal)
    assert await taken(shop, event_id) == 0


async def test_whoever_is_signed_in_buys_as_themselves(
    client: httpx.AsyncClient,
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    await put_on_sale(shop, tenant, event_id, per_buyer_max=1)
    person = await make_person(shop)
    path = f"{_shop(tenant, event_id)}/orders"
    answers = [
        await client.post(
            path,
            json={**basket, "buyer": {"address": f"{number}@example.org"}},
            headers={**person.headers, "Idempotency-Key": f"a key of the buyer {number}"},
        )
        for number in range(2)
    ]
    assert answers[0].status_code == 201
    assert _code(answers[1]) == (409, "buyer_limit_reached")


async def test_an_order_is_its_tokens(
    client: httpx.AsyncClient,
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    order = {**basket, "buyer": BUYER}
    placed = await client.post(f"{_shop(tenant, event_id)}/orders", json=order, headers=KEY)
    token = placed.json()["token"]
    owner = {"Authorization": f"Bearer {token}"}
    own = await client.get("/v1/order", headers=owner)
    assert own.json() == {name: value for name, value in placed.json().items() if name != "token"}
    mistyped = token[:-1] + ("B" if token.endswith("A") else "A")
    for headers in ({}, {"Authorization": f"Bearer {mistyped}"}, tenant.headers):
        assert _code(await client.get("/v1/order", headers=headers)) == (
            401,
            "order_token_invalid",
        )
    cancelled = await client.post("/v1/order/cancel", headers=owner)
    assert (cancelled.json()["state"], await taken(shop, event_id)) == ("cancelled", 0)


async def test_nobody_reads_who_bought(
    client: httpx.AsyncClient,
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    basket: dict[str, Any],
) -> None:
    order = {**basket, "buyer": {**BUYER, "phone": "+256772123456"}}
    placed = await client.post(f"{_shop(tenant, event_id)}/orders", json=order, headers=KEY)
    shown = await client.get(f"{tenant.path}/orders/{placed.json()['id']}", headers=tenant.headers)
    async with shop.database.reading(WORKER) as session:
        query = text("SELECT row_to_json(o)::text FROM orders o WHERE id = :id")
        written = await session.scalar(query, {"id": placed.json()["id"]})
    for seen in (str(written), shown.text):
        assert not any(word in seen for word in ("grace@", "Grace", "772123456", "zgo_"))


async def test_a_callback_is_kept_before_anything_is_done(
    client: httpx.AsyncClient, shop: Services
) -> None:
    reference = str(shop.new_id())
    path = f"/api/public/payments/mtn?reference={reference}"
    body = {"status": "SUCCESSFUL", "financialTransactionId": "1"}
    for method in ("GET", "POST", "PUT", "PUT"):
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, answer.json()) == (200, {})
    async with shop.database.reading(WORKER) as session:
        query = text("SELECT count(*) FROM webhook_inbox WHERE event_id LIKE :named")
        assert await session.scalar(query, {"named": f"%{reference}"}) == 4


async def test_what_is_no_callback_is_not_kept(client: httpx.AsyncClient) -> None:
    for path, body, refusal in (
        ("airtel?reference=1", b'{"status": "x"}', (404, "callback_source_not_found")),
        ("nobody", b"", (422, "request_invalid")),
        ("mtn?reference=1", b"{", (400, "callback_not_understood")),
        ("mtn", b'{"status": "SUCCESSFUL"}', (400, "callback_not_understood")),
        ("mtn?reference=1", b" " * 70_000, (413, "content_too_large")),
    ):
        answer = await client.post(f"/api/public/payments/{path}", content=body)
        assert (path, _code(answer)) == (path, refusal)


async def test_a_code_is_withdrawn_once_and_for_all(
    client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant, event_id: EventId
) -> None:
    codes = f"{tenant.path}/events/{event_id}/promo-codes"
    terms = {"code": "friends", "basis_points": 1_000, "uses_max": 1}
    made = (await client.post(codes, json=terms, headers=tenant.headers)).json()
    answers = [
        (await client.delete(f"{codes}/{made['id']}", headers=who.headers)).status_code
        for who in (other_tenant, tenant, tenant)
    ]
    unknown = await client.delete(f"{codes}/{other_tenant.organizer_id}", headers=tenant.headers)
    assert answers == [404, 204, 204]
    assert _code(unknown) == (404, "promo_code_not_found")


async def test_codes_and_orders_are_listed_in_pages(
    client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, basket: dict[str, Any]
) -> None:
    event = f"{tenant.path}/events/{event_id}"
    for number in range(3):
        code = {"code": f"code-{number}", "basis_points": 1_000, "uses_max": 1}
        made = await client.post(f"{event}/promo-codes", json=code, headers=tenant.headers)
        assert made.status_code == 201
        headers = {**tenant.headers, "Idempotency-Key": f"sale {number}"}
        sold = await client.post(f"{event}/orders", json=basket, headers=headers)
        assert sold.status_code == 201
    for listed, name in ((f"{event}/promo-codes", "code"), (f"{event}/orders", "number")):
        first = (await client.get(f"{listed}?limit=2", headers=tenant.headers)).json()
        cursor = first["next_cursor"]
        second = (
            await client.get(f"{listed}?limit=2&cursor={cursor}", headers=tenant.headers)
        ).json()
        found = [item[name] for item in (*first["items"], *second["items"])]
        assert (len(set(found)), second["next_cursor"]) == (3, None)
