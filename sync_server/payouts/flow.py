"""Payouts from approval to money, over any rail.

Each step is two short transactions with the rail's call between them. What is asked of a rail is
committed before it is asked, so whoever is killed in between finds it `unknown`; only a status read
says that money went, or that it never will.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
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
from sync_server.payments.ports import (
    DisbursementRequest,
    Disburser,
    Hint,
    Refused,
    reading_of_answer,
)
from sync_server.payments.providers.exchanges import gathered
from sync_server.payments.rules import Finding, Provider, Reading, poll_after
from sync_server.payouts import repository, sealing
from sync_server.payouts.attempts import Attempt, attempt_row
from sync_server.payouts.errors import PayoutNotFoundError, RailNotOfferedError
from sync_server.payouts.models import Payout
from sync_server.payouts.rules import (
    OPEN,
    SETTLES_WITHIN,
    TELLS_NAMES,
    PayoutState,
    check_name,
    contradiction,
    may_be_sent_again,
    next_state,
    stops,
)
from sync_server.payouts.views import PayoutFacts, expected_of, facts_of

DUE_AT_ONCE: Final = 50
NAME_ASKED_AGAIN_AFTER: Final = timedelta(minutes=1)
STUCK: Final = "payout.stuck"
_SUBMISSION: Final = "submission"
_REASON_CHARACTERS_MAX: Final = 200
_TOLD: Final = frozenset(
    {PayoutState.STOPPED, PayoutState.SUCCEEDED, PayoutState.FAILED, PayoutState.RETURNED}
)
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A payout with what its rail is told of it."""

    payout: Payout
    request: DisbursementRequest

    @property
    def facts(self) -> PayoutFacts:
        return facts_of(self.payout)


