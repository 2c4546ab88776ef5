import asyncio
from secrets import token_hex
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger.rules import (
    Account,
    AccountKind,
    Transaction,
    TransactionKind,
    credit,
    debit,
    lines_of,
)
from sync_server.organizers.rules import Capability
from sync_server.payouts.destinations import check_destination
from sync_server.payouts.rules import HOLD_DAYS_DEFAULT, NameCheck
from tests.factories.ledger import a_sale, post, ugx
from tests.factories.payouts import AVAILABLE, HOLDER, Treasury, a_treasury, earn, paying_out
from tests.factories.rails import MTN, PHONE, running
from tests.factories.tenants import Person, Tenant, make_member, make_person

DESTINATION = {
    "label": "Our MTN line",
    "rail": "mtn",
    "currency": "UGX",
    "holder": HOLDER,
    "account": PHONE,
}


@pytest.fixture
def services(services: Services) -> Services:
    return paying_out(services)


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    return await a_treasury(services, tenant)


def _keyed(person: Person | Tenant, key: str | None = None) -> dict[str, str]:
    return {**person.headers, "Idempotency-Key": key or token_hex(8)}


def _wanted(treasury: Treasury, amount: int = 50_000) -> dict[str, Any]:
    return {
        "destination_id": str(treasury.destination.id),
        "currency": "UGX",
        "amount": amount,
    }


async def _ask(
    client: httpx.AsyncClient, treasury: Treasury, amount: int = 50_000, key: str | None = None
) -> httpx.Response:
    headers = _keyed(treasury.tenant, key)
    url = f"{treasury.tenant.path}/payouts"
    return await client.post(url, json=_wanted(treasury, amount), headers=headers)


async def _balances(client: httpx.AsyncClient, tenant: Tenant) -> dict[str, int]:
    answer = await client.get(f"{tenant.path}/payout-balances", headers=tenant.headers)
    (amounts,) = answer.json()["items"]
    return {name: amount for name, amount in amounts.items() if name != "currency"}


async def test_a_payout_is_asked_for_by_one_and_let_go_by_another(
    app_client: httpx.AsyncClient, treasury: Treasury
) -> None:
    url = f"{treasury.tenant.path}/payouts"
    asked = (await _ask(app_client, treasury)).json()
    own = await app_client.post(
        f"{url}/{asked['id']}/approve", json={}, headers=treasury.tenant.headers
    )
    approved = await app_client.post(
        f"{url}/{asked['id']}/approve", json={}, headers=treasury.checker.headers
    )
    again = await app_client.post(
        f"{url}/{asked['id']}/approve", json={}, headers=treasury.checker.headers
    )
    assert (own.status_code, own.json()["code"]) == (409, "two_people_needed")
    assert approved.json()["state"] == "approved"
    assert (again.status_code, again.json()["code"]) == (409, "payout_decided")
    listed = await app_client.get(url, headers=treasury.tenant.headers)
    assert [item["id"] for item in listed.json()["items"]] == [asked["id"]]
    shown = await app_client.get(f"{url}/{asked['id']}", headers=treasury.tenant.headers)
    entries = {entry["account"]: entry["amount"] for entry in shown.json()["entries"]}
    assert entries == {"organizer_available": 50_000, "payout_in_transit:mtn": -50_000}


async def test_a_refused_payout_is_available_again(
    app_client: httpx.AsyncClient, treasury: Treasury
) -> None:
    asked = (await _ask(app_client, treasury)).json()
    during = await _balances(app_client, treasury.tenant)
    refused = await app_client.post(
        f"{treasury.tenant.path}/payouts/{asked['id']}/refuse",
        json={"reason": "wrong month"},
        headers=treasury.checker.headers,
    )
    after = await _balances(app_client, treasury.tenant)
    assert (refused.json()["state"], refused.json()["reason"]) == ("refused", "wrong month")
    assert during == {"pending": 0, "available": 44_100, "in_transit": 50_000, "owed": 0}
    assert after == {"pending": 0, "available": AVAILABLE, "in_transit": 0, "owed": 0}


