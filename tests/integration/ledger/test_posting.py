import asyncio

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import WORKER
from sync_server.kit.database import violated_constraint
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.errors import (
    AlreadyReversedError,
    OverdraftError,
    ReplayDiffersError,
    TransactionNotFoundError,
)
from sync_server.ledger.rules import Line, Transaction, TransactionKind
from sync_server.organizers.rules import Capability
from tests.factories.horizon import settled
from tests.factories.ledger import EVENT_ID, a_payout, a_sale, balances, post, post_raw, ugx
from tests.factories.tenants import Tenant, make_member

_PENDING = f"organizer_pending:{EVENT_ID}"


async def test_a_sale_stands_in_the_books(services: Services, tenant: Tenant) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    assert await balances(services, tenant) == {
        _PENDING: -94_100,
        "platform_fee": -5_000,
        "provider_clearing:pesapal": 100_000,
        "tax_on_fees": -900,
    }


async def test_the_same_news_again_posts_nothing(services: Services, tenant: Tenant) -> None:
    first = await post(services, tenant, postings.capture(a_sale("A")))
    again = await post(services, tenant, postings.capture(a_sale("A")))
    assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
    assert (await balances(services, tenant))["provider_clearing:pesapal"] == 100_000


async def test_twenty_at_once_post_once(services: Services, tenant: Tenant) -> None:
    made = await asyncio.gather(
        *(post(services, tenant, postings.capture(a_sale("A"))) for _ in range(20))
    )
    assert sum(item.is_new for item in made) == 1
    assert len({item.id for item in made}) == 1
    assert (await balances(services, tenant))["provider_clearing:pesapal"] == 100_000


async def test_the_same_key_with_other_amounts_is_refused(
    services: Services, tenant: Tenant
) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    with pytest.raises(ReplayDiffersError):
        await post(services, tenant, postings.capture(a_sale("A", organizer=94_101)))
    assert (await balances(services, tenant))["provider_clearing:pesapal"] == 100_000


async def test_one_key_in_two_organizers_books_is_two_transactions(
    services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    for owner in (tenant, other_tenant):
        assert (await post(services, owner, postings.capture(a_sale("A")))).is_new


async def test_nothing_is_paid_out_that_is_not_there(services: Services, tenant: Tenant) -> None:
    with pytest.raises(OverdraftError):
        await post(services, tenant, postings.payout_requested(a_payout(1, 1)))
    await post(services, tenant, postings.capture(a_sale("A")))
    await post(services, tenant, postings.release(EVENT_ID, 1, ugx(94_100)))
    await post(services, tenant, postings.payout_requested(a_payout(2, 94_000)))
    with pytest.raises(OverdraftError):
        await post(services, tenant, postings.payout_requested(a_payout(3, 101)))
    await post(services, tenant, postings.payout_requested(a_payout(4, 100)))
    assert (await balances(services, tenant))["organizer_available"] == 0


async def test_payouts_at_once_never_spend_twice(services: Services, tenant: Tenant) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    await post(services, tenant, postings.release(EVENT_ID, 1, ugx(94_100)))
    asked = [postings.payout_requested(a_payout(number, 30_000)) for number in range(1, 11)]
    answers = await asyncio.gather(
        *(post(services, tenant, payout) for payout in asked), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, OverdraftError)]
    assert len(refused) == 7
    assert (await balances(services, tenant))["organizer_available"] == -4_100


async def test_a_reversal_takes_back_once_and_says_why(services: Services, tenant: Tenant) -> None:
    posted = await post(services, tenant, postings.capture(a_sale("A")))
    async with services.database.transaction(WORKER) as session:
        place = (session, services, tenant.organizer_id, posted.id)
        await ledger.reverse(*place, "captured under the wrong event")
    assert set((await balances(services, tenant)).values()) == {0}
    with pytest.raises(AlreadyReversedError):
        await _reverse(services, tenant, posted.id, "again")


async def _reverse(services: Services, tenant: Tenant, transaction_id: object, why: str) -> None:
    async with services.database.transaction(WORKER) as session:
        place = (session, services, tenant.organizer_id)
        await ledger.reverse(*place, transaction_id, why)  # type: ignore[arg-type] # any id


async def test_a_reversal_under_another_key_is_refused_as_well(
    services: Services, tenant: Tenant
) -> None:
    posted = await post(services, tenant, postings.capture(a_sale("A")))
    await _reverse(services, tenant, posted.id, "wrong event")
    async with services.database.transaction(WORKER) as session:
        lines = await ledger.find_posted(session, tenant.organizer_id, "capture:pesapal:A")
    assert lines is not None
    mirror = Transaction(
        TransactionKind.REVERSAL,
        "another key",
        tuple(Line(line.account, -line.amount) for line in lines),
        posted.id,
        "again",
    )
    with pytest.raises(AlreadyReversedError):
        await post(services, tenant, mirror)


async def test_what_was_never_posted_cannot_be_reversed(
    services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign = await post(services, other_tenant, postings.capture(a_sale("A")))
    with pytest.raises(TransactionNotFoundError):
        await _reverse(services, tenant, foreign.id, "not mine")


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"lines": [{"account": "bank:x", "currency": "UGX", "amount": 5}]}, "n_lines"),
        ({"kind": "reversal", "reason": "x"}, "ck_finance_txns_reverses"),
        ({"key": ""}, "ck_finance_txns_idem_key"),
    ],
)
async def test_the_database_refuses_a_misshapen_transaction(
    services: Services, tenant: Tenant, changes: dict[str, object], constraint: str
) -> None:
    with pytest.raises(IntegrityError) as refused:
        await _post_raw(services, tenant, changes)
    assert constraint in str(violated_constraint(refused.value))


