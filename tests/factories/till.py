"""A buyer, an organizer, a rail, and what stands between them and the money: for turning the dial
of faults while money comes, goes back or leaves.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.organizers.rules import Capability
from sync_server.payments import repository as payments_repository
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.ports import Notice
from sync_server.payments.rails import PaymentRails
from sync_server.payments.refund_accounts import NewAccount, name_account
from sync_server.payments.refund_flow import RefundFlow
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.payments.rules import REFUND_OPEN, Finding, PaymentState, Reading, RefundState
from sync_server.payments.views import PaymentFacts, RefundFacts
from sync_server.payouts import repository as payouts_repository
from sync_server.payouts.flow import PayoutFlow
from sync_server.payouts.rules import PayoutState
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.sandboxes.engine import Fault, Movement, MovementState, Operation
from sync_server.sandboxes.pages import Choice
from tests.factories.bank import AttendedBank
from tests.factories.ledger import balances, post
from tests.factories.orders import an_order, place, put_on_sale
from tests.factories.payments import SHARES, Heard, an_intent, flow_on, reference_of
from tests.factories.payouts import HOLDER, Treasury, a_destination
from tests.factories.payouts import flow_on as payouts_on
from tests.factories.positions import Kind, Position, Way, rails_with, turned
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant, make_member

S = PaymentState
HOUR_MS, TWO_MINUTES_MS = 3_600_000, 120_000
WHOLE = SHARES.total.minor_units
PAID_OUT = 1_000
_COME_BACK = {MovementState.SUCCEEDED, MovementState.REVERSED}


@dataclass(slots=True)
class Till:
    """Callbacks are heard the moment they come, also while an answer is waited for."""

    services: Services
    tenant: Tenant
    event_id: EventId
    clock: SettableClock
    rail: RunningRail
    heard: Heard = field(default_factory=Heard)
    begun: list[UUID] = field(default_factory=list)
    positions: set[Position] = field(default_factory=set)
    """Those that were turned, and befell something."""
    _order_id: UUID | None = None

    def __post_init__(self) -> None:
        rails = PaymentRails({self.rail.collector.provider: self.rail.collector})
        self.services = replace(self.services, parts={PaymentRails: rails})
        self.rail.merchant.act = self.hear

    @property
    def flow(self) -> PaymentFlow:
        return flow_on(self.services, self.rail, self.heard)

    @property
    def refunds(self) -> RefundFlow:
        return self.flow.refunds

    @property
    def payouts(self) -> PayoutFlow:
        return payouts_on(self.services, self.rail)

    async def hear(self, notice: Notice) -> None:
        """As the server does: a provider has one address for all."""
        provider = self.rail.collector.provider
        hint = self.rail.collector.read_notice(notice)
        assert hint is not None, notice
        if self.rail.rail.disburses and await self.payouts.hear(provider, hint):
            return
        await self.flow.hear(provider, notice)

    def turn(self, position: Position, times: int = 1) -> None:
        """Where a token is to suffer, the one that is kept has ended."""
        operation, fault = position
        if operation is Operation.TOKEN:
            self.rail.clock.advance(HOUR_MS)
        self.rail.engine.dial.turn(operation, fault, times)

    def note(self, position: Position) -> None:
        """See that what was turned befell something, and that no callback was too much for us."""
        assert self.rail.engine.dial.is_clear, position
        assert set(self.rail.engine.courier.delivered) <= {HTTPStatus.OK}
        self.positions.add(position)

    def require_all_turned(self, way: Way, *kinds: Kind) -> None:
        wanted = [each for kind in kinds for each in turned(self.rail.rail, way, kind)]
        assert self.positions == set(wanted)

    async def pay(self) -> PaymentFacts:
        """As somebody does who does not give up: with a new payment where one came to nothing."""
        payment = await self._try()
        for _ in range(2):
            if payment.state is not S.SUCCEEDED:
                payment = await self._try()
        return payment

    async def intent(self) -> PaymentFacts:
        """A payment that is wanted; of an order where its money may have to go to an account."""
        provider = self.rail.collector.provider
        order_id = None if self.rail.rail.is_called else await self._order()
        intent = await an_intent(
            self.services, self.tenant, self.event_id, provider, order_id=order_id
        )
        self.begun.append(intent.id)
        return intent

    async def _order(self) -> UUID:
        """One order for all, whose buyer named an account."""
        if self._order_id is None:
            type_id = await put_on_sale(self.services, self.tenant, self.event_id)
            placed = await place(self.services, self.tenant, self.event_id, an_order(type_id))
            self._order_id = placed.id
            destination = replace(self.rail.rail.destination, account=self.rail.rail.account_digits)
            account = NewAccount(self.tenant.organizer_id, placed.id, destination)
            async with self.services.database.transaction(WORKER) as session:
                await name_account(session, self.services, account)
        return self._order_id

    async def at_the_page(self) -> PaymentFacts:
        """A payment that was just asked for: where the provider has a page, its buyer is there."""
        return await self.flow.submit((await self.intent()).id)

    async def press(self, payment: PaymentFacts, choice: Choice) -> None:
        """Choose on the provider's page, and let what was held be heard."""
        assert payment.redirect_url is not None
        await self.rail.press(payment.redirect_url, choice)
        await self.rail.engine.courier.release()

    async def _try(self) -> PaymentFacts:
        payment = await self.at_the_page()
        if payment.state is S.UNKNOWN:
            payment = await self.flow.refresh(payment.id)
        await self._say_yes(payment)
        await self.flow.refresh(payment.id)
        await self.release()
        return await self.flow.refresh(payment.id)

    async def _say_yes(self, payment: PaymentFacts) -> None:
        """On the provider's page, or where the buyer is asked."""
        reference = await reference_of(self.services, payment)
        waiting = self.rail.engine.movements.get(reference)
        if payment.redirect_url is not None:
            await self.rail.press(payment.redirect_url, Choice.PAY_BY_CARD)
        elif waiting is not None and not self.rail.rail.has_page:
            await self.settle(waiting)

    async def settle(
        self, movement: Movement, state: MovementState = MovementState.SUCCEEDED
    ) -> None:
        await self.rail.engine.settle(movement.reference, state)

    async def settle_untold(self, movement: Movement) -> None:
        """Have it done, with nobody told by a callback."""
        if self.rail.rail.is_called:
            self.turn((Operation.CALLBACK, Fault.CALLBACK_MISSING))
        await self.settle(movement)

    async def say_falsely(self, movement: Movement) -> None:
        """Have a stranger say that it is done before it is, where callbacks tell of what waits."""
        self.turn((Operation.CALLBACK, Fault.CALLBACK_FORGED))
        await self.settle(movement, MovementState.PENDING)

    async def finish(
        self, movement: Movement, fault: Fault, ask: Callable[[], Awaitable[object]]
    ) -> None:
        """Have it done where it was not done before its answer; whoever hears nothing asks."""
        if fault is not Fault.CALLBACK_EARLY:
            await self.settle(movement)
        await self.release()
        if fault is Fault.CALLBACK_MISSING or not self.rail.rail.is_called:
            await ask()

    async def release(self) -> None:
        """What was held comes; of a bank also the statement of the day."""
        await self.rail.engine.courier.release()
        if isinstance(self.rail.collector, AttendedBank):
            await self.rail.collector.receive_late()

    async def request_back(self, payment: PaymentFacts) -> UUID:
        async with self.services.database.transaction(WORKER) as session:
            wanted = NewRefund(self.tenant.organizer_id, payment.id, SHARES, "Event moved")
            return (await request_refund(session, self.services, wanted)).id

    async def ask_back(self, payment: PaymentFacts) -> tuple[UUID, Movement]:
        """A refund that was sent, as its provider keeps it."""
        known = set(self.rail.engine.movements)
        refund_id = await self.request_back(payment)
        await self.refunds.submit(refund_id)
        (asked,) = self.asked_since(known)
        return refund_id, asked

    async def give_back(self, payment: PaymentFacts) -> RefundFacts:
        """What the provider tells nothing of, a person decides, who looks into its portal."""
        known = set(self.rail.engine.movements)
        refund_id = await self.request_back(payment)
        await self.refunds.submit(refund_id)
        await self.refunds.refresh(refund_id)
        asked = self.asked_since(known)
        for movement in asked:
            if movement.state is MovementState.PENDING:
                await self.settle(movement)
        await self.release()
        found = await self.refunds.refresh(refund_id)
        if found.state not in REFUND_OPEN:
            return found
        seen = Reading(Finding.SUCCEEDED if asked else Finding.FAILED, reason="portal")
        async with self.services.database.transaction(WORKER) as session:
            return await self.refunds.decide(session, refund_id, seen)

    async def refund_state(self, refund_id: UUID) -> RefundState:
        """How it stands, without asking anybody."""
        async with self.services.database.reading(WORKER) as session:
            row = await payments_repository.find_refund(session, refund_id)
        assert row is not None
        return RefundState(row.state)

    async def payout_state(self, payout_id: UUID) -> PayoutState:
        """The same of a payout."""
        async with self.services.database.reading(WORKER) as session:
            row = await payouts_repository.find_payout(session, payout_id)
        assert row is not None
        return PayoutState(row.state)

    def asked_since(self, known: set[str]) -> Sequence[Movement]:
        """What the provider was asked to send, beside what it knew before."""
        asked = {Operation.REFUND, Operation.DISBURSE}
        return [
            movement
            for reference, movement in self.rail.engine.movements.items()
            if reference not in known and movement.operation in asked
        ]

    async def treasury(self) -> Treasury:
        """With a destination on this rail, and money that came over it."""
        services, rail = self.services, self.rail.rail
        checker = await make_member(services, self.tenant, *Capability)
        await self.pay()
        await post(services, self.tenant, postings.release(self.event_id, 1, SHARES.organizer))
        wanted = {
            "label": "Ours",
            "rail": rail.name,
            "currency": "UGX",
            "holder": HOLDER,
            "account": rail.account_digits,
            "bank": rail.destination.bank,
        }
        destination = await a_destination(services, self.tenant, checker, **wanted)
        return Treasury(services, self.tenant, checker, destination)

    async def pay_out(self, treasury: Treasury, payout_id: UUID) -> Movement:
        """A payout that was sent, as its rail keeps it."""
        await self.payouts.submit(payout_id)
        return self.rail.engine.movements[await treasury.reference(payout_id)]

    async def let_time_go_by(self) -> set[PaymentState]:
        """Everything that is open is over; say what became of all that was begun."""
        self.pass_time(HOUR_MS)
        return {(await self.flow.refresh(payment_id)).state for payment_id in self.begun}

    def pass_time(self, milliseconds: int) -> None:
        """On both sides."""
        self.clock.advance(milliseconds)
        self.rail.engine.offset_ms += milliseconds

    def holds(self) -> int:
        """What the provider has of buyers' money; some call what they gave back reversed."""
        done = Counter(
            movement.operation
            for movement in self.rail.engine.movements.values()
            if movement.state in _COME_BACK
        )
        gone = Operation.REFUND if self.rail.rail.is_called else Operation.DISBURSE
        return (done[Operation.COLLECT] - done[gone]) * WHOLE

    async def balance(self, account: str) -> int:
        """What the books say of an account of this rail."""
        left = await balances(self.services, self.tenant)
        return left.get(f"{account}:{self.rail.rail.name}", 0)

    async def require_closed_books(self) -> None:
        report = await reconciliation.run(self.services, reconciliation.RunSource.OPERATOR)
        ours = [item for item in report.items if item.books_of == self.tenant.organizer_id]
        assert drifts(ours) == []


def turning(way: Way, kind: Kind) -> pytest.MarkDecorator:
    """On every rail that has such positions for money that goes this way."""
    return on_rails(rails_with(way, kind))


def on_rails(rails: Sequence[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("till", rails, indirect=True, ids=lambda rail: rail.name)
