"""Rails to test with: how each provider's sandbox is started, called and told what to do.

A new rail adds one `Rail` to RAILS; the contract suites do the rest.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID

import httpx
from starlette.types import ASGIApp

from shared.clock import Clock, SettableClock, system_clock
from shared.money import Money
from sync_server.kit.instants import instant
from sync_server.payments.ports import (
    Accepted,
    CollectionReference,
    CollectionRequest,
    Collector,
    Destination,
    DisbursementRequest,
    Disburser,
    Payer,
    RefundRequest,
)
from sync_server.payments.providers.airtel import Airtel, AirtelConfiguration
from sync_server.payments.providers.calls import Line, time_limits
from sync_server.payments.providers.clients import provider_client
from sync_server.payments.providers.flutterwave import Flutterwave, FlutterwaveConfiguration
from sync_server.payments.providers.mtn import Mtn, MtnConfiguration, MtnProduct
from sync_server.payments.providers.pesapal import Pesapal, PesapalConfiguration
from sync_server.payments.rules import Finding
from sync_server.sandboxes import airtel as airtel_sandbox
from sync_server.sandboxes import flutterwave as flutterwave_sandbox
from sync_server.sandboxes import mtn as mtn_sandbox
from sync_server.sandboxes import pesapal as pesapal_sandbox
from sync_server.sandboxes.engine import (
    OF_READINGS,
    Engine,
    Fault,
    Movement,
    MovementState,
    Operation,
)
from tests.factories.bank import BankDesk
from tests.factories.merchant import OUR_SIDE, Merchant, beside, served_shortly
from tests.factories.patience import impatient_with_silence

_BROWSER_SECONDS = 20
PHONE = "+256772123456"
A_TELEPHONE = Destination("Grace Nakato", PHONE)


@dataclass(frozen=True, slots=True)
class Rail:
    """`tells_…`: what a status read of this provider can say beyond paid and not paid; `unpaid` is
    what it says before anybody answered, `secrets` what no log may hold, `guards_refunds` whether
    the provider itself gives no more back than was paid.
    """

    name: str
    currency: str
    make_app: Callable[[Engine, Clock], ASGIApp]
    make_client: Callable[[Line, Clock], Collector]
    partial_refunds: bool = True
    disburses: bool = False
    tells_not_found: bool = True
    tells_expiry: bool = True
    tells_reversal: bool = False
    tells_refunds: bool = True
    tells_waiting_refunds: bool = True
    tells_dispute: bool = False
    guards_refunds: bool = True
    credentials_by: Operation = Operation.TOKEN
    is_called: bool = True
    """Whether it answers calls over a network; a bank sends files when it will."""
    calls_back: frozenset[Operation] = frozenset({Operation.COLLECT, Operation.REFUND})
    """What it calls back of when it is over."""
    misread_refunds: frozenset[Fault] = frozenset()
    """What it says of a refund, and may say wrong."""
    reads_of_a_refund: int = 1
    """How many of its readings say what was moved, until they say it of a refund."""
    names_holders: bool = True
    has_page: bool = False
    unpaid: Finding = Finding.PENDING
    secrets: tuple[str, ...] = ()
    wrong_credentials: Callable[[Line, Clock], Collector] | None = None
    destination: Destination = A_TELEPHONE
    prepare: Callable[[AsyncExitStack], "Rail"] | None = None
    """What is opened anew for each run, as a folder is."""

    @property
    def has_tokens(self) -> bool:
        return self.is_called and self.credentials_by is Operation.TOKEN

    @property
    def account_digits(self) -> str:
        return self.destination.account.replace(" ", "")


@dataclass(slots=True)
class RunningRail:
    """A sandbox on loopback with a client of ours in front and a merchant behind."""

    rail: Rail
    engine: Engine
    clock: SettableClock
    merchant: Merchant
    collector: Collector
    line: Line

    @property
    def disburser(self) -> Disburser:
        """The same client, where the rail sends money as well."""
        assert self.rail.disburses
        return cast("Disburser", self.collector)

    def request(self, amount: int = 5_000, currency: str | None = None) -> CollectionRequest:
        """Ask for money under a reference that was never used."""
        return CollectionRequest(
            reference=new_reference(),
            order_number="ORD-1001",
            amount=Money(amount, currency or self.rail.currency),
            description="Tickets for Nile Nights, l'été",
            payer=Payer("Grace N.", "grace@example.org", PHONE),
            callback_url=f"{self.merchant.url}/callback",
            return_url=f"{self.merchant.url}/back",
            expires_at=instant(self.clock.now_ms()) + timedelta(minutes=15),
        )

    def disbursement(self, amount: int = 5_000) -> DisbursementRequest:
        return DisbursementRequest(
            reference=new_reference(),
            payout_number="PAYOUT-77",
            amount=self.money(amount),
            destination=self.rail.destination,
            description="Payout of Nile Nights",
            callback_url=f"{self.merchant.url}/callback",
        )

    def refund(
        self, request: CollectionRequest, provider_reference: str | None, amount: int | None = None
    ) -> RefundRequest:
        """Ask for the whole back, or for a part."""
        whole = request.amount
        wanted = whole if amount is None else self.money(amount)
        asked = self.asked(request, provider_reference)
        callback = f"{self.merchant.url}/callback"
        return RefundRequest(new_reference(), asked, wanted, whole, "Event moved", callback)

    async def begun(self, request: CollectionRequest) -> str | None:
        """Ask for money, and give the provider's own reference."""
        answer = await self.collector.collect(request)
        assert isinstance(answer, Accepted), answer
        return answer.provider_reference

    async def paid(self) -> tuple[CollectionRequest, str | None]:
        """Have a payment made, and give the reference that it is asked about by."""
        request = self.request()
        theirs = await self.begun(request)
        await self.engine.settle(request.reference, MovementState.SUCCEEDED)
        reading = await self.collector.read_collection(self.asked(request, theirs))
        return request, reading.provider_reference

    async def see(self, page: str) -> httpx.Response:
        """Open a page as a browser does, which waits longer than our client."""
        return await self.line.client.get(page, timeout=_BROWSER_SECONDS)

    async def press(self, page: str, choice: str) -> httpx.Response:
        """Choose on a provider's page."""
        return await self.line.client.post(page, data={"choice": choice}, timeout=_BROWSER_SECONDS)

    async def finish_refund(self, state: MovementState = MovementState.SUCCEEDED) -> Movement:
        """Have the provider do, or refuse, the refund that was asked for last."""
        movements = reversed(self.engine.movements.values())
        newest = next(item for item in movements if item.operation is Operation.REFUND)
        return await self.engine.settle(newest.reference, state)

    def asked(
        self, request: CollectionRequest, provider_reference: str | None = None
    ) -> CollectionReference:
        return CollectionReference(request.reference, provider_reference, request.amount.currency)

    def money(self, amount: int) -> Money:
        return Money(amount, self.rail.currency)


