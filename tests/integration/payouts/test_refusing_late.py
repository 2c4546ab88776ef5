"""What was approved and never sent is refused and available again, once, whoever sends it at that
moment; and nothing is asked for over a rail that does not pay out here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.composition import WEBHOOK_SOURCES, registered_jobs
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job
from sync_server.kit.keys import SealBrokenError
from sync_server.kit.services import Services
from sync_server.payments.ports import Answer, Destination, DisbursementRequest, HolderName
from sync_server.payments.rules import Provider
from sync_server.payouts import service
from sync_server.payouts.errors import (
    PayoutDecidedError,
    RailNotOfferedError,
    TwoPeopleNeededError,
)
from sync_server.payouts.flow import STUCK, PayoutFlow
from sync_server.payouts.jobs import LETTING_GO, SENDING
from sync_server.payouts.rules import PayoutState
from sync_server.payouts.schemas import Approval, NewPayout, Refusal
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.payouts import (
    AVAILABLE,
    ModelRail,
    Treasury,
    a_treasury,
    caller_of,
    earn,
)
from tests.factories.rails import PHONE
from tests.factories.tenants import Tenant

S = PayoutState
AMOUNT = 1_000


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    return await a_treasury(services, tenant)


async def _outcome(refusing: Awaitable[object]) -> str:
    try:
        await refusing
    except PayoutDecidedError:
        return "decided"
    return "refused"


async def _held(treasury: Treasury) -> tuple[int, int]:
    """What is available and in transit."""
    held = await balances(treasury.services, treasury.tenant)
    return -held["organizer_available"], -held["payout_in_transit:mtn"]


@dataclass(slots=True)
class Interrupted(ModelRail):
    """A rail during whose calls something else happens."""

    during_check: Callable[[], Awaitable[object]] = field(default=lambda: asyncio.sleep(0))
    during_sending: Callable[[], Awaitable[object]] = field(default=lambda: asyncio.sleep(0))

    async def check_holder(self, destination: Destination, currency: str) -> HolderName:
        await self.during_check()
        return await ModelRail.check_holder(self, destination, currency)

    async def disburse(self, request: DisbursementRequest) -> Answer:
        await self.during_sending()
        return await ModelRail.disburse(self, request)


async def test_what_was_approved_and_never_sent_is_given_back_once(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)
    refused = await treasury.refuse(payout_id)
    assert (refused.state, refused.decided_by) == (S.REFUSED, treasury.checker.user_id)
    assert await _outcome(treasury.refuse(payout_id)) == "decided"
    assert await _held(treasury) == (AVAILABLE, 0)
    rail = ModelRail()
    flow = PayoutFlow(services, {Provider.MTN: rail})
    assert (await flow.submit(payout_id)).state is S.REFUSED
    await flow.work_due()
    assert rail.movements == {}


async def test_who_asked_for_it_does_not_refuse_what_another_approved(
    services: Services, tenant: Tenant, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)
    async with services.database.transaction(tenant.claims) as session:
        caller = caller_of(tenant, tenant.founder, session)
        with pytest.raises(TwoPeopleNeededError):
            await service.refuse_payout(caller, services, payout_id, Refusal(reason="mine"))


async def test_a_refusal_before_the_call_keeps_it_from_being_made(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)
    rail = Interrupted(during_check=lambda: treasury.refuse(payout_id))
    facts = await PayoutFlow(services, {Provider.MTN: rail}).submit(payout_id)
    assert (facts.state, rail.movements) == (S.REFUSED, {})
    assert await _held(treasury) == (AVAILABLE, 0)


async def test_what_is_being_sent_is_refused_no_more(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)
    told: list[str] = []

    async def refuse() -> None:
        told.append(await _outcome(treasury.refuse(payout_id)))

    rail = Interrupted(during_sending=refuse)
    facts = await PayoutFlow(services, {Provider.MTN: rail}).submit(payout_id)
    assert (facts.state, told, len(rail.movements)) == (S.PENDING, ["decided"], 1)
    assert await _held(treasury) == (AVAILABLE - AMOUNT, AMOUNT)


@pytest.mark.parametrize("first", ["the sender", "the person"])
async def test_whoever_waits_for_the_row_sees_what_the_other_did(
    services: Services, administrator: AsyncConnection, treasury: Treasury, first: str
) -> None:
    """One of the two has the row, uncommitted, as the other comes for it."""
    payout_id = await treasury.approved(AMOUNT)
    rail = ModelRail()
    sending = PayoutFlow(services, {Provider.MTN: rail})
    steps = {
        "the sender": "UPDATE payouts SET state = 'unknown', attempts = 1, sent_at = now()",
        "the person": "UPDATE payouts SET state = 'refused'",
    }
    async with services.database.transaction(WORKER) as session:
        await session.execute(text(f"{steps[first]} WHERE id = :id"), {"id": payout_id})
        refusal = asyncio.create_task(_outcome(treasury.refuse(payout_id)))
        submission = asyncio.create_task(sending.submit(payout_id))
        await _until_waiting(administrator, 2)
    ends = {"the sender": S.UNKNOWN, "the person": S.REFUSED}
    assert (await refusal, (await submission).state) == ("decided", ends[first])
    assert rail.movements == {}


async def _until_waiting(administrator: AsyncConnection, count: int) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while await administrator.scalar(query) != count:  # noqa: ASYNC110 - locks tell nobody
        await asyncio.sleep(0.005)


async def test_of_many_each_is_sent_or_given_back_and_never_both(
    services: Services, tenant: Tenant, treasury: Treasury
) -> None:
    await earn(services, tenant, 100_000)
    payouts = [await treasury.approved(AMOUNT) for _ in range(24)]
    rail = ModelRail()
    flow = PayoutFlow(services, {Provider.MTN: rail})
    told = await asyncio.gather(
        *(
            each
            for payout_id in payouts
            for each in (_outcome(treasury.refuse(payout_id)), _outcome(flow.submit(payout_id)))
        )
    )
    given_back = told[::2].count("refused")
    assert given_back + len(rail.movements) == len(payouts)
    assert set(rail.paid.values()) <= {1}
    gone = len(rail.movements) * AMOUNT
    assert await _held(treasury) == (AVAILABLE + 100_000 - gone, gone)


@pytest.mark.parametrize("sign", ["attempts = 1", "sent_at = now()"])
async def test_nobody_at_all_refuses_what_was_sent(
    administrator: AsyncConnection, treasury: Treasury, sign: str
) -> None:
    values = {"id": await treasury.approved(AMOUNT)}
    await administrator.execute(text(f"UPDATE payouts SET {sign} WHERE id = :id"), values)
    with pytest.raises(IntegrityError, match="is not refused"):
        await administrator.execute(
            text("UPDATE payouts SET state = 'refused' WHERE id = :id"), values
        )
    assert await _outcome(treasury.refuse(values["id"])) == "decided"


async def test_an_alarm_names_what_no_rail_sends_until_somebody_refuses_it(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)
    handlers = registered_jobs(WEBHOOK_SOURCES).handlers
    payload = {"payload": {"payout_id": str(payout_id)}}
    await handlers[SENDING].handle(services, Job(1, SENDING, payload, 1))
    told = {str(payout_id): {"cause": "RailNotOfferedError"}}
    assert await open_alarms(services, STUCK) == told
    await treasury.refuse(payout_id)
    await handlers[LETTING_GO].handle(services, Job(2, LETTING_GO, payload, 1))
    assert await open_alarms(services, STUCK) == {}
    assert await _held(treasury) == (AVAILABLE, 0)


async def test_what_was_refused_as_it_got_stuck_is_not_told_of(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved(AMOUNT)

    async def refuse_and_break() -> None:
        await treasury.refuse(payout_id)
        raise SealBrokenError

    rail = Interrupted(during_check=refuse_and_break)
    await PayoutFlow(services, {Provider.MTN: rail}).send(payout_id)
    assert await open_alarms(services, STUCK) == {}


@pytest.mark.parametrize(
    ("rail", "code"), [("mtn", "rail_not_offered"), ("flutterwave", "request_invalid")]
)
async def test_no_destination_is_written_down_that_nothing_pays_to(
    app_client: httpx.AsyncClient, tenant: Tenant, rail: str, code: str
) -> None:
    wanted = {
        "label": "Ours",
        "rail": rail,
        "currency": "UGX",
        "holder": "Grace Nakato",
        "account": PHONE,
    }
    url = f"{tenant.path}/payout-destinations"
    answer = await app_client.post(url, json=wanted, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_nothing_is_asked_for_or_let_go_where_no_rail_pays_out(
    services: Services, tenant: Tenant, treasury: Treasury
) -> None:
    payout_id = await treasury.request(AMOUNT)
    wanted = NewPayout(destination_id=treasury.destination.id, currency="UGX", amount=AMOUNT)
    async with services.database.transaction(tenant.claims) as session:
        with pytest.raises(RailNotOfferedError):
            await service.request_payout(
                caller_of(tenant, tenant.founder, session), services, wanted
            )
    async with services.database.transaction(treasury.checker.claims) as session:
        caller = caller_of(tenant, treasury.checker, session)
        with pytest.raises(RailNotOfferedError):
            await service.approve_payout(caller, services, payout_id, Approval())
    await treasury.refuse(payout_id)
    assert await _held(treasury) == (AVAILABLE, 0)
