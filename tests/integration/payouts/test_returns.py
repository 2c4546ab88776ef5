"""Money that comes back after it was paid, and is not what was paid."""

import pytest

from shared.money import Money
from sync_server.kit.services import Services
from sync_server.payments.ports import Accepted
from sync_server.payments.rules import Finding, Provider, Reading
from sync_server.payouts.flow import STUCK, PayoutFlow
from sync_server.payouts.rules import PayoutState
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances, ugx
from tests.factories.payouts import AVAILABLE, ScriptedRail, a_treasury
from tests.factories.tenants import Tenant


@pytest.mark.parametrize(
    "back", [ugx(1_000), ugx(49_000), Money(50_000, "KES")], ids=["a part", "less a fee", "other"]
)
async def test_other_money_than_was_paid_comes_back_for_a_person_to_look_at(
    services: Services, tenant: Tenant, back: Money
) -> None:
    paid = Reading(Finding.SUCCEEDED, amount=ugx(50_000))
    returned = Reading(Finding.REVERSED, amount=back, fee=ugx(9_000))
    rail = ScriptedRail([Accepted("T1")], [paid, returned, paid])
    flow, treasury = PayoutFlow(services, {Provider.MTN: rail}), await a_treasury(services, tenant)
    payout_id = await treasury.approved(50_000)
    await flow.submit(payout_id)
    found = [await flow.refresh(payout_id) for _ in range(3)]
    assert [facts.state for facts in found] == [PayoutState.SUCCEEDED] * 3
    assert found[-1].rail_fee == ugx(0)
    # It stays until a person has looked.
    alarm = {str(payout_id): {"cause": "amount_differs"}}
    assert await open_alarms(services, STUCK) == alarm
    held = await balances(services, tenant)
    assert -held["organizer_available"] == AVAILABLE - 50_000
    assert held["provider_float:mtn"] == -50_000


async def test_all_of_it_comes_back_to_what_is_available(
    services: Services, tenant: Tenant
) -> None:
    paid, returned = [
        Reading(finding, amount=ugx(50_000)) for finding in (Finding.SUCCEEDED, Finding.REVERSED)
    ]
    rail = ScriptedRail([Accepted("T1")], [paid, returned])
    flow, treasury = PayoutFlow(services, {Provider.MTN: rail}), await a_treasury(services, tenant)
    payout_id = await treasury.approved(50_000)
    await flow.submit(payout_id)
    states = [(await flow.refresh(payout_id)).state for _ in range(2)]
    assert states == [PayoutState.SUCCEEDED, PayoutState.RETURNED]
    assert -(await balances(services, tenant))["organizer_available"] == AVAILABLE
