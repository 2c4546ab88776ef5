"""Every way a payout's first call can go, with every way its first reading can, whoever else is at
it at once: money goes at most once, and what did not go is given back whole.
"""

import asyncio
from itertools import product

from shared.clock import SettableClock
from sync_server.kit.services import Services
from sync_server.payments.ports import Hint
from sync_server.payments.rules import Finding, Provider
from sync_server.payouts.flow import PayoutFlow
from sync_server.payouts.rules import PayoutState
from tests.factories.ledger import balances
from tests.factories.payouts import ModelRail, Treasury, a_treasury, earn
from tests.factories.tenants import Tenant

SENDING = ("", "never arrives", "answer is lost", "is refused")
READING = ("", "is silent")
ENDS = (Finding.SUCCEEDED, Finding.FAILED)
BESIDE = ("nobody", "a second sender", "a stranger's callback")
AMOUNT = 1_000
TWO_MINUTES = 120_000


async def test_money_goes_at_most_once_and_what_did_not_go_is_given_back(
    services: Services, clock: SettableClock, tenant: Tenant
) -> None:
    treasury = await a_treasury(services, tenant)
    await earn(services, tenant, 1_000_000)
    found = {}
    for ways in product(SENDING, READING, ENDS, BESIDE):
        found[ways] = await _play(treasury, clock, *ways)
    arrived = [ways for ways, (state, _) in found.items() if state is PayoutState.SUCCEEDED]
    expected = {ways: _expected(*ways) for ways in found}
    assert found == expected
    held = await balances(services, tenant)
    gone = len(arrived) * AMOUNT
    assert held["provider_float:mtn"] == -gone
    assert held["payout_in_transit:mtn"] == 0
    assert -held["organizer_available"] == 1_094_100 - gone


def _expected(sending: str, _: str, ends: Finding, __: str) -> tuple[PayoutState, int]:
    """How it stands at last, and how often the rail took it."""
    if sending == "is refused":
        return PayoutState.FAILED, 0
    arrives = ends is Finding.SUCCEEDED
    return (PayoutState.SUCCEEDED if arrives else PayoutState.FAILED), 1


async def _play(
    treasury: Treasury,
    clock: SettableClock,
    sending: str,
    reading: str,
    ends: Finding,
    beside: str,
) -> tuple[PayoutState, int]:
    rail = ModelRail([sending], [reading] if reading else [])
    flow = PayoutFlow(treasury.services, {Provider.MTN: rail})
    payout_id = await treasury.approved(AMOUNT)
    reference = await treasury.reference(payout_id)
    at_once = [flow.submit(payout_id)]
    at_once += [flow.submit(payout_id)] if beside == "a second sender" else []
    await asyncio.gather(*at_once)
    if beside == "a stranger's callback":
        await flow.hear(Provider.MTN, Hint(reference, None, "SUCCESSFUL", is_authentic=None))
    for _ in range(3):
        clock.advance(TWO_MINUTES)
        await asyncio.gather(flow.refresh(payout_id), flow.refresh(payout_id))
    if reference in rail.movements:
        rail.movements[reference] = ends
    clock.advance(TWO_MINUTES)
    facts = await flow.refresh(payout_id)
    return facts.state, rail.paid[reference]
