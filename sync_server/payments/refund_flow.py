"""Refunds from request to money, as payments are: written down before the provider is asked, and
believed when it is read.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.keys import SealBrokenError
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.payments import repository
from sync_server.payments.errors import (
    ProviderNotOfferedError,
    RefundNotFoundError,
)
from sync_server.payments.models import Payment, RefundAccount, StoredRefund
from sync_server.payments.ports import (
    CollectionReference,
    Hint,
    RefundRequest,
    Refused,
    reading_of_answer,
)
from sync_server.payments.rails import PaymentRails
from sync_server.payments.refund_accounts import open_account
from sync_server.payments.rules import (
    REFUND_OPEN,
    Finding,
    Provider,
    Reading,
    RefundState,
    next_refund_state,
    poll_after,
    refund_may_be_sent_again,
)
from sync_server.payments.stuck import tell_when_stuck
from sync_server.payments.views import RefundFacts, refund_facts_of

DUE_AT_ONCE: Final = 50
ASKED_AGAIN_AFTER: Final = timedelta(minutes=2)
AMOUNT_DIFFERS: Final = "refund.amount_differs"
CAME_BACK: Final = "refund.came_back"
PAID_AFTER_FAILURE: Final = "refund.paid_after_failure"
_SENT: Final = REFUND_OPEN - {RefundState.REQUESTED}
_Said = TypeVar("_Said")
_NOTHING_SAID: Final = frozenset({Finding.NOT_FOUND, Finding.UNKNOWN})
_REFUSAL_CHARACTERS_MAX: Final = 200
_LOG: Final = structlog.get_logger(__name__)


class RefundListener(Protocol):
    """What must happen in the transaction in which a refund is over."""

    async def given_back(self, session: AsyncSession, refund: RefundFacts) -> None:
        """The buyer has the money."""

    async def not_given_back(self, session: AsyncSession, refund: RefundFacts) -> None:
        """The provider refused for good."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A refund, the payment it is of, and the account it goes to if one was named, as they stood
    when they were read.
    """

    refund: StoredRefund
    payment: Payment
    account: RefundAccount | None

    @property
    def amount(self) -> Money:
        return Money(self.refund.amount, self.payment.currency)

    def request(self, services: Services, callback_base: str) -> RefundRequest:
        """Say what the provider is asked, else raise SealBrokenError."""
        payment, account = self.payment, self.account
        return RefundRequest(
            reference=str(self.refund.reference),
            collection=CollectionReference(
                str(payment.reference), payment.provider_reference, payment.currency
            ),
            amount=self.amount,
            whole=Money(payment.amount, payment.currency),
            reason=self.refund.reason,
            callback_url=f"{callback_base}/api/public/payments/{payment.provider}",
            destination=None if account is None else open_account(services, account),
        )


@dataclass(frozen=True, slots=True)
class RefundFlow:
    """The rails that give money back, and who listens."""

    services: Services
    rails: PaymentRails
    listener: RefundListener
    callback_base: str = ""

    async def submit(self, refund_id: UUID) -> RefundFacts:
        """Ask the provider to give the money back, where that was not done."""
        return await self._send(refund_id, RefundState.REQUESTED, 0)

    async def _send(self, refund_id: UUID, state: RefundState, attempts: int) -> RefundFacts:
        """Send what is still as it was read: of two who want to, one does."""
        async with self.services.database.transaction(WORKER) as session:
            asked = await _locked(session, refund_id)
            if (asked.refund.state, asked.refund.attempts) != (state, attempts):
                return refund_facts_of(asked.refund, asked.payment)
            now = self._now()
            # Committed before the call: whoever dies now leaves a refund that is asked about.
            await repository.change(
                session,
                asked.refund,
                state=RefundState.UNKNOWN,
                attempts=asked.refund.attempts + 1,
                state_changed_at=now,
                next_read_at=now + ASKED_AGAIN_AFTER,
            )
        collector = self.rails.collector(Provider(asked.payment.provider))
        answer = await collector.refund(asked.request(self.services, self.callback_base))
        if isinstance(answer, Refused) and asked.refund.attempts > 1:
            reading = await self._read_after_refusal(asked, answer)
            return await self._record(refund_id, reading, "submission")
        return await self._record(refund_id, reading_of_answer(answer), "submission")

    async def _read_after_refusal(self, asked: _Asked, refused: Refused) -> Reading:
        """The first may have arrived: a refusal of the second is no word on it."""
        reading = await self._read(asked)
        if reading.finding is Finding.NOT_FOUND:
            return Reading(Finding.FAILED, reason=refused.code)
        return reading

    async def refresh(self, refund_id: UUID) -> RefundFacts:
        """Ask the provider what became of a refund, and do what follows from it."""
        async with self.services.database.reading(WORKER) as session:
            asked = await _found(session, refund_id, for_change=False)
        if RefundState(asked.refund.state) is RefundState.REQUESTED:
            return await self.submit(refund_id)
        reading = await self._read(asked)
        facts = await self._record(refund_id, reading, "poll")
        refund, provider = asked.refund, Provider(asked.payment.provider)
        sent_at = refund.state_changed_at
        again = refund_may_be_sent_again(provider, reading, sent_at, self._now())
        if again and facts.state is RefundState.UNKNOWN:
            return await self._send(refund_id, RefundState.UNKNOWN, refund.attempts)
        return facts

    async def _read(self, asked: _Asked) -> Reading:
        collector = self.rails.collector(Provider(asked.payment.provider))
        return await collector.read_refund(asked.request(self.services, self.callback_base))

    async def decide(self, session: AsyncSession, refund_id: UUID, word: Reading) -> RefundFacts:
        """Take a person's word for what no provider tells; a refund that is over stays as it is.
        Needs the worker's transaction, in which whoever decides is recorded.
        """
        return await self._follow(session, refund_id, word, "operator")

    async def refresh_due(self) -> int:
        """Ask about every open refund whose time has come; any number of processes may do so."""
        now = self._now()
        async with self.services.database.transaction(WORKER) as session:
            due = repository.Due(now, DUE_AT_ONCE, ASKED_AGAIN_AFTER)
            ids = await repository.take_due_refunds(session, due)
        for refund_id in ids:
            await self._or_complain(refund_id, self.refresh(refund_id))
        return len(ids)

    async def hear(self, provider: Provider, hint: Hint) -> bool:
        """Ask about the refund that a hint names by our reference, and say whether it is one."""
        if hint.our_reference is None:
            return False
        async with self.services.database.reading(WORKER) as session:
            refund = await repository.find_refund_by_reference(session, hint.our_reference)
            asked = None if refund is None else await _found(session, refund.id, for_change=False)
        if asked is None or asked.payment.provider != provider:
            return False
        await self._or_complain(asked.refund.id, self._look(asked, "callback"))
        return True

    async def look_at(self, payment: Payment, source: str) -> bool:
        """Ask about every refund of a payment that was sent and may still go either way, and say
        whether there was an answer about each.
        """
        async with self.services.database.reading(WORKER) as session:
            rows = await repository.refunds_of_payment(session, payment.organizer_id, payment.id)
            ids = [row.id for row in rows if row.state in _SENT]
            asked = [await _found(session, each, for_change=False) for each in ids]
        said = [await self._or_complain(each.refund.id, self._look(each, source)) for each in asked]
        return all(said)

    async def _look(self, asked: _Asked, source: str) -> bool:
        """Ask, and send nothing, now or sooner: a request may be on its way and not there yet. Says
        whether there was an answer.
        """
        reading = await self._read(asked)
        if reading.finding in _NOTHING_SAID:
            return False
        await self._record(asked.refund.id, reading, source)
        return True

    async def _or_complain(self, refund_id: UUID, asking: Awaitable[_Said]) -> _Said | None:
        """One refund that cannot be asked about stops no other."""
        try:
            return await asking
        except (ProviderNotOfferedError, SealBrokenError) as error:
            _LOG.error("refund.stuck", refund_id=str(refund_id), cause=type(error).__name__)
            return None

    async def _record(self, refund_id: UUID, reading: Reading, source: str) -> RefundFacts:
        async with self.services.database.transaction(WORKER) as session:
            return await self._follow(session, refund_id, reading, source)

    async def _follow(
        self, session: AsyncSession, refund_id: UUID, reading: Reading, source: str
    ) -> RefundFacts:
        """All that follows from a reading, in one transaction: state, postings (by the table's own
        trigger), tickets (by the listener), alarms, and the news.
        """
        asked = await _locked(session, refund_id)
        refund, payment, now = asked.refund, asked.payment, self._now()
        before = RefundState(refund.state)
        was_stuck = before in REFUND_OPEN and refund.next_read_at is None
        after = next_refund_state(before, reading, asked.amount)
        await self._tell_of_doubts(session, asked, reading, after)
        failed = after is RefundState.FAILED and before is not RefundState.FAILED
        if failed:
            left = payment.refunded_amount - refund.amount
            await repository.change(session, payment, refunded_amount=left)
        # What a bank says of money that came back is about another movement.
        is_told = before in REFUND_OPEN and reading.provider_reference is not None
        refusal = (reading.reason or "")[:_REFUSAL_CHARACTERS_MAX] if failed else refund.refusal
        await repository.change(
            session,
            refund,
            self._kept(asked, reading, source),
            state=after,
            refusal=refusal,
            provider_reference=(
                reading.provider_reference if is_told else refund.provider_reference
            ),
            state_changed_at=now if after is not before else refund.state_changed_at,
            next_read_at=_next_read(after, now, refund.requested_at),
        )
        facts = refund_facts_of(refund, payment)
        is_stuck = after in REFUND_OPEN and refund.next_read_at is None
        await tell_when_stuck(session, self.services, facts, was_stuck=was_stuck, is_stuck=is_stuck)
        if after is not before and after not in REFUND_OPEN:
            await self._tell(session, facts)
        return facts

    async def _tell_of_doubts(
        self, session: AsyncSession, asked: _Asked, reading: Reading, after: RefundState
    ) -> None:
        """What a provider says of a refund and nothing can follow from is a person's to look at."""
        before, subject = RefundState(asked.refund.state), str(asked.refund.id)
        if before is RefundState.SUCCEEDED and reading.finding is Finding.REVERSED:
            # Nothing follows on what was given back: a person books what came back.
            await raise_alarm(session, self.services, Alarm(CAME_BACK, subject))
        if before is RefundState.FAILED and reading.finding is Finding.SUCCEEDED:
            # The books have the money still, and another refund may have sent it as well.
            refund = asked.refund
            following = await repository.find_retry(session, refund.organizer_id, refund.id)
            about = _about_amounts(asked, reading)
            about["followed_by"] = None if following is None else str(following.id)
            await raise_alarm(session, self.services, Alarm(PAID_AFTER_FAILURE, subject, about))
        if after is RefundState.PENDING and reading.finding is Finding.SUCCEEDED:
            about = _about_amounts(asked, reading)
            await raise_alarm(session, self.services, Alarm(AMOUNT_DIFFERS, subject, about))
        elif before in REFUND_OPEN and after not in REFUND_OPEN:
            await clear_alarm(session, self.services, AMOUNT_DIFFERS, subject)

    async def _tell(self, session: AsyncSession, refund: RefundFacts) -> None:
        if refund.state is RefundState.SUCCEEDED:
            await self.listener.given_back(session, refund)
        else:
            await self.listener.not_given_back(session, refund)
        ids = {"refund_id": str(refund.id), "order_id": str(refund.order_id)}
        await publish(session, Message(f"refund.{refund.state}", refund.organizer_id, payload=ids))

    def _kept(self, asked: _Asked, reading: Reading, source: str) -> dict[str, Any]:
        amount = reading.amount
        return {
            "organizer_id": asked.refund.organizer_id,
            "payment_id": asked.payment.id,
            "id": self.services.new_id(),
            "refund_id": asked.refund.id,
            "source": source,
            "finding": reading.finding,
            "reason": reading.reason,
            "amount": amount.minor_units if amount else None,
            "currency": amount.currency if amount else None,
            "milliseconds": 0,
            "read_at": self._now(),
        }

    def _now(self) -> datetime:
        return instant(self.services.clock.now_ms())


