"""Tickets for a transfer, and payouts by one: a bank's sandbox and the server as settings make it,
with nothing but a folder between them.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.composition import hear_bank
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.errors import SoldOutError
from sync_server.orders.holding import OrderState
from sync_server.orders.paying import refund_flow
from sync_server.orders.schemas import PaymentWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.organizers.rules import Capability
from sync_server.payments.bank_jobs import (
    DOUBTFUL,
    TAKING_IN,
    UNREADABLE,
    UNUSABLE,
    take_in_files,
)
from sync_server.payments.providers.bank.channels import ASIDE, INBOX, OUTBOX, SENT, TAKEN_IN
from sync_server.payments.providers.bank.intake import FileNews
from sync_server.payments.providers.bank.rail import REFUND_NEEDS_AN_ACCOUNT
from sync_server.payments.rules import PaymentState, Provider
from sync_server.payouts.jobs import payout_flow
from sync_server.payouts.rules import PayoutState
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import CheckName, ItemFinding, Severity, drifts
from sync_server.reconciliation.service import OUR_ACCOUNT, RunSource
from sync_server.sandboxes import bank as bank_sandbox
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.branch import JOB, Branch
from tests.factories.jobs import client_of
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    add_fees,
    an_order,
    expire,
    place,
    put_on_sale,
    taken,
    tickets_by_status,
)
from tests.factories.payouts import AVAILABLE, Treasury, a_destination, earn
from tests.factories.tenants import Tenant, make_member

MINUTE_MS = 60_000
DAY_MS = 86_400_000
BY_TRANSFER = PaymentWanted(provider=Provider.BANK)


@pytest.fixture
async def type_id(branch: Branch, tenant: Tenant, event_id: EventId) -> UUID:
    await add_fees(branch.services, tenant)
    return await put_on_sale(branch.services, tenant, event_id)


async def _placed(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID, count: int = 1
) -> PlacedOrder:
    wanted = an_order(type_id, count, payment=BY_TRANSFER)
    return await place(branch.services, tenant, event_id, wanted)


async def _seen(branch: Branch, placed: PlacedOrder) -> dict[str, Any]:
    """The order as its buyer reads it over HTTP."""
    async with client_of(branch.services) as client:
        headers = {"Authorization": f"Bearer {placed.token}"}
        document: dict[str, Any] = (await client.get("/v1/order", headers=headers)).json()
        return document


def _reference(placed: PlacedOrder) -> str:
    (payment,) = placed.payments
    assert payment.transfer is not None
    return payment.transfer.reference


async def _states(branch: Branch, placed: PlacedOrder) -> tuple[OrderState, PaymentState]:
    own = await service.read_own_order(OrderCall(branch.services, placed.token))
    return own.state, own.payments[0].state


async def test_a_transfer_buys_tickets(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    placed = await _placed(branch, tenant, event_id, type_id, 2)
    shown = await _seen(branch, placed)
    transfer = shown["payments"][0]["transfer"]
    assert (transfer["account_number"], transfer["bank"], transfer["account_name"]) == (
        bank_sandbox.ACCOUNT,
        bank_sandbox.BIC,
        bank_sandbox.HOLDER,
    )
    assert (shown["state"], shown["payments"][0]["state"]) == ("held", "pending")
    await branch.transfer(2 * PRICE, f"tickets, {transfer['reference'].lower()}")
    await branch.take_in()
    shown = await _seen(branch, placed)
    assert (shown["state"], shown["payments"][0]["state"]) == ("paid", "succeeded")
    assert [ticket["wallet_link"] is None for ticket in shown["tickets"]] == [False, False]
    # Nobody is to pay once more.
    assert shown["payments"][0]["transfer"] is None
    assert await tickets_by_status(branch.services, event_id) == {"valid": 2}
    assert (branch.names_in(INBOX), len(branch.names_in(TAKEN_IN))) == ([], 1)
    assert await balances(branch.services, tenant) == {
        f"organizer_pending:{event_id}": -94_100,
        "platform_fee": -5_000,
        "provider_clearing:bank": 100_000,
        "tax_on_fees": -900,
    }


async def test_another_amount_is_left_to_a_person(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    placed = await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE - 1, _reference(placed))
    await branch.take_in()
    assert await _states(branch, placed) == (OrderState.HELD, PaymentState.MISMATCHED)
    assert await tickets_by_status(branch.services, event_id) == {}
    left = await balances(branch.services, tenant)
    assert left["unapplied_receipts"] == 1 - PRICE


async def test_the_statement_of_the_day_is_money_once(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    placed = await _placed(branch, tenant, event_id, type_id)
    branch.engine.dial.turn(Operation.READ, Fault.CALLBACK_TWICE)
    await branch.transfer(PRICE, _reference(placed))
    branch.sandbox.close_day()
    for _ in range(2):
        await branch.take_in()
    assert await _states(branch, placed) == (OrderState.PAID, PaymentState.SUCCEEDED)
    assert (await balances(branch.services, tenant))["provider_clearing:bank"] == PRICE
    assert len(branch.names_in(TAKEN_IN)) == 3


async def test_whoever_is_killed_between_leaves_nothing_out_and_does_nothing_twice(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    async def killed_before(_: Services, __: FileNews) -> None:
        raise KeyboardInterrupt

    async def killed_after(services: Services, news: FileNews) -> None:
        await hear_bank(services, news)
        raise KeyboardInterrupt

    placed = await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE, _reference(placed))
    for hear, expected in (
        (killed_before, (OrderState.HELD, PaymentState.PENDING)),
        (killed_after, (OrderState.PAID, PaymentState.SUCCEEDED)),
    ):
        with pytest.raises(KeyboardInterrupt):
            await take_in_files(hear, branch.services, JOB)
        assert await _states(branch, placed) == expected
        assert len(branch.names_in(INBOX)) == 1
    await branch.take_in()
    assert (branch.names_in(INBOX), len(branch.names_in(TAKEN_IN))) == ([], 1)
    assert await tickets_by_status(branch.services, event_id) == {"valid": 1}
    assert (await balances(branch.services, tenant))["provider_clearing:bank"] == PRICE


async def _drifted(branch: Branch, tenant: Tenant) -> list[ItemFinding]:
    """What a run finds wrong with the statements of this organizer's money."""
    report = await reconciliation.run(branch.services, RunSource.OPERATOR)
    return [
        item.finding
        for item in drifts(report.items)
        if item.check is CheckName.STATEMENTS and item.books_of == tenant.organizer_id
    ]


