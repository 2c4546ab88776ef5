"""The guide's example of being paid is what happens."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.orders import offers, refund_service
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.rules import Bearer, FeeKind
from sync_server.orders.schemas import NewFeeRule, NewRefundWanted
from sync_server.organizers.rules import Capability
from sync_server.payouts import service
from sync_server.payouts.releases import release_due
from sync_server.payouts.rules import HOLD_DAYS_DEFAULT
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.orders import a_request, over, place_and_pay, put_on_sale
from tests.factories.payouts import Treasury, a_destination, flow_on
from tests.factories.rails import MTN, RunningRail, running
from tests.factories.tenants import BASE_TIME, Tenant, founder_caller, make_member

GUIDE = (Path(__file__).parents[3] / "docs/guides/organizers.md").read_text(encoding="utf-8")
_ROWS = re.compile(
    r"^\| \w+ [^|]+ \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE
)


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(MTN) as rail:
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 10)
        yield rail


async def _add_rules(services: Services, tenant: Tenant) -> None:
    """Those of the example of a sale."""
    for name, kind, bearer, amount in (
        ("service_fee", FeeKind.PLATFORM_FEE, Bearer.ORGANIZER, {"basis_points": 500}),
        ("vat_on_fee", FeeKind.TAX_ON_FEES, Bearer.ORGANIZER, {"basis_points": 1_800}),
        (
            "levy",
            FeeKind.TAX_ON_TICKETS,
            Bearer.BUYER,
            {"fixed_minor_units": 500, "currency": "UGX"},
        ),
    ):
        terms = {"name": name, "organizer_id": tenant.organizer_id, "kind": kind, "bearer": bearer}
        wanted = NewFeeRule.model_validate({**terms, **amount})
        await offers.add_fee_rule(services, tenant.founder.user_id, wanted)


async def _seen(services: Services, tenant: Tenant, rail: RunningRail) -> list[int]:
    """What the organizer sees of the money, and what is in the account."""
    async with services.database.reading(tenant.claims) as session:
        (shown,) = await service.read_balances(session, tenant.organizer_id)
    arrived = sum(
        int(movement.amount)
        for movement in rail.engine.movements.values()
        if movement.operation is Operation.DISBURSE and movement.state is MovementState.SUCCEEDED
    )
    return [shown.pending, shown.available, shown.in_transit, arrived]


async def test_the_example_of_being_paid_is_right(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    shop = over(services, rail)
    await _add_rules(shop, tenant)
    type_id = await put_on_sale(shop, tenant, event_id, price=33_333)
    placed = await place_and_pay(shop, tenant, event_id, type_id, 3)
    await _settle_all(rail)
    await payment_flow(shop).refresh(placed.payments[0].id)
    seen = [await _seen(shop, tenant, rail)]

    async with shop.database.transaction(tenant.claims) as session:
        wanted = NewRefundWanted(lines=frozenset({2}), reason="It rains")
        caller = founder_caller(tenant, session)
        asked = await refund_service.refund_order(caller, a_request(shop), placed.id, wanted)
    await _settle_all(rail)
    await refund_flow(shop).refresh(asked.id)
    seen.append(await _seen(shop, tenant, rail))

    held_until = BASE_TIME + timedelta(days=HOLD_DAYS_DEFAULT + 1)
    clock.advance(unix_ms(held_until) - clock.now_ms())
    await release_due(shop)
    seen.append(await _seen(shop, tenant, rail))

    checker = await make_member(shop, tenant, *Capability)
    treasury = Treasury(shop, tenant, checker, await a_destination(shop, tenant, checker))
    payout_id = await treasury.request(50_000)
    seen.append(await _seen(shop, tenant, rail))

    await treasury.approve(payout_id)
    payouts = flow_on(shop, rail)
    await payouts.submit(payout_id)
    await _settle_all(rail)
    await payouts.refresh(payout_id)
    seen.append(await _seen(shop, tenant, rail))

    told = [[int(text.replace(",", "")) for text in row] for row in _ROWS.findall(GUIDE)]
    assert seen == told


async def _settle_all(rail: RunningRail) -> None:
    for movement in list(rail.engine.movements.values()):
        await rail.engine.settle(movement.reference, MovementState.SUCCEEDED)