@dataclass(frozen=True, slots=True)
class PayoutFlow:
    """The rails that money leaves by."""

    services: Services
    disbursers: Mapping[Provider, Disburser]
    callback_base: str = ""

    def disburser(self, rail: Provider) -> Disburser:
        """Give a rail, else raise RailNotOfferedError."""
        found = self.disbursers.get(rail)
        if found is None:
            raise RailNotOfferedError
        return found

    async def submit(self, payout_id: UUID) -> PayoutFacts:
        """Pay what was approved, once, to whom the rail names as it was written down."""
        asked = await self._asked(payout_id)
        if asked.facts.state is not PayoutState.APPROVED:
            return asked.facts
        facts = await self._check_name(asked)
        return facts or await self._send(asked, PayoutState.APPROVED)

    async def send(self, payout_id: UUID) -> None:
        """Pay what was approved, or say aloud why that cannot be."""
        await self._or_complain(payout_id, self.submit(payout_id))

    async def let_go(self, payout_id: UUID) -> None:
        """Somebody refused it: nothing is stuck any more."""
        async with self.services.database.transaction(WORKER) as session:
            await clear_alarm(session, self.services, STUCK, str(payout_id))

    async def refresh(self, payout_id: UUID, source: str = "poll") -> PayoutFacts:
        """Ask the rail what became of a payout that was sent, and do what follows from it."""
        asked = await self._asked(payout_id)
        payout = asked.payout
        if payout.sent_at is None:
            return asked.facts
        attempt = Attempt.begin(self.services, source)
        with gathered() as exchanges:
            reading = await self.disburser(asked.facts.rail).read_disbursement(asked.request)
        facts = await self._record(asked, reading, attempt.ended(self.services, exchanges))
        again = may_be_sent_again(reading, payout.sent_at, payout.attempts, self._now())
        if again and facts.state is PayoutState.UNKNOWN:
            return await self._send(asked, PayoutState.UNKNOWN)
        return facts

    async def work_due(self) -> int:
        """Send or ask about every payout whose time has come; any number of processes may."""
        async with self.services.database.transaction(WORKER) as session:
            ids = await repository.take_due(session, self._now(), DUE_AT_ONCE, SETTLES_WITHIN)
        for payout_id in ids:
            await self._or_complain(payout_id, self._work(payout_id))
        return len(ids)

    async def hear(self, rail: Provider, hint: Hint) -> bool:
        """Take a callback for what it is, a hint, and say whether it is about a payout."""
        payout_id = await self._named_by(rail, hint)
        if payout_id is None:
            return False
        await self._or_complain(payout_id, self._work(payout_id, "callback"))
        return True

    async def _work(self, payout_id: UUID, source: str = "poll") -> PayoutFacts:
        facts = await self.refresh(payout_id, source)
        return await self.submit(payout_id) if facts.state is PayoutState.APPROVED else facts

    async def _or_complain(self, payout_id: UUID, working: Awaitable[PayoutFacts]) -> None:
        """One payout that cannot be worked on stops no other."""
        try:
            await working
        except (RailNotOfferedError, SealBrokenError) as error:
            cause = type(error).__name__
            _LOG.error("payout.stuck", payout_id=str(payout_id), cause=cause)
            async with self.services.database.transaction(WORKER) as session:
                payout = await _locked(session, payout_id)
                # Who refused it meanwhile has the money back.
                if payout.state != PayoutState.REFUSED:
                    await self._complain(session, payout_id, cause)

    async def _check_name(self, asked: _Asked) -> PayoutFacts | None:
        """Ask whose account it is; None where nothing stands in the way of paying."""
        attempt = Attempt.begin(self.services, "name_check")
        destination = asked.request.destination
        disburser = self.disburser(asked.facts.rail)
        with gathered() as exchanges:
            told = await disburser.check_holder(destination, asked.request.amount.currency)
        check = check_name(destination.holder, told)
        ended = attempt.ended(self.services, exchanges)
        async with self.services.database.transaction(WORKER) as session:
            payout = await _locked(session, asked.payout.id)
            if PayoutState(payout.state) is not PayoutState.APPROVED:
                return facts_of(payout)
            await repository.add(session, attempt_row(self.services, payout, ended, check))
            if told is None and Provider(payout.rail) in TELLS_NAMES:
                later = self._now() + NAME_ASKED_AGAIN_AFTER
                await repository.change(session, payout, next_read_at=later)
                return facts_of(payout)
            name = None if told is None else told.name
            await repository.keep_name_check(
                session,
                payout.organizer_id,
                payout.destination_id,
                name_check=check,
                name_checked_at=self._now(),
                sealed_told_name=sealing.seal_told_name(self.services, name, payout.destination_id),
            )
            if not stops(check, accepts_name=payout.accepts_name):
                return None
            stopped = Reading(Finding.UNKNOWN, reason=f"holder {check}")
            await self._move(session, payout, PayoutState.STOPPED, stopped)
            return facts_of(payout)

    async def _send(self, asked: _Asked, state: PayoutState) -> PayoutFacts:
        """Send what is still as it was read: of two who want to, one does."""
        async with self.services.database.transaction(WORKER) as session:
            payout = await _locked(session, asked.payout.id)
            if (payout.state, payout.attempts) != (state, asked.payout.attempts):
                return facts_of(payout)
            if await repository.is_withdrawn(session, payout.organizer_id, payout.destination_id):
                # The rail has nothing of it yet.
                ends = PayoutState.STOPPED if state is PayoutState.APPROVED else PayoutState.FAILED
                withdrawn = Reading(Finding.NOT_FOUND, reason="destination withdrawn")
                await self._move(session, payout, ends, withdrawn)
                return facts_of(payout)
            now = self._now()
            # Committed before the call: whoever dies now leaves a payout that is asked about.
            await repository.change(
                session,
                payout,
                state=PayoutState.UNKNOWN,
                attempts=payout.attempts + 1,
                sent_at=now,
                state_changed_at=now,
                next_read_at=now + SETTLES_WITHIN,
            )
        asked = replace(asked, payout=payout)
        attempt = Attempt.begin(self.services, _SUBMISSION)
        with gathered() as exchanges:
            answer = await self.disburser(asked.facts.rail).disburse(asked.request)
        ended = attempt.ended(self.services, exchanges)
        if isinstance(answer, Refused) and payout.attempts > 1:
            return await self._ask_after_refusal(asked, answer, ended)
        return await self._record(asked, reading_of_answer(answer), ended)

    async def _ask_after_refusal(
        self, asked: _Asked, refused: Refused, attempt: Attempt
    ) -> PayoutFacts:
        """The first may have arrived: a refusal of the second is no word on it."""
        silence = Reading(Finding.UNKNOWN, reason=refused.code)
        await self._record(asked, silence, attempt)
        asking = Attempt.begin(self.services, "poll")
        with gathered() as exchanges:
            reading = await self.disburser(asked.facts.rail).read_disbursement(asked.request)
        if reading.finding is Finding.NOT_FOUND:
            reading = Reading(Finding.FAILED, reason=refused.code)
        return await self._record(asked, reading, asking.ended(self.services, exchanges))

    async def _record(self, asked: _Asked, reading: Reading, attempt: Attempt) -> PayoutFacts:
        """All that follows from a reading, in one transaction: attempt, state, postings (by the
        table's own trigger), alarm and news.
        """
        async with self.services.database.transaction(WORKER) as session:
            payout = await _locked(session, asked.payout.id)
            before = PayoutState(payout.state)
            row = attempt_row(self.services, payout, attempt, reading.finding, reading.reason)
            await repository.add(session, row)
            wrong = contradiction(before, reading, expected_of(payout))
            if wrong is not None:
                await self._complain(session, payout.id, wrong)
            # An answer that comes after the status was read has nothing to say any more.
            is_late = attempt.kind == _SUBMISSION and before not in OPEN
            after = before if is_late else next_state(before, reading, expected_of(payout))
            # Nor is a fee or a name believed of who says what cannot be.
            believed = reading if wrong is None else Reading(Finding.UNKNOWN, reason=reading.reason)
            await self._move(session, payout, after, believed)
            return facts_of(payout)

    async def _move(
        self, session: AsyncSession, payout: Payout, after: PayoutState, reading: Reading
    ) -> None:
        now, before, reason = self._now(), PayoutState(payout.state), reading.reason
        next_read_at = _next_read(payout, after, now)
        if after in OPEN and next_read_at is None:
            await self._complain(session, payout.id, "nobody says what became of it")
        elif after not in OPEN and before in OPEN:
            await clear_alarm(session, self.services, STUCK, str(payout.id))
        await repository.change(
            session,
            payout,
            state=after,
            reason=reason[:_REASON_CHARACTERS_MAX] if reason else payout.reason,
            provider_reference=reading.provider_reference or payout.provider_reference,
            rail_fee=_fee_of(reading, payout) or payout.rail_fee,
            state_changed_at=now if after is not before else payout.state_changed_at,
            next_read_at=next_read_at,
        )
        if after is not before and after in _TOLD:
            ids = {"payout_id": str(payout.id)}
            await publish(session, Message(f"payout.{after}", payout.organizer_id, payload=ids))

    async def _complain(self, session: AsyncSession, payout_id: UUID, cause: str) -> None:
        await raise_alarm(session, self.services, Alarm(STUCK, str(payout_id), {"cause": cause}))

    async def _asked(self, payout_id: UUID) -> _Asked:
        async with self.services.database.reading(WORKER) as session:
            payout = await repository.find_payout(session, payout_id)
            if payout is None:
                raise PayoutNotFoundError
            place = (payout.organizer_id, payout.destination_id)
            destination = await repository.open_destination(session, *place)
        if destination is None:
            raise PayoutNotFoundError
        sealed, row_id = destination.sealed_account, destination.id
        request = DisbursementRequest(
            reference=str(payout.reference),
            payout_number=payout.number,
            amount=Money(payout.amount, payout.currency),
            destination=sealing.open_account(self.services, sealed, row_id),
            description=f"Payout {payout.number}",
            # Some rails call one address for everything: payments and payouts share it.
            callback_url=f"{self.callback_base}/api/public/payments/{payout.rail}",
        )
        return _Asked(payout, request)

    async def _named_by(self, rail: Provider, hint: Hint) -> UUID | None:
        async with self.services.database.reading(WORKER) as session:
            found: Payout | None = None
            reference = hint.our_reference
            if reference is not None:
                found = await repository.find_by_reference(session, reference)
            theirs = hint.their_reference
            if found is None and theirs is not None:
                found = await repository.find_by_provider_reference(session, rail, theirs)
        return None if found is None or found.rail != rail else found.id

    def _now(self) -> datetime:
        return instant(self.services.clock.now_ms())


def _next_read(payout: Payout, state: PayoutState, now: datetime) -> datetime | None:
    if state not in OPEN:
        return None
    sent_at = payout.sent_at or now
    wait = poll_after(now - sent_at)
    if wait is None:
        return None
    # What the rail may not know yet is not asked: a "not found" would count for nothing.
    earliest = sent_at + SETTLES_WITHIN if state is PayoutState.UNKNOWN else now
    return max(now + wait, earliest)


async def _locked(session: AsyncSession, payout_id: UUID) -> Payout:
    payout = await repository.find_payout(session, payout_id, for_change=True)
    if payout is None:
        raise PayoutNotFoundError
    return payout


def _fee_of(reading: Reading, payout: Payout) -> int:
    fee = reading.fee
    return fee.minor_units if fee is not None and fee.currency == payout.currency else 0
