"""One sale from offer to refund, through HTTP, with a worker beside the answers and MTN's sandbox
at the other end of real sockets.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.clock import SettableClock
from shared.ids import DeploymentId, EventId
from shared.wire.changes import TicketChanged
from sync_server.app import create_app
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.orders.paying import refund_flow
from sync_server.sandboxes.engine import MovementState, Operation
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream
from sync_server.worker.relay import relay
from tests.factories.horizon import settled
from tests.factories.jobs import WAIT_SECONDS, Workshop, make_admin
from tests.factories.orders import over, references, type_of
from tests.factories.rails import PHONE, RunningRail
from tests.factories.serving import served
from tests.factories.tenants import Person, Tenant, make_event, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, given, services_on

KEY = {"Idempotency-Key": "9f8e7d6c5b4a39281706"}


@dataclass(frozen=True, slots=True)
class Market:
    """A server with a rail and a worker, an organizer, an admin, and a buyer's client."""

    services: Services
    place: ClonedDatabase
    client: httpx.AsyncClient
    tenant: Tenant
    admin: Person
    event_id: EventId

    @property
    def shop(self) -> str:
        return f"/v1/shop/{self.tenant.organizer_id}/events/{self.event_id}"

    @property
    def event(self) -> str:
        return f"{self.tenant.path}/events/{self.event_id}"


@pytest.fixture
async def market(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path, rail: RunningRail
) -> AsyncIterator[Market]:
    """In a database of its own, whose jobs are all this market's."""
    database = Database(spare_database.login_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        plain = services_on(database, clock, tmp_path)
        services = replace(over(plain, rail), public_url=url)
        app = create_app(partial(given, services))
        async with (
            served(app, listener),
            Workshop(services).working(),
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            tenant = await make_tenant(services)
            admin = await make_admin(services, spare_database.administrator_url)
            event_id = await make_event(services, tenant)
            yield Market(services, spare_database, client, tenant, admin, event_id)
    await database.close()


async def _until(read: Callable[[], Awaitable[dict[str, Any]]], state: str) -> dict[str, Any]:
    """Look again until the worker has done it; nobody tells."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := await read())["state"] != state:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def _json(answer: Awaitable[httpx.Response]) -> dict[str, Any]:
    got = await answer
    assert got.is_success, got.text
    document: dict[str, Any] = got.json()
    return document


async def _put_on_sale(market: Market) -> str:
    type_id = await type_of(market.services, market.tenant, market.event_id)
    offer = {"currency": "UGX", "price": 100_000, "quantity": 5}
    headers = market.tenant.headers
    await _json(market.client.put(f"{market.event}/offers/{type_id}", json=offer, headers=headers))
    for name, kind, basis_points in (
        ("service_fee", "platform_fee", 500),
        ("vat_on_fee", "tax_on_fees", 1_800),
    ):
        rule = {"name": name, "kind": kind, "bearer": "organizer", "basis_points": basis_points}
        headers = market.admin.headers
        await _json(market.client.post("/v1/fee-rules", json=rule, headers=headers))
    return str(type_id)


async def _buy(market: Market, type_id: str, rail: RunningRail) -> dict[str, Any]:
    """Quote, order, payment, the payer's yes, and MTN's callback."""
    client = market.client
    basket = {"tickets": [{"ticket_type_id": type_id, "count": 2}]}
    quoted = await _json(client.post(f"{market.shop}/quotes", json=basket))
    assert (quoted["total"], [each["amount"] for each in quoted["charges"]]) == (
        200_000,
        [10_000, 1_800],
    )
    buyer = {"phone": PHONE, "address": "Grace@example.org", "language": "fr"}
    order = {**basket, "total": quoted["total"], "buyer": buyer}
    placed = await _json(client.post(f"{market.shop}/orders", json=order, headers=KEY))
    mine = {"Authorization": f"Bearer {placed['token']}"}
    way = {"provider": "mtn"}
    asked = await _json(client.post("/v1/order/payments", json=way, headers={**mine, **KEY}))
    assert (asked["state"], asked["payments"][0]["state"]) == ("held", "pending")
    (reference,) = await references(market.services, placed["id"])
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    assert rail.engine.courier.delivered == [200]
    paid = await _until(lambda: _json(client.get("/v1/order", headers=mine)), "paid")
    return {**paid, "token": placed["token"]}


async def _give_back(
    market: Market, clock: SettableClock, rail: RunningRail, order_id: str
) -> dict[str, Any]:
    path = f"{market.tenant.path}/orders/{order_id}"
    headers = {**market.tenant.headers, **KEY}
    wanted = {"reason": "The event was moved"}
    asked = await _json(market.client.post(f"{path}/refunds", json=wanted, headers=headers))
    assert (asked["state"], asked["amount"]) == ("pending", 200_000)
    for movement in list(rail.engine.movements.values()):
        if movement.operation is Operation.REFUND:
            await rail.engine.settle(movement.reference, MovementState.SUCCEEDED)
    clock.advance(60_000)
    await refund_flow(market.services).refresh_due()
    return await _json(market.client.get(path, headers=market.tenant.headers))


async def test_a_sale_from_offer_to_refund(
    market: Market, clock: SettableClock, rail: RunningRail
) -> None:
    type_id = await _put_on_sale(market)
    paid = await _buy(market, type_id, rail)
    assert all("/wallet#zgw_" in ticket["wallet_link"] for ticket in paid["tickets"])
    assert await _letter(market) == [ticket["wallet_link"] for ticket in paid["tickets"]]
    balances = await _json(
        market.client.get(f"{market.tenant.path}/ledger/balances", headers=market.tenant.headers)
    )
    assert {item["account"]: item["balance"] for item in balances["items"]} == {
        f"organizer_pending:{market.event_id}": -188_200,
        "platform_fee": -10_000,
        "provider_clearing:mtn": 200_000,
        "tax_on_fees": -1_800,
    }
    given_back = await _give_back(market, clock, rail, paid["id"])
    assert [refund["state"] for refund in given_back["refunds"]] == ["succeeded"]
    assert await _states_at_the_gates(market) == ["refunded", "refunded"]
    async with market.services.database.reading(WORKER) as session:
        trial = await ledger.trial_balance(session, None)
    assert set(trial["UGX"].values()) == {0}
    offers = await _json(market.client.get(f"{market.shop}/offers"))
    assert [offer["left"] for offer in offers["items"]] == [5]


async def _letter(market: Market) -> list[str]:
    """The links of the letter that came, once the relay has taken the news to the queue."""
    folder = market.services.data_directory / "mail"
    written: list[bytes] = []
    async with asyncio.timeout(WAIT_SECONDS):
        # News is relayed below the oldest open transaction, and a file is there before its text.
        while not any(written):
            await relay(market.services)
            await asyncio.sleep(0.02)
            written = [each.read_bytes() for each in folder.glob("*.eml")]
    (letter,) = [message_from_bytes(each, policy=default) for each in written]
    assert (letter["To"], letter["Subject"]) == ("grace@example.org", "Vos billets pour Night One")
    return re.findall(r"http://\S+/wallet#zgw_\S+", letter.get_content())


async def _states_at_the_gates(market: Market) -> list[str]:
    """What the gates' stream says of every ticket."""
    async with connected(market.place.administrator_url) as administrator:
        await settled(administrator)
    deployment_id = DeploymentId(market.services.new_id())
    stream = Stream(market.tenant.organizer_id, market.event_id, deployment_id)
    async with market.services.database.reading(WORKER) as session:
        page = await changes.read_page(session, stream, changes.BEGINNING, 100)
    return [change.status.value for change in page.changes if isinstance(change, TicketChanged)]
