import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.payments.ports import Answer, Hint, Refused, Unknown
from sync_server.payments.rules import Finding, Provider, Reading
from sync_server.payouts.errors import (
    OtherNameError,
    PayoutDecidedError,
    PayoutNotFoundError,
    RailNotOfferedError,
)
from sync_server.payouts.flow import STUCK, PayoutFlow
from sync_server.payouts.rules import PayoutState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.payouts import (
    AVAILABLE,
    ModelRail,
    ScriptedRail,
    Treasury,
    a_destination,
    a_treasury,
    flow_on,
)
from tests.factories.rails import MTN, RunningRail, running
from tests.factories.tenants import Tenant

S = PayoutState
TWO_MINUTES = 120_000
CLOSED, NOT_THERE, NO_FUNDS = "+46733123451", "+46733123450", "+46733123455"


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


async def _held(treasury: Treasury) -> tuple[int, int, int]:
    """What is available, in transit and gone out of the float."""
    held = await balances(treasury.services, treasury.tenant)
    accounts = ("organizer_available", "payout_in_transit:mtn", "provider_float:mtn")
    available, in_transit, gone = (-held.get(account, 0) for account in accounts)
    return available, in_transit, gone


async def test_money_that_went_is_in_the_books_once(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.request()
    assert await _held(treasury) == (AVAILABLE - 50_000, 50_000, 0)
    assert (await flow.submit(payout_id)).state is S.REQUESTED
    await treasury.approve(payout_id)
    assert (await flow.submit(payout_id)).state is S.PENDING
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
    states = [(await flow.refresh(payout_id)).state for _ in range(3)]
    assert states == [S.SUCCEEDED] * 3
    assert await _held(treasury) == (AVAILABLE - 50_000, 0, 50_000)
    assert await treasury.attempts(payout_id) == [
        ("name_check", "same"),
        *[("poll", "succeeded")] * 3,
        ("submission", "pending"),
    ]


@pytest.mark.parametrize(
    "fault", [Fault.SLOW_ANSWER, Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.HTML_ERROR]
)
async def test_a_lost_answer_is_unknown_and_then_found(
    clock: SettableClock, treasury: Treasury, rail: RunningRail, flow: PayoutFlow, fault: Fault
) -> None:
    payout_id = await treasury.approved()
    rail.engine.dial.turn(Operation.DISBURSE, fault)
    assert (await flow.submit(payout_id)).state is S.UNKNOWN
    assert await _held(treasury) == (AVAILABLE - 50_000, 50_000, 0)
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
    clock.advance(TWO_MINUTES)
    await flow.work_due()
    assert await _held(treasury) == (AVAILABLE - 50_000, 0, 50_000)
    assert len(rail.engine.movements) == 1


async def test_what_never_arrived_is_sent_again_under_the_same_reference_and_not_too_early(
    clock: SettableClock, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    rail.engine.dial.turn(Operation.DISBURSE, Fault.UNAVAILABLE)
    assert (await flow.submit(payout_id)).state is S.UNKNOWN
    # It may still be on its way.
    assert (await flow.refresh(payout_id, "callback")).state is S.UNKNOWN
    assert rail.engine.movements == {}
    clock.advance(TWO_MINUTES)
    states = await asyncio.gather(*(flow.refresh(payout_id) for _ in range(3)))
    assert S.PENDING in {facts.state for facts in states}
    assert list(rail.engine.movements) == [await treasury.reference(payout_id)]
    sent = [kind for kind, _ in await treasury.attempts(payout_id) if kind == "submission"]
    assert len(sent) == 2


async def test_a_process_that_died_after_the_call_is_followed_by_one_that_asks(
    services: Services,
    clock: SettableClock,
    treasury: Treasury,
    rail: RunningRail,
    flow: PayoutFlow,
) -> None:
    payout_id = await treasury.approved()
    rail.engine.dial.turn(Operation.DISBURSE, Fault.SLOW_ANSWER)
    sending = asyncio.create_task(flow.submit(payout_id))
    while not rail.engine.movements:  # noqa: ASYNC110 - the sandbox tells nobody
        await asyncio.sleep(0.005)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    restarted = flow_on(services, rail)
    assert (await restarted.submit(payout_id)).state is S.UNKNOWN
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
    clock.advance(TWO_MINUTES)
    await restarted.work_due()
    assert await _held(treasury) == (AVAILABLE - 50_000, 0, 50_000)
    assert len(rail.engine.movements) == 1


async def test_many_who_send_at_once_pay_once(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await asyncio.gather(*(flow.submit(payout_id) for _ in range(5)), flow.work_due())
    kinds = [kind for kind, _ in await treasury.attempts(payout_id)]
    assert (len(rail.engine.movements), kinds.count("submission")) == (1, 1)


async def test_what_nobody_sent_is_sent_by_the_watch(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.work_due()
    assert list(rail.engine.movements) == [await treasury.reference(payout_id)]


async def test_two_approvers_at_once_are_one(treasury: Treasury) -> None:
    payout_id = await treasury.request()
    told = await asyncio.gather(
        *(treasury.approve(payout_id) for _ in range(4)), return_exceptions=True
    )
    refused = [type(answer) for answer in told if isinstance(answer, Exception)]
    assert refused == [PayoutDecidedError] * 3


async def test_a_refusal_gives_the_money_back(
    services: Services, tenant: Tenant, treasury: Treasury, flow: PayoutFlow
) -> None:
    empty = await a_destination(services, tenant, treasury.checker, account=NO_FUNDS)
    payout_id = await treasury.approved(destination_id=empty.id)
    facts = await flow.submit(payout_id)
    assert (facts.state, facts.reason) == (S.FAILED, "NOT_ENOUGH_FUNDS")
    assert await _held(treasury) == (AVAILABLE, 0, 0)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Reading(Finding.SUCCEEDED), S.SUCCEEDED),
        (Reading(Finding.UNKNOWN), S.UNKNOWN),
        (Reading(Finding.PENDING), S.PENDING),
        (Reading(Finding.NOT_FOUND), S.FAILED),
    ],
)
async def test_a_refusal_of_the_second_is_no_word_on_the_first(
    services: Services, clock: SettableClock, treasury: Treasury, found: Reading, state: S
) -> None:
    """The first arrives after the rail said that it knows none, and before the second."""
    answers: list[Answer] = [Unknown("ReadTimeout"), Refused("DUPLICATE")]
    scripted = ScriptedRail(answers, [Reading(Finding.NOT_FOUND), found])
    flow = PayoutFlow(services, {Provider.MTN: scripted})
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    clock.advance(TWO_MINUTES)
    assert (await flow.refresh(payout_id)).state is state
    assert (scripted.answers, scripted.readings) == ([], [])


async def test_a_failure_gives_the_money_back_and_a_late_one_returns_it(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    failed, paid = [await treasury.approved(40_000) for _ in range(2)]
    for payout_id in (failed, paid):
        await flow.submit(payout_id)
    await rail.engine.settle(await treasury.reference(failed), MovementState.FAILED, "NOT_ALLOWED")
    await rail.engine.settle(await treasury.reference(paid), MovementState.SUCCEEDED)
    assert (await flow.refresh(failed)).state is S.FAILED
    assert (await flow.refresh(paid)).state is S.SUCCEEDED
    assert await _held(treasury) == (AVAILABLE - 40_000, 0, 40_000)
    await rail.engine.settle(await treasury.reference(paid), MovementState.FAILED)
    assert (await flow.refresh(paid, "callback")).state is S.RETURNED
    assert await _held(treasury) == (AVAILABLE, 0, 0)


async def test_paid_after_it_failed_is_posted_by_nobody_and_said_aloud(
    services: Services, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.FAILED)
    await flow.refresh(payout_id)
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
    assert (await flow.refresh(payout_id, "callback")).state is S.FAILED
    assert await _alarms(services, payout_id) == ["paid_after_failure"]
    assert await _held(treasury) == (AVAILABLE, 0, 0)


async def _alarms(services: Services, payout_id: object) -> list[str]:
    found = await open_alarms(services, STUCK)
    return [detail["cause"] for subject, detail in found.items() if subject == str(payout_id)]


async def test_other_money_than_was_sent_is_posted_by_nobody_and_said_aloud(
    services: Services, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    await rail.engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
    rail.engine.dial.turn(Operation.READ, Fault.AMOUNT_CHANGED)
    assert (await flow.refresh(payout_id)).state is S.PENDING
    assert await _alarms(services, payout_id) == ["amount_differs"]
    assert (await flow.refresh(payout_id)).state is S.SUCCEEDED
    assert await _alarms(services, payout_id) == []


async def test_duplicate_callbacks_and_polls_confirm_once(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    reference = await treasury.reference(payout_id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    hint = Hint(reference, None, "SUCCESSFUL", is_authentic=None)
    heard = await asyncio.gather(
        *(flow.hear(Provider.MTN, hint) for _ in range(6)),
        *(flow.refresh(payout_id) for _ in range(6)),
    )
    assert heard[:6] == [True] * 6
    assert await _held(treasury) == (AVAILABLE - 50_000, 0, 50_000)


@pytest.mark.parametrize("reference", ["01a206c5-5235-7e5e-9234-8ac622ca9a74", "nonsense", None])
async def test_a_callback_of_nobody_is_none_of_ours(
    flow: PayoutFlow, reference: str | None
) -> None:
    assert not await flow.hear(Provider.MTN, Hint(reference, "1", "SUCCESSFUL", None))


async def test_a_forged_callback_pays_nothing(
    treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    hint = Hint(await treasury.reference(payout_id), None, "SUCCESSFUL", is_authentic=None)
    assert await flow.hear(Provider.MTN, hint)
    assert not await flow.hear(Provider.AIRTEL, hint)
    assert await _held(treasury) == (AVAILABLE - 50_000, 50_000, 0)
    assert len(rail.engine.movements) == 1


async def test_another_name_stops_it_until_a_person_accepts_it(
    services: Services, tenant: Tenant, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    other = await a_destination(services, tenant, treasury.checker, holder="Grace Nakato")
    payout_id = await treasury.approved(destination_id=other.id)
    facts = await flow.submit(payout_id)
    assert (facts.state, facts.reason) == (S.STOPPED, "holder differs")
    assert rail.engine.movements == {}
    with pytest.raises(OtherNameError):
        await treasury.approve(payout_id)
    await treasury.approve(payout_id, accepts_name=True)
    assert (await flow.submit(payout_id)).state is S.PENDING


@pytest.mark.parametrize("account", [CLOSED, NOT_THERE])
async def test_to_an_account_that_is_closed_nothing_is_paid_whoever_accepts_it(
    services: Services,
    tenant: Tenant,
    treasury: Treasury,
    rail: RunningRail,
    flow: PayoutFlow,
    account: str,
) -> None:
    closed = await a_destination(services, tenant, treasury.checker, account=account)
    payout_id = await treasury.approved(destination_id=closed.id)
    assert (await flow.submit(payout_id)).state is S.STOPPED
    await treasury.approve(payout_id, accepts_name=True)
    assert (await flow.submit(payout_id)).state is S.STOPPED
    assert rail.engine.movements == {}


async def test_what_was_withdrawn_meanwhile_is_not_paid_to(
    services: Services, clock: SettableClock, treasury: Treasury
) -> None:
    """Neither what was never sent, nor what never arrived."""
    model = ModelRail(["never arrives"])
    flow = PayoutFlow(services, {Provider.MTN: model})
    sent, waiting = [await treasury.approved(40_000) for _ in range(2)]
    await flow.submit(sent)
    await treasury.withdraw()
    clock.advance(TWO_MINUTES)
    states = [(await flow.submit(waiting)).state, (await flow.refresh(sent)).state]
    assert (states, model.movements) == ([S.STOPPED, S.FAILED], {})
    assert await _held(treasury) == (AVAILABLE - 40_000, 40_000, 0)


async def test_a_rail_that_is_silent_about_the_name_postpones_the_payment(
    clock: SettableClock, treasury: Treasury, rail: RunningRail, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    rail.engine.dial.turn(Operation.READ, Fault.UNAVAILABLE)
    assert (await flow.submit(payout_id)).state is S.APPROVED
    assert rail.engine.movements == {}
    clock.advance(60_000)
    await flow.work_due()
    assert len(rail.engine.movements) == 1


async def test_a_rail_that_is_not_offered_is_said_aloud(
    services: Services, treasury: Treasury
) -> None:
    payout_id = await treasury.approved()
    nowhere = PayoutFlow(services, {})
    with pytest.raises(RailNotOfferedError):
        await nowhere.submit(payout_id)
    await nowhere.work_due()
    assert await _alarms(services, payout_id) == ["RailNotOfferedError"]


async def test_a_payout_that_is_none(services: Services, flow: PayoutFlow) -> None:
    for step in (flow.submit, flow.refresh):
        with pytest.raises(PayoutNotFoundError):
            await step(services.new_id())


async def test_after_a_week_a_person_looks(
    services: Services, clock: SettableClock, treasury: Treasury, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    clock.advance(8 * 24 * 3_600_000)
    await flow.work_due()
    assert await _alarms(services, payout_id) == ["nobody says what became of it"]
    assert (await flow.work_due()) == 0


async def test_raw_answers_are_kept_and_sealed(
    services: Services, treasury: Treasury, flow: PayoutFlow
) -> None:
    payout_id = await treasury.approved()
    await flow.submit(payout_id)
    query = text(
        "SELECT id, sealed_answers FROM payout_attempts"
        " WHERE payout_id = :id AND kind = 'name_check'",
    )
    async with services.database.reading(WORKER) as session:
        row = (await session.execute(query, {"id": payout_id})).one()
    assert b"Sand" not in row.sealed_answers
    opened = services.key_sealer.open(row.sealed_answers, "payout answers", row.id).decode()
    assert '"given_name": "Sand"' in opened
    assert "disbursement-token" not in opened