def new_reference() -> str:
    """A UUID of version 4, as payments make one."""
    return str(UUID(bytes=token_bytes(16), version=4))


@asynccontextmanager
async def running(rail: Rail) -> AsyncIterator[RunningRail]:
    async with AsyncExitStack() as stack:
        if rail.prepare is not None:
            rail = rail.prepare(stack)
        engine, merchant = Engine(), Merchant()
        clock = SettableClock(system_clock().now_ms())
        both = beside(merchant.app(), rail.make_app(engine, clock))
        url = await stack.enter_async_context(served_shortly(both))
        merchant.url = f"{url}{OUR_SIDE}"
        engine.webhook_url = f"{merchant.url}/callback"
        client = provider_client(time_limits())
        client.event_hooks = {"request": [impatient_with_silence(engine.dial)]}
        await stack.enter_async_context(client)
        line = Line(rail.name, client, url)
        yield RunningRail(rail, engine, clock, merchant, rail.make_client(line, clock), line)


def _mtn(line: Line, clock: Clock, api_key: str = mtn_sandbox.API_KEY) -> Mtn:
    collection, disbursement = (
        MtnProduct(key, mtn_sandbox.API_USER, api_key)
        for key in mtn_sandbox.SUBSCRIPTION_KEYS.values()
    )
    configuration = MtnConfiguration(line.base_url, "sandbox", collection, disbursement)
    return Mtn(configuration, line, clock)


def pesapal(
    line: Line, clock: Clock, consumer_secret: str = pesapal_sandbox.CONSUMER_SECRET
) -> Pesapal:
    """A client of Pesapal's sandbox."""
    configuration = PesapalConfiguration(
        line.base_url, pesapal_sandbox.CONSUMER_KEY, consumer_secret
    )
    return Pesapal(configuration, line, clock)


