from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import Account, AccountKind, Transaction
from sync_server.payouts.flow import PayoutFlow
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.ledger import balances, ugx
from tests.factories.payouts import Treasury, a_treasury, flow_on
from tests.factories.rails import MTN, RunningRail, running
from tests.factories.tenants import Tenant


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(MTN) as rail:
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 10)
        yield rail


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    return await a_treasury(services, tenant)


@pytest.fixture
def flow(services: Services, rail: RunningRail) -> PayoutFlow:
    return flow_on(services, rail)


async def test_the_tables_trigger_posts_what_the_page_on_the_ledger_says(
    services: Services, tenant: Tenant, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    first, second = [await treasury.approved(40_000) for _ in range(2)]
    for payout_id, ends in ((first, MovementState.SUCCEEDED), (second, MovementState.FAILED)):
        await flow.submit(payout_id)
        await rail.engine.settle(await treasury.reference(payout_id), ends)
        await flow.refresh(payout_id)
    await rail.engine.settle(await treasury.reference(first), MovementState.REVERSED)
    await flow.refresh(first, "operator")
    source = Account(AccountKind.PROVIDER_FLOAT, "mtn")
    paid, given_back = [
        postings.Payout(payout_id, "mtn", ugx(40_000)) for payout_id in (first, second)
    ]
    for transaction in (
        postings.payout_requested(paid),
        postings.payout_confirmed(paid, source, ugx(0)),
        postings.payout_returned(paid, source),
        postings.payout_requested(given_back),
        postings.payout_failed(given_back),
    ):
        assert await _posted(services, tenant, transaction.key) == _lines(transaction)


async def _posted(services: Services, tenant: Tenant, key: str) -> list[tuple[str, int]]:
    async with services.database.reading(WORKER) as session:
        lines = await ledger.find_posted(session, tenant.organizer_id, key)
    assert lines is not None, key
    return sorted((line.account.name, line.amount.minor_units) for line in lines)


def _lines(transaction: Transaction) -> list[tuple[str, int]]:
    return sorted((line.account.name, line.amount.minor_units) for line in transaction.lines)


async def test_a_rails_fee_is_the_platforms(
    services: Services, administrator: AsyncConnection, treasury: Treasury, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    update = text("UPDATE payouts SET state = 'succeeded', rail_fee = 1000 WHERE id = :id")
    await administrator.execute(update, {"id": payout_id})
    held = await balances(services, treasury.tenant)
    assert (held["payout_fee:mtn"], held["provider_float:mtn"]) == (1_000, -51_000)


@pytest.mark.parametrize("state", ["failed", "requested", "pending", "refused"])
async def test_what_was_paid_never_becomes_anything_but_returned(
    administrator: AsyncConnection, treasury: Treasury, flow: PayoutFlow, state: str
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    update = text("UPDATE payouts SET state = :state WHERE id = :id")
    await administrator.execute(update, {"id": payout_id, "state": "succeeded"})
    with pytest.raises(IntegrityError, match="does not become"):
        await administrator.execute(update, {"id": payout_id, "state": state})


_OWN_APPROVAL = (
    "UPDATE payouts SET state = 'approved', decided_by = :me, decided_at = now() WHERE id = :id"
)


@pytest.mark.parametrize(
    ("who", "statement", "refusal"),
    [
        ("founder", _OWN_APPROVAL, None),
        ("worker", _OWN_APPROVAL, "permission denied"),
        ("worker", "UPDATE payouts SET state = 'unknown' WHERE id = :id", None),
        (
            "checker",
            "UPDATE payouts SET state = 'approved', decided_by = requested_by WHERE id = :id",
            "row-level security",
        ),
        ("checker", "UPDATE payouts SET amount = 1 WHERE id = :id", "permission denied"),
    ],
)
async def test_the_database_makes_sure_of_two_people(
    services: Services, treasury: Treasury, who: str, statement: str, refusal: str | None
) -> None:
    payout_id = await treasury.request()
    people = {"founder": treasury.tenant.claims, "checker": treasury.checker.claims}
    values = {"id": payout_id, "me": treasury.tenant.founder.user_id}
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    told = ""
    try:
        async with services.database.transaction(people.get(who, WORKER)) as session:
            await session.execute(text(statement), used)
    except DBAPIError as error:
        told = str(error)
    assert (refusal or "") in told
    async with services.database.reading(WORKER) as session:
        query = text("SELECT state FROM payouts WHERE id = :id")
        assert await session.scalar(query, {"id": payout_id}) == "requested"


async def test_not_even_the_superuser_approves_in_the_requesters_name(
    administrator: AsyncConnection, treasury: Treasury
) -> None:
    values = {"id": await treasury.request(), "me": treasury.tenant.founder.user_id}
    with pytest.raises(IntegrityError, match="ck_payouts_two_people"):
        await administrator.execute(text(_OWN_APPROVAL), values)
