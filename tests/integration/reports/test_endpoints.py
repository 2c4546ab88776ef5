import csv
import io
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.organizers.rules import Capability
from tests.factories.ledger import a_sale, balances, post
from tests.factories.payouts import Treasury, a_treasury
from tests.factories.tenants import Tenant, make_member


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    treasury = await a_treasury(services, tenant)
    await treasury.request(20_000)
    await post(services, tenant, postings.capture(a_sale("another")))
    return treasury


def _period(services: Services, days: int = 2) -> dict[str, str]:
    today = instant(services.clock.now_ms()).date()
    since = (today - timedelta(days=1)).isoformat()
    return {"since": since, "until": (today + timedelta(days=days)).isoformat()}


async def _read(
    client: httpx.AsyncClient, tenant: Tenant, name: str, query: dict[str, str]
) -> httpx.Response:
    url = f"{tenant.path}/reports/{name}"
    return await client.get(url, params=query, headers=tenant.headers)


async def test_a_statement_ends_with_what_the_books_hold(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    answer = await _read(app_client, treasury.tenant, "statement.csv", _period(services))
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    (closing,) = [row for row in rows if row[1:2] == ["At the end"]]
    held = await balances(services, treasury.tenant)
    own = -sum(amount for name, amount in held.items() if name.startswith("organizer_"))
    assert int(closing[-1]) == own == 168_200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="zeraket-statement-' in answer.headers["content-disposition"]


async def test_a_period_before_anything_happened_is_empty(
    app_client: httpx.AsyncClient, treasury: Treasury
) -> None:
    query = {"since": "2020-01-01", "until": "2020-02-01"}
    answer = await _read(app_client, treasury.tenant, "invoice.csv", query)
    assert answer.content.decode().splitlines()[9].startswith("Total,,0,0,0")


async def test_no_two_invoices_have_one_number(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury
) -> None:
    numbers = set()
    for currency in ("UGX", "USD"):
        for days in (2, 3):
            query = {**_period(services, days), "currency": currency}
            answer = await _read(app_client, treasury.tenant, "invoice.csv", query)
            rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
            numbers |= {row[1] for row in rows if row[:1] == ["Number"]}
    assert len(numbers) == 4


@pytest.mark.parametrize("kind", ["statement", "invoice", "settlement"])
async def test_each_report_as_a_pdf(
    app_client: httpx.AsyncClient, services: Services, treasury: Treasury, kind: str
) -> None:
    query = {**_period(services), "language": "sw"}
    answer = await _read(app_client, treasury.tenant, f"{kind}.pdf", query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")


_MANY_SALES = """
    SELECT private.post_txn(jsonb_build_object('organizer_id', CAST(:organizer AS uuid),
        'id', gen_random_uuid(), 'kind', 'capture', 'key', 'capture:mtn:' || n,
        'occurred_at', now(), 'lines', jsonb_build_array(
            jsonb_build_object('account', 'box_office_cash', 'currency', 'UGX', 'amount', 5),
            jsonb_build_object('account', 'organizer_available', 'currency', 'UGX',
                'amount', -5))))
    FROM generate_series(1, 1001) AS n
"""


async def test_a_statement_that_would_be_a_book_is_a_sheet(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    async with services.database.transaction(WORKER) as session:
        await session.execute(text(_MANY_SALES), {"organizer": tenant.organizer_id})
    book = await _read(app_client, tenant, "statement.pdf", _period(services))
    sheet = await _read(app_client, tenant, "statement.csv", _period(services))
    assert (book.status_code, book.json()["code"]) == (422, "report_too_long")
    assert len(sheet.text.splitlines()) > 1_001


@pytest.mark.parametrize(
    ("name", "query", "status", "code"),
    [
        ("statement.csv", {"until": "2000-01-01"}, 422, "report_period_invalid"),
        ("statement.csv", {"since": "2000-01-01"}, 422, "report_period_invalid"),
        (
            "statement.csv",
            {"since": "0001-01-01", "until": "0001-01-02"},
            422,
            "report_period_invalid",
        ),
        (
            "statement.csv",
            {"since": "9999-12-30", "until": "9999-12-31"},
            422,
            "report_period_invalid",
        ),
        ("statement.csv", {"currency": "GBP"}, 422, "request_invalid"),
        ("statement.xlsx", {}, 422, "request_invalid"),
        ("gossip.csv", {}, 422, "request_invalid"),
    ],
)
async def test_what_is_no_report(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    name: str,
    query: dict[str, str],
    status: int,
    code: str,
) -> None:
    answer = await _read(app_client, tenant, name, {**_period(services), **query})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_reports_are_for_whoever_sees_the_organizers_books(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    member = await make_member(services, tenant, Capability.PAYOUTS_REQUEST)
    url = f"{tenant.path}/reports/statement.csv"
    answers = [
        await app_client.get(url, params=_period(services), headers=headers)
        for headers in (other_tenant.headers, member.headers)
    ]
    assert [answer.status_code for answer in answers] == [404, 403]
