"""A bank as a rail: buyers transfer under a reference of ours, payouts and refunds go as files, and
statements say what came of each.

One file holds one transfer, so that what was accepted was handed over. A bank asks nobody and
calls nobody back: what its files have not said yet is pending.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final

from shared.clock import Clock
from shared.money import Money
from sync_server.kit.instants import instant
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
    TransferInstructions,
)
from sync_server.payments.providers.bank.books import StatementBook
from sync_server.payments.providers.bank.channels import BankChannel
from sync_server.payments.providers.bank.readings import (
    TransferNames,
    collection_reading,
    disbursement_reading,
)
from sync_server.payments.providers.bank.references import payment_reference, printed
from sync_server.payments.providers.bank.transfers import (
    BankAccount,
    TransferFile,
    build_transfer_file,
    clearing_of,
    destination_fault,
    end_to_end_id,
    payment_id,
)
from sync_server.payments.rules import Finding, Provider, Reading

REFUND_NEEDS_AN_ACCOUNT: Final = "REFUND_NEEDS_AN_ACCOUNT"
NO_ACCOUNT_IN_CURRENCY: Final = "NO_ACCOUNT_IN_CURRENCY"
_EAST_AFRICA: Final = timezone(timedelta(hours=3))
_SATURDAY: Final = 5
_DAYS_OF_WEEK: Final = 7
_NUMBER_DIGITS: Final = 20
ACCOUNT_FAULTS: Final = frozenset({"AC01", "AC03", "AC04", "AC06", "RC01"})
"""No such account, closed or blocked, or no such bank."""


@dataclass(frozen=True, slots=True)
class BankConfiguration:
    """Our account in each currency that is offered."""

    accounts: Mapping[str, BankAccount]


class Bank:
    """A Collector, by transfer, and a Disburser."""

    provider = Provider.BANK

    def __init__(
        self,
        configuration: BankConfiguration,
        channel: BankChannel,
        book: StatementBook,
        clock: Clock,
    ) -> None:
        self._accounts = configuration.accounts
        self._channel = channel
        self._book = book
        self._clock = clock

    async def check_credentials(self) -> Answer:
        """Say whether files can go to the bank and come from it."""
        return await self._channel.check()

    async def collect(self, request: CollectionRequest) -> Answer:
        """Give the reference that the buyer puts on the transfer."""
        if request.amount.currency not in self._accounts:
            return Refused(NO_ACCOUNT_IN_CURRENCY)
        return Accepted(provider_reference=payment_reference(request.reference))

    def how_to_pay(self, provider_reference: str, currency: str) -> TransferInstructions | None:
        account = self._accounts.get(currency)
        if account is None:
            return None
        reference = printed(provider_reference)
        return TransferInstructions(account.bic, account.holder, account.number, reference)

    async def read_collection(self, reference: CollectionReference) -> Reading:
        theirs = payment_reference(reference.reference)
        movements = await self._book.movements_for(theirs)
        return collection_reading(reference.reference, theirs, reference.currency, movements)

    def read_notice(self, _notice: Notice) -> Hint | None:
        """Banks send files and no callbacks."""
        return None

    def acknowledge(self, _hint: Hint) -> Mapping[str, object]:
        return {}

    def account_fault(self, destination: Destination) -> str | None:
        return destination_fault(destination)

    def wants_account(self, refusal: str) -> bool:
        return refusal == REFUND_NEEDS_AN_ACCOUNT or refusal in ACCOUNT_FAULTS

    async def refund(self, request: RefundRequest) -> Answer:
        """A statement names no account that money could safely go back to: the buyer gives one, and
        it is paid as a payout is.
        """
        if request.destination is None:
            return Refused(REFUND_NEEDS_AN_ACCOUNT)
        return await self.disburse(_as_transfer(request, request.destination))

    async def read_refund(self, request: RefundRequest) -> Reading:
        if request.destination is None:
            return Reading(Finding.NOT_FOUND)
        return await self.read_disbursement(_as_transfer(request, request.destination))

    async def check_holder(self, _destination: Destination, _currency: str) -> HolderName | None:
        """A bank tells the name of no account but its customer's own."""
        return None

    async def disburse(self, request: DisbursementRequest) -> Answer:
        account = self._accounts.get(request.amount.currency)
        if account is None:
            return Refused(NO_ACCOUNT_IN_CURRENCY)
        fault = destination_fault(request.destination)
        if fault is not None:
            return Refused(fault)
        now = instant(self._clock.now_ms())
        message_id = end_to_end_id(request.reference)
        file = TransferFile(message_id, now, working_day(now), account, (request,))
        return await self._channel.hand_over(f"{message_id}.xml", build_transfer_file(file))

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        """What the bank has said, else whether it was given the file."""
        account = self._accounts.get(request.amount.currency)
        if account is None:
            # Taken out of the settings since, perhaps: the file may have gone.
            return Reading(Finding.UNKNOWN, reason=NO_ACCOUNT_IN_CURRENCY)
        name = end_to_end_id(request.reference)
        names = TransferNames(name, payment_id(name, clearing_of(request.amount, account)), name)
        statuses = await self._book.statuses_of(name, name)
        movements = await self._book.movements_of(name)
        told = disbursement_reading(request.reference, names, statuses, movements)
        if told is not None:
            return told
        was_sent = await self._channel.was_handed_over(f"{name}.xml")
        return Reading(Finding.PENDING if was_sent else Finding.NOT_FOUND)

    async def read_balance(self, currency: str) -> Money | None:
        account = self._accounts.get(currency)
        if account is None:
            return None
        return await self._book.closing_balance(account.number, currency)


def _as_transfer(request: RefundRequest, destination: Destination) -> DisbursementRequest:
    """A refund under its own reference; what was written about it is for no bank to read."""
    number = f"RE{end_to_end_id(request.reference)[:_NUMBER_DIGITS].upper()}"
    return DisbursementRequest(
        request.reference, number, request.amount, destination, "Refund of tickets", ""
    )


def working_day(now: datetime) -> date:
    """Today in East Africa, or the Monday after; holidays are the bank's to know."""
    today = now.astimezone(_EAST_AFRICA).date()
    beyond = today.weekday() - _SATURDAY
    return today if beyond < 0 else today + timedelta(days=_DAYS_OF_WEEK - _SATURDAY - beyond)
