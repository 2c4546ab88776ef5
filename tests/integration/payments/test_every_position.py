"""The dial of faults turned to every position on every rail, for money that comes, goes back and
leaves: each moves once, and the books close.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import product
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.organizers.rules import Capability
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.ports import Accepted, CredentialCheck
from sync_server.payments.rails import PaymentRails
from sync_server.payments.refunds import NewRefund, RefundFlow, request_refund
from sync_server.payments.rules import REFUND_OPEN, Finding, PaymentState, Reading, RefundState
from sync_server.payments.views import PaymentFacts, RefundFacts
from sync_server.payouts.rules import PayoutState
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    OF_CALLBACKS,
    OF_READINGS,
    OF_THE_DOOR,
    Fault,
    MovementState,
    Operation,
)
from sync_server.sandboxes.pages import Choice
from tests.factories.ledger import balances, post
from tests.factories.payments import SHARES, Heard, an_intent, flow_on, reference_of
from tests.factories.payouts import HOLDER, Treasury, a_destination
from tests.factories.payouts import flow_on as payouts_on
from tests.factories.rails import (
    AIRTEL,
    DISBURSING_RAILS,
    FLUTTERWAVE,
    MTN,
    PESAPAL,
    RAILS,
    Rail,
    RunningRail,
    running,
)
from tests.factories.tenants import Tenant, make_member

S = PaymentState
_HOUR_MS, _TWO_MINUTES_MS = 3_600_000, 120_000
_WHOLE = SHARES.total.minor_units
_ANSWERED = (Operation.TOKEN, Operation.READ)
"""What stands around every flow: a token before a call, and a status after it."""


def _positions(*operations: Operation) -> tuple[tuple[Operation, Fault], ...]:
    return tuple((operation, fault) for operation in operations for fault in sorted(OF_ANSWERS))


_COMING = (
    *_positions(Operation.COLLECT, *_ANSWERED),
    *((Operation.CALLBACK, fault) for fault in sorted(OF_CALLBACKS)),
)
_GOING_BACK = _positions(Operation.REFUND, *_ANSWERED)
_LEAVING = _positions(Operation.DISBURSE, *_ANSWERED)
_WITHDRAWN = _positions(Operation.WITHDRAW)
_DISPUTED = _positions(Operation.DISPUTES)
_CHECKED = _positions(Operation.BALANCE)
_MISTOLD = tuple((Operation.READ, fault) for fault in sorted(OF_READINGS))
# A bank is not called: it tells twice, and leaves orders without a report, or unread.
_BOOKED = ((Operation.READ, Fault.CALLBACK_TWICE),)
_ORDERED = tuple((Operation.DISBURSE, fault) for fault in (Fault.LOST_ANSWER, Fault.UNAVAILABLE))


class _Listener:
    """Nobody who would do anything."""

    async def given_back(self, session: AsyncSession, refund: RefundFacts) -> None: ...

    async def not_given_back(self, session: AsyncSession, refund: RefundFacts) -> None: ...


@dataclass(slots=True)
class Till:
    """A buyer, a rail, and what stands between them and the money."""

    services: Services
    tenant: Tenant
    event_id: EventId
    clock: SettableClock
    rail: RunningRail
    heard: Heard = field(default_factory=Heard)
    begun: list[UUID] = field(default_factory=list)

    @property
    def flow(self) -> PaymentFlow:
        return flow_on(self.services, self.rail, self.heard)

    @property
    def refunds(self) -> RefundFlow:
        rails = PaymentRails({self.rail.collector.provider: self.rail.collector})
        return RefundFlow(self.services, rails, _Listener())

    def playable(
        self, positions: tuple[tuple[Operation, Fault], ...]
    ) -> tuple[tuple[Operation, Fault], ...]:
        """Those that this rail has: not every provider gives tokens."""
        has_tokens = self.rail.rail.credentials_by is Operation.TOKEN
        return tuple(each for each in positions if has_tokens or each[0] is not Operation.TOKEN)

    def turn(self, operation: Operation, fault: Fault) -> None:
        """Where a token is to suffer, the one that is kept has ended."""
        if operation is Operation.TOKEN:
            self.rail.clock.advance(_HOUR_MS)
        self.rail.engine.dial.turn(operation, fault)

    async def pay(self) -> PaymentFacts:
        """As somebody does who does not give up: with a new payment where one came to nothing."""
        payment = await self._try()
        for _ in range(2):
            if payment.state is not S.SUCCEEDED:
                payment = await self._try()
        return payment

    async def _try(self) -> PaymentFacts:
        provider = self.rail.collector.provider
        intent = await an_intent(self.services, self.tenant, self.event_id, provider)
        self.begun.append(intent.id)
        payment = await self.flow.submit(intent.id)
        if payment.state is S.UNKNOWN:
            payment = await self.flow.refresh(intent.id)
        await self._say_yes(payment)
        await self._hear()
        await self.flow.refresh(intent.id)
        return await self.flow.refresh(intent.id)

    async def _say_yes(self, payment: PaymentFacts) -> None:
        """On the provider's page, or where the buyer is asked."""
        reference = await reference_of(self.services, payment)
        if payment.redirect_url is not None:
            await self.rail.press(payment.redirect_url, Choice.PAY_BY_CARD)
        elif not self.rail.rail.has_page and reference in self.rail.engine.movements:
            await self.rail.engine.settle(reference, MovementState.SUCCEEDED)

    async def _hear(self) -> None:
        await self.rail.engine.courier.release()
        for notice in self.rail.merchant.notices:
            await self.flow.hear(self.rail.collector.provider, notice)
        self.rail.merchant.notices.clear()

    async def give_back(self, payment: PaymentFacts) -> RefundFacts:
        """What the provider tells nothing of, a person decides, who looks into its portal."""
        async with self.services.database.transaction(WORKER) as session:
            wanted = NewRefund(self.tenant.organizer_id, payment.id, SHARES, "Event moved")
            refund = await request_refund(session, self.services, wanted)
        await self.refunds.submit(refund.id)
        await self.refunds.refresh(refund.id)
        asked = self._asked_back()
        for reference in asked:
            await self.rail.engine.settle(reference, MovementState.SUCCEEDED)
        await self._hear()
        found = await self.refunds.refresh(refund.id)
        if found.state not in REFUND_OPEN:
            return found
        seen = Reading(Finding.SUCCEEDED if asked else Finding.FAILED, reason="portal")
        async with self.services.database.transaction(WORKER) as session:
            return await self.refunds.decide(session, refund.id, seen)

    def _asked_back(self) -> list[str]:
        return [
            movement.reference
            for movement in self.rail.engine.movements.values()
            if movement.operation is Operation.REFUND and movement.state is MovementState.PENDING
        ]

    async def let_time_go_by(self) -> set[PaymentState]:
        """Everything that is open is over; say what became of all that was begun."""
        self.clock.advance(_HOUR_MS)
        self.rail.engine.offset_ms += _HOUR_MS
        return {(await self.flow.refresh(payment_id)).state for payment_id in self.begun}

    def holds(self) -> int:
        """What the provider has of buyers' money; some call what they gave back reversed."""
        done = Counter(
            movement.operation
            for movement in self.rail.engine.movements.values()
            if movement.state in {MovementState.SUCCEEDED, MovementState.REVERSED}
        )
        return (done[Operation.COLLECT] - done[Operation.REFUND]) * _WHOLE

    async def require_closed_books(self) -> None:
        report = await reconciliation.run(self.services, reconciliation.RunSource.OPERATOR)
        ours = [item for item in report.items if item.books_of == self.tenant.organizer_id]
        assert drifts(ours) == []


