"""Payments that were disputed, taken back or paid with another amount, against the books."""

import pytest
from sqlalchemy import text

from sync_server.reconciliation.rules import CheckName, ItemFinding
from tests.factories.house import House, change
from tests.factories.payments import an_intent

F = ItemFinding
UNHEARD = "ALTER TABLE payments DISABLE TRIGGER post_payment"


@pytest.mark.parametrize(
    "states", [["disputed"], ["disputed", "succeeded"], ["disputed", "reversed"], ["reversed"]]
)
async def test_what_disputes_post_agrees(house: House, states: list[str]) -> None:
    for state in states:
        await change(house.services, "payments", f"state = '{state}'")
    assert await house.drifted() == []


@pytest.mark.parametrize(
    ("states", "unheard", "finding"),
    [
        ([], "disputed", F.MISSING_IN_BOOKS),
        ([], "reversed", F.MISSING_IN_BOOKS),
        (["disputed"], "reversed", F.STATE_DIFFERS),
        (["disputed"], "succeeded", F.ONLY_IN_BOOKS),
        (["disputed", "succeeded"], "disputed", F.MISSING_IN_BOOKS),
    ],
)
async def test_a_state_that_nothing_was_posted_for_is_named(
    house: House, states: list[str], unheard: str, finding: ItemFinding
) -> None:
    for state in states:
        await change(house.services, "payments", f"state = '{state}'")
    await house.superuser.execute(text(UNHEARD))
    await house.superuser.execute(text(f"UPDATE payments SET state = '{unheard}'"))
    (item,) = await house.drifted()
    assert (item.check, item.finding) == (CheckName.CAPTURES, finding)
    assert item.subject == f"chargeback of payment {house.payment.id}"


@pytest.mark.parametrize(
    ("statements", "findings"),
    [
        ([], []),
        (
            ["UPDATE payments SET received_amount = 6 WHERE state = 'mismatched'"],
            [F.AMOUNT_DIFFERS],
        ),
        (["UPDATE payments SET received_amount = 0 WHERE state = 'mismatched'"], [F.ONLY_IN_BOOKS]),
    ],
)
async def test_what_came_with_another_amount_is_held_against_what_it_posts(
    house: House, statements: list[str], findings: list[ItemFinding]
) -> None:
    other = await an_intent(house.services, house.tenant, house.payment.event_id)
    values = "state = 'mismatched', received_amount = 5, received_currency = 'UGX'"
    await change(house.services, "payments", f"{values} WHERE id = '{other.id}'")
    for statement in statements:
        await house.superuser.execute(text(statement))
    assert [item.finding for item in await house.drifted()] == findings


async def test_a_receipt_that_was_never_posted_is_named(house: House) -> None:
    other = await an_intent(house.services, house.tenant, house.payment.event_id)
    await house.superuser.execute(text(UNHEARD))
    values = "state = 'mismatched', received_amount = 5, received_currency = 'UGX'"
    await change(house.services, "payments", f"{values} WHERE id = '{other.id}'")
    (item,) = await house.drifted()
    assert (item.finding, item.expected, item.found) == (F.MISSING_IN_BOOKS, 5, None)
