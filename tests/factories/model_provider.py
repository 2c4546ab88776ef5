"""A provider in memory that fits every port and knows the truth: what moved, whatever was said of
it, and what it holds for us.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Destination,
    DisbursementRequest,
    Hint,
    HolderName,
    Notice,
    RefundRequest,
    Refused,
    Unknown,
)
from sync_server.payments.rules import Finding, Provider, Reading

_WITH_PAGES: Final = frozenset({Provider.FLUTTERWAVE, Provider.PESAPAL})


class Mishap(StrEnum):
    """What befalls the next call that would move money. `arrives_late` answers nothing and is done
    once the network delivers; whoever is `killed` gets no further than the call.
    """

    NOTHING = "nothing"
    NEVER_ARRIVES = "never_arrives"
    ARRIVES_LATE = "arrives_late"
    ANSWER_IS_LOST = "answer_is_lost"
    IS_REFUSED = "is_refused"
    KILLED_BEFORE = "killed_before"
    KILLED_AFTER = "killed_after"


class Kind(StrEnum):
    COLLECTION = "collection"
    REFUND = "refund"
    DISBURSEMENT = "disbursement"


@dataclass(slots=True)
class Moved:
    """One movement; `amount` is what really moves, which a payer may change, and `taken_back` what
    a bank took of it again. `of` is the collection that a refund is of, or a payout's number.
    """

    reference: str
    kind: Kind
    amount: Money
    finding: Finding = Finding.PENDING
    of: str = ""
    taken_back: int = 0
    is_as_asked: bool = True

    @property
    def has_come(self) -> bool:
        return self.finding in {Finding.SUCCEEDED, Finding.DISPUTED, Finding.REVERSED}


@dataclass(slots=True)
class ModelProvider:
    """Keeps what it was sent and takes a reference once; each mishap befalls one call."""

    provider: Provider
    mishaps: deque[Mishap] = field(default_factory=deque)
    silences: int = 0
    """How many readings say nothing."""
    refund_silences: int = 0
    """How many readings of refunds say nothing, while all others do."""
    movements: dict[str, Moved] = field(default_factory=dict)
    under_way: list[Moved] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    """How often money left for an organizer, by the number of the payout."""

    async def collect(self, request: CollectionRequest) -> Answer:
        answer = await self._take(Moved(request.reference, Kind.COLLECTION, request.amount))
        has_page = self.provider in _WITH_PAGES and isinstance(answer, Accepted)
        page = f"https://pay.example.org/{request.reference}"
        return Accepted(redirect_url=page) if has_page else answer

    async def read_collection(self, reference: CollectionReference) -> Reading:
        return await self._read(reference.reference)

    async def refund(self, request: RefundRequest) -> Answer:
        of = request.collection.reference
        wanted = Moved(request.reference, Kind.REFUND, request.amount, of=of)
        if request.reference not in self.movements and not self._may_give_back(wanted):
            return Refused("NOTHING_LEFT")
        return await self._take(wanted)

    async def read_refund(self, request: RefundRequest) -> Reading:
        if self.refund_silences:
            self.refund_silences -= 1
            return Reading(Finding.UNKNOWN, reason="ReadTimeout")
        return await self._read(request.reference)

    async def disburse(self, request: DisbursementRequest) -> Answer:
        if request.reference in self.movements:
            return Refused("DUPLICATE")
        wanted = Moved(request.reference, Kind.DISBURSEMENT, request.amount)
        return await self._take(replace(wanted, of=request.payout_number))

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        return await self._read(request.reference)

    async def check_holder(self, destination: Destination, _currency: str) -> HolderName:
        return HolderName(destination.holder, is_active=True)

    async def read_balance(self, _currency: str) -> Money | None:
        return None

    def read_notice(self, notice: Notice) -> Hint | None:
        try:
            told: dict[str, Any] = json.loads(notice.body)
        except ValueError:
            return None
        return Hint(told["reference"], None, told["event"], is_authentic=None)

    def acknowledge(self, _hint: Hint) -> Mapping[str, object]:
        return {}

    def notice_of(self, reference: str, event: str = "CHANGED") -> Notice:
        """What this provider calls back with, and what anybody can forge."""
        return Notice("POST", {}, {}, json.dumps({"reference": reference, "event": event}).encode())

    async def _take(self, wanted: Moved) -> Answer:
        await asyncio.sleep(0)
        mishap = self.mishaps.popleft() if self.mishaps else Mishap.NOTHING
        match mishap:
            case Mishap.KILLED_BEFORE:
                raise asyncio.CancelledError
            case Mishap.NEVER_ARRIVES:
                return Unknown("ConnectTimeout")
            case Mishap.IS_REFUSED if wanted.reference not in self.movements:
                # What was refused is not done when it comes by another way.
                self.under_way = [each for each in self.under_way if each != wanted]
                return Refused("NOT_ALLOWED")
            case Mishap.ARRIVES_LATE if wanted.kind is not Kind.DISBURSEMENT:
                self.under_way.append(wanted)
                return Unknown("ReadTimeout")
        self._keep(wanted)
        if mishap is Mishap.KILLED_AFTER:
            raise asyncio.CancelledError
        return Unknown("ReadTimeout") if mishap is Mishap.ANSWER_IS_LOST else Accepted()

    async def _read(self, reference: str) -> Reading:
        await asyncio.sleep(0)
        if self.silences:
            self.silences -= 1
            return Reading(Finding.UNKNOWN, reason="ReadTimeout")
        found = self.movements.get(reference)
        if found is None:
            return Reading(Finding.NOT_FOUND)
        return Reading(found.finding, reference=reference, amount=found.amount)

    def _keep(self, wanted: Moved) -> None:
        if wanted.reference not in self.movements:
            self.movements[wanted.reference] = replace(wanted)
            self.sent.update([wanted.of] if wanted.kind is Kind.DISBURSEMENT else [])

    def deliver(self) -> None:
        """What the network kept arrives; what may not be done any more is not."""
        for wanted in self.under_way:
            if wanted.kind is not Kind.REFUND or self._may_give_back(wanted):
                self._keep(wanted)
        self.under_way.clear()

    def pay_otherwise(self, movement: Moved, amount: Money) -> None:
        """A payer gives something else than was asked for."""
        movement.amount, movement.is_as_asked = amount, False
        self.decide(movement, Finding.SUCCEEDED)

    def decide(self, movement: Moved, finding: Finding) -> None:
        """Settle what waits. A collection that failed may succeed late; money that came may be
        disputed or taken back with all that is left of it, and a dispute ends either way.
        """
        if movement.kind is Kind.COLLECTION and finding in {Finding.DISPUTED, Finding.REVERSED}:
            self._stop_refunds(movement)
            movement.taken_back = movement.amount.minor_units - self._given_back(movement)
        elif movement.finding is Finding.DISPUTED:
            movement.taken_back = 0
        movement.finding = finding

    def of_kind(self, kind: Kind, *findings: Finding) -> list[Moved]:
        return [
            movement
            for movement in self.movements.values()
            if movement.kind is kind and movement.finding in findings
        ]

    def holds(self) -> Counter[str]:
        """What buyers' money is here, by currency."""
        held: Counter[str] = Counter()
        for movement in self.movements.values():
            amount, currency = movement.amount.minor_units, movement.amount.currency
            if movement.kind is Kind.COLLECTION and movement.has_come:
                held[currency] += amount - movement.taken_back
            elif movement.kind is Kind.REFUND and movement.finding is Finding.SUCCEEDED:
                held[currency] -= amount
        return held

    def paid_out(self) -> int:
        gone = self.of_kind(Kind.DISBURSEMENT, Finding.SUCCEEDED)
        return sum(movement.amount.minor_units for movement in gone)

    def _may_give_back(self, wanted: Moved) -> bool:
        whole = self.movements.get(wanted.of)
        if whole is None or whole.finding is not Finding.SUCCEEDED:
            return False
        asked = sum(each.amount.minor_units for each in self._refunds_of(whole, Finding.PENDING))
        left = whole.amount.minor_units - self._given_back(whole) - asked
        return wanted.amount.minor_units <= left

    def _given_back(self, whole: Moved) -> int:
        return sum(each.amount.minor_units for each in self._refunds_of(whole, Finding.SUCCEEDED))

    def _refunds_of(self, whole: Moved, finding: Finding) -> list[Moved]:
        return [each for each in self.of_kind(Kind.REFUND, finding) if each.of == whole.reference]

    def _stop_refunds(self, whole: Moved) -> None:
        """Nothing more is given back of money that is taken back."""
        for each in self._refunds_of(whole, Finding.PENDING):
            each.finding = Finding.FAILED


CLOSED_ACCOUNT = "9999999999"
_NO_ACCOUNT, _ACCOUNT_CLOSED = "NO_ACCOUNT", "AC04"


@dataclass(slots=True)
class ModelBank(ModelProvider):
    """A bank, whose money goes back to an account that the buyer names."""

    async def refund(self, request: RefundRequest) -> Answer:
        if request.destination is None:
            return Refused(_NO_ACCOUNT)
        if request.destination.account == CLOSED_ACCOUNT:
            return Refused(_ACCOUNT_CLOSED)
        return await ModelProvider.refund(self, request)

    def account_fault(self, _destination: Destination) -> str | None:
        return None

    def wants_account(self, refusal: str) -> bool:
        return refusal in {_NO_ACCOUNT, _ACCOUNT_CLOSED}