async def _locked(session: AsyncSession, refund_id: UUID) -> _Asked:
    return await _found(session, refund_id, for_change=True)


async def _found(session: AsyncSession, refund_id: UUID, *, for_change: bool) -> _Asked:
    """The payment is locked first, as by whoever asks for a refund."""
    seen = await repository.find_refund(session, refund_id)
    if seen is None:
        raise RefundNotFoundError
    payment = await repository.find_payment(session, seen.payment_id, for_change=for_change)
    session.expunge(seen)
    refund = await repository.find_refund(session, refund_id, for_change=for_change)
    if payment is None or refund is None:
        raise RefundNotFoundError
    if refund.account_id is None:
        return _Asked(refund, payment, None)
    account = await repository.find_account(session, refund.organizer_id, refund.account_id)
    return _Asked(refund, payment, account)


def _about_amounts(asked: _Asked, reading: Reading) -> dict[str, Any]:
    """What was asked for, and what the provider says that it gave back."""
    told = reading.amount
    return {
        "order_id": str(asked.payment.order_id),
        "provider": asked.payment.provider,
        "currency": asked.amount.currency,
        "amount": asked.amount.minor_units,
        "told_currency": told.currency if told else None,
        "told_amount": told.minor_units if told else None,
    }


def _next_read(state: RefundState, now: datetime, asked_at: datetime) -> datetime | None:
    if state not in REFUND_OPEN:
        return None
    wait = poll_after(now - asked_at)
    return None if wait is None else now + wait