async def test_a_double_click_asks_once(app_client: httpx.AsyncClient, treasury: Treasury) -> None:
    answers = await asyncio.gather(
        *(_ask(app_client, treasury, 40_000, "the same key") for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await _balances(app_client, treasury.tenant))["in_transit"] == 40_000


async def test_what_is_not_there_is_not_paid_out(
    app_client: httpx.AsyncClient, treasury: Treasury
) -> None:
    answers = await asyncio.gather(*(_ask(app_client, treasury, 40_000) for _ in range(4)))
    codes = sorted(answer.json().get("code", "asked") for answer in answers)
    assert codes == ["asked", "asked", "overdraft", "overdraft"]
    assert (await _balances(app_client, treasury.tenant))["available"] == 14_100


async def test_what_is_owed_is_not_paid_out(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    shares = a_sale("cash", organizer=94_100).shares
    await post(
        services,
        treasury.tenant,
        postings.cash_sale(services.new_id(), services.new_id(), shares),
    )
    refused = await _ask(app_client, treasury, AVAILABLE)
    asked = await _ask(app_client, treasury, AVAILABLE - 5_900)
    assert (refused.status_code, refused.json()["code"]) == (409, "payout_owed")
    assert asked.status_code == 201


async def test_more_than_mobile_money_carries_is_refused(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    await earn(services, treasury.tenant, 6_000_000)
    refused = await _ask(app_client, treasury, 5_000_001)
    assert (refused.status_code, refused.json()["code"]) == (422, "payout_too_large")
    assert refused.json()["amount_max"] == 5_000_000


async def _add(client: httpx.AsyncClient, tenant: Tenant, **changes: object) -> httpx.Response:
    body = {**DESTINATION, **changes}
    url = f"{tenant.path}/payout-destinations"
    return await client.post(url, json=body, headers=tenant.headers)


async def test_a_destination_is_written_down_by_one_and_confirmed_by_another(
    app_client: httpx.AsyncClient, treasury: Treasury
) -> None:
    tenant, checker = treasury.tenant, treasury.checker
    added = (await _add(app_client, tenant)).json()
    url = f"{tenant.path}/payout-destinations/{added['id']}"
    wanted = {**_wanted(treasury), "destination_id": added["id"]}
    early = await app_client.post(f"{tenant.path}/payouts", json=wanted, headers=_keyed(tenant))
    own = await app_client.post(f"{url}/confirm", headers=tenant.headers)
    confirmed = [await app_client.post(f"{url}/confirm", headers=checker.headers) for _ in "12"]
    asked = await app_client.post(f"{tenant.path}/payouts", json=wanted, headers=_keyed(tenant))
    withdrawn = [await app_client.post(f"{url}/withdraw", headers=checker.headers) for _ in "12"]
    late = await app_client.post(f"{tenant.path}/payouts", json=wanted, headers=_keyed(tenant))
    approval = await app_client.post(
        f"{tenant.path}/payouts/{asked.json()['id']}/approve", json={}, headers=checker.headers
    )
    codes = [each.json().get("code") for each in (early, own, *confirmed, asked, *withdrawn, late)]
    assert codes == [
        "payout_destination_unusable",
        "two_people_needed",
        None,
        "payout_destination_decided",
        None,
        None,
        "payout_destination_decided",
        "payout_destination_unusable",
    ]
    assert approval.json()["code"] == "payout_destination_unusable"


async def test_both_names_are_shown_and_no_number(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    tenant = treasury.tenant
    added = (await _add(app_client, tenant, holder="Grace Nakato")).json()
    async with running(MTN) as rail:
        disbursers = {rail.disburser.provider: rail.disburser}
        place = (tenant.organizer_id, added["id"])
        checked = await check_destination(services, disbursers, *place)
    url = f"{tenant.path}/payout-destinations"
    shown = (await app_client.get(f"{url}/{added['id']}", headers=tenant.headers)).json()
    listed = (await app_client.get(url, headers=tenant.headers)).text
    assert checked is NameCheck.DIFFERS
    assert (shown["holder"], shown["told_name"]) == ("Grace Nakato", "Sand Box")
    assert (shown["name_check"], shown["account_ending"]) == ("differs", PHONE[-3:])
    assert PHONE[-9:] not in str(shown) + listed
    async with services.database.reading(WORKER) as session:
        rows = await session.scalars(
            text("SELECT row_to_json(d)::text FROM payout_destinations AS d")
        )
        assert not any("772123456" in row or "Nakato" in row for row in rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"rail": "pesapal"},
        {"rail": "flutterwave"},
        {"currency": "ZZZ"},
        {"holder": ""},
        {"account": "12"},
        {"label": "\x00"},
    ],
)
async def test_a_destination_that_nobody_can_pay_to(
    app_client: httpx.AsyncClient, tenant: Tenant, changes: dict[str, str]
) -> None:
    refused = await _add(app_client, tenant, **changes)
    assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")


async def _make_admin(administrator: AsyncConnection, person: Person) -> None:
    values = {"id": person.user_id}
    for statement in (
        "INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')",
        "UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id",
    ):
        await administrator.execute(text(statement), values)


async def test_an_admin_sets_how_long_money_is_held_and_members_see_it(
    app_client: httpx.AsyncClient,
    services: Services,
    administrator: AsyncConnection,
    tenant: Tenant,
) -> None:
    admin = await make_person(services)
    await _make_admin(administrator, admin)
    url = f"{tenant.path}/payout-hold-rule"
    body = {"hold_days": 14, "reason": "first event"}
    before = await app_client.get(url, headers=tenant.headers)
    own = await app_client.put(url, json=body, headers=tenant.headers)
    await app_client.put(url, json={**body, "hold_days": 30}, headers=admin.headers)
    was_set = await app_client.put(url, json=body, headers=admin.headers)
    after = await app_client.get(url, headers=tenant.headers)
    assert (before.json()["version"], before.json()["hold_days"]) == (0, HOLD_DAYS_DEFAULT)
    assert (own.status_code, own.json()["code"]) == (403, "admin_required")
    assert after.json() == was_set.json()
    assert (after.json()["version"], after.json()["hold_days"]) == (2, 14)


async def test_an_organizer_that_is_none_has_no_rule(
    app_client: httpx.AsyncClient, services: Services, administrator: AsyncConnection
) -> None:
    admin = await make_person(services)
    await _make_admin(administrator, admin)
    url = f"/v1/organizers/{services.new_id()}/payout-hold-rule"
    body = {"hold_days": 14, "reason": "first event"}
    refused = await app_client.put(url, json=body, headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (404, "organizer_not_found")


async def test_nobody_reaches_another_tenants_money(
    app_client: httpx.AsyncClient, treasury: Treasury, other_tenant: Tenant
) -> None:
    asked = (await _ask(app_client, treasury)).json()
    path, other = treasury.tenant.path, other_tenant.path
    destination_id = treasury.destination.id
    tries: list[tuple[str, str, Any]] = []
    for base in (path, other):
        tries += [
            ("GET", f"{base}/payouts/{asked['id']}", None),
            ("POST", f"{base}/payouts/{asked['id']}/approve", {}),
            ("POST", f"{base}/payouts/{asked['id']}/refuse", {"reason": "mine"}),
            ("GET", f"{base}/payout-destinations/{destination_id}", None),
            ("POST", f"{base}/payout-destinations/{destination_id}/confirm", None),
            ("POST", f"{base}/payout-destinations/{destination_id}/withdraw", None),
            ("POST", f"{base}/payouts", _wanted(treasury)),
        ]
    tries += [("GET", f"{path}/{name}", None) for name in ("payouts", "payout-balances")]
    tries += [("GET", f"{path}/{name}", None) for name in ("payout-hold-rule",)]
    tries += [("GET", f"{path}/payout-destinations", None)]
    headers = _keyed(other_tenant)
    answers = [
        await app_client.request(method, url, json=body, headers=headers)
        for method, url, body in tries
    ]
    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize(
    ("capability", "codes"),
    [
        (Capability.SCANS_VIEW, [403, 403, 403, 403]),
        (Capability.FINANCE_VIEW, [200, 200, 403, 403]),
        (Capability.PAYOUTS_REQUEST, [403, 200, 201, 403]),
        (Capability.PAYOUTS_APPROVE, [403, 200, 403, 200]),
    ],
)
async def test_each_capability_lets_in_to_its_own(
    app_client: httpx.AsyncClient,
    services: Services,
    treasury: Treasury,
    capability: Capability,
    codes: list[int],
) -> None:
    asked = (await _ask(app_client, treasury, 10_000)).json()
    member = await make_member(services, treasury.tenant, capability)
    path, headers = treasury.tenant.path, _keyed(member)
    answers = [
        await app_client.get(f"{path}/payout-balances", headers=headers),
        await app_client.get(f"{path}/payouts", headers=headers),
        await app_client.post(f"{path}/payouts", json=_wanted(treasury, 10_000), headers=headers),
        await app_client.post(f"{path}/payouts/{asked['id']}/approve", json={}, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == codes


async def test_a_program_asks_and_never_approves(
    app_client: httpx.AsyncClient, administrator: AsyncConnection, treasury: Treasury
) -> None:
    url = f"{treasury.tenant.path}/service-accounts"
    program = {"name": "Treasury", "capabilities": ["payouts.request", "payouts.approve"]}
    refused = await app_client.post(url, json=program, headers=treasury.tenant.headers)
    program["capabilities"] = ["payouts.request"]
    made = (await app_client.post(url, json=program, headers=treasury.tenant.headers)).json()
    headers = {"Authorization": f"Bearer {made['token']}", "Idempotency-Key": "1"}
    asked = await app_client.post(
        f"{treasury.tenant.path}/payouts", json=_wanted(treasury), headers=headers
    )
    promote = text("UPDATE service_accounts SET capabilities = '{payouts.approve}' WHERE id = :id")
    with pytest.raises(DBAPIError, match="ck_service_accounts_capabilities"):
        await administrator.execute(promote, {"id": made["id"]})
    assert (refused.status_code, asked.status_code) == (422, 201)
    assert asked.json()["requested_by"] == made["id"]


async def test_other_currencies_are_their_own(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    available = Account(AccountKind.ORGANIZER_AVAILABLE)
    pending = postings.organizer_pending(services.new_id())
    kes = Money(700, "KES")
    lines = lines_of(debit(pending, kes), credit(available, kes))
    await post(services, treasury.tenant, Transaction(TransactionKind.RELEASE, "kes", lines))
    wanted = {**_wanted(treasury), "currency": "KES", "amount": 5}
    url = f"{treasury.tenant.path}/payouts"
    refused = await app_client.post(url, json=wanted, headers=_keyed(treasury.tenant))
    shown = await app_client.get(
        f"{treasury.tenant.path}/payout-balances", headers=treasury.tenant.headers
    )
    assert refused.json()["code"] == "payout_destination_unusable"
    assert [item["currency"] for item in shown.json()["items"]] == ["KES", "UGX"]
    assert ugx(AVAILABLE).minor_units == shown.json()["items"][1]["available"]


async def test_of_two_rules_at_once_one_is_set(
    app_client: httpx.AsyncClient,
    services: Services,
    administrator: AsyncConnection,
    tenant: Tenant,
) -> None:
    admin = await make_person(services)
    await _make_admin(administrator, admin)
    url = f"{tenant.path}/payout-hold-rule"
    bodies = [{"hold_days": days, "reason": "first event"} for days in (7, 14, 21)]
    answers = await asyncio.gather(
        *(app_client.put(url, json=body, headers=admin.headers) for body in bodies)
    )
    versions = [each.json()["version"] for each in answers if each.is_success]
    refused = {each.json()["code"] for each in answers if not each.is_success}
    shown = (await app_client.get(url, headers=tenant.headers)).json()
    assert sorted(versions) == list(range(1, shown["version"] + 1))
    assert refused <= {"payout_hold_rule_changed"}
