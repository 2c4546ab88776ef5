"""Money that came and did not fit: admins see what was asked and what came, and say once that it
went back; books, alarms and reconciliation follow.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from shared.ids import EventId
from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.rules import Finding, PaymentState, Provider, Reading
from sync_server.payments.views import PaymentFacts
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.reconciliation.service import RunSource
from tests.factories.alarms import open_alarms
from tests.factories.house import a_statement
from tests.factories.jobs import client_of, make_admin
from tests.factories.ledger import balances, ugx
from tests.factories.payments import an_intent, hear_of, reference_of
from tests.factories.tenants import Person, Tenant
from tests.plugins.postgres import ClonedDatabase, connected, database_alone

cloned_database = database_alone

AT_PROVIDER: Final = {"paid_from": "provider", "reference": "RF-7", "reason": "Too little came"}
BY_BANK: Final = {"paid_from": "bank", "reference": "FT26330XQ71", "reason": "Sent by hand"}
_LESS: Final = Reading(Finding.SUCCEEDED, amount=ugx(60_000), provider_reference="T60")
_ALARM: Final = "payment.mismatched"
_FAIL: Final = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$
"""
_TRIGGER: Final = "CREATE TRIGGER fail BEFORE INSERT ON admin_action_log EXECUTE FUNCTION fail()"


@dataclass(frozen=True, slots=True)
class Mismatched:
    """A payment of 100,000 of which 60,000 came, and an admin who sees to it over HTTP."""

    client: httpx.AsyncClient
    admin: Person
    payment: PaymentFacts

    async def give_back(
        self, body: dict[str, Any], key: str = "a", who: Person | Tenant | None = None
    ) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(
            f"/v1/payments/{self.payment.id}/give-back",
            json=body,
            headers={**(who or self.admin).headers, "Idempotency-Key": key},
        )
        return answer.status_code, answer.json()

    async def waiting(self) -> list[dict[str, Any]]:
        answer = await self.client.get("/v1/payments/mismatched", headers=self.admin.headers)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


@pytest.fixture
async def admin(services: Services, cloned_database: ClonedDatabase) -> Person:
    return await make_admin(services, cloned_database.administrator_url)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(services) as client:
        yield client


@pytest.fixture
async def mismatched(
    client: httpx.AsyncClient, admin: Person, flow: PaymentFlow, intent: PaymentFacts
) -> Mismatched:
    await flow.submit(intent.id)
    await hear_of(flow, intent.id, _LESS)
    return Mismatched(client, admin, intent)


async def _drifts(services: Services) -> list[str]:
    report = await reconciliation.run(services, RunSource.OPERATOR)
    return [item.finding.value for item in drifts(report.items)]


async def test_what_was_asked_and_what_came_are_listed(
    services: Services, tenant: Tenant, mismatched: Mismatched
) -> None:
    payment = mismatched.payment
    (waiting,) = await mismatched.waiting()
    assert waiting.pop("created_at") <= waiting.pop("received_at")
    assert waiting == {
        "id": str(payment.id),
        "organizer_id": str(tenant.organizer_id),
        "event_id": str(payment.event_id),
        "order_id": str(payment.order_id),
        "provider": "mtn",
        "state": "mismatched",
        "reference": await reference_of(services, payment),
        "provider_reference": "T60",
        "currency": "UGX",
        "amount": 100_000,
        "received_currency": "UGX",
        "received_amount": 60_000,
    }