@pytest.fixture
async def till(
    request: pytest.FixtureRequest,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    clock: SettableClock,
) -> AsyncIterator[Till]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield Till(services, tenant, event_id, clock, rail)


on_rails = pytest.mark.parametrize("till", RAILS, indirect=True, ids=lambda rail: rail.name)
on_called_rails = pytest.mark.parametrize(
    "till",
    [rail for rail in RAILS if rail.is_called],
    indirect=True,
    ids=lambda rail: rail.name,
)


@on_rails
async def test_money_comes_once_whatever_is_lost_on_the_way(till: Till) -> None:
    states = []
    positions = till.playable(_COMING) if till.rail.rail.is_called else _BOOKED
    for operation, fault in positions:
        till.turn(operation, fault)
        states.append((await till.pay()).state)
    assert states == [S.SUCCEEDED] * len(positions)
    assert till.rail.engine.dial.is_clear
    assert await till.let_time_go_by() <= {S.SUCCEEDED, S.EXPIRED, S.FAILED}
    left = await balances(till.services, till.tenant)
    assert left[f"provider_clearing:{till.rail.rail.name}"] == till.holds()
    assert till.heard.words.count("captured") * _WHOLE == till.holds()
    await till.require_closed_books()


@on_rails
async def test_other_money_than_was_asked_for_is_set_aside(till: Till) -> None:
    for operation, fault in _MISTOLD:
        provider = till.rail.collector.provider
        payment = await an_intent(till.services, till.tenant, till.event_id, provider)
        await till.flow.submit(payment.id)
        till.rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
        reference = await reference_of(till.services, payment)
        await till.rail.engine.settle(reference, MovementState.SUCCEEDED)
        till.turn(operation, fault)
        assert (await till.flow.refresh(payment.id)).state is S.MISMATCHED
        till.rail.engine.dial.clear()
    left = await balances(till.services, till.tenant)
    assert (sum(left.values()), till.heard.words, "unapplied_receipts" in left) == (0, [], True)
    await till.require_closed_books()