async def _lines_kept(branch: Branch) -> int:
    async with branch.services.database.reading(WORKER) as session:
        return await session.scalar(text("SELECT count(*) FROM statement_lines")) or 0


async def test_a_statement_is_reconciled_once_whoever_is_killed(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    async def killed_after(services: Services, news: FileNews) -> None:
        await hear_bank(services, news)
        raise KeyboardInterrupt

    kept = await _lines_kept(branch)
    placed = await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE, _reference(placed))
    await branch.take_in()
    # A notice is no statement.
    assert await _lines_kept(branch) == kept
    branch.sandbox.close_day()
    (statement,) = (branch.folder / INBOX).iterdir()
    content = statement.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        await take_in_files(killed_after, branch.services, JOB)
    await branch.take_in()
    statement.with_name("again.xml").write_bytes(content)
    await branch.take_in()
    assert (branch.names_in(INBOX), await _lines_kept(branch)) == ([], kept + 1)
    by_hand = await reconciliation.import_statement(
        branch.services, Provider.BANK, OUR_ACCOUNT, "by hand", content
    )
    assert (by_hand.new, await _drifted(branch, tenant)) == (0, [])


async def test_the_closing_balance_is_held_against_the_books(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    """What lay on the account before is the operator's own: said, and no drift."""
    placed = await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE, _reference(placed))
    await branch.take_in()
    branch.sandbox.close_day()
    await branch.take_in()
    report = await reconciliation.run(branch.services, RunSource.OPERATOR)
    (item,) = [item for item in report.items if item.check is CheckName.BALANCES]
    own = int(bank_sandbox.OPENING)
    assert (item.subject, item.expected, item.found) == ("bank account", PRICE, own + PRICE)
    assert item.severity is Severity.NOTE