async def test_they_are_listed_in_pages(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    client: httpx.AsyncClient,
    admin: Person,
    flow: PaymentFlow,
) -> None:
    made = [await an_intent(services, tenant, event_id) for _ in range(3)]
    for payment in made:
        await hear_of(flow, payment.id, _LESS)
    path = "/v1/payments/mismatched"
    first = (await client.get(f"{path}?limit=2", headers=admin.headers)).json()
    cursor = first["next_cursor"]
    second = (await client.get(f"{path}?limit=2&cursor={cursor}", headers=admin.headers)).json()
    found = [each["id"] for each in (*first["items"], *second["items"])]
    assert (found, second["next_cursor"]) == (sorted(str(each.id) for each in made), None)
    wrong = await client.get(f"{path}?cursor=x", headers=admin.headers)
    assert wrong.json()["code"] == "cursor_invalid"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (AT_PROVIDER, {"provider_clearing:mtn": 0}),
        (BY_BANK, {"provider_clearing:mtn": 60_000, "bank:payouts": -60_000}),
    ],
)
async def test_what_went_back_is_over(
    services: Services,
    tenant: Tenant,
    mismatched: Mismatched,
    body: dict[str, Any],
    left: dict[str, int],
) -> None:
    subject = str(mismatched.payment.id)
    assert list(await open_alarms(services, _ALARM)) == [subject]
    status, made = await mismatched.give_back(body)
    assert (status, made["state"], made["received_amount"]) == (200, "given_back", 60_000)
    assert (made["paid_from"], made["return_reference"]) == (body["paid_from"], body["reference"])
    assert await balances(services, tenant) == {"unapplied_receipts": 0, **left}
    assert (await mismatched.waiting(), await open_alarms(services, _ALARM)) == ([], {})
    assert await _drifts(services) == []


async def test_a_repeat_answers_the_same_and_nothing_goes_back_twice(
    services: Services, tenant: Tenant, mismatched: Mismatched
) -> None:
    answers = await asyncio.gather(
        *(mismatched.give_back(AT_PROVIDER) for _ in range(3)),
        *(mismatched.give_back(BY_BANK, key) for key in ("b", "c")),
    )
    statuses = sorted(status for status, _ in answers)
    assert statuses in ([200, 200, 200, 409, 409], [200, 409, 409, 409, 409])
    held = await balances(services, tenant)
    assert (held["unapplied_receipts"], sum(held.values())) == (0, 0)


async def test_a_key_is_good_for_one_request(
    services: Services, tenant: Tenant, clock: SettableClock, mismatched: Mismatched
) -> None:
    _, made = await mismatched.give_back(AT_PROVIDER)
    before = await balances(services, tenant)
    clock.advance(1_000)
    assert await mismatched.give_back(AT_PROVIDER) == (200, made)
    status, answer = await mismatched.give_back(BY_BANK)
    assert (status, answer["code"]) == (422, "idempotency_key_reused")
    status, answer = await mismatched.give_back(AT_PROVIDER, "b")
    assert (status, answer["code"], answer["state"]) == (
        409,
        "payment_not_mismatched",
        "given_back",
    )
    assert await balances(services, tenant) == before


async def test_who_says_so_and_why_is_kept(services: Services, mismatched: Mismatched) -> None:
    await mismatched.give_back(BY_BANK)
    await mismatched.give_back(BY_BANK)
    query = text(
        "SELECT actor_id, reason, after FROM admin_action_log WHERE kind = 'payment.give_back'"
        " AND object_id = :id"
    )
    async with services.database.reading(WORKER) as session:
        rows = await session.execute(query, {"id": str(mismatched.payment.id)})
        kept = [tuple(row) for row in rows]
    after = {
        "currency": "UGX",
        "amount": 60_000,
        "paid_from": "bank",
        "reference": BY_BANK["reference"],
    }
    assert kept == [(mismatched.admin.user_id, BY_BANK["reason"], after)]


async def test_what_cannot_be_recorded_does_not_happen(
    services: Services, tenant: Tenant, mismatched: Mismatched, spare_database: ClonedDatabase
) -> None:
    before = await balances(services, tenant)
    async with connected(spare_database.administrator_url) as administrator:
        await administrator.execute(text(_FAIL))
        await administrator.execute(text(_TRIGGER))
        assert (await mismatched.give_back(AT_PROVIDER))[0] == 500
        await administrator.execute(text("DROP TRIGGER fail ON admin_action_log"))
    assert await balances(services, tenant) == before
    assert len(await mismatched.waiting()) == len(await open_alarms(services, _ALARM)) == 1
    assert (await mismatched.give_back(AT_PROVIDER))[0] == 200


async def test_who_may_not(tenant: Tenant, mismatched: Mismatched) -> None:
    assert (await mismatched.give_back(AT_PROVIDER, who=tenant))[1]["code"] == "admin_required"
    client = mismatched.client
    listed = await client.get("/v1/payments/mismatched", headers=tenant.headers)
    assert listed.json()["code"] == "admin_required"
    wrong = {**AT_PROVIDER, "paid_from": "a pocket"}
    assert (await mismatched.give_back(wrong))[1]["code"] == "request_invalid"
    path = f"/v1/payments/{mismatched.payment.id}/give-back"
    keyless = await client.post(path, json=AT_PROVIDER, headers=mismatched.admin.headers)
    assert keyless.json()["code"] == "idempotency_key_required"
    assert len(await mismatched.waiting()) == 1