@pytest.mark.parametrize(
    ("amounts", "account", "currency", "constraint"),
    [
        ((5, -4), "bank:x", "UGX", "ck_finance_txns_balanced"),
        ((0, 0), "bank:x", "UGX", "ck_finance_entries_amount"),
        ((5, -5), "purse", "UGX", "ck_finance_entries_account"),
        ((5, -5), "bank:'; --", "UGX", "ck_finance_entries_account"),
        ((5, -5), "bank:x", "ugx", "ck_finance_entries_currency"),
    ],
)
async def test_the_database_refuses_misshapen_lines(
    services: Services,
    tenant: Tenant,
    amounts: tuple[int, int],
    account: str,
    currency: str,
    constraint: str,
) -> None:
    lines = [{"account": account, "currency": currency, "amount": amount} for amount in amounts]
    with pytest.raises(IntegrityError) as refused:
        await _post_raw(services, tenant, {"lines": lines})
    assert violated_constraint(refused.value) == constraint


async def test_currencies_balance_each_by_itself(services: Services, tenant: Tenant) -> None:
    lines = [
        {"account": "bank:x", "currency": "UGX", "amount": 5},
        {"account": "bank:x", "currency": "KES", "amount": -5},
    ]
    with pytest.raises(IntegrityError) as refused:
        await _post_raw(services, tenant, {"lines": lines})
    assert violated_constraint(refused.value) == "ck_finance_txns_balanced"


async def _post_raw(services: Services, tenant: Tenant, changes: dict[str, object]) -> None:
    async with services.database.transaction(WORKER) as session:
        await post_raw(session, tenant, **changes)


async def test_a_checkpoint_and_what_came_since_make_the_balance(
    services: Services, tenant: Tenant, administrator: AsyncConnection
) -> None:
    for reference in ("A", "B"):
        await post(services, tenant, postings.capture(a_sale(reference)))
    await settled(administrator)
    await ledger.make_checkpoints(services)
    await post(services, tenant, postings.release(EVENT_ID, 1, ugx(94_100)))
    for _ in range(2):
        await settled(administrator)
        await ledger.make_checkpoints(services)
    await post(services, tenant, postings.capture(a_sale("C")))
    assert await balances(services, tenant) == {
        _PENDING: -188_200,
        "organizer_available": -94_100,
        "platform_fee": -15_000,
        "provider_clearing:pesapal": 300_000,
        "tax_on_fees": -2_700,
    }
    async with services.database.reading(WORKER) as session:
        pending = postings.organizer_pending(EVENT_ID)
        balance = await ledger.balance_of(session, tenant.organizer_id, pending, "UGX")
        drift = await ledger.find_drift(session)
    assert balance == ugx(-188_200)
    assert [found for found in drift if found.organizer_id == tenant.organizer_id] == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE finance_checkpoints SET balance = balance + 1 {}",
        "UPDATE finance_guarded_balances SET balance = balance - 1 {}",
    ],
)
async def test_a_kept_balance_that_drifts_is_named(
    services: Services, tenant: Tenant, administrator: AsyncConnection, damage: str
) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    await post(services, tenant, postings.release(EVENT_ID, 1, ugx(10)))
    await settled(administrator)
    await ledger.make_checkpoints(services)
    one = "WHERE organizer_id = :organizer_id AND account = 'organizer_available'"
    statement = text(damage.format(one))
    await administrator.execute(statement, {"organizer_id": tenant.organizer_id})
    async with services.database.reading(WORKER) as session:
        drift = await ledger.find_drift(session)
    mine = [found for found in drift if found.organizer_id == tenant.organizer_id]
    assert [abs(found.kept - found.recomputed) for found in mine] == [1]


async def test_the_books_of_all_sum_to_nothing(services: Services, tenant: Tenant) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    async with services.database.reading(WORKER) as session:
        own = await ledger.trial_balance(session, tenant.organizer_id)
        everybody = await ledger.trial_balance(session)
    assert own["UGX"]["provider_clearing:pesapal"] == 100_000
    assert {sum(accounts.values()) for accounts in everybody.values()} == {0}


async def test_members_who_may_see_money_read_the_books(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    await post(services, tenant, postings.capture(a_sale("A")))
    path = f"{tenant.path}/ledger"
    listed = await app_client.get(f"{path}/transactions", headers=tenant.headers)
    summed = await app_client.get(f"{path}/balances", headers=tenant.headers)
    (transaction,) = listed.json()["items"]
    assert (transaction["kind"], transaction["key"]) == ("capture", "capture:pesapal:A")
    assert sum(entry["amount"] for entry in transaction["entries"]) == 0
    assert {"account": "tax_on_fees", "account_class": "liability"}.items() <= summed.json()[
        "items"
    ][-1].items()
    member = await make_member(services, tenant, Capability.SCANS_VIEW)
    refused = [
        await app_client.get(f"{path}/{place}", headers=headers)
        for place in ("transactions", "balances")
        for headers in (member.headers, other_tenant.headers, {})
    ]
    assert [answer.status_code for answer in refused] == [403, 404, 401] * 2