@on_called_rails
async def test_money_goes_back_once_whatever_is_lost_on_the_way(till: Till) -> None:
    states = []
    for operation, fault in till.playable(_GOING_BACK):
        payment = await till.pay()
        till.turn(operation, fault)
        states.append((await till.give_back(payment)).state)
        # Some providers call our own refund a reversal.
        assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert till.rail.engine.dial.is_clear
    assert set(states) <= {RefundState.SUCCEEDED, RefundState.FAILED}
    left = await balances(till.services, till.tenant)
    assert left[f"provider_clearing:{till.rail.rail.name}"] == till.holds()
    assert left[f"refund_in_transit:{till.rail.rail.name}"] == 0
    await till.require_closed_books()


@pytest.mark.parametrize("till", DISBURSING_RAILS, indirect=True, ids=lambda rail: rail.name)
async def test_money_leaves_once_whatever_is_lost_on_the_way(till: Till) -> None:
    treasury = await _a_treasury(till)
    flow, engine = payouts_on(till.services, till.rail), till.rail.engine
    is_called = till.rail.rail.is_called
    before = till.playable(_LEAVING) if is_called else _ORDERED
    after = till.playable(_positions(*_ANSWERED)) if is_called else ()
    for position, times_sent in [*((each, 0) for each in before), *((each, 1) for each in after)]:
        payout_id = await treasury.approved(1_000)
        for _ in range(times_sent):
            await flow.submit(payout_id)
        till.turn(*position)
        # A name that nobody told is asked for again.
        for _ in range(2):
            await flow.submit(payout_id)
        till.clock.advance(_TWO_MINUTES_MS)
        await flow.refresh(payout_id)
        await engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
        till.clock.advance(_TWO_MINUTES_MS)
        assert (await flow.refresh(payout_id)).state is PayoutState.SUCCEEDED
    sent = [each for each in engine.movements.values() if each.operation is Operation.DISBURSE]
    count = len(before) + len(after)
    assert (len(sent), engine.dial.is_clear) == (count, True)
    left = await balances(till.services, till.tenant)
    assert left[f"payout_in_transit:{till.rail.rail.name}"] == 0
    assert left["organizer_available"] == count * 1_000 - SHARES.organizer.minor_units
    await till.require_closed_books()