async def test_what_fitted_is_not_given_back_so(
    services: Services, tenant: Tenant, event_id: EventId, flow: PaymentFlow, mismatched: Mismatched
) -> None:
    fitting = await an_intent(services, tenant, event_id)
    await hear_of(flow, fitting.id, Reading(Finding.SUCCEEDED, amount=ugx(100_000)))
    other = Mismatched(mismatched.client, mismatched.admin, fitting)
    _, answer = await other.give_back(AT_PROVIDER)
    assert (answer["code"], answer["state"]) == ("payment_not_mismatched", "succeeded")
    path = f"/v1/payments/{services.new_id()}/give-back"
    headers = {**mismatched.admin.headers, "Idempotency-Key": "a"}
    nobodys = await mismatched.client.post(path, json=AT_PROVIDER, headers=headers)
    assert (nobodys.status_code, nobodys.json()["code"]) == (404, "payment_not_found")


async def test_what_nobody_knows_the_sum_of_is_given_back_by_the_provider_alone(
    services: Services,
    tenant: Tenant,
    flow: PaymentFlow,
    intent: PaymentFacts,
    client: httpx.AsyncClient,
    admin: Person,
) -> None:
    facts = await hear_of(flow, intent.id, Reading(Finding.SUCCEEDED))
    assert facts.state is PaymentState.MISMATCHED
    unknown = Mismatched(client, admin, intent)
    assert (await unknown.give_back(BY_BANK))[1]["code"] == "receipt_unknown"
    assert (await unknown.give_back(AT_PROVIDER))[1]["state"] == "given_back"
    assert await balances(services, tenant) == {}


async def test_other_money_goes_back_as_it_came(
    services: Services,
    tenant: Tenant,
    flow: PaymentFlow,
    intent: PaymentFacts,
    client: httpx.AsyncClient,
    admin: Person,
) -> None:
    kes = Money(100_000, "KES")
    await hear_of(flow, intent.id, Reading(Finding.SUCCEEDED, amount=kes))
    _, made = await Mismatched(client, admin, intent).give_back(AT_PROVIDER)
    assert (made["received_currency"], made["received_amount"]) == ("KES", 100_000)
    assert set((await balances(services, tenant)).values()) == {0}
    assert await _drifts(services) == []


@pytest.mark.parametrize(
    "reading",
    [
        Reading(Finding.SUCCEEDED, amount=ugx(100_000)),
        Reading(Finding.SUCCEEDED, amount=ugx(60_000)),
        Reading(Finding.REVERSED, amount=ugx(60_000)),
        Reading(Finding.DISPUTED),
        Reading(Finding.FAILED),
    ],
)
async def test_nothing_that_is_read_follows(
    services: Services,
    tenant: Tenant,
    flow: PaymentFlow,
    mismatched: Mismatched,
    reading: Reading,
) -> None:
    await mismatched.give_back(AT_PROVIDER)
    before = await balances(services, tenant)
    facts = await hear_of(flow, mismatched.payment.id, reading)
    assert facts.state is PaymentState.GIVEN_BACK
    assert await balances(services, tenant) == before
    assert await open_alarms(services, _ALARM) == {}


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (AT_PROVIDER, ["RF-7,,{},Successful,Refund,60000,UGX,0"]),
        (AT_PROVIDER, []),
        (BY_BANK, []),
    ],
)
async def test_a_statement_agrees_once_it_is_decided(
    services: Services,
    clock: SettableClock,
    mismatched: Mismatched,
    body: dict[str, Any],
    more: list[str],
) -> None:
    statement = a_statement(clock.now_ms(), "T60,,{},Successful,Payment,60000,UGX,300", *more)
    await reconciliation.import_statement(services, Provider.MTN, "main", "may", statement)
    assert "amount_differs" in await _drifts(services)
    await mismatched.give_back(body)
    assert await _drifts(services) == []
