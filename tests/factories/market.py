"""A market in memory and in PostgreSQL: buyers, an organizer with two people, model providers and
workers, to be driven step by step.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.orders import refund_service
from sync_server.orders import service as orders
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.refund_schemas import NewRefundAccount, RefundRetry
from sync_server.orders.schemas import (
    NewCashOrder,
    NewOrder,
    NewRefundWanted,
    PaymentWanted,
    PlacedOrder,
    WantedTickets,
)
from sync_server.organizers.rules import Capability
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Finding, Provider
from sync_server.payouts import service as payouts
from sync_server.payouts.jobs import payout_flow
from sync_server.payouts.schemas import Refusal
from tests.factories.model_provider import Kind, ModelBank, ModelProvider, Moved
from tests.factories.orders import (
    a_request,
    add_fees,
    add_promo_code,
    put_on_sale,
)
from tests.factories.payouts import Treasury, a_destination, caller_of
from tests.factories.tenants import Tenant, founder_caller, make_event, make_member, make_tenant

QUANTITY = 12
PROMO_CODE = "early-2026"
PROVIDERS = (
    Provider.MTN,
    Provider.PESAPAL,
    Provider.AIRTEL,
    Provider.FLUTTERWAVE,
    Provider.BANK,
)


@dataclass(slots=True)
class Market:
    """One organizer's event, what was bought there, and the truth at each provider."""

    services: Services
    clock: SettableClock
    providers: dict[Provider, ModelProvider]
    treasury: Treasury
    event_id: EventId
    free_event_id: EventId
    types: dict[EventId, UUID]
    placed: list[PlacedOrder] = field(default_factory=list)
    sold: list[UUID] = field(default_factory=list)
    """Orders that were sold for cash."""
    payouts: list[UUID] = field(default_factory=list)
    notices: list[tuple[Provider, str]] = field(default_factory=list)
    """Callbacks that are on their way."""
    last_order: tuple[NewOrder, EventId, str] | None = None

    @property
    def tenant(self) -> Tenant:
        return self.treasury.tenant

    async def do(self, work: Coroutine[Any, Any, Any], killed_after_ms: int | None = None) -> None:
        """Have a process do something that may be refused, and that may end it on the way."""
        task = asyncio.create_task(work)
        if killed_after_ms is not None:
            await asyncio.wait({task}, timeout=killed_after_ms / 1_000)
            task.cancel()
        with suppress(asyncio.CancelledError, ProblemError):
            await task

    async def buy(self, wanted: NewOrder, event_id: EventId, key: str) -> None:
        self.last_order = (wanted, event_id, key)
        event = (self.tenant.organizer_id, event_id)
        placed = await orders.place_order(a_request(self.services, key), event, wanted, None)
        if all(known.id != placed.id for known in self.placed):
            self.placed.append(placed)

    async def buy_again(self) -> None:
        """Repeat the last request, as a client does whose answer was lost."""
        if self.last_order is not None:
            await self.buy(*self.last_order)

    async def pay(self, placed: PlacedOrder, provider: Provider) -> None:
        caller = orders.OrderCall(self.services, placed.token)
        await orders.pay_own_order(
            caller, a_request(self.services), PaymentWanted(provider=provider)
        )

    async def cancel(self, placed: PlacedOrder) -> None:
        await orders.cancel_own_order(orders.OrderCall(self.services, placed.token))

    async def sell_for_cash(self, count: int) -> None:
        tickets = [WantedTickets(ticket_type_id=self.types[self.event_id], count=count)]
        async with self.services.database.transaction(self.tenant.claims) as session:
            caller = founder_caller(self.tenant, session)
            sold = await orders.place_cash_order(
                caller, a_request(self.services), self.event_id, NewCashOrder(tickets=tickets)
            )
        self.sold.append(sold.id)

    async def give_back(self, order_id: UUID, lines: frozenset[int]) -> None:
        wanted = NewRefundWanted(lines=lines, reason="It rains")
        async with self.services.database.transaction(self.tenant.claims) as session:
            caller = founder_caller(self.tenant, session)
            await refund_service.refund_order(caller, a_request(self.services), order_id, wanted)

    async def retry_refund(self, refund_id: UUID) -> None:
        """An admin asks once more for what was refused."""
        wanted = RefundRetry(reason="The buyer called")
        admin_id = self.tenant.founder.user_id
        request = a_request(self.services)
        await refund_service.retry_refund(request, admin_id, refund_id, wanted)

    async def name_account(self, placed: PlacedOrder, account: str) -> None:
        """A buyer says where money that came by transfer is to go."""
        terms = {"holder": "Grace Nakato", "account": account, "bank": "CERBUGKA"}
        caller = orders.OrderCall(self.services, placed.token)
        wanted = NewRefundAccount.model_validate(terms)
        await refund_service.name_refund_account(caller, wanted)

    async def failed_refunds(self) -> Sequence[UUID]:
        return await self.ids(
            "SELECT id FROM refunds WHERE organizer_id = :organizer_id AND state = 'failed'"
            " ORDER BY id"
        )

    async def hear(self, provider: Provider, reference: str) -> None:
        """A callback is heard as the server hears it: payouts and refunds share the address."""
        model = self.providers[provider]
        notice = model.notice_of(reference)
        hint = model.read_notice(notice)
        assert hint is not None
        if not await payout_flow(self.services).hear(provider, hint):
            await payment_flow(self.services).hear(provider, notice)

    async def poll(self) -> None:
        """What the jobs of a worker do."""
        await payment_flow(self.services).refresh_due()
        await refund_flow(self.services).refresh_due()
        await payout_flow(self.services).work_due()

    async def expire(self) -> None:
        await orders.expire_holds(self.services, 200)

    async def ask_payout(self, amount: int) -> None:
        self.payouts.append(await self.treasury.request(amount))

    async def approve_payout(self, payout_id: UUID) -> None:
        await self.treasury.approve(payout_id)
        await payout_flow(self.services).submit(payout_id)

    async def refuse_payout(self, payout_id: UUID) -> None:
        checker = self.treasury.checker
        async with self.services.database.transaction(checker.claims) as session:
            caller = caller_of(self.tenant, checker, session)
            refusal = Refusal(reason="not now")
            await payouts.refuse_payout(caller, self.services, payout_id, refusal)

    def movements(self, kind: Kind, *findings: Finding) -> list[tuple[ModelProvider, Moved]]:
        return [
            (model, movement)
            for model in self.providers.values()
            for movement in model.of_kind(kind, *findings)
        ]

    def decide(self, model: ModelProvider, movement: Moved, finding: Finding) -> None:
        """A provider settles something, and a callback is on its way."""
        model.decide(movement, finding)
        self.notices.append((model.provider, movement.reference))

    async def all_at_once(self, *work: Awaitable[Any]) -> None:
        """Several processes at a time; each may be killed or refused."""
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(
                outcome, ProblemError | asyncio.CancelledError
            ):
                raise outcome

    async def ids(self, query: str) -> Sequence[UUID]:
        async with self.services.database.reading(WORKER) as session:
            values = {"organizer_id": self.tenant.organizer_id}
            return (await session.scalars(text(query), values)).all()

    async def drain(self) -> None:
        """Nothing fails any more, everybody decides, and time goes by."""
        for model in self.providers.values():
            model.mishaps.clear()
            model.silences = model.refund_silences = 0
            model.deliver()
        for number in range(3):
            self._decide_all(number)
            self.clock.advance(3 * 86_400_000)
            await self.expire()
            await self._look_at_all()

    def _decide_all(self, number: int) -> None:
        for index, (model, movement) in enumerate(
            self.movements(Kind.COLLECTION, Finding.PENDING), start=number
        ):
            model.decide(movement, Finding.SUCCEEDED if index % 2 else Finding.FAILED)
        for kind in (Kind.REFUND, Kind.DISBURSEMENT):
            for model, movement in self.movements(kind, Finding.PENDING):
                model.decide(movement, Finding.SUCCEEDED)
        for index, (model, movement) in enumerate(
            self.movements(Kind.COLLECTION, Finding.DISPUTED)
        ):
            model.decide(movement, Finding.SUCCEEDED if index % 2 else Finding.REVERSED)

    async def _look_at_all(self) -> None:
        """What no job asks about any more, a person does."""
        for payment_id in await self.ids(
            "SELECT id FROM payments WHERE organizer_id = :organizer_id ORDER BY id"
        ):
            await payment_flow(self.services).refresh(payment_id)
        for refund_id in await self.ids(
            "SELECT id FROM refunds WHERE organizer_id = :organizer_id ORDER BY id"
        ):
            await refund_flow(self.services).refresh(refund_id)
        for payout_id in await self.ids(
            "SELECT id FROM payouts WHERE organizer_id = :organizer_id ORDER BY id"
        ):
            await payout_flow(self.services).submit(payout_id)
            await payout_flow(self.services).refresh(payout_id)


async def open_market(services: Services, clock: SettableClock) -> Market:
    """An organizer with two events, one of which costs nothing, over four model providers."""
    models = {provider: ModelProvider(provider) for provider in PROVIDERS}
    models[Provider.BANK] = ModelBank(Provider.BANK)
    out = {provider: models[provider] for provider in (Provider.MTN, Provider.AIRTEL)}
    services = replace(services, parts={PaymentRails: PaymentRails(models, out)})
    tenant = await make_tenant(services)
    checker = await make_member(services, tenant, *Capability)
    destination = await a_destination(services, tenant, checker)
    event_id, free_event_id = [await make_event(services, tenant) for _ in range(2)]
    types = {
        event_id: await put_on_sale(services, tenant, event_id, quantity=QUANTITY),
        free_event_id: await put_on_sale(
            services, tenant, free_event_id, price=0, quantity=QUANTITY
        ),
    }
    await add_fees(services, tenant)
    await add_promo_code(services, tenant, event_id, code=PROMO_CODE, uses_max=3)
    treasury = Treasury(services, tenant, checker, destination)
    return Market(services, clock, models, treasury, event_id, free_event_id, types)
