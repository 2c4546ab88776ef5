"""Payments from intent to money, over any rail.

Each step is two short transactions with the provider's call between them. What is asked of a
provider is committed before it is asked, so whoever is killed in between finds it `unknown`; and
only a status read, never a callback, says that money came.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import Clock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.keys import SealBrokenError
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.payments import repository
from sync_server.payments.disputes import tell_of_dispute
from sync_server.payments.doubts import tell_of_doubts
from sync_server.payments.errors import PaymentNotFoundError, ProviderNotOfferedError
from sync_server.payments.models import Payment
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Collector,
    Hint,
    Notice,
    Withdrawing,
    reading_of_answer,
)
from sync_server.payments.readings import Told, kept, step
from sync_server.payments.refund_flow import RefundFlow
from sync_server.payments.requests import collection_request
from sync_server.payments.rules import (
    CAPTURED,
    OPEN,
    Finding,
    PaymentState,
    Provider,
    Reading,
    may_be_sent_again,
)
from sync_server.payments.service import NewPayment, new_row
from sync_server.payments.stuck import tell_when_stuck
from sync_server.payments.views import PaymentFacts, facts_of

DUE_AT_ONCE: Final = 50
ASKED_AT_ONCE: Final = 5
"""A provider that is slow to answer about one payment holds the others up no longer than that."""
ASKED_AGAIN_AFTER: Final = timedelta(minutes=2)
"""Whoever took a payment to ask about it and was killed leaves it for that long."""
PUT_OFF_MAX: Final = timedelta(days=1)
"""What a bank takes back waits so long for the end of a refund that nothing is said of."""
_UNPAID: Final = frozenset({Finding.PENDING, Finding.UNKNOWN})
_UNPAID_SO_FAR: Final = _UNPAID | {Finding.FAILED}
"""A page may be open, also after a try that failed."""
_TAKEN_BACK: Final = frozenset({Finding.DISPUTED, Finding.REVERSED})
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_LOG: Final = structlog.get_logger(__name__)


class PaymentListener(Protocol):
    """What must happen in the transaction that changes a payment: tickets are issued with the
    capture, or not at all.
    """

    async def captured(self, session: AsyncSession, payment: PaymentFacts) -> Sequence[Message]:
        """Money came: for an order that waits, or for one that waits no more. Gives what is to be
        told beside that.
        """

    async def gave_up(self, session: AsyncSession, payment: PaymentFacts) -> None:
        """It failed or expired."""

    async def taken_back(self, session: AsyncSession, payment: PaymentFacts) -> None:
        """A provider or a bank took the money back."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A payment that is written down as sent, and what its provider is to be told."""

    payment: Payment = field(repr=False)
    request: CollectionRequest = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaymentFlow:
    """The rails that are offered, who listens, and what is given back of the money."""

    services: Services
    collectors: Mapping[Provider, Collector]
    listener: PaymentListener
    refunds: RefundFlow
    callback_base: str = field(default="")

    def collector(self, provider: Provider) -> Collector:
        """Give a rail, else raise ProviderNotOfferedError."""
        found = self.collectors.get(provider)
        if found is None:
            raise ProviderNotOfferedError
        return found

    async def begin(self, session: AsyncSession, wanted: NewPayment) -> Begun:
        """Write an intent down as sent, in its order's transaction; `send` it once that has
        committed. Whoever dies in between leaves a payment that is asked about.
        """
        self.collector(wanted.provider)
        row = new_row(self.services, wanted)
        row.state = PaymentState.UNKNOWN
        row.attempts = 1
        row.next_read_at = row.created_at + ASKED_AGAIN_AFTER
        request = collection_request(self.services, row, self.callback_base)
        await repository.add(session, row)
        return Begun(row, request)

    async def send(self, begun: Begun) -> PaymentFacts:
        """Ask the provider for the money of a payment that was begun."""
        started = self.services.clock.monotonic_ns()
        collector = self.collector(Provider(begun.payment.provider))
        answer = await collector.collect(begun.request)
        return await self._record_answer(
            begun.payment, answer, _since(self.services.clock, started)
        )

    async def submit(self, payment_id: UUID) -> PaymentFacts:
        """Ask the provider for the money, of a payment that was never sent or may be sent again."""
        async with self.services.database.transaction(WORKER) as session:
            payment = await _locked(session, payment_id)
            if PaymentState(payment.state) not in {PaymentState.CREATED, PaymentState.UNKNOWN}:
                return facts_of(payment)
            # Committed before the call: whoever dies now leaves a payment that is asked about.
            await self._set_unknown(session, payment)
        collector = self.collector(Provider(payment.provider))
        request = collection_request(self.services, payment, self.callback_base)
        started = self.services.clock.monotonic_ns()
        answer = await collector.collect(request)
        return await self._record_answer(payment, answer, _since(self.services.clock, started))

    async def refresh(self, payment_id: UUID, source: str = "poll") -> PaymentFacts:
        """Ask the provider what became of a payment, and do what follows from it."""
        async with self.services.database.reading(WORKER) as session:
            payment = await repository.find_payment(session, payment_id)
        if payment is None:
            raise PaymentNotFoundError
        return await self._ask(payment, source)

    async def _ask(self, payment: Payment, source: str) -> PaymentFacts:
        collector = self.collector(Provider(payment.provider))
        started = self.services.clock.monotonic_ns()
        reading = await self._read(collector, payment)
        took = _since(self.services.clock, started)
        # What a bank takes back is what was not given back before.
        is_taken = reading.finding in _TAKEN_BACK
        if is_taken and not await self.refunds.look_at(payment, source):
            put_off = await self._put_off(payment.id, Told(reading, source, took))
            if put_off is not None:
                return put_off
        if PaymentState(payment.state) not in OPEN or not may_be_sent_again(reading):
            return await self._record(payment, Told(reading, source, took))
        if payment.expires_at <= self._now():
            never = Reading(Finding.EXPIRED, reason="the provider never saw it")
            return await self._record(payment, Told(never, source, took))
        facts = await self._record(payment, Told(reading, source, took))
        waits = facts.state in {PaymentState.CREATED, PaymentState.UNKNOWN}
        return await self.submit(facts.id) if waits else facts

    async def _read(self, collector: Collector, payment: Payment) -> Reading:
        """Ask about a payment. What nobody paid in time is withdrawn where the rail leaves it open,
        and read once more: a payer may have been quicker.
        """
        asked = CollectionReference(
            str(payment.reference), payment.provider_reference, payment.currency
        )
        reading = await collector.read_collection(asked)
        is_over = payment.expires_at <= self._now() and PaymentState(payment.state) in OPEN
        if (
            not is_over
            or reading.finding not in _UNPAID_SO_FAR
            or not isinstance(collector, Withdrawing)
        ):
            return reading
        if not isinstance(await collector.withdraw(asked), Accepted):
            return reading
        again = await collector.read_collection(asked)
        if again.finding not in _UNPAID:
            return again
        return Reading(Finding.EXPIRED, reason="withdrawn: nobody paid in time")

    async def refresh_due(self) -> int:
        """Ask about every payment whose time has come, the open ones first, since somebody waits;
        any number of processes may do so.
        """
        now, asked = self._now(), set(self.collectors)
        async with self.services.database.transaction(WORKER) as session:
            due = repository.Due(now, DUE_AT_ONCE, ASKED_AGAIN_AFTER)
            ids = await repository.take_due_payments(session, due, asked)
        at_once = asyncio.Semaphore(ASKED_AT_ONCE)

        async def ask(payment_id: UUID) -> None:
            async with at_once:
                await self._or_complain(payment_id, self.refresh(payment_id))

        await asyncio.gather(*map(ask, ids))
        return len(ids)

    async def hear(self, provider: Provider, notice: Notice) -> Hint | None:
        """Take a callback for what it is, a hint: the provider is asked by our own reference."""
        hint = self.collector(provider).read_notice(notice)
        if hint is not None:
            await self.follow(provider, hint)
        return hint

    async def follow(self, provider: Provider, hint: Hint) -> None:
        """Ask about the refund or the payment that a hint names, wherever the hint came from; some
        providers name of a refund nothing but the payment.
        """
        if hint.is_authentic is False:
            _LOG.warning("payment.callback_unproved", provider=provider)
        if await self.refunds.hear(provider, hint):
            return
        payment = await self._named_by(provider, hint)
        if payment is None:
            _LOG.warning("payment.callback_of_nobody", provider=provider)
        else:
            await self._or_complain(payment.id, self._ask(payment, "callback"))
            await self.refunds.look_at(payment, "callback")

    async def _or_complain(self, payment_id: UUID, asking: Awaitable[PaymentFacts]) -> None:
        """One payment that cannot be asked about stops no other."""
        try:
            await asking
        except (ProviderNotOfferedError, SealBrokenError) as error:
            _LOG.error("payment.stuck", payment_id=str(payment_id), cause=type(error).__name__)

    async def _named_by(self, provider: Provider, hint: Hint) -> Payment | None:
        async with self.services.database.reading(WORKER) as session:
            found: Payment | None = None
            reference = hint.our_reference
            if reference is not None:
                found = await repository.find_by_reference(session, reference)
            theirs = hint.their_reference
            if found is None and theirs is not None:
                found = await repository.find_by_provider_reference(session, provider, theirs)
        return None if found is None or found.provider != provider else found

    async def _set_unknown(self, session: AsyncSession, payment: Payment) -> None:
        now = self._now()
        await repository.change(
            session,
            payment,
            state=PaymentState.UNKNOWN,
            attempts=payment.attempts + 1,
            state_changed_at=now,
            next_read_at=now + ASKED_AGAIN_AFTER,
        )

    async def _record_answer(
        self, payment: Payment, answer: Answer, milliseconds: int
    ) -> PaymentFacts:
        page = answer.redirect_url if isinstance(answer, Accepted) else None
        told = Told(reading_of_answer(answer), "submission", milliseconds, page)
        return await self._record(payment, told)

    async def _record(self, seen: Payment, told: Told) -> PaymentFacts:
        """All that follows from a reading, in one transaction: state, postings (by the table's own
        trigger), tickets (by the listener), and the news.

        `seen` is the payment as it was asked about: most often nobody changed it meanwhile, and
        then the write itself is the lock.
        """
        now, payment = self._now(), seen
        async with self.services.database.transaction(WORKER) as session:
            made = step(payment, told, now, was_refunded=False)
            noted = kept(payment, told, self.services.new_id(), now)
            if not told.may_follow_unlocked(payment) or not await repository.change_as_seen(
                session, payment, noted, made.values
            ):
                payment = await _locked(session, seen.id)
                may_be_refund = told.reading.may_be_refund
                refunded = may_be_refund and await repository.is_refunded(session, payment)
                made = step(payment, told, now, was_refunded=refunded)
                await repository.change(session, payment, noted, **made.values)
            facts = facts_of(payment)
            await tell_when_stuck(
                session,
                self.services,
                facts,
                was_stuck=made.was_stuck,
                is_stuck=made.is_stuck,
            )
            await tell_of_doubts(session, self.services, made.before, payment, told.reading)
            if made.after is not made.before:
                await self._tell(session, made.before, facts)
            return facts

    async def _put_off(self, payment_id: UUID, told: Told) -> PaymentFacts | None:
        """Note that money was taken back, and ask again: how much it was shows when it is known
        what became of a refund. None where that was waited for long enough.
        """
        now = self._now()
        async with self.services.database.transaction(WORKER) as session:
            payment = await _locked(session, payment_id)
            heard_at = await repository.first_heard_at(session, payment, _TAKEN_BACK)
            if heard_at is not None and now - heard_at >= PUT_OFF_MAX:
                return None
            noted = kept(payment, told, self.services.new_id(), now)
            again = now + ASKED_AGAIN_AFTER
            await repository.change(session, payment, noted, next_read_at=again)
            return facts_of(payment)

    async def _tell(
        self, session: AsyncSession, before: PaymentState, payment: PaymentFacts
    ) -> None:
        after = payment.state
        await tell_of_dispute(session, self.services, before, payment)
        news: Sequence[Message] = ()
        if after in CAPTURED and before not in CAPTURED:
            news = await self.listener.captured(session, payment)
        elif after in {PaymentState.FAILED, PaymentState.EXPIRED}:
            await self.listener.gave_up(session, payment)
        elif after is PaymentState.REVERSED:
            await self.listener.taken_back(session, payment)
        if after not in OPEN:
            ids = {"payment_id": str(payment.id), "order_id": str(payment.order_id)}
            told = Message(f"payment.{after}", payment.organizer_id, payload=ids)
            await publish(session, *news, told)

    def _now(self) -> datetime:
        return instant(self.services.clock.now_ms())


async def _locked(session: AsyncSession, payment_id: UUID) -> Payment:
    payment = await repository.find_payment(session, payment_id, for_change=True)
    if payment is None:
        raise PaymentNotFoundError
    return payment


def _since(clock: Clock, started_ns: int) -> int:
    return (clock.monotonic_ns() - started_ns) // _NANOSECONDS_PER_MILLISECOND


def offered(collectors: Mapping[Provider, Collector]) -> Sequence[Provider]:
    """The ways to pay, in the order they are shown."""
    return [provider for provider in Provider if provider in collectors]
