"""Whoever can run SQL as one of the server's roles, and what they cannot do to orders, payments,
refunds, payouts and what reconciliation found.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.ids import EventId
from sync_server.kit.claims import ANONYMOUS, WORKER, Claims
from sync_server.kit.database import sqlstate
from sync_server.kit.services import Services
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.reconciliation import service as reconciliation
from sync_server.sandboxes.engine import MovementState
from tests.factories.ledger import balances
from tests.factories.orders import an_order, place, put_on_sale
from tests.factories.payments import SHARES, Heard, an_intent, flow_on, reference_of
from tests.factories.payouts import Treasury, a_treasury
from tests.factories.payouts import flow_on as payouts_on
from tests.factories.rails import MTN, running
from tests.factories.tenants import Tenant

_NOT_ALLOWED = "42501"
_CHANGES = {
    "orders": "amount = 1",
    "order_lines": "amount = 1",
    "payments": "amount = 1",
    "payment_readings": "finding = 'succeeded'",
    "refund_accounts": "number = 2",
    "refunds": "amount = 1",
    "returned_receipts": "reference = 'x'",
    "payouts": "amount = 1",
    "payout_attempts": "finding = 'succeeded'",
    "recon_runs": "drifts = 0",
    "recon_items": "severity = 'note'",
}
_ON_EVERY_TABLE = (
    "UPDATE {table} SET {change}",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "COPY {table} FROM PROGRAM 'true'",
    "COPY {table} TO PROGRAM 'cat'",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON {table} USING (true)",
)
_ELSEWHERE = (
    "SET session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', true)",
    "SET ROLE zeraket_ledger",
    "UPDATE payout_ledger_entries SET amount = 1",
    "DELETE FROM payout_ledger_entries",
    "INSERT INTO payout_ledger_entries (amount) VALUES (1)",
    "ALTER TABLE payments DROP CONSTRAINT ck_payments_amount",
    "DROP TRIGGER require_step ON payouts",
)
_OF_THE_SERVER = ("recon_items", "recon_runs", "refund_accounts", "returned_receipts")
_OF_AN_ORGANIZER = (*sorted(_CHANGES.keys() - set(_OF_THE_SERVER)), "payout_ledger_entries")
_OF_A_VIEW = "55000"
_RETRY = (
    "INSERT INTO refunds SELECT (jsonb_populate_record(r, jsonb_build_object('id',"
    " gen_random_uuid(), 'reference', gen_random_uuid(), 'state', 'requested', 'retry_of', r.id"
    "))).* FROM refunds AS r WHERE r.id = :refund"
)
_NO_PAYMENT = "01a206c5-5235-7e5e-9234-8ac622ca9a74"
_FORGED = (
    "INSERT INTO {table} SELECT (jsonb_populate_record(t, CAST('{changes}' AS jsonb)"
    " || jsonb_build_object('id', gen_random_uuid(), 'reference', gen_random_uuid()))).*"
    " FROM {table} AS t WHERE t.id = :{named}"
)


@dataclass(frozen=True, slots=True)
class Vault:
    """A payment that was made, a refund of it that was asked for, two payouts: one that was sent,
    one on which nobody decided; and an order that waits for its money.
    """

    treasury: Treasury
    payment: UUID
    refund: UUID
    sent: UUID
    requested: UUID
    order: UUID

    def values(self, statement: str) -> dict[str, Any]:
        tenant = self.treasury.tenant
        named = {
            "organizer": tenant.organizer_id,
            "me": tenant.founder.user_id,
            "payment": self.payment,
            "refund": self.refund,
            "sent": self.sent,
            "requested": self.requested,
            "order": self.order,
        }
        return {name: value for name, value in named.items() if f":{name}" in statement}


@pytest.fixture
async def vault(services: Services, tenant: Tenant, event_id: EventId) -> Vault:
    treasury = await a_treasury(services, tenant)
    sent, requested = await treasury.approved(10_000), await treasury.request(10_000)
    async with running(MTN) as rail:
        flow, paid = flow_on(services, rail, Heard()), await an_intent(services, tenant, event_id)
        await flow.submit(paid.id)
        await rail.engine.settle(await reference_of(services, paid), MovementState.SUCCEEDED)
        await flow.refresh(paid.id)
        await payouts_on(services, rail).submit(sent)
    async with services.database.transaction(WORKER) as session:
        wanted = NewRefund(tenant.organizer_id, paid.id, SHARES, "Event moved")
        refund = await request_refund(session, services, wanted)
    type_id = await put_on_sale(services, tenant, event_id)
    placed = await place(services, tenant, event_id, an_order(type_id))
    await reconciliation.run(services, reconciliation.RunSource.OPERATOR)
    return Vault(treasury, paid.id, refund.id, sent, requested, placed.id)


def _claims(vault: Vault, role: str) -> Claims:
    named = {
        "founder": vault.treasury.tenant.claims,
        "checker": vault.treasury.checker.claims,
        "nobody": ANONYMOUS,
    }
    return named.get(role, WORKER)


async def _refusal(services: Services, vault: Vault, role: str, *statements: str) -> str:
    """What the database answers to the last of these; nothing of them is kept."""
    *before, last = statements
    async with services.database.transaction(_claims(vault, role)) as session:
        connection = await session.connection()
        for statement in before:
            await connection.execute(text(statement))
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(last), vault.values(last))
        await session.rollback()
    return f"{sqlstate(refused.value.orig)} {refused.value.orig}"


@pytest.mark.parametrize("role", ["founder", "nobody", "worker"])
async def test_no_role_rewrites_or_removes_what_happened(
    services: Services, vault: Vault, role: str
) -> None:
    before = await balances(services, vault.treasury.tenant)
    for table, change in _CHANGES.items():
        for attack in _ON_EVERY_TABLE:
            statement = attack.format(table=table, change=change)
            answer = await _refusal(services, vault, role, statement)
            assert answer.startswith(_NOT_ALLOWED), (statement, answer)
    for statement in _ELSEWHERE:
        answer = await _refusal(services, vault, role, statement)
        assert answer.startswith((_NOT_ALLOWED, _OF_A_VIEW)), (statement, answer)
    assert await balances(services, vault.treasury.tenant) == before


@pytest.mark.parametrize(
    ("role", "table", "changes", "named"),
    [
        ("worker", "payments", '{"state": "succeeded"}', "payment"),
        ("worker", "payments", '{"state": "created", "refunded_amount": 5}', "payment"),
        ("worker", "refunds", '{"state": "succeeded"}', "refund"),
        ("worker", "payouts", '{"state": "requested"}', "requested"),
        ("founder", "payouts", '{"state": "approved"}', "requested"),
        ("checker", "payouts", '{"state": "requested"}', "requested"),
        ("founder", "payments", '{"state": "created"}', "payment"),
        ("founder", "refunds", '{"state": "requested"}', "refund"),
        ("worker", "orders", '{"state": "paid"}', "order"),
        ("worker", "orders", '{"state": "expired"}', "order"),
        ("worker", "orders", f'{{"payment_id": "{_NO_PAYMENT}"}}', "order"),
        ("founder", "orders", '{"state": "held"}', "order"),
    ],
)
async def test_no_row_begins_further_than_at_its_beginning(
    services: Services, vault: Vault, role: str, table: str, changes: str, named: str
) -> None:
    statement = _FORGED.format(table=table, changes=changes.replace(":", r"\:"), named=named)
    answer = await _refusal(services, vault, role, statement)
    assert answer.startswith(_NOT_ALLOWED), answer


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE payouts SET state = 'approved' WHERE id = :sent", "23514"),
        ("UPDATE payouts SET state = 'returned' WHERE id = :sent", "23514"),
        ("UPDATE payouts SET state = 'requested' WHERE id = :sent", "23514"),
        ("UPDATE payouts SET decided_by = requested_by WHERE id = :sent", _NOT_ALLOWED),
        ("UPDATE payments SET refunded_amount = amount + 1 WHERE id = :payment", _NOT_ALLOWED),
        ("UPDATE payments SET state = 'paid' WHERE id = :payment", "23514"),
        ("UPDATE payments SET state = 'given_back' WHERE id = :payment", "23514"),
        ("UPDATE payouts SET rail_fee = -1 WHERE id = :sent", "23514"),
        (
            "INSERT INTO payout_attempts SELECT * FROM payout_attempts WHERE payout_id = :sent",
            "23505",
        ),
        (
            (
                "INSERT INTO payment_readings SELECT * FROM payment_readings WHERE payment_id ="
                " :payment"
            ),
            "23505",
        ),
        (
            (
                "INSERT INTO payment_readings SELECT (jsonb_populate_record(r, jsonb_build_object("
                "'organizer_id', gen_random_uuid()))).* FROM payment_readings AS r"
                " WHERE r.payment_id = :payment"
            ),
            "23503",
        ),
        (
            (
                "INSERT INTO refunds SELECT (jsonb_populate_record(r, jsonb_build_object("
                "'id', gen_random_uuid(), 'reference', gen_random_uuid(), 'state', 'requested',"
                " 'amount', 1))).* FROM refunds AS r WHERE r.id = :refund"
            ),
            "23514",
        ),
        # What may still arrive is not sent once more.
        (
            (
                "INSERT INTO refunds SELECT (jsonb_populate_record(r, jsonb_build_object("
                "'id', gen_random_uuid(), 'reference', gen_random_uuid(), 'state', 'requested',"
                " 'retry_of', r.id))).* FROM refunds AS r WHERE r.id = :refund"
            ),
            "23514",
        ),
        ("UPDATE refunds SET retry_of = id WHERE id = :refund", _NOT_ALLOWED),
        ("UPDATE refunds SET account_id = id WHERE id = :refund", _NOT_ALLOWED),
        (
            (
                "INSERT INTO refund_accounts SELECT organizer_id, gen_random_uuid(), id, 6, '2345',"
                " 'x', NULL, now() FROM orders WHERE id = :order"
            ),
            "23514",
        ),
        ("INSERT INTO recon_runs SELECT * FROM recon_runs", "23505"),
        (
            "INSERT INTO recon_items VALUES (gen_random_uuid(), 1, 'x', 'x', 'note', NULL, 'x')",
            "23503",
        ),
    ],
)
async def test_not_even_the_server_itself_leaps_or_repeats(
    services: Services, vault: Vault, statement: str, refusal: str
) -> None:
    for first in ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS ALL IMMEDIATE"):
        answer = await _refusal(services, vault, "worker", first, statement)
        assert answer.startswith(refusal), answer


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (
            "founder",
            (
                "UPDATE payouts SET state = 'approved', decided_by = :me, decided_at = now()"
                " WHERE id = :requested"
            ),
        ),
        ("checker", "UPDATE payouts SET state = 'approved' WHERE id = :sent"),
        ("worker", "UPDATE payouts SET state = 'unknown' WHERE id = :requested"),
    ],
)
async def test_nobody_decides_what_is_not_theirs_to_decide(
    services: Services, vault: Vault, role: str, statement: str
) -> None:
    """A row that a policy hides is not refused: there is none to change."""
    async with services.database.transaction(_claims(vault, role)) as session:
        connection = await session.connection()
        answer = await connection.execute(text(statement), vault.values(statement))
        assert answer.rowcount == 0


@pytest.mark.parametrize(
    "table",
    _OF_AN_ORGANIZER,
)
async def test_another_organizer_sees_nothing(
    services: Services, vault: Vault, other_tenant: Tenant, table: str
) -> None:
    query = f"SELECT count(*) FROM {table} WHERE organizer_id = :organizer"
    async with services.database.reading(other_tenant.claims) as session:
        assert await session.scalar(text(query), vault.values(query)) == 0


async def test_a_refund_that_failed_is_asked_for_again_once(
    services: Services, vault: Vault
) -> None:
    async with services.database.transaction(WORKER) as session:
        connection = await session.connection()
        await _set(connection, "refunds", "failed", vault.refund)
        await connection.execute(text(_RETRY), {"refund": vault.refund})
    assert (await _refusal(services, vault, "worker", _RETRY)).startswith("23505")
    smaller = _RETRY.replace("'retry_of', r.id", "'retry_of', r.id, 'lines', '{1}'")
    assert (await _refusal(services, vault, "worker", smaller)).startswith("23514")


async def test_a_refund_that_was_paid_is_not_taken_into_the_books_again(
    services: Services, vault: Vault
) -> None:
    """Whatever the server's own role writes, money that left is not the organizer's once more."""
    async with services.database.transaction(WORKER) as session:
        await _set(await session.connection(), "refunds", "succeeded", vault.refund)
    before = await balances(services, vault.treasury.tenant)
    update = "UPDATE refunds SET state = 'failed' WHERE id = :refund"
    assert (await _refusal(services, vault, "worker", update)).startswith("23514")
    assert await balances(services, vault.treasury.tenant) == before


@pytest.mark.parametrize("state", ["created", "unknown", "pending", "failed", "expired"])
async def test_a_payment_that_was_made_is_not_unmade(
    services: Services, vault: Vault, state: str
) -> None:
    update = f"UPDATE payments SET state = '{state}' WHERE id = :payment"
    assert (await _refusal(services, vault, "worker", update)).startswith("23514")


async def _set(connection: Any, table: str, state: str, row: UUID) -> None:  # noqa: ANN401
    update = f"UPDATE {table} SET state = '{state}' WHERE id = :id"
    await connection.execute(text(update), {"id": row})
