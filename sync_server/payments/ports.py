"""What payments and payouts ask of a provider. Every client, and so every sandbox, passes one
contract suite.

Calls raise nothing for what the world does: a time-out is `Unknown`, a refusal is `Refused`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from shared.money import Money
from sync_server.payments.rules import Finding, Provider, Reading

_ID_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom a provider asks for the money; no representation shows who it is."""

    name: str = field(repr=False, default="")
    address: str = field(repr=False, default="")
    phone: str = field(repr=False, default="")
    """E.164 with its plus."""


@dataclass(frozen=True, slots=True)
class CollectionRequest:
    """`reference` is ours, stored before the provider is called, and never used again.

    `callback_url` is where the provider may send a hint, `return_url` where the payer's browser
    comes back to.
    """

    reference: str
    order_number: str
    amount: Money
    description: str
    payer: Payer
    callback_url: str
    return_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it; where it has a page of its own, the payer goes there."""

    provider_reference: str | None = None
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no for good; `code` is its own word."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody said whether it arrived: only a status read tells. `cause` names no person."""

    cause: str


Answer = Accepted | Refused | Unknown


def reading_of_answer(answer: Answer) -> Reading:
    """What an answer to a request says of the money: accepted is pending and never paid, and a
    silence leaves all open.
    """
    match answer:
        case Accepted(provider_reference=theirs):
            return Reading(Finding.PENDING, provider_reference=theirs)
        case Refused(code=code):
            return Reading(Finding.FAILED, reason=code)
        case _:
            return Reading(Finding.UNKNOWN, reason=answer.cause)


@dataclass(frozen=True, slots=True)
class CollectionReference:
    """How a collection is asked about."""

    reference: str
    provider_reference: str | None
    currency: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback as it came: a hint and never proof."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hint:
    """Which payment a callback is about, by either reference, and whether its sender proved
    themselves (None where the provider signs nothing).
    """

    reference: str | None
    provider_reference: str | None
    event: str
    is_authentic: bool | None

    @property
    def our_reference(self) -> UUID | None:
        """None where it names none, or what none of ours can be."""
        try:
            return UUID(self.reference or "")
        except ValueError:
            return None

    @property
    def their_reference(self) -> str | None:
        """None where it names none, or what no column can hold: anybody may write a callback."""
        theirs = self.provider_reference or ""
        is_id = len(theirs) <= _ID_CHARACTERS_MAX and theirs.isascii() and theirs.isprintable()
        return theirs if theirs and is_id else None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where money that leaves goes: a telephone, or an account at a bank."""

    holder: str = field(repr=False)
    account: str = field(repr=False)
    """E.164 for mobile money, digits for a bank."""
    bank: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money back for a collection; `reference` is the refund's own, stored before the call.
    `destination` is the account that the buyer named, where money cannot go back as it came.
    """

    reference: str
    collection: CollectionReference
    amount: Money
    whole: Money
    reason: str
    callback_url: str
    destination: Destination | None = None


class Collector(Protocol):
    """A rail that takes money from buyers."""

    @property
    def provider(self) -> Provider: ...

    async def collect(self, request: CollectionRequest) -> Answer:
        """Ask the payer for money, or give the page that does."""

    async def read_collection(self, reference: CollectionReference) -> Reading:
        """Ask what became of it."""

    def read_notice(self, notice: Notice) -> Hint | None:
        """Say what a callback is about; None where it is none of the provider's."""

    def acknowledge(self, hint: Hint) -> Mapping[str, object]:
        """The body the provider wants as its answer."""

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask for money to be given back; some rails take the whole amount only (`Refused`)."""

    async def read_refund(self, request: RefundRequest) -> Reading:
        """Ask what became of a refund."""


@runtime_checkable
class Withdrawing(Protocol):
    """A rail whose unpaid requests stay open until we take them back."""

    async def withdraw(self, reference: CollectionReference) -> Answer:
        """See to it that nobody pays any more: Accepted where that is so, Refused where somebody
        did or is about to.
        """


@runtime_checkable
class CredentialCheck(Protocol):
    """A rail whose configuration can be tried without moving money, as the doctor does."""

    async def check_credentials(self) -> Answer:
        """Accepted where the provider knows us, Refused where it does not."""


@dataclass(frozen=True, slots=True)
class TransferInstructions:
    """What buyers who transfer money by themselves write on it; `reference` in groups, as they read
    it out.
    """

    bank: str
    account_name: str
    account_number: str
    reference: str


@runtime_checkable
class ByTransfer(Protocol):
    """A rail that asks nobody: its payers are told where to transfer money to."""

    def how_to_pay(self, provider_reference: str, currency: str) -> TransferInstructions | None:
        """None where no account takes this currency."""


@runtime_checkable
class RefundsToAccounts(Protocol):
    """A rail whose money never goes back the way it came: the buyer names an account for it."""

    def account_fault(self, destination: Destination) -> str | None:
        """Say, in the rail's own code, why nothing can be paid there."""

    def wants_account(self, refusal: str) -> bool:
        """Say whether a refund was refused for want of an account, or of another one."""


@dataclass(frozen=True, slots=True)
class DisbursementRequest:
    reference: str
    payout_number: str
    amount: Money
    destination: Destination
    description: str
    callback_url: str


@dataclass(frozen=True, slots=True)
class HolderName:
    """Whose account it is, as the rail says; None where it does not tell."""

    name: str | None = field(repr=False)
    is_active: bool


@runtime_checkable
class Disburser(Protocol):
    """A rail that sends money to organizers."""

    @property
    def provider(self) -> Provider: ...

    async def check_holder(self, destination: Destination, currency: str) -> HolderName | None:
        """Ask whose account it is before paying; None where the rail cannot say."""

    async def disburse(self, request: DisbursementRequest) -> Answer:
        """Send money, under a reference that is used once."""

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        """Ask what became of it."""

    async def read_balance(self, currency: str) -> Money | None:
        """Say what the float holds; None where the rail does not tell now."""