def flutterwave(
    line: Line, clock: Clock, secret_key: str = flutterwave_sandbox.SECRET_KEY
) -> Flutterwave:
    """A client of Flutterwave's sandbox."""
    base_url = f"{line.base_url}/v3"
    configuration = FlutterwaveConfiguration(
        base_url, secret_key, flutterwave_sandbox.WEBHOOK_SECRET
    )
    return Flutterwave(configuration, Line(line.name, line.client, base_url), clock)


MTN = Rail(
    name="mtn",
    currency="UGX",
    make_app=lambda engine, clock: mtn_sandbox.MtnSandbox(engine, clock).app(),
    make_client=_mtn,
    disburses=True,
    guards_refunds=False,
    calls_back=frozenset({Operation.COLLECT, Operation.REFUND, Operation.DISBURSE}),
    misread_refunds=OF_READINGS,
    secrets=(mtn_sandbox.API_KEY, *mtn_sandbox.SUBSCRIPTION_KEYS.values()),
    wrong_credentials=lambda line, clock: _mtn(line, clock, "wrong"),
)
PESAPAL = Rail(
    name="pesapal",
    currency="UGX",
    make_app=lambda engine, clock: pesapal_sandbox.PesapalSandbox(engine, clock).app(),
    make_client=pesapal,
    partial_refunds=False,
    tells_not_found=False,
    tells_expiry=False,
    tells_reversal=True,
    tells_waiting_refunds=False,
    has_page=True,
    secrets=(pesapal_sandbox.CONSUMER_KEY, pesapal_sandbox.CONSUMER_SECRET),
    wrong_credentials=lambda line, clock: pesapal(line, clock, "wrong"),
)
FLUTTERWAVE = Rail(
    name="flutterwave",
    currency="UGX",
    make_app=lambda engine, clock: flutterwave_sandbox.FlutterwaveSandbox(engine, clock).app(),
    make_client=flutterwave,
    tells_expiry=False,
    tells_reversal=True,
    tells_dispute=True,
    has_page=True,
    misread_refunds=frozenset({Fault.AMOUNT_CHANGED}),
    reads_of_a_refund=2,
    unpaid=Finding.NOT_FOUND,
    credentials_by=Operation.BALANCE,
    secrets=(flutterwave_sandbox.SECRET_KEY, flutterwave_sandbox.WEBHOOK_SECRET),
    wrong_credentials=lambda line, clock: flutterwave(line, clock, "wrong"),
)


def _airtel(line: Line, clock: Clock, secret: str = airtel_sandbox.CLIENT_SECRET) -> Airtel:
    configuration = AirtelConfiguration(
        line.base_url,
        "UG",
        airtel_sandbox.CLIENT_ID,
        secret,
        disbursement_pin=airtel_sandbox.PIN,
        callback_key=airtel_sandbox.CALLBACK_KEY,
    )
    return Airtel(configuration, line, clock, token_bytes)


AIRTEL = Rail(
    name="airtel",
    currency="UGX",
    make_app=lambda engine, clock: airtel_sandbox.AirtelSandbox(engine, clock).app(),
    make_client=_airtel,
    partial_refunds=False,
    disburses=True,
    calls_back=frozenset({Operation.COLLECT, Operation.DISBURSE}),
    tells_refunds=False,
    secrets=(
        airtel_sandbox.CLIENT_ID,
        airtel_sandbox.CLIENT_SECRET,
        airtel_sandbox.CALLBACK_KEY,
        airtel_sandbox.PIN,
    ),
    wrong_credentials=lambda line, clock: _airtel(line, clock, "wrong"),
)


def _prepared_bank(stack: AsyncExitStack) -> Rail:
    desk = BankDesk(Path(stack.enter_context(TemporaryDirectory())))
    return replace(BANK, make_app=desk.make_app, make_client=desk.make_client)


def _unprepared(*_arguments: object) -> Any:  # noqa: ANN401 - it never gives anything
    message = "a bank's rail has a folder of its own: see `prepare`"
    raise AssertionError(message)


BANK = Rail(
    name="bank",
    currency="UGX",
    make_app=_unprepared,
    make_client=_unprepared,
    partial_refunds=False,
    disburses=True,
    is_called=False,
    calls_back=frozenset(),
    misread_refunds=OF_READINGS,
    names_holders=False,
    destination=Destination("Grace Nakato", "3100 0123 4567", "CERBUGKA"),
    prepare=_prepared_bank,
)
RAILS = (MTN, PESAPAL, FLUTTERWAVE, AIRTEL, BANK)
CALLED_RAILS = tuple(rail for rail in RAILS if rail.is_called)
DISBURSING_RAILS = tuple(rail for rail in RAILS if rail.disburses)