async def test_what_a_statement_leaves_out_is_found(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    """The bank's notices told of all money, and the statement of the third day never came."""
    for day in range(5):
        placed = await _placed(branch, tenant, event_id, type_id)
        await branch.transfer(PRICE, _reference(placed))
        branch.engine.dial.turn(Operation.READ, Fault.CALLBACK_MISSING, day == 2)
        branch.sandbox.close_day()
        await branch.take_in()
        assert await _states(branch, placed) == (OrderState.PAID, PaymentState.SUCCEEDED)
        clock.advance(DAY_MS)
    assert await _drifted(branch, tenant) == [ItemFinding.MISSING_AT_PROVIDER]


async def test_a_file_that_nobody_can_read_is_named_until_it_is_taken_away(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    placed = await _placed(branch, tenant, event_id, type_id)
    (branch.folder / INBOX / "0.xml").write_bytes(b"<half")
    await branch.transfer(PRICE, _reference(placed))
    for _ in range(2):
        await branch.take_in()
        assert await branch.alarms(UNREADABLE) == ["0.xml"]
    assert await _states(branch, placed) == (OrderState.PAID, PaymentState.SUCCEEDED)
    assert branch.names_in(ASIDE) == ["0.xml"]
    (branch.folder / ASIDE / "0.xml").unlink()
    await branch.take_in()
    assert await branch.alarms(UNREADABLE) == []


async def test_a_folder_that_is_gone_and_a_sum_that_is_wrong_are_told(branch: Branch) -> None:
    aside = branch.folder / ASIDE
    aside.rmdir()
    await branch.take_in()
    assert await branch.alarms(UNUSABLE) == ["NO_UNREADABLE"]
    aside.mkdir()
    await branch.transfer(5_000, "for nothing that we know")
    branch.sandbox.close_day()
    (statement,) = (branch.folder / INBOX).glob("*camt053.xml")
    statement.write_bytes(statement.read_bytes().replace(b">10005000<", b">10005001<"))
    await branch.take_in()
    assert await branch.alarms(UNUSABLE) == []
    assert statement.name in await branch.alarms(DOUBTFUL)
    assert branch.names_in(INBOX) == []


async def test_money_that_comes_after_the_hold_buys_what_is_left(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId, type_id: UUID
) -> None:
    placed = await _placed(branch, tenant, event_id, type_id)
    clock.advance(2 * DAY_MS)
    await expire(branch.services)
    assert await _states(branch, placed) == (OrderState.HELD, PaymentState.PENDING)
    clock.advance(8 * DAY_MS)
    await expire(branch.services)
    assert (await _states(branch, placed))[0] is OrderState.EXPIRED
    assert await taken(branch.services, event_id) == 0
    await branch.transfer(PRICE, _reference(placed))
    await branch.take_in()
    assert await _states(branch, placed) == (OrderState.PAID, PaymentState.SUCCEEDED)
    assert await tickets_by_status(branch.services, event_id) == {"valid": 1}


async def test_who_transfers_on_the_last_day_as_they_were_told_gets_their_ticket(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    """The clearing house takes a day, and the bank says so in the evening."""
    type_id = await put_on_sale(branch.services, tenant, event_id, quantity=1)
    placed = await _placed(branch, tenant, event_id, type_id)
    (payment,) = placed.payments
    clock.advance(unix_ms(payment.expires_at) - clock.now_ms() + DAY_MS + DAY_MS // 2)
    await expire(branch.services)
    with pytest.raises(SoldOutError):
        await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE, _reference(placed))
    await branch.take_in()
    assert await _states(branch, placed) == (OrderState.PAID, PaymentState.SUCCEEDED)


async def test_money_for_what_is_sold_by_then_waits_for_the_buyer_s_account(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(branch.services, tenant, event_id, quantity=1)
    placed = await _placed(branch, tenant, event_id, type_id)
    clock.advance(7 * DAY_MS)
    await expire(branch.services)
    await _placed(branch, tenant, event_id, type_id)
    await branch.transfer(PRICE, _reference(placed))
    await branch.take_in()
    assert await _states(branch, placed) == (OrderState.EXPIRED, PaymentState.SUCCEEDED)
    clock.advance(MINUTE_MS)
    await refund_flow(branch.services).refresh_due()
    query = text("SELECT state, refusal FROM refunds WHERE organizer_id = :id")
    async with branch.services.database.reading(WORKER) as session:
        rows = (await session.execute(query, {"id": tenant.organizer_id})).all()
    assert [tuple(row) for row in rows] == [("failed", REFUND_NEEDS_AN_ACCOUNT)]
    assert await tickets_by_status(branch.services, event_id) == {}


async def test_without_a_bank_its_job_does_nothing(services: Services) -> None:
    with capture_logs() as logs:
        await services.jobs.handlers[TAKING_IN].handle(services, JOB)
    assert logs == []


async def _payout(branch: Branch, tenant: Tenant) -> tuple[Treasury, UUID]:
    """A payout whose file lies there for the bank."""
    checker = await make_member(branch.services, tenant, *Capability)
    await earn(branch.services, tenant)
    destination = await a_destination(
        branch.services, tenant, checker, account="3100012345", rail="bank", bank="CERBUGKA"
    )
    treasury = Treasury(branch.services, tenant, checker, destination)
    payout_id = await treasury.approved()
    sent = await payout_flow(branch.services).submit(payout_id)
    assert (sent.state, len(branch.names_in(OUTBOX))) == (PayoutState.PENDING, 1)
    return treasury, payout_id


async def _told(branch: Branch, payout_id: UUID) -> tuple[str, str]:
    """How a payout stands once the bank did its round and we ours."""
    branch.sandbox.do_round()
    await branch.take_in()
    async with branch.services.database.reading(WORKER) as session:
        query = text("SELECT state, reason FROM payouts WHERE id = :id")
        row = (await session.execute(query, {"id": payout_id})).one()
    return row.state, row.reason


@pytest.mark.parametrize(
    ("decision", "told", "left"),
    [
        (MovementState.SUCCEEDED, ("succeeded", "ACTC"), AVAILABLE - 50_000),
        (MovementState.FAILED, ("failed", "AC01"), AVAILABLE),
    ],
)
async def test_a_payout_is_paid_by_its_booked_debit_alone(
    branch: Branch, tenant: Tenant, decision: MovementState, told: tuple[str, str], left: int
) -> None:
    treasury, payout_id = await _payout(branch, tenant)
    assert await _told(branch, payout_id) == ("pending", "ACTC")
    assert (branch.names_in(OUTBOX), len(branch.names_in(SENT))) == ([], 1)
    await branch.engine.settle(await treasury.reference(payout_id), decision)
    assert await _told(branch, payout_id) == told
    held = await balances(branch.services, tenant)
    assert (held["organizer_available"], held["payout_in_transit:bank"]) == (-left, 0)


async def test_a_report_on_a_whole_file_is_about_its_one_payout(
    branch: Branch, tenant: Tenant
) -> None:
    _, payout_id = await _payout(branch, tenant)
    (order,) = (branch.folder / OUTBOX).iterdir()
    order.write_bytes(order.read_bytes().replace(b"<PmtMtd>TRF</PmtMtd>", b""))
    assert await _told(branch, payout_id) == ("failed", "FF01")
