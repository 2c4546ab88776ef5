"""A bank to test with: its sandbox and our client over one folder, with a worker between them."""

from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp

from shared.clock import Clock
from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    DisbursementRequest,
    RefundRequest,
)
from sync_server.payments.providers.amounts import to_major
from sync_server.payments.providers.bank.books import MemoryBook
from sync_server.payments.providers.bank.channels import FolderChannel
from sync_server.payments.providers.bank.intake import FileNews, TakenIn, take_in
from sync_server.payments.providers.bank.rail import Bank, BankConfiguration
from sync_server.payments.providers.bank.transfers import BankAccount
from sync_server.payments.providers.calls import Line
from sync_server.payments.rules import Reading
from sync_server.sandboxes import bank as bank_sandbox
from sync_server.sandboxes.bank import BankSandbox
from sync_server.sandboxes.engine import Engine

ACCOUNT = BankAccount(
    bank_sandbox.ACCOUNT, "UGX", bank_sandbox.HOLDER, bank_sandbox.BIC, eft_max=20_000_000
)


async def tell_nobody(_: FileNews) -> None:
    """For whoever asks by themselves."""


@dataclass(slots=True)
class BankDesk:
    """Makes both ends of one folder, and does the bank's round and our worker's when told to."""

    folder: Path
    book: MemoryBook = field(default_factory=MemoryBook)
    sandbox: BankSandbox = field(init=False)

    @property
    def channel(self) -> FolderChannel:
        return FolderChannel(self.folder)

    def make_app(self, engine: Engine, clock: Clock) -> ASGIApp:
        self.channel.make_folders()
        self.sandbox = BankSandbox(engine, clock, self.folder)
        return self.sandbox.app()

    def make_client(self, _line: Line, clock: Clock) -> Bank:
        return AttendedBank(self, clock)

    async def attend(self) -> TakenIn:
        self.sandbox.do_round()
        return await take_in(self.channel, self.book, tell_nobody)


class AttendedBank(Bank):
    """Our client, with a buyer who fills in the transfer that they were told of, and files that
    are exchanged before anybody asks.
    """

    def __init__(self, desk: BankDesk, clock: Clock) -> None:
        super().__init__(BankConfiguration({"UGX": ACCOUNT}), desk.channel, desk.book, clock)
        self._desk = desk

    async def collect(self, request: CollectionRequest) -> Answer:
        answer = await super().collect(request)
        assert isinstance(answer, Accepted)
        named = answer.provider_reference or ""
        amount = request.amount
        self._desk.sandbox.expect(request.reference, named, to_major(amount), amount.currency)
        return answer

    async def read_collection(self, reference: CollectionReference) -> Reading:
        await self._desk.attend()
        return await super().read_collection(reference)

    async def disburse(self, request: DisbursementRequest) -> Answer:
        answer = await super().disburse(request)
        await self._desk.attend()
        return answer

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        await self._desk.attend()
        return await super().read_disbursement(request)

    async def receive_late(self) -> None:
        """The files that were held come, and the day's statement with all that they say."""
        self._desk.sandbox.release()
        self._desk.sandbox.close_day()
        await self._desk.attend()

    async def refund(self, request: RefundRequest) -> Answer:
        answer = await super().refund(request)
        await self._desk.attend()
        return answer

    async def read_balance(self, currency: str) -> Money | None:
        self._desk.sandbox.close_day()
        await self._desk.attend()
        return await super().read_balance(currency)