@pytest.mark.parametrize("till", [MTN, AIRTEL], indirect=True, ids=lambda rail: rail.name)
async def test_a_payout_of_another_amount_than_was_sent_is_posted_by_nobody(till: Till) -> None:
    treasury = await _a_treasury(till)
    flow, engine = payouts_on(till.services, till.rail), till.rail.engine
    for operation, fault in _MISTOLD:
        payout_id = await treasury.approved(1_000)
        await flow.submit(payout_id)
        await engine.settle(await treasury.reference(payout_id), MovementState.SUCCEEDED)
        till.clock.advance(_TWO_MINUTES_MS)
        engine.dial.clear()
        till.turn(operation, fault)
        assert (await flow.refresh(payout_id)).state is not PayoutState.SUCCEEDED
        engine.dial.clear()
        assert (await flow.refresh(payout_id)).state is PayoutState.SUCCEEDED
    left = await balances(till.services, till.tenant)
    assert (left[f"payout_in_transit:{till.rail.rail.name}"], sum(left.values())) == (0, 0)
    await till.require_closed_books()


@pytest.mark.parametrize("till", [PESAPAL], indirect=True, ids=["pesapal"])
async def test_what_nobody_paid_takes_no_money_whatever_is_lost_on_the_way(till: Till) -> None:
    """An order is withdrawn once: after a lost answer nothing tells it from one that is open, and
    it is asked about further.
    """
    states = {}
    for operation, fault in _WITHDRAWN:
        provider = till.rail.collector.provider
        payment = await an_intent(till.services, till.tenant, till.event_id, provider)
        await till.flow.submit(payment.id)
        till.turn(operation, fault)
        await till.let_time_go_by()
        for _ in range(2):
            states[fault] = (await till.flow.refresh(payment.id)).state
    assert till.rail.engine.dial.is_clear
    assert {states[fault] for fault in OF_THE_DOOR} == {S.EXPIRED}
    assert set(states.values()) == {S.EXPIRED, S.PENDING}
    assert (await balances(till.services, till.tenant), till.holds()) == ({}, 0)
    await till.require_closed_books()


@pytest.mark.parametrize("till", [FLUTTERWAVE], indirect=True, ids=["flutterwave"])
async def test_what_is_not_said_of_disputes_changes_nothing(till: Till) -> None:
    payment = await till.pay()
    for operation, fault in _DISPUTED:
        till.turn(operation, fault)
        assert (await till.flow.refresh(payment.id)).state is S.SUCCEEDED
    assert till.rail.engine.dial.is_clear
    await till.require_closed_books()


@pytest.mark.parametrize("till", [FLUTTERWAVE], indirect=True, ids=["flutterwave"])
async def test_credentials_of_which_nothing_is_said_are_not_called_good(till: Till) -> None:
    checked = cast("CredentialCheck", till.rail.collector)
    for operation, fault in _CHECKED:
        till.turn(operation, fault)
        assert not isinstance(await checked.check_credentials(), Accepted)
    assert till.rail.engine.dial.is_clear
    assert isinstance(await checked.check_credentials(), Accepted)


def test_every_position_of_the_dial_is_turned() -> None:
    befalling = set(Operation) - {Operation.CALLBACK}
    wanted = {
        *product(befalling, OF_ANSWERS),
        *product({Operation.CALLBACK}, OF_CALLBACKS),
        *product({Operation.READ}, OF_READINGS),
    }
    turned = {*_COMING, *_GOING_BACK, *_LEAVING, *_WITHDRAWN, *_DISPUTED, *_CHECKED, *_MISTOLD}
    assert turned == wanted


async def _a_treasury(till: Till) -> Treasury:
    """With a destination on this rail, and money that came over it."""
    services, place = till.services, till.rail.rail.destination
    checker = await make_member(services, till.tenant, *Capability)
    await till.pay()
    await post(services, till.tenant, postings.release(till.event_id, 1, SHARES.organizer))
    wanted = {
        "label": "Ours",
        "rail": till.rail.rail.name,
        "currency": "UGX",
        "holder": HOLDER,
        "account": place.account.replace(" ", ""),
        "bank": place.bank,
    }
    destination = await a_destination(services, till.tenant, checker, **wanted)
    return Treasury(services, till.tenant, checker, destination)
