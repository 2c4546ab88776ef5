"""Whoever asks for a payout or decides on one, and can run SQL as the server does for them, fills
in nothing that the server does: what stands there is posted.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import Claims
from sync_server.kit.database import sqlstate
from sync_server.kit.services import Services
from tests.factories.ledger import balances
from tests.factories.payouts import Treasury, a_treasury
from tests.factories.tenants import Tenant

_NOT_ALLOWED = "42501"
_A_STEP_THAT_IS_NONE = "23514"
_PAYOUT = {
    "organizer_id": ":organizer",
    "id": "gen_random_uuid()",
    "number": "'POFORGED1'",
    "destination_id": ":destination",
    "rail": "'mtn'",
    "state": "'requested'",
    "reference": "gen_random_uuid()",
    "currency": "'UGX'",
    "amount": "1000",
    "rail_fee": "0",
    "requested_by": ":me",
    "requested_at": "now()",
    "accepts_name": "false",
    "attempts": "0",
    "state_changed_at": "now()",
}
_FILLED_IN = {
    "rail_fee": "9000000",
    "attempts": "1",
    "sent_at": "now()",
    "provider_reference": "'T1'",
    "accepts_name": "true",
    "reason": "'paid'",
    "decided_at": "now()",
    "next_read_at": "now()",
    "state_changed_at": "'2036-12-01'",
    "rail": "'flutterwave'",
}
_DESTINATION = {
    "organizer_id": ":organizer",
    "id": "gen_random_uuid()",
    "rail": "'mtn'",
    "currency": "'UGX'",
    "label": "'x'",
    "account_ending": "'1'",
    "sealed_account": "''",
    "name_check": "'unchecked'",
    "added_by": ":me",
    "added_at": "now()",
}
_TOLD = {
    "name_checked_at": "now()",
    "sealed_told_name": "''",
    "withdrawn_by": ":me",
    "rail": "'flutterwave'",
}
_MINE = "decided_by = private.my_user_id(), decided_at = now(), state_changed_at = now()"
_APPROVED = f"{_MINE}, state = 'approved', next_read_at = now()"
_BESIDE_A_DECISION = (
    f"{_APPROVED}, rail_fee = 9",
    f"{_APPROVED}, attempts = 9",
    f"{_MINE}, state = 'approved', next_read_at = NULL",
    f"{_MINE}, state = 'approved', next_read_at = '2036-12-01'",
    f"{_MINE}, state = 'refused', next_read_at = now()",
    "decided_by = private.my_user_id(), decided_at = now(), state = 'refused'",
    "reason = 'mine'",
)


@pytest.fixture
async def treasury(services: Services, tenant: Tenant) -> Treasury:
    return await a_treasury(services, tenant)


def _insert(table: str, row: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


async def _answer(treasury: Treasury, claims: Claims, statement: str, payout_id: UUID) -> str:
    """What the database answers, which is nothing where it does as it is told; nothing is kept."""
    named: dict[str, Any] = {
        "organizer": treasury.tenant.organizer_id,
        "destination": treasury.destination.id,
        "me": treasury.tenant.founder.user_id,
        "payout": payout_id,
    }
    values = {name: value for name, value in named.items() if f":{name}" in statement}
    async with treasury.services.database.transaction(claims) as session:
        connection = await session.connection()
        told = ""
        try:
            await connection.execute(text(statement), values)
        except DBAPIError as error:
            told = sqlstate(error.orig) or ""
        await session.rollback()
    return told


@pytest.mark.parametrize(
    ("table", "plain", "changes"),
    [("payouts", _PAYOUT, _FILLED_IN), ("payout_destinations", _DESTINATION, _TOLD)],
    ids=["a payout", "a destination"],
)
async def test_who_asks_fills_in_nothing_that_the_server_does(
    treasury: Treasury, table: str, plain: dict[str, str], changes: dict[str, str]
) -> None:
    payout_id, claims = treasury.services.new_id(), treasury.tenant.claims
    before = await balances(treasury.services, treasury.tenant)
    assert await _answer(treasury, claims, _insert(table, plain), payout_id) == ""
    answers = {
        column: await _answer(treasury, claims, _insert(table, {**plain, column: value}), payout_id)
        for column, value in changes.items()
    }
    assert answers == dict.fromkeys(changes, _NOT_ALLOWED)
    assert await balances(treasury.services, treasury.tenant) == before


async def test_who_decides_changes_nothing_but_that(treasury: Treasury) -> None:
    requested, approved = await treasury.request(1_000), await treasury.approved(1_000)
    update, claims = "UPDATE payouts SET {change} WHERE id = :payout", treasury.checker.claims
    plain = update.format(change=_APPROVED)
    assert await _answer(treasury, claims, plain, requested) == ""
    answers = {
        change: await _answer(treasury, claims, update.format(change=change), requested)
        for change in _BESIDE_A_DECISION
    }
    assert answers == dict.fromkeys(_BESIDE_A_DECISION, _NOT_ALLOWED)
    # Who approved it stays who approved it, and as what.
    for change, payout_id in ((_APPROVED, approved), ("accepts_name = true", requested)):
        statement = update.format(change=change)
        assert await _answer(treasury, claims, statement, payout_id) == _A_STEP_THAT_IS_NONE
