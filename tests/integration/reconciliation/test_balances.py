"""What rails say that floats hold, against all books together; and floats that were filled."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM
from sync_server.payments.ports import Accepted, Disburser
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.payouts.flow import PayoutFlow
from sync_server.reconciliation import commands, service
from sync_server.reconciliation.rules import CheckName, ItemFinding, Severity
from sync_server.reconciliation.service import RunSource
from tests.factories.house import House, arguments_of
from tests.factories.ledger import ugx
from tests.factories.payouts import ScriptedRail
from tests.factories.rails import MTN, running

LEFT = -50_390
"""One payout with its fee left, and nobody filled the float."""


@pytest.fixture(autouse=True)
def _later(house: House, clock: SettableClock) -> None:
    """The payout of the house ended before anybody was asked."""
    assert house.payout_reference
    clock.advance(60_000)


def _offering(house: House, rail: Disburser) -> Services:
    return replace(house.services, parts={PaymentRails: PaymentRails({}, {Provider.MTN: rail})})


async def _found(services: Services) -> list[tuple[str, Severity, int | None, int | None]]:
    report = await service.run(services, RunSource.OPERATOR)
    assert CheckName.BALANCES in report.checked
    return [
        (item.finding, item.severity, item.expected, item.found)
        for item in report.items
        if item.check is CheckName.BALANCES
    ]


async def test_a_float_that_was_filled_agrees_once_that_is_booked(house: House) -> None:
    rail = ScriptedRail([], float_held=ugx(500_000 + LEFT))
    services = _offering(house, rail)
    differs = (ItemFinding.BALANCE_DIFFERS, Severity.NOTE, LEFT, 500_000 + LEFT)
    assert await _found(services) == [differs]
    words = ("--top-up", "mtn", "500,000", "UGX", "FT1")
    told = [await commands.run(services, arguments_of(*words)) for _ in range(2)]
    assert [report.lines[0] for report in told] == ["FT1: booked", "FT1: booked before"]
    assert all(report.well for report in told)
    assert await _found(services) == []
    async with services.database.reading(WORKER) as session:
        held = {row.account: row.balance for row in await ledger.list_balances(session, PLATFORM)}
        logged = await session.scalar(
            text("SELECT count(*) FROM admin_action_log WHERE kind = 'float.top_up'")
        )
    assert held == {"provider_float:mtn": 500_000, "bank:payouts": -500_000}
    assert logged == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mtn", "499999", "UGX", "FT1"), "posted before with other amounts"),
        (("bank", "1", "UGX", "FT2"), "a bank has no float"),
        (("nobody", "1", "UGX", "FT2"), "'nobody' is not a valid Provider"),
        (("mtn", "-5", "UGX", "FT2"), "no amount"),
        (("mtn", "1.5", "UGX", "FT2"), "no amount"),
        (("mtn", "5", "UGX", "FT 2"), "a reference has"),
    ],
)
async def test_what_cannot_be_booked_stops_the_command(
    house: House, words: tuple[str, ...], said: str
) -> None:
    await commands.run(house.services, arguments_of("--top-up", "mtn", "500000", "UGX", "FT1"))
    report = await commands.run(house.services, arguments_of("--top-up", *words))
    assert not report.well
    assert said in report.lines[0]


async def test_money_that_is_gone_from_a_float_is_a_drift(house: House) -> None:
    services = _offering(house, ScriptedRail([], float_held=ugx(LEFT - 1)))
    assert await _found(services) == [(ItemFinding.BALANCE_DIFFERS, Severity.DRIFT, LEFT, LEFT - 1)]
    assert await house.alarms() == ["balances"]


@pytest.mark.parametrize(("missing", "differs"), [(0, False), (20_000, False), (20_001, True)])
async def test_a_payout_that_nobody_told_the_end_of_may_have_left(
    house: House, missing: int, differs: bool
) -> None:
    payout_id = await house.treasury.approved(20_000)
    rail = ScriptedRail([Accepted("T5")], float_held=ugx(LEFT - missing))
    await PayoutFlow(house.services, {Provider.MTN: rail}).submit(payout_id)
    severities = [severity for _, severity, _, _ in await _found(_offering(house, rail))]
    assert severities == [Severity.DRIFT] * differs


@pytest.mark.parametrize(
    ("days", "state", "severity"),
    [
        (34, "succeeded", Severity.NOTE),
        (36, "succeeded", Severity.DRIFT),
        # Nobody told the end of this one: it may have left yesterday.
        (36, "pending", Severity.NOTE),
    ],
)
async def test_a_refund_of_long_ago_explains_nothing_any_more(
    house: House, days: int, state: str, severity: Severity
) -> None:
    await house.superuser.execute(
        text(
            "INSERT INTO refunds (organizer_id, id, payment_id, state, reference, amount,"
            " organizer_share, platform_fee, tax_on_fees, tax_on_tickets, provider_fee, reason,"
            " requested_at, state_changed_at) SELECT organizer_id, gen_random_uuid(), id, :state,"
            " gen_random_uuid(), 20000, 20000, 0, 0, 0, 0, 'rain', now(), :at FROM payments"
        ),
        {
            "state": state,
            "at": instant(house.services.clock.now_ms()) - timedelta(days=days),
        },
    )
    services = _offering(house, ScriptedRail([], float_held=ugx(LEFT - 20_000)))
    differs = (ItemFinding.BALANCE_DIFFERS, severity, LEFT, LEFT - 20_000)
    assert await _found(services) == [differs]


async def test_a_rail_that_does_not_answer_is_noted(house: House) -> None:
    assert await _found(_offering(house, ScriptedRail([]))) == [
        (ItemFinding.BALANCE_NOT_TOLD, Severity.NOTE, LEFT, None)
    ]
    assert await house.alarms() == []


async def test_the_real_client_is_asked(house: House) -> None:
    async with running(MTN) as rail:
        ((finding, severity, held, found),) = await _found(_offering(house, rail.disburser))
    assert (finding, severity, held) == (ItemFinding.BALANCE_DIFFERS, Severity.NOTE, LEFT)
    assert found == 10_000_000
